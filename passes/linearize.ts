/**
 * Forward mode: copies a region and computes, beside each value that depends on a tangent, its tangent.
 *
 * A tangent that is undefined is zero and stays symbolic. Only active values (activity.ts) get one. An op's record gives the
 * rule: `jvp` if it is nonlinear; for an op that is linear in some operands the rule follows from that alone. The tangent
 * ops that this emits are all linear in the tangents, which transpose.ts relies on. What becomes of branches and loops is
 * the business of who asks: forward mode weaves tangents into them, reverse mode splits them.
 */

import { type Builder, IrError } from "../ir/builder.ts";
import { only, present } from "../ir/expect.ts";
import { type Op, type Region, type Span, type Value, visitOps } from "../ir/module.ts";
import { isLinearIn, type TransposeRule, TypeFault } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { inlineRegion, type Rewriter } from "../ir/rewrite.ts";
import { printType, type Type } from "../ir/type.ts";
import { activeValues, isDifferentiable } from "./activity.ts";

export interface PushedForward {
  readonly results: readonly Value[];
  readonly tangents: readonly (Value | undefined)[];
  /** Those that stand beside stacks of the region. */
  readonly tangentStacks: readonly Value[];
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
  /** Builds an `if`, `for` or `while` with something active in it, and says the tangents of its results. */
  readonly control: ControlRule;
}

export type ControlRule = (b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter, tangents: Tangents) => readonly Value[];

/** Of old values: two parameters may be given the same primal. */
export interface Tangents {
  isActive(value: Value): boolean;
  /** Undefined is zero. */
  get(value: Value): Value | undefined;
  set(value: Value, tangent: Value | undefined): void;
  /** All that there are now. */
  all(): Iterable<Value>;
}

/** Emits the region's ops and, for wanted results, their tangents. Throws an IrError at an op with no derivative. */
export function pushForward(b: Builder, { region, primals, tangents: given, wanted, site, control }: ForwardRequest): PushedForward {
  const active = activeValues(
    region,
    region.parameters.filter((_, i) => given[i] !== undefined),
    region.yields.filter((_, i) => wanted.includes(i)),
  );
  const tangents = tangentsOf(active);
  region.parameters.forEach((parameter, i) => tangents.set(parameter, given[i]));
  const results = inlineRegion(b, region, primals, (_b, op, operands, rewriter) =>
    b.at([...op.spans, ...site], () => {
      if (op.regions.length > 0 && holdsActive(op, active)) return control(b, op, operands, rewriter, tangents);
      const copied = b.op(op.name, operands, op.attrs, op.regions.map(rewriter.region));
      if (op.name === "stack" || op.name === "push" || op.name === "pop") pushStack(b, op, copied, tangents);
      else if (op.results.some((result) => active.has(result))) {
        const incoming = op.operands.map(tangents.get);
        tangentsOfOp(b, op, operands, incoming, copied).forEach((tangent, i) => tangents.set(present(op.results[i], op.name), tangent));
      }
      return copied;
    }),
  );
  return {
    results,
    tangents: region.yields.map((value, i) => (wanted.includes(i) ? tangents.get(value) : undefined)),
    tangentStacks: [...tangents.all()].filter(({ type }) => type.kind === "stack"),
  };
}

function tangentsOf(active: ReadonlySet<Value>): Tangents {
  const known = new Map<Value, Value>();
  return {
    isActive: (value) => active.has(value),
    get: (value) => known.get(value),
    set: (value, tangent) => {
      if (tangent === undefined) known.delete(value);
      else if (active.has(value)) known.set(value, tangent);
    },
    all: () => known.values(),
  };
}

function holdsActive(op: Op, active: ReadonlySet<Value>): boolean {
  const isActive = (value: Value): boolean => active.has(value);
  let found = op.results.some(isActive);
  // A branch may do nothing for its results, and push to an active stack.
  for (const region of op.regions) {
    visitOps(region, (inner) => {
      found ||= (inner.name === "push" || inner.name === "pop") && inner.operands.some(isActive);
    });
  }
  return found;
}

/** The tangents of what is on a stack are on a stack of their own, which is pushed and popped at the same places. */
function pushStack(b: Builder, op: Op, copied: readonly Value[], tangents: Tangents): void {
  const stack = op.name === "stack" ? only(op.results) : op.operands[0];
  if (stack === undefined || !tangents.isActive(stack)) return;
  if (op.name === "stack") tangents.set(stack, only(b.op("stack", [], op.attrs)));
  const beside = present(tangents.get(stack), "a stack is used before it is made");
  if (op.name === "push") {
    const value = present(op.operands[1], "push takes a value");
    b.push(beside, tangents.get(value) ?? zeros(b, value.type));
  }
  if (op.name === "pop") tangents.set(only(op.results), b.pop(beside));
}

function tangentsOfOp(
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
