/**
 * Control flow for many examples at once.
 *
 * Where the condition is the same for all examples, the op stays, with what it carries mapped where any of it is. Where it
 * is not, both branches of an `if` run and each example selects; a loop runs while any example would, and the carries
 * of an example that is done stay as they are. What an example computes on a way that it does not go is thrown away, NaN
 * or not, with one exception: such a way must end. So a loop on it counts only the examples that are *active*, those
 * that go this way.
 */

import type { Builder } from "../ir/builder.ts";
import type { Dim } from "../ir/dim.ts";
import { at } from "../ir/expect.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { repeat } from "../ir/ops/make-batch.ts";
import type { Rewriter } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { type TensorType, tensorType } from "../ir/type.ts";
import { isStaggered } from "./find-mapped.ts";
import { turnsOf } from "./turns.ts";

export interface Batching {
  readonly b: Builder;
  /** The number of examples. */
  readonly size: Dim;
  /** The values of the region of one example that differ from example to example. */
  readonly mapped: ReadonlySet<Value>;
  /** Which examples come to where ops are built now, bool[size]; undefined where all do. */
  active: Value | undefined;
}

/** `op` with regions, on operands that have the examples along axis 0 where they are mapped. */
export function batchControlFlow(batching: Batching, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  switch (op.name) {
    case "if": return batchIf(batching, op, operands, rewriter);
    case "for": return batchFor(batching, op, operands, rewriter);
    case "while": return batchWhile(batching, op, operands, rewriter);
    default: throw new Error(`${op.name} has regions, and nothing says how it is done for many examples`);
  }
}

function batchIf(batching: Batching, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const { b, mapped } = batching;
  const [then, otherwise, condition] = [at(op.regions, 0), at(op.regions, 1), at(operands, 0)];
  const inline = (region: Region): readonly Value[] => lifted(batching, rewriter.inline(region, []), region.yields, op.results);
  if (!mapped.has(at(op.operands, 0))) return b.if(condition, op.attrs, [b.region([], () => inline(then)), b.region([], () => inline(otherwise))]);
  const onTrue = whereActive(batching, activeAnd(batching, condition), () => inline(then));
  const onFalse = whereActive(batching, activeAnd(batching, b.not(condition)), () => inline(otherwise));
  return onTrue.map((value, i) => selectExamples(b, condition, value, at(onFalse, i)));
}

function batchFor(batching: Batching, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const { b } = batching;
  const body = at(op.regions, 0);
  const [counter, ...parameters] = body.parameters;
  const carries = lifted(batching, operands.slice(3), op.operands.slice(3), parameters);
  const next = (values: readonly Value[]): readonly Value[] => lifted(batching, rewriter.inline(body, values), body.yields, parameters);
  if (isStaggered(op, batching.mapped)) {
    const bounds = op.operands.slice(0, 3);
    const [start, stop, step] = lifted(batching, operands.slice(0, 3), bounds, bounds.map(() => counter));
    if (start === undefined || stop === undefined || step === undefined) throw new Error("a for has bounds");
    if (op.attrs["reverse"] === true) return loopFromLast(batching, op, turnsOf(b, start, stop, step), carries, (turn, values) => next([b.add(start, b.mul(turn, step)), ...values]));
    const test = (values: readonly Value[]): Value => b.lt(at(values, 0), stop);
    return loopWhileAny(batching, [start, ...carries], test, (values) => [b.add(at(values, 0), step), ...next(values)]).slice(1);
  }
  const types = [at(operands, 0), ...carries].map(({ type }) => type);
  return b.op(op.name, [...operands.slice(0, 3), ...carries], op.attrs, [b.region(types, next)]);
}

