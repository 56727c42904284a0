/**
 * jit: a function of tensors, compiled the first time it is called with arguments of a kind.
 *
 * The function runs once with tensors that have no elements (eager/trace.ts); what its ops would do is fused and compiled
 * as `tsdlc build` compiles a model, and later calls of the kind run that alone. eager/call-kind.ts says what a kind is.
 */

import { ArgumentError } from "tsdlc-runtime";
import { type AxisNames, type Call, type DimsOf, type Fact, readCall, reasonOf } from "./eager/call-kind.ts";
import { declaredBy, readArguments } from "./eager/call-model.ts";
import type { SideEffect } from "./eager/side-effects.ts";
import { withoutTapes } from "./eager/tape.ts";
import { currentTrace } from "./eager/trace.ts";
import { type Subject, TracedCall } from "./eager/traced-call.ts";

export type { AxisNames, DimsOf };

type AnyFunction = (...args: never[]) => unknown;

export interface JitOptions {
  /** Positions of arguments whose handles a call consumes, so that results may take their memory; those of a model when absent. */
  readonly donate?: readonly number[];
  /**
   * Names of axes whose size may be another in each call, by position of the argument: for a tensor a list with one item
   * for each axis, a name, a size or null; for a tree the same tree of such lists, as far as axes have names.
   *
   *     jit(step, { dims: [undefined, ["N", 784], ["N"]] })
   *
   * One compilation serves all sizes. Axes of one name have one size in a call, and never stretch, even where that is 1. The
   * size of a named axis can be passed to ops and not computed with. At each further tuple of sizes the function runs once
   * without computing anything, to see that it does the same; sizes at which it does not are compiled for themselves.
   */
  readonly dims?: readonly (DimsOf | undefined)[];
}

/** What happened to a jitted function so far. */
export interface Explanation {
  /** Calls that found their kind compiled, and calls that did not. */
  readonly hits: number;
  readonly compilations: number;
  /**
   * For each compilation after the first, in sentences: what differed from the call before, and what to do. And once, where a
   * gradient from outside ran the function op by op.
   */
  readonly reasons: readonly string[];
  /** What the function did beside its ops while it was traced, and does not do again: `console.log at model.ts:12:5`. */
  readonly sideEffects: readonly string[];
}

interface History {
  hits: number;
  compilations: number;
  readonly compiled: Map<string, TracedCall>;
  /** Of the call that was compiled last. */
  last: readonly Fact[] | undefined;
  readonly reasons: string[];
  readonly sideEffects: Set<SideEffect>;
}

const histories = new WeakMap<object, History>();

/**
 * The function `fn`, compiled when it is called. It must depend on its arguments alone, and on tensors that do not
 * change. Fields of arguments that it assigns are assigned in each call; what else it does, such as printing, it does
 * only when it is traced, which is reported once. Calls inside of another jitted function are compiled with that. A
 * gradient that is taken outside follows what is compiled as one op; where that has functions of customGrad in it, the
 * gradient follows their rules, and the function runs op by op for it.
 *
 *     const fast = jit(step);
 *     const each = jit(step, { dims: [undefined, ["N", 784], ["N"]] });   // one compilation for every size of the batch
 *
 * Throws an ArgumentError for arguments and results that are no trees, and for sizes that `dims` does not allow.
 */
export function jit<F extends AnyFunction>(fn: F, options: JitOptions = {}): F {
  const name = fn.name === "" ? "the function" : fn.name;
  const declared = declaredBy(fn);
  const donate = options.donate ?? declared.donate;
  const dims = options.dims ?? [];
  const history: History = { hits: 0, compilations: 0, compiled: new Map(), last: undefined, reasons: [], sideEffects: new Set() };
  const subject: Subject = {
    name, fn, donate, ranges: declared.dims, note: (effect) => history.sideEffects.add(effect),
    remark: (reason) => {
      if (!history.reasons.includes(reason)) history.reasons.push(reason);
    },
  };
  const explain = (reason: string): void => {
    history.compilations++;
    history.reasons.push(reason);
  };
  const call = (...args: unknown[]): unknown => {
    readArguments(name, args);
    if (currentTrace() !== undefined) return (fn as AnyFunction as (...args: readonly unknown[]) => unknown)(...args);
    const read = readCall(name, args, dims);
    const known = history.compiled.get(read.key);
    const compiled = known ?? compile(subject, history, read, args, dims);
    const { compilations } = history;
    const result = compiled.run(read, args, explain, call);
    if (known !== undefined && compilations === history.compilations) history.hits++;
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
  const { hits, compilations, reasons, sideEffects } = history;
  return { hits, compilations, reasons: [...reasons], sideEffects: [...sideEffects] };
};

function compile(subject: Subject, history: History, call: Call, args: readonly unknown[], dims: readonly (DimsOf | undefined)[]): TracedCall {
  const hadEffects = history.sideEffects.size > 0;
  // Tapes around the call follow it as one op.
  const compiled = withoutTapes(() => new TracedCall(subject, call, args));
  history.compilations++;
  if (history.last !== undefined) history.reasons.push(reasonOf(history.last, call.facts, dims));
  history.last = call.facts;
  history.compiled.set(call.key, compiled);
  if (!hadEffects) warnOf(subject.name, [...history.sideEffects]);
  return compiled;
}

function warnOf(name: string, effects: readonly SideEffect[]): void {
  if (effects.length === 0) return;
  console.warn(`tsdlc: while ${name} was traced it called ${effects.join(", ")}. What is compiled does not: it prints nothing, and a number that it took stays the same in every call. Do it outside of ${name}, or pass the number in; for random numbers pass a key and use random.uniform(key, shape).`);
}
