/**
 * Tapes: what reverse and forward mode know of the ops that ran.
 *
 * A tape follows the tensors that it was told to watch and all floats that were computed from them. Tapes are nested
 * when a function that takes a gradient is itself differentiated: each op is written on every tape that follows one of
 * its operands, and what the inner one does to make its gradient are ops like any other.
 */

import { isFloat } from "../../ir/type.ts";
import type { Computation } from "./computation.ts";
import type { AnyTensor } from "./handles.ts";

/** One op that ran, or a function with a rule of its own. */
export type Entry = ComputationEntry | RuleEntry;

interface Ran {
  readonly inputs: readonly AnyTensor[];
  readonly outputs: readonly AnyTensor[];
}

export interface ComputationEntry extends Ran {
  readonly computation: Computation;
  readonly sizes: readonly number[];
}

export interface RuleEntry extends Ran {
  /** What the function is called. */
  readonly name: string;
  /** The cotangents of the inputs, where there are any, from those of the outputs. */
  readonly pull: (cotangents: readonly (AnyTensor | undefined)[]) => readonly (AnyTensor | undefined)[];
}

export class Tape {
  readonly #followed = new Set<AnyTensor>();
  readonly entries: Entry[] = [];

  watch(tensor: AnyTensor): void {
    this.#followed.add(tensor);
  }

  follows(tensor: AnyTensor): boolean {
    return this.#followed.has(tensor);
  }

  write(entry: Entry): void {
    if (!entry.inputs.some((input) => this.#followed.has(input))) return;
    const floats = entry.outputs.filter(({ dtype }) => isFloat(dtype));
    if (floats.length === 0) return;
    floats.forEach((output) => this.#followed.add(output));
    this.entries.push(entry);
  }
}

/** Outermost first. */
const tapes: Tape[] = [];

/** Runs `body` with a tape that each op is offered to. */
export function withTape<T>(tape: Tape, body: () => T): T {
  tapes.push(tape);
  try {
    return body();
  } finally {
    tapes.splice(tapes.indexOf(tape), 1);
  }
}

/** Who hides tapes now, and sees to it that they follow what `body` comes to. */
let hiding: string | undefined;

/** Runs `body` unseen by the tapes that are open now; `by` follows it for them as one op. */
export function withoutTapes<T>(body: () => T, by?: string): T {
  const open = tapes.splice(0);
  const outer = hiding;
  if (open.length > 0 && by !== undefined) hiding = by;
  try {
    return body();
  } finally {
    hiding = outer;
    tapes.unshift(...open);
  }
}

/** Who derives ops that run now by their records alone, if someone outside wants derivatives. */
export function hiddenBy(): string | undefined {
  return hiding;
}

export function isTaping(): boolean {
  return tapes.length > 0;
}

/** Whether a tape follows one of these. */
export function isOnTape(tensors: readonly AnyTensor[]): boolean {
  return tapes.some((tape) => tensors.some((tensor) => tape.follows(tensor)));
}

export function writeOnTapes(entry: Entry): void {
  for (const tape of tapes) tape.write(entry);
}