function batchWhile(batching: Batching, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const { b, active } = batching;
  const [condition, body] = [at(op.regions, 0), at(op.regions, 1)];
  const carries = lifted(batching, operands, op.operands, body.parameters);
  const test = (values: readonly Value[]): Value => at(rewriter.inline(condition, values), 0);
  const next = (values: readonly Value[]): readonly Value[] => lifted(batching, rewriter.inline(body, values), body.yields, body.parameters);
  if (isStaggered(op, batching.mapped)) return loopWhileAny(batching, carries, test, next);
  // All examples would leave it together, but it may be that none of them comes here and it never ends.
  const isNeeded = active === undefined ? undefined : anyOf(b, active);
  const types = carries.map(({ type }) => type);
  return b.while(carries, op.attrs, [
    b.region(types, (values) => [isNeeded === undefined ? test(values) : b.and(isNeeded, test(values))]),
    b.region(types, next),
  ]);
}

/** Carries go through `next` for each example as long as its test holds; which examples are not done yet is one more carry. */
function loopWhileAny(
  batching: Batching,
  carries: readonly Value[],
  test: (values: readonly Value[]) => Value,
  next: (values: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const { b } = batching;
  const active = activeAnd(batching, test(carries));
  const types = [active, ...carries].map(({ type }) => type);
  const condition = b.region(types, (values) => [anyOf(b, at(values, 0))]);
  const body = b.region(types, ([still = active, ...values]) =>
    whereActive(batching, still, () => {
      const moved = next(values).map((value, i) => (value === values[i] ? value : selectExamples(b, still, value, at(values, i))));
      return [activeAnd(batching, test(moved)), ...moved];
    }));
  return b.while([active, ...carries], {}, [condition, body]).slice(1);
}

/**
 * The loop of a reversed `for` that examples enter one by one: all turns of the longest from the last one down, in each of
 * which those examples are active that have it. The loop that it walks back, which they left one by one, had the same
 * turns with the same examples in them.
 */
function loopFromLast(
  batching: Batching,
  op: Op,
  turns: Value,
  carries: readonly Value[],
  next: (turn: Value, values: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const { b, size, active } = batching;
  const zero = b.constantOf(count, 0);
  const own = active === undefined ? turns : b.select(active, turns, 0);
  const longest = b.reduceMax(own, { axes: [0] });
  const body = b.region([count, ...carries.map(({ type }) => type)], ([turn = zero, ...values]) => {
    const mine = repeat(b, turn, size);
    const entered = b.lt(mine, own);
    return whereActive(batching, entered, () => next(mine, values).map((value, i) => (value === values[i] ? value : selectExamples(b, entered, value, at(values, i)))));
  });
  return b.op("for", [zero, longest, b.constantOf(count, 1), ...carries], op.attrs, [body]);
}

const count: TensorType = tensorType("i32", []);

/** Runs `body`, whose ops only these examples need. */
function whereActive<T>(batching: Batching, active: Value, body: () => T): T {
  const outer = batching.active;
  batching.active = active;
  try {
    return body();
  } finally {
    batching.active = outer;
  }
}

/** A test of each example, false for those that are not active. */
function activeAnd({ b, active }: Batching, test: Value): Value {
  return active === undefined ? test : b.and(active, test);
}

function anyOf(b: Builder, tests: Value): Value {
  return b.gt(b.reduceSum(b.cast(tests, { dtype: "i32" }), { axes: [0] }), 0);
}

/** For each example one of two values, which both have the examples along axis 0. */
function selectExamples(b: Builder, condition: Value, onTrue: Value, onFalse: Value): Value {
  const { shape } = tensorTypeOf(onTrue);
  return b.select(shape.length === 1 ? condition : b.broadcast(condition, { shape, axes: [0] }), onTrue, onFalse);
}

/** Values, each repeated for all examples where what it stands for is mapped and it is not. */
function lifted({ b, size, mapped }: Batching, values: readonly Value[], old: readonly Value[], standFor: readonly (Value | undefined)[]): readonly Value[] {
  return values.map((value, i) => {
    const wanted = standFor[i];
    return wanted !== undefined && mapped.has(wanted) && !mapped.has(at(old, i)) ? repeat(b, value, size) : value;
  });
}
