/**
 * The ends of each dtype's range: the identities of max and min, and what a cast saturates to. Infinite for floats.
 * The upper end of i64 is the largest double below 2^63.
 */

import type { DType } from "../type.ts";

const ranges: Readonly<Record<DType, readonly [low: number, high: number]>> = {
  f64: [-Infinity, Infinity], f32: [-Infinity, Infinity], f16: [-Infinity, Infinity], bf16: [-Infinity, Infinity],
  i64: [-(2 ** 63), 2 ** 63 - 1024], i32: [-(2 ** 31), 2 ** 31 - 1], i8: [-128, 127],
  u32: [0, 2 ** 32 - 1], u8: [0, 255], bool: [0, 1],
};

export function lowestOf(dtype: DType): number {
  return ranges[dtype][0];
}

export function highestOf(dtype: DType): number {
  return ranges[dtype][1];
}

/** What sums and products of a dtype accumulate in. */
export function accumulatorOf(dtype: DType): DType {
  return dtype === "f16" || dtype === "bf16" ? "f32" : dtype;
}
