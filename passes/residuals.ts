/**
 * What the forward part of a branch or a loop body leaves for the backward part: the values that the backward part reads, as
 * few and as small as they can be had.
 *
 * A value is computed again, instead of kept, when what it is computed from is there anyway, or when that is smaller than
 * the value itself: constants, counters, a broadcast, an elementwise op of kept values. Contractions, reductions and
 * expensive functions are never repeated.
 */

import { elementCount, sameDim } from "../ir/dim.ts";
import type { Op, Value } from "../ir/module.ts";
import { isElementwise } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { bytesOf } from "../ir/type.ts";
import { findCompute } from "./access.ts";
import { isExpensive } from "./cost.ts";

export interface Residuals {
  /** In the order in which they are computed. */
  readonly kept: readonly Value[];
  /** In order; they read what is kept, what is given, and values from around the region. */
  readonly recomputed: readonly Op[];
}

/**
 * `ops` are those of the region in order, `parameters` the values that it starts with. `needed` are values of both, `given`
 * those of them that the backward part has for nothing.
 */
export function chooseResiduals(ops: readonly Op[], parameters: readonly Value[], needed: ReadonlySet<Value>, given: ReadonlySet<Value>): Residuals {
  const definition = new Map(ops.flatMap((op) => op.results.map((result) => [result, op] as const)));
  const inside = new Set([...parameters, ...definition.keys()]);
  const wanted = new Set([...needed].filter((value) => !given.has(value)));
  const recomputed: Op[] = [];
  /** Without keeping anything more; `known` remembers answers while nothing changes. */
  const isThere = (value: Value, known: Map<Value, boolean>): boolean => {
    if (!inside.has(value) || given.has(value) || wanted.has(value)) return true;
    const before = known.get(value);
    if (before !== undefined) return before;
    const op = definition.get(value);
    const found = op !== undefined && isCheap(op) && op.operands.every((operand) => isThere(operand, known));
    known.set(value, found);
    return found;
  };
  for (const op of ops.toReversed()) {
    const [result] = op.results;
    if (result === undefined || !wanted.has(result) || !isCheap(op)) continue;
    const known = new Map<Value, boolean>();
    const [missing, ...others] = new Set(op.operands.filter((operand) => !isThere(operand, known)));
    if (others.length > 0 || (missing !== undefined && !isSmaller(missing, result))) continue;
    recomputed.push(op);
    wanted.delete(result);
    op.operands.filter((operand) => inside.has(operand) && !given.has(operand)).forEach((operand) => wanted.add(operand));
  }
  return { kept: [...inside].filter((value) => wanted.has(value)), recomputed: recomputed.reverse() };
}

function isCheap(op: Op): boolean {
  if (op.regions.length > 0 || op.results.length !== 1 || findCompute(op)?.form !== "map") return false;
  return !isExpensive(op) && (isElementwise(findRecord(op.name)) || op.operands.length <= 1);
}

/** For sure: sizes of named dims are not compared, only what lacks an axis is smaller. */
function isSmaller(left: Value, right: Value): boolean {
  const [less, more] = [tensorTypeOf(left), tensorTypeOf(right)];
  const [few, many] = [elementCount(less.shape), elementCount(more.shape)];
  if (typeof few === "number" && typeof many === "number") return few * bytesOf(less.dtype) < many * bytesOf(more.dtype);
  return less.shape.length < more.shape.length && less.shape.every((dim) => more.shape.some((other) => sameDim(dim, other)));
}
