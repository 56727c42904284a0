/**
 * Chooses the tile of a contraction from the limits of a tier: how many rows by how many vectors of columns, and
 * whether the right operand is read in place, from a packed copy, or, for few rows, along the sum.
 */

import type { Dim } from "../../ir/dim.ts";
import { bytesOf } from "../../ir/type.ts";
import type { Limits } from "../limits.ts";
import type { ContractionParts } from "./contract.ts";
import { localityAlong } from "./locality.ts";

export interface Tile {
  readonly rows: number;
  /** Vectors of columns. */
  readonly vectors: number;
  readonly lanes: number;
  readonly isPacked: boolean;
  /** A few tiles of rows are done by dot products, without the packed copy (dot-rows.ts). */
  readonly dotsFewRows: boolean;
}

/** Rows of the right operand that are longer than this fall on few lines of the cache; a copy in panels does not. */
const longRowBytes = 2048;

/** Tiles of rows up to which dot products, which read the right operand once for each, cost less than a packed copy. */
export const fewTiles = 8;

/** Rows of the result from which on a copy of the right operand costs less than it gains. */
const manyRows = 512;

/** The tile for a contraction, or undefined when it is better done as a plain space: no row, one column, or no sum to speak of. */
export function chooseTile(parts: ContractionParts, limits: Limits): Tile | undefined {
  const { attrs: { m, n, k, dtype }, right } = parts;
  if (m === 0 || n === 1 || k === 1 || k === 0) return undefined;
  const lanes = limits.vectorBytes / bytesOf(dtype);
  const vectors = typeof n === "number" ? fittingVectors(n, lanes, limits) : widestVectors(limits);
  const rows = Math.min(rowsFor(vectors, limits), typeof m === "number" ? m : Infinity);
  const column = right.parameters.at(-1);
  const isConsecutive = column !== undefined && localityAlong(right, column) > 0;
  const isWhole = typeof n === "number" && n % (vectors * lanes) === 0;
  const isWorthCopying = typeof m === "number" && m >= manyRows && (typeof n !== "number" || n * bytesOf(dtype) > longRowBytes);
  const isPacked = !isConsecutive || !isWhole || isWorthCopying;
  const hasLongSum = typeof k !== "number" || k >= 4 * lanes;
  const canDot = !isConsecutive && hasLongSum && isConsecutiveAlongSum(parts);
  const hasFewRows = typeof m === "number" && m <= fewTiles * rows;
  const dotsFewRows = canDot && (hasFewRows || typeof m !== "number");
  return { rows, vectors, lanes, isPacked: isPacked && !(dotsFewRows && hasFewRows), dotsFewRows };
}

/**
 * Accumulators, the vectors of one step and a broadcast must fit in registers together. A narrow tile gains nothing
 * from more rows than hide the latency of a multiply-add; and more than 12 rows of the left operand, often a power of
 * two apart, do not stay in the first-level cache together.
 */
function rowsFor(vectors: number, limits: Limits): number {
  return Math.min(vectors === 1 ? 8 : 12, Math.floor((limits.vectorRegisters - vectors - 1) / vectors));
}

function widestVectors(limits: Limits): number {
  return limits.vectorRegisters >= 32 ? 4 : 2;
}

/** The widest panel that pads the columns least. */
function fittingVectors(n: number, lanes: number, limits: Limits): number {
  const padded = (vectors: number): number => Math.ceil(n / (vectors * lanes)) * vectors;
  let best = widestVectors(limits);
  for (let vectors = best - 1; vectors >= 1; vectors--) if (padded(vectors) < padded(best)) best = vectors;
  return best;
}

/** Whether both operands move to the next element with the index of the sum. */
function isConsecutiveAlongSum({ left, right }: ContractionParts): boolean {
  const [leftStep, rightStep] = [left.parameters.at(-1), right.parameters.at(-2)];
  return leftStep !== undefined && rightStep !== undefined && localityAlong(left, leftStep) > 0 && localityAlong(right, rightStep) > 0;
}

export function isMultiple(dim: Dim, factor: number): boolean {
  return factor === 1 || (typeof dim === "number" && dim % factor === 0);
}
