/**
 * How the threads of a block share the rows of a kernel: several rows at once, each by several threads, or lanes.
 *
 * Neighbouring threads should touch neighbouring memory. Where that is along a row (softmax over the last axis), the
 * lanes of a row are neighbours; where it is across rows (a sum over the first axis), the rows are.
 */

import { type Dim, mulDims } from "../../../ir/dim.ts";
import type { Op, Region } from "../../../ir/module.ts";
import type { Limits } from "../../limits.ts";
import type { Space } from "../contract.ts";
import { isConsecutiveOutside, prefersOuterLanes } from "../distribute.ts";
import { powerOfTwo } from "./block.ts";

export interface RowLayout {
  /** Rows that a block does at once. */
  readonly rows: number;
  /** Threads of each row, two or more. */
  readonly lanes: number;
  /** Whether neighbouring threads are lanes of one row, rather than one lane of neighbouring rows. */
  readonly areLanesNeighbours: boolean;
}

/** Elements of a row that one lane should have at least: fewer, and folding the lanes takes longer than the sum. */
const elementsOfLane = 4;

/** Rows beside each other whose elements make whole transactions of memory. */
const neighbouringRows = 32;

/** Lanes for rows of unknown length: not too many for short ones, not too few for long ones. */
const lanesOfUnknown = 64;

/** Outer points from which on there is a thread for each, and rows across memory need no lanes. */
const manyRows = 2 ** 16;

/** The layout, or undefined where one thread for each row is as good. */
export function layoutRows({ extents, body }: Space, limits: Limits): RowLayout | undefined {
  const outer = mulDims(1, ...extents);
  const inner = longestRow(body);
  const lastAxis = body.parameters.at(-1);
  const lastExtent = extents.at(-1);
  // Lanes that exchange registers cost no barrier, so a row need not be long for them to be neighbours.
  const isAcross = lastAxis !== undefined && lastExtent !== undefined
    && (limits.subgroup > 1 ? isConsecutiveOutside(body, lastAxis) : prefersOuterLanes(body, lastAxis, lastExtent));
  const useful = typeof inner === "number" ? powerOfTwo(inner / elementsOfLane) : undefined;
  if (inner === undefined || useful === 1) return undefined;
  if (isAcross) {
    if (typeof outer === "number" && outer >= manyRows) return undefined;
    const rows = fittingRows(neighbouringRows, outer);
    return { rows, lanes: Math.min(useful ?? Infinity, limits.threads / rows), areLanesNeighbours: false };
  }
  const isOneRow = outer === 1;
  const lanes = Math.min(useful ?? (isOneRow ? limits.threads : lanesOfUnknown), limits.threads);
  return { rows: fittingRows(limits.threads / lanes, outer), lanes, areLanesNeighbours: true };
}

/** The most elements that a row folds or stores, a named size if there is one; undefined where there is nothing along the row. */
function longestRow(body: Region): Dim | undefined {
  const sizes = body.ops.filter(isAlongRow).map((op) => mulDims(1, ...(op.attrs["extents"] as readonly Dim[])));
  const known = sizes.filter((size) => typeof size === "number");
  if (known.length < sizes.length) return sizes.find((size) => typeof size !== "number");
  return known.length === 0 ? undefined : Math.max(...known);
}

export function isAlongRow(op: Op): boolean {
  return op.name === "reduce" || op.name === "parallel";
}

function fittingRows(most: number, outer: Dim): number {
  return typeof outer === "number" ? Math.min(most, powerOfTwo(outer)) : most;
}
