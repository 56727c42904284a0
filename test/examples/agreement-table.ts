/** The agreement table as the README has it, between two marks. */

import { type AgreementCase, type Kind, type Way, ways } from "./agreement-cases.ts";

export interface Cell {
  readonly example: string;
  readonly way: Way;
  readonly device: Kind;
  /** "equal", or the name of an error. */
  readonly outcome: string;
}

const [opening, closing] = ["<!-- agreement: written by npm run bless -->", "<!-- end of agreement -->"];

/** The text with another table between its marks. */
export function replaceTable(text: string, table: string): string {
  const [start, end] = [text.indexOf(opening), text.indexOf(closing)];
  if (start < 0 || end < start) throw new Error(`README.md needs the lines ${opening} and ${closing}, in this order`);
  return `${text.slice(0, start + opening.length)}\n${table}${text.slice(end)}`;
}

export function renderTable(cases: readonly AgreementCase[], cells: readonly Cell[]): string {
  const head = { eager: "eager", jit: "jit", built: "ahead of time" } satisfies Readonly<Record<Way, string>>;
  const rows = cases.map(({ name, what }) => [
    `[${name}](examples/${name}/model.ts)`, what, ...ways.map((way) => renderCells(cells.filter((cell) => cell.example === name && cell.way === way))),
  ]);
  const lines = [["example", "what it is", ...ways.map((way) => head[way])], ["---", "---", ...ways.map(() => "---")], ...rows];
  return lines.map((row) => `| ${row.join(" | ")} |\n`).join("");
}

/** One way on all devices: where it is equal, then the errors. */
function renderCells(cells: readonly Cell[]): string {
  const outcomes = [...new Set(cells.map(({ outcome }) => outcome))].toSorted((one, other) => Number(other === "equal") - Number(one === "equal"));
  const show = (outcome: string): string => (outcome === "equal" ? "equal" : `\`${outcome}\``);
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined) return show(only);
  return outcomes.map((outcome) => `${show(outcome)} on ${cells.filter((cell) => cell.outcome === outcome).map(({ device }) => device).join(", ")}`).join("; ");
}
