/**
 * Chooses the tile of a contraction that one block makes, each thread's part of it, and how it is in shared memory.
 *
 * A value in shared memory is read once for each thread row or column, so larger parts need less of its bandwidth; but
 * a result of few tiles leaves most of a device idle. Sizes that are named are taken to be moderate.
 */

import type { Dim } from "../../../ir/dim.ts";
import type { ContractAttrs } from "../../../ir/ops/kernel.ts";
import { bytesOf } from "../../../ir/type.ts";
import type { Limits } from "../../limits.ts";
import type { ContractionParts } from "../contract.ts";
import { localityAlong } from "../locality.ts";
import { powerOfTwo } from "./block.ts";
import { hasPatches } from "./piece.ts";
import { type Stages, stagesFor } from "./walk.ts";

export interface BlockTile {
  readonly rows: number;
  readonly columns: number;
  /** Terms of the sum that are in shared memory at once. */
  readonly depth: number;
  readonly stages: Stages;
  /** Elements in shared memory between one term and the next. */
  readonly padding: number;
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

/**
 * With 8 terms a thread of the largest tile takes one patch of each operand at a step, so that its totals, 64 of them, and
 * all else fit 128 registers; and two stages fit the 16 KiB of WebGPU.
 */
const [depthOfLarge, depthOfOthers] = [8, 16];

/**
 * Of both operands where one runs along the sum, whose stores it keeps on different banks (piece.ts): rows of one length
 * need one set of addresses, and fewer registers. It is a multiple of four elements, so that patches can be read at once.
 */
const padding = 4;

export function chooseBlockTile(parts: ContractionParts, limits: Limits): BlockTile | undefined {
  const { attrs: { m, n, k }, left, right } = parts;
  if ([m, n, k].some((size) => typeof size === "number" && size < fewest)) return undefined;
  const isLarge = typeof m === "number" && typeof n === "number" && m >= large && n >= large;
  const [rows, columns] = isLarge ? [128, 128] : [sideFor(m, n), sideFor(n, m)];
  // Neighbouring threads have neighbouring columns, so a thread has fewer of them where there are few.
  const [threadRows, threadColumns] = isLarge ? [8, 8] : rows * columns >= 1024 ? [4, 4] : [2, 2];
  const threads = (rows / threadRows) * (columns / threadColumns);
  if (threads > limits.threads) return undefined;
  const [row, leftTerm, rightTerm, column] = [left.parameters.at(-2), left.parameters.at(-1), right.parameters.at(-2), right.parameters.at(-1)];
  if (row === undefined || leftTerm === undefined || rightTerm === undefined || column === undefined) return undefined;
  const depth = isLarge ? depthOfLarge : depthOfOthers;
  const isLeftAlongSum = localityAlong(left, leftTerm) > localityAlong(left, row);
  const isRightAlongSum = localityAlong(right, rightTerm) > localityAlong(right, column);
  const tile = { rows, columns, depth, threadRows, threadColumns, threads, isLeftAlongSum, isRightAlongSum };
  const memory = inShared(parts.attrs, tile, limits.sharedBytes);
  return memory === undefined ? undefined : { ...tile, ...memory };
}

/** How a tile's pieces are in shared memory, or undefined if they do not fit. */
function inShared({ m, n, k, dtype }: ContractAttrs, tile: Omit<BlockTile, "stages" | "padding">, bytes: number): Pick<BlockTile, "stages" | "padding"> | undefined {
  const { rows, columns, depth, isLeftAlongSum, isRightAlongSum } = tile;
  const alongSum = [...(isLeftAlongSum ? [m] : []), ...(isRightAlongSum ? [n] : [])];
  // Without padding two threads at a time store to one bank, which costs less than a second barrier; of single words 16.
  const canGoWithout = alongSum.every((extent) => hasPatches(true, extent, k, 1));
  const paddings = alongSum.length === 0 ? [0] : canGoWithout ? [padding, 0] : [padding];
  for (const stages of stagesFor(k, depth)) {
    const fitting = paddings.find((each) => stages * depth * (rows + columns + 2 * each) * bytesOf(dtype) <= bytes);
    if (fitting !== undefined) return { stages, padding: fitting };
  }
  return undefined;
}

/** The side of a tile along an axis: no longer than the axis, and long only where there are many tiles all the same. */
function sideFor(size: Dim, other: Dim): number {
  const isOtherLong = typeof other === "number" && other >= 512;
  const most = isOtherLong || (typeof size === "number" && size >= 512) ? 64 : 32;
  return typeof size === "number" ? Math.max(16, Math.min(most, powerOfTwo(size))) : most;
}
