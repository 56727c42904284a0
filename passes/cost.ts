/**
 * What fusion needs to know of the cost of an op, read from its form and its index maps.
 */

import type { Op } from "../ir/module.ts";
import { isElementwise } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { accessesOf, findCompute, rankOf } from "./access.ts";

/** Elementwise ops that take tens of instructions; worth storing rather than computing twice for each element. */
const expensiveNames = new Set(["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "pow", "random_bits"]);

export function isExpensive(op: Op): boolean {
  return expensiveNames.has(op.name);
}

/**
 * Whether each group that reads the op may compute it anew: it only chooses which element is read, or converts it, or
 * there is one element altogether, so that storing the result would cost more than computing it.
 */
export function isFree(op: Op): boolean {
  const compute = findCompute(op);
  const [result] = op.results;
  if (compute?.form !== "map" || result === undefined || isRenaming(op)) return false;
  if (isExpensive(op) && rankOf(result) > 0) return false;
  return rankOf(result) === 0 || op.operands.length === 0 || !isElementwise(findRecord(op.name)) || op.name === "cast" || op.name === "bitcast";
}

/**
 * A reshape whose index map has to be computed: fused, it would turn consecutive accesses into jumps, and on its own
 * it costs nothing, because memory is dense and row-major.
 */
export function isRenaming(op: Op): boolean {
  const [operand] = op.operands;
  if (op.name !== "reshape" || operand === undefined) return false;
  const shape = tensorTypeOf(operand).shape;
  return accessesOf(op).some(({ index }) => index.some((component, axis) => component === "other" && shape[axis] !== 1));
}
