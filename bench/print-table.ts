/** Tables of text: the first column to the left, numbers to the right, notes below. */

import type { Speedup } from "./alternate.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes?: readonly string[];
}

export function printTable({ title, columns, rows, notes = [] }: Table): string {
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    widths.map((width, i) => (i === 0 ? (cells[i] ?? "").padEnd(width) : (cells[i] ?? "").padStart(width))).join("  ").trimEnd();
  return [title, line(columns), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line), ...notes.map((note) => `* ${note}`), "", ""].join("\n");
}

/** Three significant digits: 0.0123, 4.56, 789. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const decimals = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 5));
}

/** "94 / 91 %": of the best calls, and the median. */
export function percent({ best, median }: Speedup): string {
  const share = (ratio: number): string => (100 * ratio).toFixed(ratio < 0.1 ? 1 : 0);
  return `${share(best)} / ${share(median)} %`;
}

/** "1.82 / 1.79x" */
export function times({ best, median }: Speedup): string {
  return `${best.toFixed(2)} / ${median.toFixed(2)}x`;
}
