/** Methods of arrays, on arrays of static values (whose items may be tensors). */

import type { ts } from "ts-morph";
import { refuseFrozen } from "./assign.ts";
import { callValue } from "./evaluate-call.ts";
import { equalValues, isTruthy, textOf } from "./evaluate-operator.ts";
import { type Evaluation, refuse } from "./evaluation.ts";
import { note } from "./journal.ts";
import { describe, DimValue, isArray, RuntimeNumber, type StaticValue } from "./value.ts";

export type ArrayMethod = (run: Evaluation, array: readonly StaticValue[], args: readonly StaticValue[], node: ts.Node) => StaticValue;

export const arrayMethods: Readonly<Record<string, ArrayMethod>> = {
  map: (run, array, [callback], node) => array.map((item, i) => callValue(run, callback, [item, i, array], node)),
  forEach: (run, array, [callback], node) => {
    for (const [i, item] of array.entries()) callValue(run, callback, [item, i, array], node);
    return undefined;
  },
  filter: (run, array, [callback], node) => array.filter((item, i) => test(run, callback, item, i, array, node)),
  flatMap: (run, array, [callback], node) => array.flatMap((item, i) => callValue(run, callback, [item, i, array], node)),
  some: (run, array, [callback], node) => array.some((item, i) => test(run, callback, item, i, array, node)),
  every: (run, array, [callback], node) => array.every((item, i) => test(run, callback, item, i, array, node)),
  find: (run, array, [callback], node) => array.find((item, i) => test(run, callback, item, i, array, node)),
  findIndex: (run, array, [callback], node) => array.findIndex((item, i) => test(run, callback, item, i, array, node)),
  findLast: (run, array, [callback], node) => array.findLast((item, i) => test(run, callback, item, i, array, node)),
  reduce: (run, array, args, node) => fold(run, array, args, node, "reduce"),
  reduceRight: (run, array, args, node) => fold(run, [...array].reverse(), args, node, "reduceRight"),
  sort: (run, array, [callback], node) => replaceItems(run, array, sorted(run, array, callback, node), node),
  toSorted: (run, array, [callback], node) => sorted(run, array, callback, node),
  reverse: (run, array, _args, node) => replaceItems(run, array, [...array].reverse(), node),
  toReversed: (_run, array) => [...array].reverse(),
  push: (run, array, args, node) => changeable(run, array, node).push(...args),
  pop: (run, array, _args, node) => changeable(run, array, node).pop(),
  shift: (run, array, _args, node) => changeable(run, array, node).shift(),
  unshift: (run, array, args, node) => changeable(run, array, node).unshift(...args),
  splice: (run, array, [start, count, ...items], node) => {
    const from = integer(run, start, 0, node);
    return changeable(run, array, node).splice(from, integer(run, count, array.length, node), ...items);
  },
  fill: (run, array, [value, start, end], node) =>
    changeable(run, array, node).fill(value, integer(run, start, 0, node), integer(run, end, array.length, node)),
  slice: (run, array, [start, end], node) => array.slice(integer(run, start, 0, node), integer(run, end, array.length, node)),
  at: (run, array, [position], node) => array.at(integer(run, position, 0, node)),
  with: (run, array, [position, value], node) => {
    const copy = [...array];
    const at = integer(run, position, 0, node);
    if (at < -array.length || at >= array.length) refuse(run, node, "TSDL2004", `there is no element ${at} in ${describe(array)}`);
    copy[at < 0 ? at + array.length : at] = value;
    return copy;
  },
  concat: (_run, array, args) => [...array, ...args.flatMap((item) => (isArray(item) ? [...item] : [item]))],
  flat: (run, array, [depth], node) => flatten(array, integer(run, depth, 1, node)),
  join: (run, array, [separator], node) =>
    array.map((item) => (item === undefined || item === null ? "" : textOf(run, item, node))).join(separator === undefined ? "," : textOf(run, separator, node)),
  includes: (run, array, [wanted], node) => array.some((item) => Object.is(item, wanted) || equalValues(run, item, wanted, node)),
  indexOf: (run, array, [wanted], node) => array.findIndex((item) => equalValues(run, item, wanted, node)),
  lastIndexOf: (run, array, [wanted], node) => array.findLastIndex((item) => equalValues(run, item, wanted, node)),
  keys: (_run, array) => array.map((_, i) => i),
  values: (_run, array) => [...array],
  entries: (_run, array) => array.map((item, i) => [i, item]),
};

function test(run: Evaluation, callback: StaticValue, item: StaticValue, i: number, array: readonly StaticValue[], node: ts.Node): boolean {
  return isTruthy(run, callValue(run, callback, [item, i, array], node), node);
}

function fold(run: Evaluation, array: readonly StaticValue[], args: readonly StaticValue[], node: ts.Node, name: string): StaticValue {
  const items = [...array.entries()];
  const first = args.length > 1 ? args[1] : items.shift()?.[1];
  if (args.length < 2 && array.length === 0) {
    return refuse(run, node, "TSDL2004", `${name} of an empty array needs an initial value`, { help: `give one: array.${name}(callback, initial)` });
  }
  return items.reduce<StaticValue>((total, [i, item]) => callValue(run, args[0], [total, item, i, array], node), first);
}

/** Without a comparison, items are compared as text, as JavaScript does. */
function sorted(run: Evaluation, array: readonly StaticValue[], callback: StaticValue, node: ts.Node): readonly StaticValue[] {
  return [...array].sort((left, right) => {
    if (callback === undefined) {
      const [l, r] = [textOf(run, left, node), textOf(run, right, node)];
      return l < r ? -1 : l > r ? 1 : 0;
    }
    const order = callValue(run, callback, [left, right], node);
    if (typeof order === "number") return order;
    return refuse(run, node, "TSDL2002", "the comparison of sort must give a static number", { label: `it gave ${describe(order)}` });
  });
}

function flatten(array: readonly StaticValue[], depth: number): readonly StaticValue[] {
  return array.flatMap((item) => (isArray(item) && depth >= 1 ? flatten(item, depth - 1) : [item]));
}

function changeable(run: Evaluation, array: readonly StaticValue[], node: ts.Node): StaticValue[] {
  if (Object.isFrozen(array)) refuseFrozen(run, node);
  note(run, array);
  return array as StaticValue[];
}

function replaceItems(run: Evaluation, array: readonly StaticValue[], items: readonly StaticValue[], node: ts.Node): StaticValue {
  changeable(run, array, node).splice(0, array.length, ...items);
  return array;
}

/** A static integer argument, or its default. */
export function integer(run: Evaluation, value: StaticValue, otherwise: number, node: ts.Node): number {
  if (value === undefined) return otherwise;
  if (typeof value === "number") return Math.trunc(value);
  if (value instanceof RuntimeNumber || value instanceof DimValue) {
    return refuse(run, node, "TSDL2002", "this number must be known when the program is built", { label: `it is ${describe(value)}` });
  }
  return refuse(run, node, "TSDL2001", "this argument must be a number", { label: `it is ${describe(value)}` });
}
