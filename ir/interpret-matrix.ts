/**
 * Matrix instructions in the interpreter: every warp of the block does one, each of its threads giving and taking its
 * own registers. Products and their sum are exact here and rounded once; devices may round in between.
 */

import { type Frame, memoryIn, numberIn, type Scope, slotOf, slotsOf, type Step } from "./interpret-frame.ts";
import { packWord, unpackWord } from "./matrix-words.ts";
import type { Op } from "./module.ts";
import { type FactorFormat, type MmaAttrs, type PackAttrs, placeInMatrix, registersOfMma } from "./ops/matrix.ts";
import { printOp } from "./print.ts";

export function compilePack(scope: Scope, op: Op): Step {
  const elements = slotsOf(scope, op.operands);
  const target = slotOf(scope, op.results[0]);
  const { format } = op.attrs as PackAttrs;
  return (frame) => void (frame.cells[target] = packWord(format, elements.map((slot) => numberIn(frame, slot))));
}

export function compileMma(scope: Scope, op: Op): Step {
  const [total = -1, left = -1, right = -1] = slotsOf(scope, op.operands);
  const attrs = op.attrs as MmaAttrs;
  return (frame) => {
    const { iteration } = frame;
    if (iteration.current !== iteration.block || iteration.block === 0) throw new RangeError(`kernel @${scope.func.name}: ${printOp(op, scope.names)}: an mma stands between the phases of a block`);
    const threads = memoryIn(frame, total).shape[0] ?? 0;
    for (let first = 0; first < threads; first += 32) {
      const rows = wordsOf(frame, left, "left", attrs.format, attrs.left, first, 16);
      const columns = wordsOf(frame, right, "right", attrs.format, attrs.right, first, 8);
      const totals = memoryIn(frame, total);
      eachRegister(frame, "total", first, (thread, register, row, column) => {
        const index = [thread, attrs.total + register];
        const [a = [], b = []] = [rows[row], columns[column]];
        const sum = a.reduce((before, factor, k) => before + factor * (b[k] ?? NaN), totals.load(index, iteration));
        totals.store(index, Math.fround(sum), iteration);
      });
    }
    iteration.current = iteration.block;
  };
}

/** The numbers of each row of left, or column of right, in the order of the sum. */
function wordsOf(frame: Frame, slot: number, matrix: "left" | "right", format: FactorFormat, offset: number, first: number, sides: number): readonly (readonly number[])[] {
  const words = Array.from({ length: sides }, () => new Array<readonly number[]>(8));
  eachRegister(frame, matrix, first, (thread, register, side, word) => {
    const list = words[side];
    if (list !== undefined) list[word] = unpackWord(format, memoryIn(frame, slot).load([thread, offset + register], frame.iteration));
  });
  return words.map((list) => list.flat());
}

/** Visits the registers of a warp's threads, as each thread. */
function eachRegister(
  { iteration }: Frame,
  matrix: keyof typeof registersOfMma,
  first: number,
  visit: (thread: number, register: number, high: number, low: number) => void,
): void {
  for (let thread = first; thread < first + 32; thread++) {
    iteration.current = iteration.block + 1 + thread;
    for (let register = 0; register < registersOfMma[matrix]; register++) visit(thread, register, ...placeInMatrix(matrix, thread, register));
  }
}
