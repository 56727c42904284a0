/**
 * Reverse mode: runs the linear part of a derivative backwards.
 *
 * Forward mode (linearize.ts) emits two kinds of ops: those that depend on a tangent, which are linear in it, and the
 * rest, which compute the function and what its derivative needs of it. The rest is kept. The linear ops are walked
 * in reverse, each replaced by its `transpose`, which turns cotangents of its results into cotangents of its operands;
 * a value that is used twice gets the sum. A cotangent that is undefined is zero and stays symbolic.
 */

import type { Builder } from "../ir/builder.ts";
import { at } from "../ir/expect.ts";
import type { Func, Op, Span, Value } from "../ir/module.ts";
import { isLinearIn, type TransposeRule } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { createRewriter, usedValues } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { printType, sameType } from "../ir/type.ts";
import { isDifferentiable, type PushedForward, pushForward, zeros } from "./linearize.ts";

export interface PulledBack {
  readonly results: readonly Value[];
  /** One for each of `wrt`; undefined is zero. */
  readonly gradients: readonly (Value | undefined)[];
}

/** The results of `func`, and the derivative of its first, a float of rank 0, with respect to these operands. */
export function pullBack(b: Builder, func: Func, operands: readonly Value[], wrt: readonly number[], site: readonly Span[]): PulledBack {
  let pushed: PushedForward | undefined;
  const active = wrt.filter((position) => isDifferentiable(at(operands, position).type));
  const forward = b.region(active.map((position) => at(operands, position).type), (parameters) => {
    const tangents = operands.map((_, i) => parameters[active.indexOf(i)]);
    pushed = pushForward(b, { region: func.body, primals: operands, tangents, wanted: [0], site });
    return [];
  });
  if (pushed === undefined) throw new Error("a region was built without its body");

  const linear = dependents(forward.ops, forward.parameters);
  const isLinear = (op: Op): boolean => op.results.some((result) => linear.has(result));
  const rewriter = createRewriter(b, () => undefined);
  rewriter.inline({ parameters: [], ops: forward.ops.filter((op) => !isLinear(op)), yields: [] }, []);

  const results = pushed.results.map(rewriter.value);
  const cotangents = new Map<Value, Value>();
  const [tangent] = pushed.tangents;
  if (tangent !== undefined) cotangents.set(tangent, b.constantOf(tensorTypeOf(tangent), 1));
  const residual = (value: Value): Value | undefined => (linear.has(value) ? undefined : rewriter.value(value));
  for (const op of forward.ops.toReversed()) if (isLinear(op)) transposeOp(b, op, residual, cotangents);
  return { results, gradients: wrt.map((position) => gradientOf(position, active, forward.parameters, cotangents)) };
}

function gradientOf(position: number, active: readonly number[], parameters: readonly Value[], cotangents: ReadonlyMap<Value, Value>): Value | undefined {
  const parameter = parameters[active.indexOf(position)];
  return parameter === undefined ? undefined : cotangents.get(parameter);
}

/** All values that are computed from these, themselves included. */
function dependents(ops: readonly Op[], values: readonly Value[]): ReadonlySet<Value> {
  const found = new Set(values);
  for (const op of ops) {
    if (usedValues(op).some((value) => found.has(value))) op.results.forEach((result) => found.add(result));
  }
  return found;
}

/** Adds to `cotangents` what the results of one linear op contribute to its operands. */
function transposeOp(b: Builder, op: Op, residual: (value: Value) => Value | undefined, cotangents: Map<Value, Value>): void {
  if (!op.results.some((result) => cotangents.has(result))) return;
  b.at(op.spans, () => {
    const operands = op.operands.map(residual);
    const rule = transposeRuleOf(op, operands);
    const incoming = op.results.map((result) => cotangents.get(result) ?? zeros(b, result.type));
    const outgoing = rule.transpose(b, incoming, operands, op.operands.map(tensorTypeOf), op.attrs);
    op.operands.forEach((operand, i) => {
      const contribution = outgoing[i];
      if (operands[i] !== undefined || contribution === undefined) return;
      if (!sameType(contribution.type, operand.type)) {
        throw new Error(`the transpose of ${op.name} gives operand ${i} a cotangent of ${printType(contribution.type)}, but it is ${printType(operand.type)}`);
      }
      const present = cotangents.get(operand);
      cotangents.set(operand, present === undefined ? contribution : b.add(present, contribution));
    });
  });
}

function transposeRuleOf(op: Op, operands: readonly (Value | undefined)[]): TransposeRule {
  const rule = findRecord(op.name).derivative;
  if (rule === undefined || rule === "none" || !("transpose" in rule)) {
    throw new Error(`${op.name} is part of a tangent, but its record has no transpose`);
  }
  const unknown = operands.flatMap((operand, i) => (operand === undefined ? [i] : []));
  const stray = unknown.find((position) => !isLinearIn(rule, position));
  if (stray !== undefined) throw new Error(`${op.name} has a tangent as operand ${stray}, which it is not linear in`);
  if (rule.multilinear === true && unknown.length > 1) throw new Error(`${op.name} has two tangents as operands, which it is not linear in`);
  return rule;
}
