/**
 * The walk of a block along the sum of a contraction, a step at a time (Volkov and Demmel, Benchmarking GPUs to Tune
 * Dense Linear Algebra, 2008; with two stages: Kurzak, Tomov and Dongarra, Autotuning GEMM Kernels for the Fermi GPU, 2012).
 *
 * While the threads multiply the pieces of one step, the loads of the next are on their way to registers, and from there
 * they go to shared memory. With two stages of it nobody has to wait until a stage was read before the other is
 * written, so there is one barrier a step:
 *
 *   fetch, keep in 0; for each two steps { fetch next, multiply 0, keep in 1 | fetch next, multiply 1, keep in 0 | }
 *
 * and with one stage there are two:
 *
 *   fetch; for each step { keep | fetch next, multiply | }         (| is a barrier that place-barriers finds)
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
  /** What each thread does first: it has no totals yet. */
  readonly begin: ThreadPart;
  /** Phases that multiply what a stage holds, the first of which starts with `first`, the last of which ends with `last`. */
  readonly multiply: (stage: number, first: ThreadPart, last?: ThreadPart) => void;
}

/** Two stages where they fit, unless the sum is known to be so short that the second would be there for one step alone. */
export function stagesFor(terms: Dim, termsOfStep: number, bytesOfStage: number, sharedBytes: number): Stages {
  const isShort = typeof terms === "number" && terms <= 2 * termsOfStep;
  return isShort || 2 * bytesOfStage > sharedBytes ? 1 : 2;
}

export function walkAlongSum(b: Builder, walk: Walk): void {
  const { threads, terms, termsOfStep, pieces, stages, begin, multiply } = walk;
  const fetch = (thread: Value, firstTerm: Value): void => pieces.forEach((piece) => piece.fetch(thread, firstTerm));
  const keep = (thread: Value, stage: number): void => pieces.forEach((piece) => piece.keep(thread, stage));
  const start = b.index(0);
  // A sum of named length may be of nothing.
  const isFirst = typeof terms === "number" ? undefined : isStep(b, start, terms);

  phase(b, threads, (thread) => {
    begin(thread);
    whenStep(b, isFirst, () => {
      fetch(thread, start);
      if (stages === 2) keep(thread, 0);
    });
  });
  if (stages === 1) {
    serialLoop(b, start, b.index(terms), termsOfStep, [], (firstTerm) => {
      const next = b.add(firstTerm, termsOfStep);
      const isNext = isStep(b, next, terms);
      phase(b, threads, (thread) => keep(thread, 0));
      multiply(0, (thread) => whenStep(b, isNext, () => fetch(thread, next)));
      return [];
    });
    return;
  }
  // Steps come in pairs: where their number is known to be even, the second of a pair is always there.
  const isEven = typeof terms === "number" && Math.ceil(terms / termsOfStep) % 2 === 0;
  serialLoop(b, start, b.index(terms), 2 * termsOfStep, [], (firstTerm) => {
    const second = b.add(firstTerm, termsOfStep);
    const third = b.add(firstTerm, 2 * termsOfStep);
    const step = (stage: number, next: Value, isNext: Value | undefined): void => multiply(
      stage,
      (thread) => whenStep(b, isNext, () => fetch(thread, next)),
      (thread) => whenStep(b, isNext, () => keep(thread, 1 - stage)),
    );
    const isSecond = isEven ? undefined : isStep(b, second, terms);
    step(0, second, isSecond);
    whenStep(b, isSecond, () => step(1, third, isStep(b, third, terms)));
    return [];
  });
}

/** Whether a step starts before the end of the sum: the same for all threads of a block. */
function isStep(b: Builder, firstTerm: Value, terms: Dim): Value {
  return b.lt(firstTerm, b.index(terms));
}

/** body, where there is such a step; undefined says that there always is. */
function whenStep(b: Builder, isThere: Value | undefined, body: () => void): void {
  if (isThere === undefined) body();
  else when(b, isThere, body);
}
