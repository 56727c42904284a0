/**
 * Blocks of threads, as functions over a builder. A kernel for a GPU is a grid of blocks; a block is phases in order,
 * with serial loops around them that all its threads go through together, and in each phase every thread does its part.
 *
 * Nothing here waits: what one phase stores and a later one loads is ordered by a barrier that place-barriers adds.
 */

import type { Builder } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import { present } from "../../../ir/expect.ts";
import type { Value } from "../../../ir/module.ts";
import type { DType } from "../../../ir/type.ts";
import { indexType } from "../../../ir/type.ts";
import { isMultiple } from "../choose-tile.ts";
import { when } from "../loops.ts";

/** The grid of a kernel; `work` is that of one block. */
export function blocks(b: Builder, count: Dim, threads: number, work: Dim, body: (block: Value) => void): void {
  const region = b.region([indexType], ([block]) => (body(present(block, "a grid gives its body an index")), []));
  b.for(b.index(0), b.index(count), b.index(1), [], { kind: "grid", threads, work }, [region]);
}

/** One phase: each thread does its part. */
export function phase(b: Builder, threads: number, body: (thread: Value) => void): void {
  const region = b.region([indexType], ([thread]) => (body(present(thread, "a phase gives its body a thread")), []));
  b.for(b.index(0), b.index(threads), b.index(1), [], { kind: "thread" }, [region]);
}

/** Memory of the block, by element. */
export function shared(b: Builder, dtype: DType, shape: readonly number[]): Value {
  return b.alloc({ dtype, shape, space: "shared" });
}

/** Registers of each thread; indexed by thread, then by numbers that are known here. */
export function registers(b: Builder, dtype: DType, threads: number, shape: readonly number[]): Value {
  return b.alloc({ dtype, shape: [threads, ...shape], space: "private" });
}

/** body, if index < extent; without a test where `index` counts up to a multiple of `step` and the extent is one. */
export function whenBelow(b: Builder, index: Value, extent: Dim, step: number, body: () => void): void {
  if (isMultiple(extent, step)) return body();
  when(b, b.lt(index, b.index(extent)), body);
}

/** The smallest power of two that is not below a number. */
export function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(least, 1)));
}
