/**
 * What the forward part of a branch or a loop body leaves for the backward part: the values that the backward part reads, as
 * few and as small as they can be had.
 *
 * A value is computed again, instead of kept, when what it is computed from is there anyway, or when that is smaller than
 * the value itself: constants, counters, a broadcast, an elementwise op of kept values. Contractions, reductions and
 * expensive functions are never repeated.
 */

import { elementCount } from "../ir/dim.ts";
import type { Op, Value } from "../ir/module.ts";
import { isElementwise } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { bytesOf, type Type } from "../ir/type.ts";
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
  const inside = new Set([...parameters, ...ops.flatMap(({ results }) => results)]);
  const wanted = new Set([...needed].filter((value) => !given.has(value)));
  const recomputed: Op[] = [];
  const isThere = (value: Value): boolean => !inside.has(value) || given.has(value) || wanted.has(value);
  for (const op of ops.toReversed()) {
    const [result] = op.results;
    if (result === undefined || !wanted.has(result) || !isCheap(op)) continue;
    const missing = [...new Set(op.operands)].filter((operand) => !isThere(operand));
    if (!missing.every((operand) => isSmaller(operand.type, result.type)) || missing.length > 1) continue;
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

/** For sure: sizes that cannot be compared are not. */
function isSmaller(left: Type, right: Type): boolean {
  const [less, more] = [left, right].map((type) => (type.kind === "tensor" && type.dtype.length > 0 ? { count: elementCount(type.shape), bytes: bytesOf(type.dtype) } : undefined));
  if (less === undefined || more === undefined) return false;
  if (typeof less.count === "number" && typeof more.count === "number") return less.count * less.bytes < more.count * more.bytes;
  return left.kind === "tensor" && right.kind === "tensor" && left.shape.length < right.shape.length && left.shape.every((dim) => right.shape.includes(dim));
}
