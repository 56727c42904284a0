export * from "./blocks.ts";
export { count as depth } from "./sizes.ts";
