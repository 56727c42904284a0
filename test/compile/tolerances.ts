/**
 * How far a compiled op may be from `evaluate`, at the values of its samples. Integers and bools are exact everywhere, and
 * so are ops that are not named here but for rounding.
 *
 * WGSL bounds are those of its section on the accuracy of f32 (W3C, WebGPU Shading Language, 15.7.4). Functions that
 * expand-math writes out have none in WGSL: they must be as near as on a CPU.
 */

import type { Limits } from "../../passes/limits.ts";
import type { SampleCase, Tolerance } from "./sample-cases.ts";

const bounds: Readonly<Record<string, Tolerance>> = {
  // "2.5 ULP for |y| in the range [2^-126, 2^126]".
  div: { ulps: 2.5, absolute: 0 },
  // "3 + 2 * |x| ULP", and |x| is at most 2.
  exp: { ulps: 7, absolute: 0 },
  // "Absolute error at most 2^-21 when x is in [0.5, 2.0], 3 ULP otherwise".
  log: { ulps: 3, absolute: 2 ** -21 },
  // Of exp2(y * log2(x)) for x from 0.2 to 3 and |y| up to 2: 17 ulps from the logarithm's error, times y; 3 + 2 * 4.7 from exp2; rounding.
  pow: { ulps: 32, absolute: 0 },
  // "2 ULP"; and sqrt is "inherited from 1.0 / inverseSqrt(x)", with the division's.
  rsqrt: { ulps: 2, absolute: 0 },
  sqrt: { ulps: 4.5, absolute: 0 },
  // "Inherited from e1 * e2 + e3", which rounds the product too: below 4, by half of 2^-22, and the sum below 8.
  fma: { ulps: 2, absolute: 2 ** -21 },
};

/**
 * By how much more than on a CPU a function of many ops may be off, where each op may be: on WebGPU an exponential of a
 * number below 2 is off by 7 units of the last place in place of 2.
 */
export function roundingFactorOn({ target }: Limits): number {
  return target === "wgsl" ? 4 : 1;
}

export function toleranceOn({ target }: Limits, { op, sample }: SampleCase): Tolerance {
  const bound = target === "wgsl" && sample.operands[0]?.dtype === "f32" ? bounds[op] : undefined;
  return bound ?? { ulps: sample.ulp ?? 2, absolute: 0 };
}
