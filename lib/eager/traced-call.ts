/**
 * A function that was traced for one kind of call, and what runs for each tuple of sizes that its named axes have had.
 */

import { ArgumentError } from "tsdlc-runtime";
import { bytesPerElement, isSharedDonation } from "tsdlc-runtime/library";
import { evaluateDim, printDim } from "../../ir/dim.ts";
import type { DType } from "../../ir/type.ts";
import type { Call } from "./call-kind.ts";
import { callModel, type Declared, endDonated, isDonating } from "./call-model.ts";
import { type Computation, computationOf, newComputation } from "./computation.ts";
import { notingRules } from "./custom-rule.ts";
import { withFaults } from "./dispatch.ts";
import { type Application, execute } from "./execute.ts";
import type { AnyTensor } from "./handles.ts";
import { dimOf } from "./named-size.ts";
import { assign, Before, fill, isSameOutcome, type Outcome, ownersOf } from "./outcome.ts";
import { Replay, type Sizes } from "./replay.ts";
import { type SideEffect, withSideEffects } from "./side-effects.ts";
import { isOnTape, withoutTapes } from "./tape.ts";
import { Trace, type Traced } from "./trace.ts";
import { mapLeaves } from "./trees.ts";

type AnyFunction = (...args: never[]) => unknown;

/** A function that is compiled, and what its calls have in common. */
export interface Subject {
  readonly name: string;
  readonly fn: AnyFunction;
  /** Positions of arguments that calls consume. */
  readonly donate: readonly number[];
  readonly ranges: Declared["dims"];
  readonly note: (effect: SideEffect) => void;
  /** Told why what is compiled could not be run. */
  readonly remark: (reason: string) => void;
}

/** What runs at one tuple of sizes. */
interface Ready {
  readonly outcome: Outcome;
  /** Names of functions with a rule that it calls. */
  readonly rules: ReadonlySet<string>;
  readonly sizes: Sizes;
  readonly captured: readonly AnyTensor[];
  readonly plain: Application;
  /** Its results may take the memory of what is donated; undefined where there is none worth it. */
  readonly donating: Application | undefined;
}

/** Tuples of sizes that are kept: a loop over ever new ones must not grow for ever. */
const readyKept = 64;

/** Smaller tensors are no gain to take over, and on the CPU a loss: they have a memory of their own. */
const smallestDonated = 4096;

export class TracedCall {
  readonly #subject: Subject;
  readonly #traced: Traced<Outcome>;
  readonly #rules = new Set<string>();
  readonly #computation: Computation;
  /** Positions among the tensors of a call. */
  readonly #donated: ReadonlySet<number>;
  readonly #donating: Computation | undefined;
  readonly #ready = new Map<string, Ready>();

