/**
 * A model called as plain JavaScript: its function runs op by op on what the caller gave.
 *
 * Types are gone by then, so a typed array cannot know its shape, and a number stays a number. Handles that a built
 * program returned have no methods; they are given them. Donated arguments end, as they do in a built program.
 */

import { ArgumentError, tensorBrand } from "tsdlc-runtime";
import { donatedTo, isTypedArray } from "tsdlc-runtime/library";
import { type AnyTensor, isLeaf, makeHandle } from "./handles.ts";
import { dispatch } from "./dispatch.ts";
import { isTaping } from "./tape.ts";
import { currentTrace } from "./trace.ts";
import { describeValue, isTree, leavesOf, type Path, pathName } from "./trees.ts";

type AnyFunction = (...args: never[]) => unknown;

/** `caller` is the function that the user calls: a stack that is kept starts below it. */
export function callModel(name: string, fn: AnyFunction, donate: readonly number[], args: readonly unknown[], caller: AnyFunction): unknown {
  readArguments(name, args);
  const result = (fn as (...args: readonly unknown[]) => unknown)(...args);
  if (result instanceof Promise) throw new ArgumentError(`${name}: the function of a model must return its result, and it returns a promise: leave out async, and read values outside of the model`);
  const own = ownResult(name, result, new Set(leavesOf(args)), []);
  endDonated(name, donate.map((position) => args[position]), caller);
  return own;
}

/** Checks that arguments are what ops can run on, and gives handles of built programs the methods of the library. */
export function readArguments(name: string, args: readonly unknown[]): void {
  args.forEach((argument, position) => readArgument(name, argument, position, []));
}

function readArgument(name: string, argument: unknown, position: number, path: Path): void {
  const where = (): string => `${name}: ${pathName(`argument ${position}`, path)}`;
  if (isLeaf(argument)) return;
  if (isTypedArray(argument)) {
    throw new ArgumentError(`${where()} is a ${argument.constructor.name}, whose shape nobody knows when ops run one by one: pass tensor(data, shape)`);
  }
  if (Array.isArray(argument)) return argument.forEach((item, i) => readArgument(name, item, position, [...path, i]));
  if (isTree(argument)) for (const [key, item] of Object.entries(argument)) readArgument(name, item, position, [...path, key]);
}

/** The result as the caller's own: a number as a tensor, and another handle of what the caller has already. */
function ownResult(name: string, result: unknown, given: ReadonlySet<AnyTensor>, path: Path): unknown {
  if (typeof result === "number") return makeHandle("f64", [], { kind: "host", data: Float64Array.of(result) });
  if (isLeaf(result)) return given.has(result) ? dispatch("reshape", [result, result.shape]) : result;
  if (Array.isArray(result)) return result.map((item, i) => ownResult(name, item, given, [...path, i]));
  if (isTree(result)) return Object.fromEntries(Object.entries(result).map(([key, item]) => [key, ownResult(name, item, given, [...path, key])]));
  if (result === null || ["string", "boolean", "undefined"].includes(typeof result)) return result;
  throw new ArgumentError(`${name}: ${pathName("the result", path)} is ${describeValue(result)}: a model returns a tree of tensors and numbers`);
}

/** What a model donates, by the function that a caller has of it. */
const donations = new WeakMap<AnyFunction, readonly number[]>();

export function markDonated(call: AnyFunction, positions: readonly number[]): void {
  donations.set(call, positions);
}

export function donatedPositions(call: AnyFunction): readonly number[] {
  return donations.get(call) ?? [];
}

/** Ends the handles in these trees; not under a tape, which reads later on what ran, nor in a trace, where nothing runs. */
export function endDonated(name: string, donated: readonly unknown[], caller: AnyFunction): void {
  if (donated.length === 0 || isTaping() || currentTrace() !== undefined) return;
  const ended = donatedTo(name, caller);
  for (const leaf of leavesOf(donated)) {
    leaf.dispose();
    leaf[tensorBrand] = ended;
  }
}
