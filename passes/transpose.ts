/**
 * Transposing: runs ops that are linear in some of their operands backwards.
 *
 * Forward mode (linearize.ts) emits two kinds of ops: those that depend on a tangent, which are linear in it, and the
 * rest, which compute the function and what its derivative needs of it. The linear ops are walked in reverse here, each
 * replaced by its `transpose`, which turns cotangents of its results into cotangents of its operands; a value that is used
 * twice gets the sum. A cotangent that is undefined is zero and stays symbolic. What was pushed is popped, and the other
 * way round; branches and loops say themselves what their transpose is (split-control.ts).
 */

import type { Builder } from "../ir/builder.ts";
import { at, only, present } from "../ir/expect.ts";
import type { Op, Value } from "../ir/module.ts";
import { isLinearIn, type TransposeRule } from "../ir/op.ts";
import type { StackAttrs } from "../ir/ops/stack.ts";
import { findRecord } from "../ir/ops/table.ts";
import { usedValues } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { printType, sameType } from "../ir/type.ts";
import { zeros } from "./linearize.ts";

/** What the forward part of one gradient says to its backward part, beside ops. */
export interface Backward {
  /** What takes the place of each op `linear`, by its id. */
  readonly transposes: Transpose[];
  /** Stacks that ops already use, and that have to be made where the function begins. */
  readonly stacks: Value[];
  /** By the stack of tangents that it belongs to. */
  readonly cotangentStacks: Map<Value, Value>;
}

/** Builds ops that give, from the cotangents of results (undefined is zero), what they add to the cotangents of operands. */
export type Transpose = (b: Builder, cotangents: readonly (Value | undefined)[], lookUp: Lookup) => readonly Contribution[];

export type Contribution = readonly [operand: Value, cotangent: Value];

/** Where a value of the forward part is in the backward part. */
export type Lookup = (value: Value) => Value;

/** The ops of a list that depend on tangents. */
export interface LinearPart {
  /** In order. */
  readonly ops: readonly Op[];
  /** Whether a value is a tangent, or computed from one. */
  has(value: Value): boolean;
}

/** `tangents` are those that the ops have from elsewhere, and the stacks of tangents among their results. */
export function linearPart(ops: readonly Op[], tangents: Iterable<Value>): LinearPart {
  const found = new Set(tangents);
  const linear = ops.filter((op) => {
    const isLinear = op.results.some((result) => found.has(result)) || usedValues(op).some((value) => found.has(value));
    if (isLinear) op.results.forEach((result) => found.add(result));
    return isLinear;
  });
  return { ops: linear, has: (value) => found.has(value) };
}

/** Adds to `cotangents` what the results of linear ops contribute to their operands. */
export function transposeOps(b: Builder, linear: LinearPart, lookUp: Lookup, cotangents: Map<Value, Value>, backward: Backward): void {
  for (const { name, attrs, results } of linear.ops) if (name === "stack") backward.cotangentStacks.set(only(results), b.stack(attrs as StackAttrs));
  const residual = (value: Value): Value | undefined => (linear.has(value) ? undefined : lookUp(value));
  for (const op of linear.ops.toReversed()) {
    b.at(op.spans, () => {
      for (const [operand, cotangent] of contributionsOf(b, op, residual, lookUp, cotangents, backward)) {
        const sum = cotangents.get(operand);
        cotangents.set(operand, sum === undefined ? cotangent : b.add(sum, cotangent));
      }
    });
  }
}

function contributionsOf(b: Builder, op: Op, residual: (value: Value) => Value | undefined, lookUp: Lookup, cotangents: ReadonlyMap<Value, Value>, backward: Backward): readonly Contribution[] {
  const incoming = op.results.map((result) => cotangents.get(result));
  switch (op.name) {
    case "stack": return [];
    case "push": return [[at(op.operands, 1), b.pop(stackBeside(op, backward))]];
    case "pop":
      b.push(stackBeside(op, backward), incoming[0] ?? zeros(b, only(op.results).type));
      return [];
    case "linear": return at(backward.transposes, Number(op.attrs["id"]))(b, incoming, lookUp);
  }
  if (incoming.every((cotangent) => cotangent === undefined)) return [];
  const operands = op.operands.map(residual);
  const rule = transposeRuleOf(op, operands);
  const outgoing = rule.transpose(b, incoming.map((cotangent, i) => cotangent ?? zeros(b, at(op.results, i).type)), operands, op.operands.map(tensorTypeOf), op.attrs);
  return op.operands.flatMap((operand, i): readonly Contribution[] => {
    const contribution = outgoing[i];
    if (operands[i] !== undefined || contribution === undefined) return [];
    if (!sameType(contribution.type, operand.type)) {
      throw new Error(`the transpose of ${op.name} gives operand ${i} a cotangent of ${printType(contribution.type)}, but it is ${printType(operand.type)}`);
    }
    return [[operand, contribution]];
  });
}

function stackBeside({ operands }: Op, { cotangentStacks }: Backward): Value {
  return present(cotangentStacks.get(at(operands, 0)), "a stack of tangents has one of cotangents beside it");
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
