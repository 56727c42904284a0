/**
 * Forward mode: copies a region and computes, beside each value that depends on a tangent, its tangent.
 *
 * A tangent that is undefined is zero and stays symbolic. Only values on a path from a tangent to a wanted result get
 * one. An op's record gives the rule: `jvp` if it is nonlinear; for an op that is linear in some operands the rule
 * follows from that alone. The tangent ops that this emits are all linear in the tangents, which transpose.ts relies on.
 */

import { type Builder, IrError } from "../ir/builder.ts";
import type { Op, Region, Span, Value } from "../ir/module.ts";
import { isLinearIn, type TransposeRule, TypeFault } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { inlineRegion, usedValues } from "../ir/rewrite.ts";
import { isFloat, printType, type Type } from "../ir/type.ts";

export interface PushedForward {
  readonly results: readonly Value[];
  readonly tangents: readonly (Value | undefined)[];
}

export interface ForwardRequest {
  readonly region: Region;
  readonly primals: readonly Value[];
  /** One for each primal; undefined is zero. */
  readonly tangents: readonly (Value | undefined)[];
  /** Positions of the region's yields whose tangents are asked for; the others come back undefined. */
  readonly wanted: readonly number[];
  /** Where the differentiated function is called: added to the spans of every op. */
  readonly site: readonly Span[];
}

/** Emits the region's ops and, for wanted results, their tangents. Throws an IrError at an op with no derivative. */
export function pushForward(b: Builder, { region, primals, tangents, wanted, site }: ForwardRequest): PushedForward {
  // Keyed by the values of `region`, not by the new ones: two parameters may be given the same primal.
  const tangentOf = new Map<Value, Value>();
  region.parameters.forEach((parameter, i) => {
    const tangent = tangents[i];
    if (tangent !== undefined) tangentOf.set(parameter, tangent);
  });
  const wantedYields = region.yields.filter((_, i) => wanted.includes(i));
  const leadsToWanted = opsBehind(region, wantedYields);
  const results = inlineRegion(b, region, primals, (_b, op, operands, rewriter) =>
    b.at([...op.spans, ...site], () => {
      const isActive = leadsToWanted.has(op) && usedValues(op).some((value) => tangentOf.has(value));
      if (isActive) rejectControlFlow(op, b.spans);
      const copied = b.op(op.name, operands, op.attrs, op.regions.map(rewriter.region));
      if (isActive) {
        const incoming = op.operands.map((operand) => tangentOf.get(operand));
        tangentsOf(b, op, operands, incoming, copied).forEach((tangent, i) => {
          const result = op.results[i];
          if (tangent !== undefined && result !== undefined) tangentOf.set(result, tangent);
        });
      }
      return copied;
    }),
  );
  return { results, tangents: region.yields.map((value, i) => (wanted.includes(i) ? tangentOf.get(value) : undefined)) };
}

export function isDifferentiable(type: Type): boolean {
  return type.kind === "tensor" && isFloat(type.dtype);
}

/** The ops of a region, not counting those inside other ops, that these values are computed from. */
function opsBehind(region: Region, values: readonly Value[]): ReadonlySet<Op> {
  const needed = new Set(values);
  const ops = new Set<Op>();
  for (const op of region.ops.toReversed()) {
    if (!op.results.some((result) => needed.has(result))) continue;
    ops.add(op);
    usedValues(op).forEach((value) => needed.add(value));
  }
  return ops;
}

function tangentsOf(
  b: Builder,
  op: Op,
  primals: readonly Value[],
  tangents: readonly (Value | undefined)[],
  results: readonly Value[],
): readonly (Value | undefined)[] {
  const float = results.map(({ type }) => isDifferentiable(type));
  if (!float.includes(true)) return [];
  const rule = findRecord(op.name).derivative;
  if (rule === undefined) {
    throw new IrError(op.name, new TypeFault("this op has no derivative", [], "wrap what it computes from in stopGradient if its gradient is not wanted"), b.spans);
  }
  if (rule === "none") return [];
  if ("jvp" in rule) return rule.jvp(b, primals, tangents, results, op.attrs).map((tangent, i) => (float[i] === true ? tangent : undefined));
  tangents.forEach((tangent, i) => {
    if (tangent === undefined || isLinearIn(rule, i)) return;
    throw new IrError(op.name, new TypeFault(`this op has no derivative with respect to its operand ${i}`, [printType(tangent.type)]), b.spans);
  });
  return rule.multilinear === true ? productRule(b, op, primals, tangents) : applyToTangents(b, op, rule, primals, tangents);
}

/** d f(x, y) = f(dx, y) + f(x, dy) for f that is linear in x and in y. */
function productRule(b: Builder, op: Op, primals: readonly Value[], tangents: readonly (Value | undefined)[]): readonly Value[] {
  const terms = tangents.flatMap((tangent, i) => (tangent === undefined ? [] : [b.op(op.name, primals.with(i, tangent), op.attrs)]));
  return terms.reduce((sums, term) => sums.map((sum, i) => b.add(sum, term[i] ?? sum)));
}

/** d f(x, y) = f(dx, dy) for f that is linear in (x, y); operands that f is not linear in stay as they are. */
function applyToTangents(
  b: Builder,
  op: Op,
  rule: TransposeRule,
  primals: readonly Value[],
  tangents: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  const [left, right] = tangents;
  if (op.name === "add" && (left === undefined || right === undefined)) return [left ?? right];
  if (op.name === "sub" && right === undefined) return [left];
  if (op.name === "sub" && left === undefined && right !== undefined) return [b.neg(right)];
  const operands = primals.map((primal, i) => {
    if (!isLinearIn(rule, i)) return primal;
    return tangents[i] ?? zeros(b, primal.type);
  });
  return b.op(op.name, operands, op.attrs);
}

/** Zero of a tensor's type: where a symbolic zero must become a value after all. */
export function zeros(b: Builder, type: Type): Value {
  if (type.kind !== "tensor") throw new Error(`only tensors have tangents, not ${printType(type)}`);
  return b.constantOf(type, 0);
}

function rejectControlFlow(op: Op, spans: readonly Span[]): void {
  if (op.regions.length === 0) return;
  throw new IrError(
    op.name,
    new TypeFault(
      "gradients through control flow come in a later version",
      [`this ${op.name} depends on a value that is differentiated`],
      "compute the choice with where(condition, a, b), or wrap what it depends on in stopGradient",
    ),
    spans,
  );
}
