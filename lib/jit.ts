/**
 * jit: a function of tensors, compiled the first time it is called with arguments of a kind.
 *
 * The function runs once with tensors that have no elements (eager/trace.ts); what its ops would do is fused and compiled
 * as `tsdlc build` compiles a model, and later calls of the kind run that alone. Calls differ in kind by the structure
 * of their arguments, the dtypes and shapes of tensors, and by everything else in them by value.
 */

import { ArgumentError } from "tsdlc-runtime";
import { callModel, donatedPositions, endDonated, readArguments } from "./eager/call-model.ts";
import { computationOf } from "./eager/computation.ts";
import { withFaults } from "./eager/dispatch.ts";
import { type Application, execute } from "./eager/execute.ts";
import { type AnyTensor, isLeaf } from "./eager/handles.ts";
import { withoutTapes } from "./eager/tape.ts";
import { currentTrace, Trace } from "./eager/trace.ts";
import { describeValue, isTree, leavesOf, mapLeaves, type Path, pathName, printNumber } from "./eager/trees.ts";
import type { DType } from "../ir/type.ts";

type AnyFunction = (...args: never[]) => unknown;

export interface JitOptions {
  /** Positions of arguments whose handles a call consumes, so that results may take their memory; those of a model when absent. */
  readonly donate?: readonly number[];
}

/** What happened to a jitted function so far. */
export interface Explanation {
  /** Calls that found their kind compiled, and calls that did not. */
  readonly hits: number;
  readonly compilations: number;
  /** For each compilation after the first, in sentences: what differed from the call before, and what to do. */
  readonly reasons: readonly string[];
}

interface Compiled {
  readonly application: Application;
  readonly captured: readonly AnyTensor[];
  /** The result, with a number in place of each tensor: which result of the function it is. */
  readonly template: unknown;
}

interface History {
  hits: number;
  readonly compiled: Map<string, Compiled>;
  /** Of the call that was compiled last. */
  last: readonly Fact[] | undefined;
  readonly reasons: string[];
}

/** One leaf of the arguments: where, and what the kind of the call depends on. */
interface Fact {
  readonly place: string;
  readonly text: string;
  readonly isTensor: boolean;
}

const histories = new WeakMap<object, History>();

/**
 * The function `fn`, compiled when it is called. It must depend on its arguments alone, and on tensors that do not
 * change. Calls inside of `grad` and of another jitted function are compiled with what is around them.
 *
 *     const fast = jit(step);
 */
export function jit<F extends AnyFunction>(fn: F, options: JitOptions = {}): F {
  const name = fn.name === "" ? "the function" : fn.name;
  const donate = options.donate ?? donatedPositions(fn);
  const history: History = { hits: 0, compiled: new Map(), last: undefined, reasons: [] };
  const call = (...args: unknown[]): unknown => {
    readArguments(name, args);
    if (currentTrace() !== undefined) return (fn as AnyFunction as (...args: readonly unknown[]) => unknown)(...args);
    const tensors: AnyTensor[] = [];
    const facts = args.flatMap((argument, i) => factsOf(name, argument, `argument ${i}`, [], tensors));
    const key = facts.map(({ place, text }) => `${place} ${text}`).join("\n");
    let compiled = history.compiled.get(key);
    if (compiled === undefined) {
      // Tapes around the call follow it as one op.
      compiled = withoutTapes(() => withFaults(name, () => compile(name, fn, args)));
      if (history.last !== undefined) history.reasons.push(reasonOf(history.last, facts));
      history.last = facts;
      history.compiled.set(key, compiled);
    } else history.hits++;
    const results = execute(compiled.application, [...tensors, ...compiled.captured], name);
    const result = fill(compiled.template, results);
    endDonated(name, donate.map((position) => args[position]), call);
    return result;
  };
  Object.defineProperty(call, "name", { value: name });
  histories.set(call, history);
  return call as unknown as F;
}

/** What a jitted function has compiled, and why more than once. */
jit.explain = (jitted: AnyFunction): Explanation => {
  const history = histories.get(jitted);
  if (history === undefined) throw new ArgumentError("jit.explain takes what jit returned");
  return { hits: history.hits, compilations: history.compiled.size, reasons: [...history.reasons] };
};

function compile(name: string, fn: AnyFunction, args: readonly unknown[]): Compiled {
  const leaves = leavesOf(args);
  const { func, result, captured } = new Trace(name).run(
    leaves.map(({ dtype, shape }) => ({ dtype: dtype as DType, shape })),
    (tensors) => {
      let next = 0;
      const traced = args.map((argument) => mapLeaves(argument, () => tensors[next++]));
      return callModel(name, fn, [], traced, fn);
    },
    leavesOf,
  );
  const results: { dtype: DType; shape: readonly number[] }[] = [];
  const template = mapLeaves(result, ({ dtype, shape }) => new Place(results.push({ dtype: dtype as DType, shape }) - 1));
  return { application: { computation: computationOf(func, []), sizes: [], results }, captured, template };
}

/** Where a result of the function goes in the tree that it returned. */
class Place {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

function fill(template: unknown, results: readonly AnyTensor[]): unknown {
  if (template instanceof Place) return results[template.index];
  if (Array.isArray(template)) return template.map((item) => fill(item, results));
  if (!isTree(template)) return template;
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, fill(item, results)]));
}

/* ---------------------------------------------------------------- kinds of calls */

function factsOf(name: string, value: unknown, root: string, path: Path, tensors: AnyTensor[]): readonly Fact[] {
  const place = pathName(root, path);
  if (isLeaf(value)) {
    tensors.push(value);
    return [{ place, text: describeValue(value), isTensor: true }];
  }
  if (Array.isArray(value)) return [{ place, text: `an array of ${value.length}`, isTensor: false }, ...value.flatMap((item, i) => factsOf(name, item, root, [...path, i], tensors))];
  if (isTree(value)) return Object.entries(value).flatMap(([key, item]) => factsOf(name, item, root, [...path, key], tensors));
  if (typeof value === "function" || typeof value === "symbol" || (typeof value === "object" && value !== null)) {
    throw new ArgumentError(`${name}: ${place} is ${describeValue(value)}: a jitted function takes trees of tensors, numbers, strings and booleans`);
  }
  return [{ place, text: typeof value === "number" ? printNumber(value) : typeof value === "string" ? JSON.stringify(value) : String(value), isTensor: false }];
}

/** What differs from the call before, and what would have kept it from being compiled again. */
function reasonOf(before: readonly Fact[], now: readonly Fact[]): string {
  const old = new Map(before.map((fact) => [fact.place, fact]));
  const changed = now.find(({ place, text }) => old.get(place)?.text !== text);
  if (changed === undefined) return "an argument of the call before is missing";
  const was = old.get(changed.place);
  if (was === undefined) return `${changed.place} was not there before`;
  const change = `${changed.place} was ${was.text} and is ${changed.text}`;
  if (changed.isTensor && was.isTensor) return `${change}: each shape is compiled for itself; pad to one shape, or build the model with named dims`;
  return /^-?[\d.e+]+$/.test(changed.text) ? `${change}: a number is part of the program; pass tensor(${changed.text}) if it changes from call to call` : change;
}
