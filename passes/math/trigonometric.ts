/**
 * sin x and cos x in f32.
 *
 * |x| = n pi / 2 + r with |r| <= pi / 4: the quadrant n says which of two polynomials in r to take, and its sign. pi / 2
 * is a sum of several floats (Cody and Waite 1980), which keeps the relative error of r small even where x is next to a
 * multiple of pi / 2. From 2^18 on, x 2 / pi is no longer rounded to the right integer, and soon reduction takes hundreds
 * of bits of pi: those lanes go to the target's own function, which is given 0 for the others. WGSL promises nothing of
 * its own there.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";
import { type Arithmetic, bitsOf, flipSign, lowBitsOf, polynomial, roundProduct, subtractParts } from "./float-bits.ts";

const twoOverPi = 0.636619772;
/** What reduction takes off, and from which magnitudes on it is left to the target. */
const reductions = {
  // pi / 2 to 20 bits, to 44 bits, and to 68.
  exact: { halfPi: [1.570796, 3.1391647e-07, 5.3903025e-15], limit: 2 ** 18 },
  // Three parts of 8 or 9 bits, whose products with n are exact without a fused fma as well, and the rest.
  loose: { halfPi: [1.5703125, 4.8351287841796875e-4, 3.13855707645416e-7, 6.077100628e-11], limit: 2 ** 15 },
} as const satisfies Readonly<Record<Arithmetic, unknown>>;

/** sin r - r over r^3, and cos r - 1 + r^2 / 2 over r^4, both in r^2: minimax for |r| <= pi / 4 by Remez' exchange. */
const sineTail = [2.8325946e-06, -0.00019853064, 0.008333379, -0.16666667];
const cosineTail = [2.4432367e-05, -0.001388731, 0.041666646];

/** sin x, at most 1.58 units of the last place from exact below the limit. */
export function sine(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  return b.select(isLarge(b, x, arithmetic), b.sin(largeOrZero(b, x, arithmetic)), flipSign(b, ofQuadrant(b, b.abs(x), 0, arithmetic), bitsOf(b, x)));
}

/** cos x, at most 1.75 units of the last place from exact below the limit. */
export function cosine(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  return b.select(isLarge(b, x, arithmetic), b.cos(largeOrZero(b, x, arithmetic)), ofQuadrant(b, b.abs(x), 1, arithmetic));
}

/** False for NaN, which goes through the polynomials. */
function isLarge(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  return b.ge(b.abs(x), reductions[arithmetic].limit);
}

function largeOrZero(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  return b.select(isLarge(b, x, arithmetic), x, 0);
}

/** sin(x + quadrants pi / 2) for x >= 0. */
function ofQuadrant(b: Builder, x: Value, quadrants: number, arithmetic: Arithmetic): Value {
  const n = roundProduct(b, x, twoOverPi, arithmetic);
  const quadrant = b.add(lowBitsOf(b, n), quadrants);
  const r = subtractParts(b, x, n, reductions[arithmetic].halfPi, arithmetic);
  const square = b.mul(r, r);
  const sineOfR = b.fma(b.mul(square, r), polynomial(b, square, sineTail), r);
  const cosineOfR = b.fma(b.mul(square, square), polynomial(b, square, cosineTail), b.fma(square, -0.5, 1));
  const isOdd = b.ne(b.and(quadrant, 1), 0);
  // The second bit of the quadrant, where the sign bit is.
  return flipSign(b, b.select(isOdd, cosineOfR, sineOfR), b.shiftLeft(quadrant, 30));
}
