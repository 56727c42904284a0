/**
 * What a target language says for each thing a kernel is made of. A target is one record of this type with exhaustive
 * tables, so that an op without a spelling is a compile error that names the target; emit.ts walks kernels and asks.
 */

import type { Dim } from "../ir/dim.ts";
import type { Attrs, Span } from "../ir/module.ts";
import type * as arithmetic from "../ir/ops/arithmetic.ts";
import type * as bits from "../ir/ops/bits.ts";
import type * as cast from "../ir/ops/cast.ts";
import type * as compare from "../ir/ops/compare.ts";
import type * as elementwise from "../ir/ops/elementwise.ts";
import type { CommonSpace } from "../ir/ops/kernel.ts";
import type { FactorFormat } from "../ir/ops/matrix.ts";
import type { BufferType, ScalarType } from "../ir/type.ts";

type SnakeCase<Key extends string> = Key extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeCase<Tail>}`
  : "";

/** Text names of the ops that compute scalars and vectors. stop_gradient is gone by then. */
export type ElementwiseName = SnakeCase<
  Exclude<keyof typeof elementwise | keyof typeof arithmetic | keyof typeof bits | keyof typeof cast | keyof typeof compare, "stopGradient">
>;

export interface ElementwiseCall {
  readonly operands: readonly string[];
  /** Types of the operands; for select of the branches. */
  readonly type: ScalarType;
  readonly operandTypes: readonly ScalarType[];
  readonly result: ScalarType;
  readonly attrs: Attrs;
  /** Which operands are literals. */
  readonly literals: readonly (number | undefined)[];
}

/** The expression of an elementwise op. `use` adds a definition to the head of the file, once. */
export type Spelling = (call: ElementwiseCall, use: Use) => string;

export type Use = (definition: Definition) => string;

/** A function or type that kernels rely on; the text may be made of others. */
export interface Definition {
  readonly name: string;
  readonly text: (use: Use) => string;
}

/** Memory as a kernel uses it. */
export interface KernelMemory extends BufferType {
  /** Whether some of its loads or stores are of several elements at once. */
  readonly isWide: boolean;
}

export interface KernelParameter {
  readonly name: string;
  readonly type: KernelMemory;
  readonly isWritten: boolean;
  /** Whether threads add to it at once. */
  readonly isAtomic: boolean;
}

export interface KernelText {
  readonly name: string;
  readonly parameters: readonly KernelParameter[];
  readonly dims: readonly string[];
  readonly comment: readonly string[];
  /** Whether an output may be the memory of an input, so that a store may change what a load after it gives. */
  readonly isInPlace: boolean;
  /** Declarations of memory that the threads of a block share. */
  readonly shared: readonly string[];
  /** Threads of a block; 0 where items are no blocks. */
  readonly threads: number;
  readonly body: readonly string[];
}

export interface MatrixSpelling {
  pack(format: FactorFormat, elements: readonly string[], use: Use): string;
  /** total += left x right, each given by its registers. */
  mma(format: FactorFormat, total: readonly string[], left: readonly string[], right: readonly string[], use: Use): readonly string[];
}

export interface Target {
  readonly name: "cpu" | "wgsl" | "cuda";
  readonly elementwise: Readonly<Record<ElementwiseName, Spelling>>;
  typeName(type: ScalarType, use: Use): string;
  constant(type: ScalarType, value: number, use: Use): string;
  /** An index expression over dims, which are in scope by their names. */
  dim(dim: Dim): string;
  /** What says that the text after it comes from a place in the source; absent where a language has no such thing. */
  place?(span: Span): string;
  /** A value that is assigned once. */
  define(type: ScalarType, name: string, value: string, use: Use): string;
  /** A variable that is assigned again, or for the first time when no value is given. */
  declare(type: ScalarType, name: string, value: string | undefined, use: Use): string;
  branch(condition: string, then: readonly string[], otherwise: readonly string[]): readonly string[];
  load(buffer: string, memory: KernelMemory, offset: string, result: ScalarType, use: Use): string;
  store(buffer: string, memory: KernelMemory, offset: string, value: string, type: ScalarType, use: Use): string;
  /** memory[offset] += value, as one step. */
  atomicAdd(buffer: string, memory: KernelMemory, offset: string, value: string, use: Use): readonly string[];
  /** Matrix instructions, where a target has them. */
  readonly matrix?: MatrixSpelling;
  /** What the thread whose number differs in the bit `mask` has in a register, where a target has that; `threads` of a block. */
  shuffleXor?(register: string, type: ScalarType, mask: number, threads: number, use: Use): string;
  /** One element per lane at a vector of offsets. */
  gather(buffer: string, memory: KernelMemory, offsets: string, result: ScalarType, use: Use): string;
  scatter(buffer: string, memory: KernelMemory, offsets: string, value: string, type: ScalarType, use: Use): string;
  splat(value: string, result: ScalarType, use: Use): string;
  ramp(start: string, result: ScalarType, use: Use): string;
  extract(vector: string, lane: number, type: ScalarType, use: Use): string;
  /** A vector of these lanes. */
  compose(elements: readonly string[], result: ScalarType, use: Use): string;
  /** Lanes of two vectors of a type, counted through both. */
  shuffle(left: string, right: string, lanes: readonly number[], type: ScalarType, result: ScalarType, use: Use): string;
  /** Memory of the space `local` or `shared`. */
  alloc(name: string, memory: KernelMemory, elements: string, use: Use): string;
  /** Where threads of a block wait for each other, and see what was stored to these memories. */
  barrier(orders: readonly CommonSpace[]): string;
  /** One thread's part of a phase. */
  phase(index: string, body: readonly string[]): readonly string[];
  loop(kind: "serial" | "unroll", index: string, start: string, stop: string, step: string, body: readonly string[]): readonly string[];
  /** The loop over grid items, or the blocks among them, as the target is launched. */
  grid(index: string, items: string, body: readonly string[]): readonly string[];
  kernel(kernel: KernelText, use: Use): string;
  /** The whole file. */
  file(definitions: readonly string[], kernels: readonly string[]): string;
}
