/**
 * Replay: whether a function that was traced with names for sizes does the same at sizes that it is called with.
 *
 * JavaScript compares by ===, and asks whether a number is 0, without a word to what is compared. So the function runs
 * once more for each further tuple of sizes, on tensors without elements whose shapes are plain numbers, and each op is held
 * against the one that was written in its place. Nothing is made of it, so this costs little. Where it does something
 * else, what was traced is not the function at these sizes.
 */

import { tensorBrand } from "tsdlc-runtime";
import { bytesOf, type TracedBy } from "tsdlc-runtime/library";
import { evaluateDim } from "../../ir/dim.ts";
import { type AnyTensor, isLeaf, makeHandle } from "./handles.ts";
import type { Computation } from "./computation.ts";
import type { Generalized } from "./generalize.ts";
import { NamedSize } from "./named-size.ts";
import { Before, isSameOutcome, type Outcome } from "./outcome.ts";
import { type Example, exampleOf, type ExampleRequest, type OpenTrace, type Traced, within } from "./trace.ts";

export type Sizes = Readonly<Record<string, number>>;

/** Ends a replay; nobody sees it but a function that catches everything. */
class Parted extends Error {}

export class Replay<Result> implements OpenTrace {
  readonly #traced: Traced<Result>;
  readonly #sizes: Sizes;
  readonly #by: TracedBy & { isOver: boolean };
  /** The tensor of the trace that a tensor stands for. */
  readonly #originals = new Map<AnyTensor, AnyTensor>();
  readonly isStatic = false;
  /** All sizes are numbers here. */
  readonly names = undefined;
  /** The replay around, where this is one of a vmap. */
  readonly #outer: Replay<unknown> | undefined;
  /** What tensors from outside are now. */
  readonly #taken = new Map<AnyTensor, AnyTensor>();
  #next = 0;
  /** Where the function did something else, in words. */
  #parting: string | undefined;

  constructor(name: string, traced: Traced<Result>, sizes: Sizes, outer?: Replay<unknown>) {
    this.#outer = outer;
    this.#traced = traced;
    this.#sizes = sizes;
    this.#by = { name, isOver: false };
  }

  /** What is different at these sizes; undefined where nothing is. `isSame` compares what the function left behind. */
  partingOf(body: (tensors: readonly AnyTensor[]) => Result, isSame: (traced: Result, now: Result) => boolean): string | undefined {
    try {
      const result = within(this, () => body(this.#traced.parameters.map((parameter) => this.#standIn(parameter))));
      if (this.#parting === undefined && this.#next < this.#traced.written.length) this.#part("it ends");
      if (this.#parting === undefined && !isSame(this.#traced.result, result)) return "it returns or assigns something else";
    } catch (error) {
      if (this.#parting === undefined) throw error;
    } finally {
      this.#by.isOver = true;
    }
    return this.#parting;
  }

  call(name: string, args: readonly unknown[]): Generalized {
    const written = this.#traced.written[this.#next]?.call;
    if (written === undefined || written.name !== name || !this.#isSame(written.args, args)) throw this.#part(`it calls ${name}`);
    return written.known;
  }

  inline(computation: Computation, inputs: readonly AnyTensor[]): readonly AnyTensor[] {
    const written = this.#traced.written[this.#next];
    if (written?.computation !== computation || !this.#isSame(written.inputs, inputs)) throw this.#part(`it computes ${computation.func.name}`);
    this.#next++;
    return written.outputs.map((output) => this.#standIn(output));
  }

  /** Holds the function of a vmap against what it did to one example before. */
  example({ name, run }: ExampleRequest): Example {
    const written = this.#traced.written[this.#next]?.example;
    if (written === undefined) throw this.#part(`it calls ${name}`);
    const replay = new Replay<unknown>(name, written.traced, this.#sizes, this);
    let result: unknown;
    const parting = replay.partingOf((tensors) => (result = run(tensors)), (traced, now) =>
      isSameOutcome(outcomeOf(name, traced), outcomeOf(name, now), (one, other) => replay.isOriginal(one, other), this.#sizes));
    if (parting !== undefined) throw this.#partWith(`in ${name}, ${parting}`);
    const { func, size, captured } = exampleOf(written);
    return { func, size, result, captured: captured.map((tensor) => replay.#taken.get(tensor) ?? tensor) };
  }

  /** Whether a tensor of now stands for one of the trace. */
  isOriginal(traced: AnyTensor, now: AnyTensor): boolean {
    return (this.#originals.get(now) ?? this.#capturedAs(now)) === traced;
  }

  #isSame(traced: unknown, now: unknown): boolean {
    if (traced instanceof NamedSize) return evaluateDim(traced.dim, this.#sizes) === now;
    if (isLeaf(traced)) return isLeaf(now) && this.isOriginal(traced, now);
    if (Array.isArray(traced)) return Array.isArray(now) && now.length === traced.length && traced.every((item, i) => this.#isSame(item, now[i]));
    return Object.is(traced, now);
  }

  /** A tensor from outside is the same handle, or one that was made anew of the same numbers. */
  #capturedAs(now: AnyTensor): AnyTensor | undefined {
    const state = now[tensorBrand];
    const found = this.#traced.captured.find(({ tensor, data }) =>
      tensor === now
      || this.#outer?.isOriginal(tensor, now) === true
      || (data !== undefined && state.kind === "host" && tensor.dtype === now.dtype && tensor.shape.join() === now.shape.join() && isEqual(bytesOf(data), bytesOf(state.data))))?.tensor;
    if (found !== undefined) this.#taken.set(found, now);
    return found;
  }

  #standIn(traced: AnyTensor): AnyTensor {
    const shape = (traced.shape as readonly unknown[]).map((size) => (size instanceof NamedSize ? evaluateDim(size.dim, this.#sizes) : Number(size)));
    const made = makeHandle(traced.dtype, shape, { kind: "traced", by: this.#by });
    this.#originals.set(made, traced);
    return made;
  }

  #part(what: string): Parted {
    const written = this.#traced.written[this.#next];
    const instead = written === undefined ? "is over" : `goes on with ${written.call?.name ?? written.computation.func.name}`;
    return this.#partWith(`${what} where, at other sizes, it ${instead}`);
  }

  #partWith(words: string): Parted {
    this.#parting ??= words;
    return new Parted(this.#parting);
  }
}

function outcomeOf(name: string, result: unknown): Outcome {
  return new Before([]).outcome(name, result);
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}
