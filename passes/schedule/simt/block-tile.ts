/**
 * Chooses the tile of a contraction that one block makes, and each thread's part of it.
 *
 * A value in shared memory is read once for each thread row or column, so larger parts need less of its bandwidth; but
 * a result of few tiles leaves most of a device idle. Sizes that are named are taken to be moderate.
 */

import type { Dim } from "../../../ir/dim.ts";
import { bytesOf } from "../../../ir/type.ts";
import type { Limits } from "../../limits.ts";
import type { ContractionParts } from "../contract.ts";
import { localityAlong } from "../locality.ts";
import { powerOfTwo } from "./block.ts";

export interface BlockTile {
  readonly rows: number;
  readonly columns: number;
  /** Terms of the sum that are in shared memory at once. */
  readonly depth: number;
  /** Rows and columns of one thread. */
  readonly threadRows: number;
  readonly threadColumns: number;
  readonly threads: number;
  /** Whether neighbouring elements of an operand are neighbours along the sum. */
  readonly isLeftAlongSum: boolean;
  readonly isRightAlongSum: boolean;
}

/** Fewer rows, columns or terms than this are better done as sums of their own by the lanes of a block. */
const fewest = 5;

/** Results of which both sides are at least this long have tiles of 128 to spare: 64 of them, and more. */
const large = 1024;

const depth = 16;

export function chooseBlockTile(parts: ContractionParts, limits: Limits): BlockTile | undefined {
  const { attrs: { m, n, k, dtype }, left, right } = parts;
  if ([m, n, k].some((size) => typeof size === "number" && size < fewest)) return undefined;
  const isLarge = typeof m === "number" && typeof n === "number" && m >= large && n >= large;
  const [rows, columns] = isLarge ? [128, 128] : [sideFor(m, n), sideFor(n, m)];
  // Neighbouring threads have neighbouring columns, so a thread has fewer of them where there are few.
  const [threadRows, threadColumns] = isLarge ? [8, 8] : rows * columns >= 1024 ? [4, 4] : [2, 2];
  const threads = (rows / threadRows) * (columns / threadColumns);
  const sharedBytes = depth * (rows + columns + 2) * bytesOf(dtype);
  if (threads > limits.threads || sharedBytes > limits.sharedBytes) return undefined;
  const [row, leftTerm, rightTerm, column] = [left.parameters.at(-2), left.parameters.at(-1), right.parameters.at(-2), right.parameters.at(-1)];
  if (row === undefined || leftTerm === undefined || rightTerm === undefined || column === undefined) return undefined;
  return {
    rows, columns, depth, threadRows, threadColumns, threads,
    isLeftAlongSum: localityAlong(left, leftTerm) > localityAlong(left, row),
    isRightAlongSum: localityAlong(right, rightTerm) > localityAlong(right, column),
  };
}

/** The side of a tile along an axis: no longer than the axis, and long only where there are many tiles all the same. */
function sideFor(size: Dim, other: Dim): number {
  const isOtherLong = typeof other === "number" && other >= 512;
  const most = isOtherLong || (typeof size === "number" && size >= 512) ? 64 : 32;
  return typeof size === "number" ? Math.max(16, Math.min(most, powerOfTwo(size))) : most;
}
