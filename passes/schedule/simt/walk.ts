/**
 * The walk of a block along the sum of a contraction, a step at a time, with pieces of both operands on three ways: from
 * the device's memory to registers (fetch), from there to shared memory (keep), and into the totals (multiply).
 *
 * With two stages of shared memory, threads multiply what one holds while they fill the other, and wait once a step. What
 * they fill it with was fetched a step before, so that nobody waits for the device's memory:
 *
 *   fetch step 0, keep it in stage 0, fetch step 1
 *   for each step { | keep the next in the other stage, fetch the one after it, multiply }
 *
 * With one stage they wait twice (| is a barrier that place-barriers finds):
 *
 *   fetch step 0; for each step { | keep it | fetch the next, multiply }
 *
 * A step that is wholly past the end of the sum is neither fetched nor multiplied.
 */

import type { Builder } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import type { Value } from "../../../ir/module.ts";
import { serialLoop, when } from "../loops.ts";
import { phase } from "./block.ts";
import type { Piece } from "./piece.ts";

export type Stages = 1 | 2;

/** What each thread does in a phase. */
export type ThreadPart = (thread: Value) => void;

export interface Walk {
  readonly threads: number;
  /** Of the whole sum, and of a step. */
  readonly terms: Dim;
  readonly termsOfStep: number;
  readonly pieces: readonly Piece[];
  readonly stages: Stages;
  /** What each thread does before anything else. */
  readonly begin: ThreadPart;
  /** A phase that does `first` and then multiplies what a stage holds, and whatever comes after that phase. */
  readonly multiply: (stage: Value, first: ThreadPart) => void;
}

/** What a sum may have, the best first: the second stage of a single step would stay empty. */
export function stagesFor(terms: Dim, termsOfStep: number): readonly Stages[] {
  return typeof terms === "number" && terms <= termsOfStep ? [1] : [2, 1];
}

export function walkAlongSum(b: Builder, { threads, terms, termsOfStep, pieces, stages, begin, multiply }: Walk): void {
  const start = b.index(0);
  /** body(first term) of the step that comes so many after another, if there is one. */
  const whenStep = (firstTerm: Value, after: number, body: (firstTerm: Value) => void): void => {
    const term = after === 0 ? firstTerm : b.add(firstTerm, after * termsOfStep);
    const isKnown = firstTerm === start && typeof terms === "number";
    if (!isKnown) when(b, b.lt(term, b.index(terms)), () => body(term));
    else if (after * termsOfStep < terms) body(term);
  };
  const fetch = (thread: Value, firstTerm: Value, after: number): void =>
    whenStep(firstTerm, after, (term) => pieces.forEach((piece) => piece.fetch(thread, term)));
  const keep = (thread: Value, stage: Value): void => pieces.forEach((piece) => piece.keep(thread, stage));

  phase(b, threads, (thread) => {
    begin(thread);
    fetch(thread, start, 0);
    if (stages === 1) return;
    whenStep(start, 0, () => keep(thread, start));
    fetch(thread, start, 1);
  });
  serialLoop(b, start, b.index(terms), termsOfStep, [], (firstTerm) => {
    if (stages === 1) {
      phase(b, threads, (thread) => keep(thread, start));
      multiply(start, (thread) => fetch(thread, firstTerm, 1));
      return [];
    }
    const stage = b.rem(b.div(firstTerm, termsOfStep), 2);
    multiply(stage, (thread) => {
      whenStep(firstTerm, 1, () => keep(thread, b.sub(b.index(1), stage)));
      fetch(thread, firstTerm, 2);
    });
    return [];
  });
}
