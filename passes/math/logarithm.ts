/**
 * log x and log(1 + x) in f32.
 *
 * Both write their argument as 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), where the logarithm is k log 2 + log(1 + f)
 * and log(1 + f) is f - f^2 / 2 + f^3 q(f). The small terms are added first, and log 2 is a sum of two floats as in
 * exponential.ts, so that k times the first is exact.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";
import { log2High, log2Low } from "./exponential.ts";
import { bitsOf, floatOf, polynomial } from "./float-bits.ts";

/** log(1 + f) - f + f^2 / 2 over f^3, minimax by Remez' exchange for sqrt(1/2) <= 1 + f <= sqrt(2). */
const logarithmTail = [-0.076445974, 0.1276818, -0.13159642, 0.14200857, -0.16623321, 0.20001262, -0.25000823, 0.3333333];

/** The bits of sqrt(1/2), of 1, and of the significand. */
const rootHalfBits = 0x3f3504f3;
const oneBits = 0x3f800000;
const significandMask = 0x7fffff;

interface Split {
  /** An i32. */
  readonly k: Value;
  readonly f: Value;
}

/** Takes the exponent off a positive normal float. */
function split(b: Builder, x: Value): Split {
  const offset = b.sub(bitsOf(b, x), rootHalfBits);
  const f = b.sub(floatOf(b, b.add(b.and(offset, significandMask), rootHalfBits)), 1);
  return { k: b.shiftRight(offset, 23), f };
}

/** k log 2 + log(1 + f) for an integer k that is a float. */
function logarithmOfSplit(b: Builder, k: Value, f: Value): Value {
  const square = b.mul(f, f);
  const cubic = b.mul(b.mul(square, f), polynomial(b, f, logarithmTail));
  const small = b.fma(square, -0.5, b.fma(k, log2Low, cubic));
  return b.fma(k, log2High, b.add(f, small));
}

/** `value` where x is above the pole; what IEEE 754 wants at it, below it, at infinity and for NaN. */
function withSpecialCases(b: Builder, x: Value, pole: number, value: Value): Value {
  const bounded = b.select(b.lt(x, Infinity), value, x);
  return b.select(b.lt(x, pole), NaN, b.select(b.eq(x, pole), -Infinity, bounded));
}

/** log x, at most 0.86 units of the last place from exact for every f32. */
export function logarithm(b: Builder, x: Value): Value {
  const isSubnormal = b.lt(x, 2 ** -126);
  const normal = b.select(isSubnormal, b.mul(x, 2 ** 25), x);
  const { k, f } = split(b, normal);
  const exponent = b.cast(b.select(isSubnormal, b.sub(k, 25), k), { dtype: "f32" });
  return withSpecialCases(b, x, 0, logarithmOfSplit(b, exponent, f));
}

/**
 * log(1 + x), at most 1.44 units of the last place from exact. The exponent is that of the rounded sum 1 + x, and f is
 * made from x itself, so that nothing is lost: 2^-k (1 + x) - 1 = x 2^-k + (2^-k - 1).
 */
export function logarithmOfOnePlus(b: Builder, x: Value): Value {
  const rounded = split(b, b.add(x, 1));
  const { k } = rounded;
  const inverse = floatOf(b, b.sub(oneBits, b.shiftLeft(k, 23)));
  const exact = b.fma(x, inverse, b.sub(inverse, 1));
  // 2^-k is no normal number for the largest k; where k is above 24, 1 is lost beside x anyway.
  const f = b.select(b.gt(k, 24), rounded.f, exact);
  const value = withSpecialCases(b, x, -1, logarithmOfSplit(b, b.cast(k, { dtype: "f32" }), f));
  return b.select(b.eq(x, 0), x, value);
}
