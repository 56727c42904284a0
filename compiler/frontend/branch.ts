/**
 * Branches that are decided at run time. Both sides are evaluated, each from the state before and undone after; what they
 * left in variables, fields and elements is joined, and what differs comes out of one `if` of the IR.
 *
 * The join is asked twice, in the same order: once for what the sides must yield, and, when the `if` is there, for the
 * values that hold its results.
 */

import type { ts } from "ts-morph";
import { at, present } from "../../ir/expect.ts";
import type { Region, Value } from "../../ir/module.ts";
import { tensorType } from "../../ir/type.ts";
import { type Evaluation, makeOps, runtimeBooleanOf, runtimeNumberOf, tensorOf, use } from "./evaluation.ts";
import { runtimeOperand } from "./evaluate-operator.ts";
import { Joiner, type Joins, type Numeric } from "./join.ts";
import { contentOf, undone, write } from "./journal.ts";
import { RuntimeBoolean, type StaticValue, TensorValue } from "./value.ts";

export const bool = tensorType("bool", []);

/** `combine` makes one outcome of those of the sides; it is asked twice and must only join. */
export function branch<T>(run: Evaluation, condition: RuntimeBoolean, sides: readonly [() => T, () => T], combine: (joiner: Joiner, then: T, otherwise: T) => T, node: ts.Node): T {
  const [then, otherwise] = sides.map((side) =>
    undone(run, () => {
      let outcome: { readonly of: T } | undefined;
      const region = run.b.region([], () => {
        outcome = { of: side() };
        return [];
      });
      return { region, outcome: present(outcome, "a side of a branch was not evaluated").of };
    }));
  const [first, second] = [at([then], 0), at([otherwise], 0)];
  const joined = (joins: Joins) => {
    const joiner = new Joiner(first.after, second.after, joins);
    return { contents: joiner.locations(contentOf), outcome: combine(joiner, first.result.outcome, second.result.outcome) };
  };
  const pairs: (readonly [Value, Value])[] = [];
  joined(collectInto(run, pairs, node));
  const results = pairs.length === 0 ? [] : makeOps(run, node, (b) => b.if(use(run, condition, node), {}, [
    withYields(first.result.region, pairs.map(([left]) => left)),
    withYields(second.result.region, pairs.map(([, right]) => right)),
  ]));
  const { contents, outcome } = joined(resultsAsJoins(run, results));
  for (const [location, content] of contents) write(run, location, content);
  return outcome;
}

function withYields(region: Region, yields: readonly Value[]): Region {
  return { ...region, yields };
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
  };
}

export function resultsAsJoins(run: Evaluation, results: readonly Value[]): Joins {
  let next = 0;
  return {
    tensor: () => tensorOf(run, at(results, next++)),
    number: () => runtimeNumberOf(run, at(results, next++)),
    boolean: () => runtimeBooleanOf(run, at(results, next++)),
  };
}

/** A value of a side may be one of the region that is no longer being built, and is yielded there. */
function valueOfNumber(run: Evaluation, value: Numeric, node: ts.Node): Value {
  return typeof value === "object" && "value" in value ? value.value : runtimeOperand(run, value, node);
}

export function valueOfBoolean(run: Evaluation, value: boolean | RuntimeBoolean, node: ts.Node): Value {
  return value instanceof RuntimeBoolean ? value.value : makeOps(run, node, (b) => b.constantOf(bool, value ? 1 : 0));
}

/** The value of an expression that is one of two. */
export function branchOnValue(run: Evaluation, condition: RuntimeBoolean, sides: readonly [() => StaticValue, () => StaticValue], node: ts.Node): StaticValue {
  return branch(run, condition, sides, (joiner, then, otherwise) => joiner.value(then, otherwise), node);
}

/** Something of the structure and types of a value, for where nobody will look at it. */
export function fillerFor(run: Evaluation, value: StaticValue, node: ts.Node): StaticValue {
  if (value instanceof TensorValue) return tensorOf(run, makeOps(run, node, (b) => b.constantOf(value.type, 0)));
  return value;
}
