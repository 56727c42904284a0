/**
 * A model called as plain JavaScript: its function runs op by op on what the caller gave.
 *
 * Types are gone by then, so a typed array cannot know its shape, and a number stays a number. Handles that a built
 * program returned have no methods; they are given them. Donated arguments end, as they do in a built program.
 */

import { ArgumentError, tensorBrand } from "tsdlc-runtime";
import { donatedTo, isTypedArray } from "tsdlc-runtime/library";
import { type AnyTensor, isLeaf, isMethod, makeHandle } from "./handles.ts";
import { dispatch } from "./dispatch.ts";
import { NamedSize } from "./named-size.ts";
import { isTaping } from "./tape.ts";
import { currentTrace } from "./trace.ts";
import { describeValue, isTree, leavesOf, type Path, pathName } from "./trees.ts";

type AnyFunction = (...args: never[]) => unknown;

/** `caller` is the function that the user calls: a stack that is kept starts below it. */
export function callModel(name: string, fn: AnyFunction, donate: readonly number[], args: readonly unknown[], caller: AnyFunction): unknown {
  readArguments(name, args);
  // Before it runs: what the function puts in their place is not donated.
  const donated = leavesOf(donate.map((position) => args[position]));
  const result = runOn(name, fn, args);
  if (result instanceof Promise) throw new ArgumentError(`${name}: the function of a model must return its result, and it returns a promise: leave out async, and read values outside of the model`);
  const own = ownResult(name, result, new Set(leavesOf(args)), []);
  endDonated(name, donated, caller);
  return own;
}

/**
 * A built package takes a number for a tensor of rank 0, by its signature. Here it stays a number, which beside a tensor
 * means the same; where its methods are called, the error says what it is.
 */
function runOn(name: string, fn: AnyFunction, args: readonly unknown[]): unknown {
  try {
    return (fn as (...args: readonly unknown[]) => unknown)(...args);
  } catch (error) {
    // In a trace arguments are copies that have tensors without elements, and a copy has no private members.
    if (error instanceof TypeError && /private member/.test(error.message) && currentTrace() !== undefined) {
      throw new ArgumentError(`${name}: ${error.message}: jit runs ${name} on copies of its arguments, which have their fields and methods, and no private members of JavaScript: write TypeScript's private in place of #`, { cause: error });
    }
    const method = error instanceof TypeError ? /[.](\w+) is not a function/.exec(error.message)?.[1] : undefined;
    const numbers = method !== undefined && isMethod(method) ? args.flatMap((argument, i) => numbersIn(argument, [i])) : [];
    const [first] = numbers;
    if (!(error instanceof TypeError) || first === undefined) throw error;
    const which = numbers.map(({ place, value }) => `${place} is the number ${value}`).join(", and ");
    throw new ArgumentError(`${name}: ${error.message}: ${which}, and a number has no methods of tensors when ops run one by one: pass tensor(${first.value})`, { cause: error });
  }
}

function numbersIn(value: unknown, path: Path): readonly { readonly place: string; readonly value: number }[] {
  if (typeof value === "number") return [{ place: pathName(`argument ${path[0]}`, path.slice(1)), value }];
  if (isLeaf(value) || !(Array.isArray(value) || isTree(value))) return [];
  return Object.entries(value).flatMap(([key, item]) => numbersIn(item, [...path, Array.isArray(value) ? Number(key) : key]));
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
  // In a trace a size that has a name, or is a number at the sizes of a replay, is the same op.
  if (result instanceof NamedSize || (typeof result === "number" && currentTrace() !== undefined)) return dispatch("full", [[], result, "f64"]);
  if (typeof result === "number") return makeHandle("f64", [], { kind: "host", data: Float64Array.of(result) });
  if (isLeaf(result)) return given.has(result) ? dispatch("reshape", [result, result.shape]) : result;
  if (Array.isArray(result)) return result.map((item, i) => ownResult(name, item, given, [...path, i]));
  if (isTree(result)) {
    // What is an instance stays one, so that it may be passed to the next call.
    const own = Object.create(Object.getPrototypeOf(result) as object | null) as Record<string, unknown>;
    for (const [key, item] of Object.entries(result)) own[key] = ownResult(name, item, given, [...path, key]);
    return own;
  }
  if (result === null || ["string", "boolean", "undefined"].includes(typeof result)) return result;
  throw new ArgumentError(`${name}: ${pathName("the result", path)} is ${describeValue(result)}: a model returns a tree of tensors and numbers`);
}

/** What a model says of itself, by the function that a caller has of it. */
export interface Declared {
  readonly donate: readonly number[];
  /** Ranges of named dims. */
  readonly dims: Readonly<Record<string, { readonly min?: number; readonly max?: number }>>;
}

const declarations = new WeakMap<AnyFunction, Declared>();

export function declare(call: AnyFunction, declared: Declared): void {
  declarations.set(call, declared);
}

export function declaredBy(call: AnyFunction): Declared {
  return declarations.get(call) ?? { donate: [], dims: {} };
}

/** Whether a call that donates ends handles now: not under a tape, which reads later on what ran, nor in a trace, where nothing runs. */
export function isDonating(): boolean {
  return !isTaping() && currentTrace() === undefined;
}

/** Ends these handles, whose memory is released, or gone already where the call has consumed it. */
export function endDonated(name: string, donated: readonly AnyTensor[], caller: AnyFunction, isConsumed = false): void {
  if (donated.length === 0 || !isDonating()) return;
  const ended = donatedTo(name, caller);
  for (const leaf of donated) {
    if (!isConsumed) leaf.dispose();
    leaf[tensorBrand] = ended;
  }
}