  /** Traces the function for calls like this one. */
  constructor(subject: Subject, call: Call, args: readonly unknown[]) {
    const { name, note } = subject;
    const traced = notingRules(this.#rules, () => withFaults(name, () => withSideEffects(note, () =>
      new Trace(name, call.types).run((tensors) => outcomeOf(subject, args, tensors), ({ leaves }) => leaves))));
    this.#donated = donatedLeaves(subject, call);
    this.#subject = subject;
    // What was written is for comparing, which takes names.
    this.#traced = call.names.length > 0 ? traced : { ...traced, written: [], parameters: [], captured: traced.captured.map(({ tensor }) => ({ tensor, data: undefined })) };
    this.#computation = computationOf(traced.func, call.names);
    this.#donating = this.#donated.size === 0 ? undefined : newComputation(traced.func, call.names, this.#donated);
  }

  /**
   * Runs it. `explain` is told where these sizes had to be compiled for themselves; `caller` is the function that the user
   * calls.
   */
  run(call: Call, args: readonly unknown[], explain: (reason: string) => void, caller: AnyFunction): unknown {
    const key = call.sizes.join();
    const ready = this.#ready.get(key) ?? this.#keep(key, withoutTapes(() => this.#prepare(call, args, explain)));
    const { outcome, rules, sizes, captured, plain, donating } = ready;
    if (rules.size > 0 && isOnTape([...call.tensors, ...captured])) return this.#runOpByOp([...rules], args, caller);
    const owners = outcome.changes.length === 0 ? [] : ownersOf(this.#subject.name, outcome.changes, args);
    const application = donating !== undefined && isDonating() ? donating : plain;
    const results = this.#execute(application, call, [...call.tensors, ...captured]);
    if (this.#donated.size > 0) endDonated(this.#subject.name, call.tensors.filter((_, i) => this.#donated.has(i)), caller, application === donating);
    if (outcome.changes.length > 0) assign(outcome.changes, owners, (template) => fill(template, results, args, sizes));
    return fill(outcome.result, results, args, sizes);
  }

  /** A tape would derive what is compiled by the records of its ops, and not by these rules. */
  #runOpByOp(rules: readonly string[], args: readonly unknown[], caller: AnyFunction): unknown {
    const { name, fn, donate, remark } = this.#subject;
    remark(`a gradient that was taken outside of ${name} ran it op by op, so as to follow the rule of ${rules.join(" and ")}, a function of customGrad: take the gradient inside, as in jit(grad(f)), for one that is compiled`);
    return callModel(name, fn, donate, args, caller);
  }

  #keep(key: string, ready: Ready): Ready {
    const oldest = this.#ready.keys().next().value;
    if (this.#ready.size >= readyKept && oldest !== undefined) this.#ready.delete(oldest);
    this.#ready.set(key, ready);
    return ready;
  }

  #execute(application: Application, { facts }: Call, inputs: readonly AnyTensor[]): readonly AnyTensor[] {
    const { name } = this.#subject;
    try {
      return execute(application, inputs, name);
    } catch (error) {
      if (!isSharedDonation(error)) throw error;
      const places = facts.flatMap(({ place, tensor }) => (tensor === undefined ? [] : [place]));
      const [donated, other] = [places[error.donatedLeaf], places[error.otherLeaf] ?? "a tensor from outside that it uses"];
      throw new ArgumentError(`${name}: ${donated} and ${other} are the same memory, and ${donated} is donated: ${name} may overwrite it; pass a copy as one of them`);
    }
  }

  #prepare(call: Call, args: readonly unknown[], explain: (reason: string) => void): Ready {
    const { name, fn } = this.#subject;
    const sizes = Object.fromEntries(call.names.map((dim, i) => [dim, call.sizes[i] ?? 0]));
    const given = call.names.map((dim) => `${dim} = ${sizes[dim]}`).join(", ");
    this.#requireRanges(sizes);
    if (call.names.length > 0) {
      const replay = new Replay(name, this.#traced, sizes);
      const parting = replay.partingOf(
        (tensors) => outcomeOf(this.#subject, args, tensors),
        (traced, now) => isSameOutcome(traced, now, (one, other) => replay.isOriginal(one, other), sizes),
      );
      if (parting !== undefined) {
        explain(`with ${given}, ${fn.name === "" ? "the function" : fn.name} does something else than at other sizes (${parting}): these sizes are compiled for themselves; leave axes whose size decides what is done out of dims`);
        const closed: Call = { ...call, names: [], sizes: [], types: call.tensors.map(({ dtype, shape }) => ({ dtype: dtype as DType, shape })) };
        return new TracedCall(this.#subject, closed, args).#prepare(closed, args, explain);
      }
    }
    this.#requireBounds(sizes, given);
    const results = this.#traced.result.leaves.map(({ dtype, shape }) => ({
      dtype: dtype as DType, shape: shape.map((size: number) => evaluateDim(dimOf(size), sizes)),
    }));
    const applicationOf = (computation: Computation): Application => ({ computation, sizes: call.sizes, results });
    const isWorthIt = call.tensors.some((tensor, i) => this.#donated.has(i) && tensor.size * bytesPerElement(tensor.dtype) >= smallestDonated);
    return {
      outcome: this.#traced.result, rules: this.#rules, sizes, captured: this.#traced.captured.map(({ tensor }) => tensor),
      plain: applicationOf(this.#computation),
      donating: this.#donating === undefined || !isWorthIt ? undefined : applicationOf(this.#donating),
    };
  }

  /** What the model declares. */
  #requireRanges(sizes: Sizes): void {
    const { name, ranges } = this.#subject;
    for (const [dim, size] of Object.entries(sizes)) {
      const { min = 0, max = Infinity } = ranges[dim] ?? {};
      if (size < min) throw new ArgumentError(`${name}: ${dim} is ${size}: it must be at least ${min}`);
      if (size > max) throw new ArgumentError(`${name}: ${dim} is ${size}: ${name} is declared for at most ${max}`);
    }
  }

  /** What the ops need that were traced. */
  #requireBounds(sizes: Sizes, given: string): void {
    const { name } = this.#subject;
    for (const { smaller, larger, reason } of this.#traced.bounds) {
      const [a, b] = [evaluateDim(smaller, sizes), evaluateDim(larger, sizes)];
      if (a > b) throw new ArgumentError(`${name}: with ${given}, ${printDim(smaller)} <= ${printDim(larger)} does not hold: ${a} against ${b}; ${reason}`);
    }
  }
}

/** The function on these tensors in place of those of the arguments. */
function outcomeOf({ name, fn }: Subject, args: readonly unknown[], tensors: readonly AnyTensor[]): Outcome {
  let next = 0;
  const given = args.map((argument) => mapLeaves(argument, () => tensors[next++]));
  const before = new Before(given);
  return before.outcome(name, callModel(name, fn, [], given, fn));
}

/** Which of the tensors of a call are in an argument that is donated. */
function donatedLeaves({ donate }: Subject, { facts }: Call): ReadonlySet<number> {
  const leaves = facts.flatMap(({ tensor }) => (tensor === undefined ? [] : [tensor]));
  return new Set(leaves.flatMap(({ path }, i) => (donate.includes(Number(path[0])) ? [i] : [])));
}
