/**
 * A function of the user as a function of the module, over the leaves of its arguments and what it captures: what is
 * differentiated, and what is done for many examples.
 */

import { ts } from "ts-morph";
import type { Value } from "../../ir/module.ts";
import type { Type } from "../../ir/type.ts";
import { buildFunction, freshName, type BuiltFunction } from "./build-function.ts";
import { callValue } from "./evaluate-call.ts";
import { type Evaluation, runtimeNumberOf, tensorOf, use } from "./evaluation.ts";
import { changedLeaves, type Leaf, leavesOf, type LeafValue, pathName, refuseHidden, replaceLeaves, writeAt } from "./tree.ts";
import { Closure, ModelValue, type StaticValue, TensorValue } from "./value.ts";

export interface TracedFunction {
  readonly name: string;
  /** Of the arguments; paths start with the position. */
  readonly leaves: readonly Leaf[];
  readonly names: readonly string[];
  /** The leaves, and then what the function captures. */
  readonly operands: readonly Value[];
  /** What the function returned, and then what it assigned to its arguments. */
  readonly results: readonly Value[];
  readonly value: StaticValue;
  /** What it assigned to its arguments, by paths that start with the position. */
  readonly changes: readonly Leaf[];
  /** The function's result from the values of an op that calls it; assigns what it assigned to its arguments. */
  restore(values: readonly Value[]): StaticValue;
  restoreValue(values: readonly Value[]): StaticValue;
}

/** `typeOf` says the types of its parameters, where they are not those of the arguments; `check` may refuse its result. */
export function traceFunction(
  run: Evaluation,
  fn: StaticValue,
  args: readonly StaticValue[],
  node: ts.Node,
  check: (result: StaticValue) => void,
  typeOf: (leaf: Leaf, position: number) => Type = ({ value }) => value.value.type,
): TracedFunction {
  refuseHidden(run, args, "a derivative or vmap", node);
  const leaves = leavesOf(args);
  const names = leaves.map(({ path }) => leafName(fn, path));
  const operands = leaves.map(({ value }) => use(run, value, node));
  const name = freshName(run, fn instanceof Closure ? fn.name : "");
  let result: StaticValue;
  let changes: readonly Leaf[] = [];
  const built: BuiltFunction = buildFunction(run, name, leaves.map((leaf, i) => ({ name: names[i] ?? "", type: typeOf(leaf, i) })), (values) => {
    let next = 0;
    const own = args.map((argument) => replaceLeaves(argument, (leaf) => wrap(run, leaf, values[next++])));
    const before = own.map((argument) => replaceLeaves(argument, (leaf) => leaf));
    result = callValue(run, fn, own, node);
    check(result);
    refuseHidden(run, result, "a derivative or vmap", node);
    changes = changedLeaves(run, before, own, [], parameterNames(fn), node);
    return [...leavesOf(result), ...changes].map(({ value }) => use(run, value, node));
  });
  const restoreValue = (values: readonly Value[]): StaticValue => {
    let next = 0;
    return replaceLeaves(result, (leaf) => wrap(run, leaf, values[next++]));
  };
  const valueCount = built.func.body.yields.length - changes.length;
  return {
    name, leaves, names, changes,
    operands: [...operands, ...built.captured],
    results: built.func.body.yields,
    value: result,
    restoreValue,
    restore(values) {
      changes.forEach(({ path, value }, i) => writeAt(args, path, wrap(run, value, values[valueCount + i])));
      return restoreValue(values);
    },
  };
}

/** What messages call a leaf of the arguments, whose path starts with the position: `p.w1`. */
export function leafName(fn: StaticValue, [position, ...rest]: Leaf["path"]): string {
  return pathName([parameterNames(fn)[Number(position)] ?? `argument${String(position)}`, ...rest]);
}

export function wrap(run: Evaluation, pattern: LeafValue, value: Value | undefined): LeafValue {
  if (value === undefined) throw new Error("a leaf has no value");
  return pattern instanceof TensorValue ? tensorOf(run, value) : runtimeNumberOf(run, value);
}

function parameterNames(fn: StaticValue): readonly string[] {
  if (fn instanceof ModelValue) return parameterNames(fn.body);
  if (!(fn instanceof Closure)) return [];
  return fn.node.parameters.map(({ name }, i) => (ts.isIdentifier(name) ? name.text : `argument${i}`));
}
