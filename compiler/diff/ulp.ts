/**
 * How far apart two numbers are, in units in the last place: the distance between neighbours of the dtype, at the larger
 * of the two. Whole numbers and bools are apart by their difference.
 */

import type { DTypeName } from "tsdlc-runtime";

/** Bits of the fraction, and the exponent of the smallest normal number. */
const formats: Readonly<Partial<Record<DTypeName, readonly [fraction: number, smallest: number]>>> = {
  f64: [52, -1022], f32: [23, -126], f16: [10, -14], bf16: [7, -126],
};

/** The distance between neighbours at this magnitude. */
export function ulpAt(dtype: DTypeName, magnitude: number): number {
  const format = formats[dtype];
  if (format === undefined) return 1;
  const [fraction, smallest] = format;
  return 2 ** (Math.max(exponentOf(magnitude), smallest) - fraction);
}

/**
 * The distance of two numbers, in ulps of the larger one, or of `scale` where that is larger still. NaN is at 0 from NaN,
 * and anything that is not finite at Infinity from everything else. Numbers below the smallest normal one are 0, to which
 * GPUs flush them.
 */
export function ulpsApart(dtype: DTypeName, one: number, other: number, scale = 0): number {
  if (one === other || (Number.isNaN(one) && Number.isNaN(other))) return 0;
  if (!Number.isFinite(one) || !Number.isFinite(other)) return Infinity;
  const [a, b] = [flushed(dtype, one), flushed(dtype, other)];
  return Math.abs(a - b) / ulpAt(dtype, Math.max(Math.abs(a), Math.abs(b), scale));
}

function flushed(dtype: DTypeName, value: number): number {
  const format = formats[dtype];
  return format !== undefined && Math.abs(value) < 2 ** format[1] ? 0 : value;
}

/** The e with 2^e <= magnitude < 2^(e + 1); Math.log2 rounds, so its floor may be one too high. */
function exponentOf(magnitude: number): number {
  if (!(magnitude > 0) || magnitude === Infinity) return -Infinity;
  const exponent = Math.floor(Math.log2(magnitude));
  return 2 ** exponent > magnitude ? exponent - 1 : 2 ** (exponent + 1) <= magnitude ? exponent + 1 : exponent;
}
