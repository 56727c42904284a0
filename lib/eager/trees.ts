/** Trees as plain JavaScript: tensors at the leaves of arrays and objects; anything else in them is carried along. */

import { type AnyTensor, isLeaf } from "./handles.ts";
import { NamedSize } from "./named-size.ts";

export type Path = readonly (string | number)[];

/** A copy of a tree with other leaves, left to right; instances of classes stay instances of them. */
export function mapLeaves(tree: unknown, change: (leaf: AnyTensor, path: Path) => unknown, path: Path = []): unknown {
  if (isLeaf(tree)) return change(tree, path);
  if (Array.isArray(tree)) return tree.map((item, i) => mapLeaves(item, change, [...path, i]));
  if (!isTree(tree)) return tree;
  const copy = Object.create(Object.getPrototypeOf(tree) as object | null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(tree)) copy[key] = mapLeaves(item, change, [...path, key]);
  return copy;
}

/** Calls `visit` for every leaf, left to right. */
export function visitLeaves(tree: unknown, visit: (leaf: AnyTensor, path: Path) => void): void {
  mapLeaves(tree, visit);
}

export function leavesOf(tree: unknown): readonly AnyTensor[] {
  const found: AnyTensor[] = [];
  visitLeaves(tree, (leaf) => found.push(leaf));
  return found;
}

/** A number such that others have another text: -0 is not 0. */
export function printNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Objects whose fields belong to the tree: not typed arrays, maps, dates and the like. */
export function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !(Symbol.iterator in value) && !(value instanceof Date) && !(value instanceof NamedSize);
}

/** `params.layers[0].w` */
export function pathName(root: string, path: Path): string {
  return root + path.map((step) => (typeof step === "number" ? `[${step}]` : /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`)).join("");
}

/** What an error says a value is. */
export function describeValue(value: unknown): string {
  if (isLeaf(value)) return `${value.dtype}[${value.shape.join(",")}]`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof NamedSize) return `the size ${String(value)} of a function that was traced`;
  if (value === null || typeof value !== "object") return typeof value === "string" ? JSON.stringify(value) : `${value === null || value === undefined ? "" : `the ${typeof value} `}${String(value)}`;
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "Object" ? `a ${name}` : `an object with ${Object.keys(value).join(", ") || "no fields"}`;
}
