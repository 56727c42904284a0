/**
 * Matrix instructions: products of small matrices that the threads of a warp hold in their registers together.
 *
 * Factors are 32-bit words: one number of tf32, or two of bf16 or f16, the one with the lower index in the low half. A
 * warp is 32 threads in order; thread t of it has group g = t / 4 and place p = t % 4. In words, the layout is the same
 * for all three formats (PTX ISA, mma.m16n8k8 for tf32 and mma.m16n8k16 for the others):
 *
 *   left, 16 rows of 8 words:    [g][p], [g + 8][p], [g][p + 4], [g + 8][p + 4]
 *   right, 8 columns of 8 words: [g][p], [g][p + 4]
 *   total, 16 rows of 8 columns: [g][2p], [g][2p + 1], [g + 8][2p], [g + 8][2p + 1]
 */

import type { Attrs, Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import type { Precision } from "../signature.ts";
import { printType, scalarType, type Type } from "../type.ts";
import { given } from "./check.ts";

export type FactorFormat = Exclude<Precision, "f32">;

export interface PackAttrs extends Attrs {
  readonly format: FactorFormat;
}

/** One f32 for tf32, two for the others. */
export const pack: OpRecord<(elements: readonly Value[], attrs: PackAttrs) => Value> = {
  doc: "f32 rounded to the format (tf32: half away from zero; else half to even) as the bits of a word, the first element lowest",
  operands: ["...elements"],
  results: ["word"],
  infer: (elements, attrs) => {
    const count = attrs["format"] === "tf32" ? 1 : 2;
    const fits = elements.length === count && elements.every((type) => type.kind === "scalar" && type.dtype === "f32" && type.lanes === 1);
    if (!fits) throw new TypeFault(`a word of ${String(attrs["format"])} is ${count} f32`, elements.map(printType));
    return [scalarType("u32")];
  },
};

export interface MmaAttrs extends Attrs {
  readonly format: FactorFormat;
  /** Where in each thread's registers the matrix starts. */
  readonly total: number;
  readonly left: number;
  readonly right: number;
}

/** How many registers of each thread the matrices take. */
export const registersOfMma = { total: 4, left: 4, right: 2 } as const;

/** Stands between the phases of a block, where all of its warps do it. */
export const mma: OpRecord<(total: Value, left: Value, right: Value, attrs: MmaAttrs) => readonly Value[]> = {
  doc: "for each warp: total += left x right, of 16 by 8 from 16 by 8 words and 8 words by 8, held in registers; summed in f32",
  operands: ["total", "left", "right"],
  results: [],
  infer: (operands, attrs) => {
    const [total, left, right] = operands;
    expectRegisters("total", total, "f32", Number(attrs["total"]) + registersOfMma.total);
    expectRegisters("left", left, "u32", Number(attrs["left"]) + registersOfMma.left);
    expectRegisters("right", right, "u32", Number(attrs["right"]) + registersOfMma.right);
    return [];
  },
};

function expectRegisters(name: string, type: Type | undefined, dtype: string, count: number): void {
  const memory = given(type);
  const [threads, registers, ...others] = memory.kind === "buffer" ? memory.shape : [];
  const fits = memory.kind === "buffer" && memory.space === "private" && memory.dtype === dtype && others.length === 0
    && typeof threads === "number" && threads % 32 === 0 && typeof registers === "number" && registers >= count;
  if (!fits) throw new TypeFault(`the ${name} of an mma is private ${dtype} memory of whole warps with ${count} registers or more`, [printType(memory)]);
}

/** Row and word (or column and word, or row and column) of a register of a thread. */
export function placeInMatrix(matrix: keyof typeof registersOfMma, thread: number, register: number): readonly [number, number] {
  const [group, place] = [Math.floor((thread % 32) / 4), thread % 4];
  switch (matrix) {
    case "left": return [group + 8 * (register % 2), place + 4 * Math.floor(register / 2)];
    case "right": return [group, place + 4 * register];
    case "total": return [group + 8 * Math.floor(register / 2), 2 * place + (register % 2)];
  }
}
