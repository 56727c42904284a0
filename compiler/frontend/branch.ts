/**
 * Branches that are decided at run time. Both sides are evaluated, each from the state before and undone after; what they
 * left in variables, fields and elements is joined, and what differs comes out of one `if` of the IR.
 *
 * The join is asked twice, in the same order: once for what the sides must yield, and, when the `if` is there, for the
 * values that hold its results.
 */

import type { ts } from "ts-morph";
import { at } from "../../ir/expect.ts";
import { type Region, type Value, visitOps } from "../../ir/module.ts";
import { type Evaluation, makeOps, runtimeBooleanOf, runtimeNumberOf, tensorOf, use } from "./evaluation.ts";
import { bool, runtimeOperand } from "./evaluate-operator.ts";
import { Joiner, type Joins, type Numeric, type Side } from "./join.ts";
import { contentOf, undone, write } from "./journal.ts";
import { RuntimeBoolean, type RuntimeLeaf, RuntimeNumber, type StaticValue, TensorValue } from "./value.ts";

/** `combine` makes one outcome of those of the sides; it is asked twice and must only join. */
export function branch<T>(run: Evaluation, condition: RuntimeBoolean, sides: readonly [() => T, () => T], combine: (joiner: Joiner, then: T, otherwise: T) => T, node: ts.Node): T {
  const left = evaluateSide(run, sides[0]);
  const right = evaluateSide(run, sides[1]);
  const joined = (joins: Joins) => {
    const joiner = new Joiner(left, right, joins);
    return { contents: joiner.locations(contentOf), outcome: combine(joiner, left.outcome, right.outcome) };
  };
  const pairs: (readonly [Value, Value])[] = [];
  joined(collectInto(run, pairs, node));
  const results = pairs.length === 0 ? [] : makeOps(run, node, (b) => b.if(use(run, condition, node), {}, [
    { ...left.region, yields: pairs.map(([value]) => value) },
    { ...right.region, yields: pairs.map(([, value]) => value) },
  ]));
  const { contents, outcome } = joined(resultsAsJoins(run, results, node));
  for (const [location, content] of contents) write(run, location, content);
  return outcome;
}

interface EvaluatedSide<T> extends Side {
  readonly outcome: T;
  readonly region: Region;
}

function evaluateSide<T>(run: Evaluation, side: () => T): EvaluatedSide<T> {
  const { result: { region, outcome }, after } = undone(run, () => {
    const outcomes: T[] = [];
    const built = run.b.region([], () => {
      outcomes.push(side());
      return [];
    });
    return { region: built, outcome: outcomes[0] as T };
  });
  return { region, outcome, after, made: valuesOf(region) };
}

function valuesOf(region: Region): ReadonlySet<Value> {
  const values = new Set<Value>();
  visitOps(region, ({ results }) => results.forEach((result) => values.add(result)));
  return values;
}

/** Notes the IR values of each pair; what it gives is not looked at. */
function collectInto(run: Evaluation, pairs: (readonly [Value, Value])[], node: ts.Node): Joins {
  const pair = <V extends StaticValue>(left: Value, right: Value, value: V): V => {
    pairs.push([left, right]);
    return value;
  };
  return {
    tensor: (left, right) => pair(left.value, right.value, left),
    number: (left, right) => pair(valueOfNumber(run, left, node), valueOfNumber(run, right, node), left),
    boolean: (left, right) => pair(valueOfBoolean(run, left, node), valueOfBoolean(run, right, node), left),
    filler: (leaf) => fillerFor(run, leaf, node),
  };
}

export function resultsAsJoins(run: Evaluation, results: readonly Value[], node: ts.Node): Joins {
  let next = 0;
  return {
    tensor: () => tensorOf(run, at(results, next++)),
    number: () => runtimeNumberOf(run, at(results, next++)),
    boolean: () => runtimeBooleanOf(run, at(results, next++)),
    filler: (leaf) => fillerFor(run, leaf, node),
  };
}

/** A value of a side may be one of the region that is no longer being built, and is yielded there. */
export function valueOfNumber(run: Evaluation, value: Numeric, node: ts.Node): Value {
  return typeof value === "object" && "value" in value ? value.value : runtimeOperand(run, value, node);
}

export function valueOfBoolean(run: Evaluation, value: boolean | RuntimeBoolean, node: ts.Node): Value {
  return value instanceof RuntimeBoolean ? value.value : makeOps(run, node, (b) => b.constantOf(bool, value ? 1 : 0));
}

/** The value of an expression that is one of two. */
export function branchOnValue(run: Evaluation, condition: RuntimeBoolean, sides: readonly [() => StaticValue, () => StaticValue], node: ts.Node): StaticValue {
  return branch(run, condition, sides, (joiner, then, otherwise) => joiner.value(then, otherwise), node);
}

/** Anything of the type of a leaf, for where nobody will look at it. */
export function fillerFor(run: Evaluation, leaf: RuntimeLeaf, node: ts.Node): StaticValue {
  if (leaf instanceof TensorValue) return tensorOf(run, makeOps(run, node, (b) => b.constantOf(leaf.type, 0)));
  return leaf instanceof RuntimeNumber ? 0 : false;
}
