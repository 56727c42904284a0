/**
 * e^x and what is made of it, in f32.
 *
 * All split x = n log 2 + r with an integer n and |r| <= log(2) / 2, so that e^x = 2^n e^r: a power of two, and a
 * polynomial on a short interval. log 2 is a sum of two floats (Cody and Waite 1980), the first with so few bits that
 * n times it is exact; with fused multiply-add r then has an error far below one unit of its last place. Polynomials
 * are minimax in the relative error of the function, found by Remez' exchange with coefficients rounded to f32 one by one.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";
import { type Arithmetic, floatOf, integerOf, polynomial, powerOfTwoOf, type Rounded, roundProduct, roundProductWhere, scale, subtractParts, withSignOf } from "./float-bits.ts";

const log2OfE = 1.44269504;
/** log 2 to 9 bits, and the rest. */
export const log2High = 0.693359375;
export const log2Low = -2.1219444e-4;

/** e^r - 1 - r over r^2, for |r| <= log(2) / 2. */
const exponentialTail = [0.001381721, 0.008369083, 0.041668247, 0.16666517, 0.49999994];

interface Reduced {
  readonly n: Rounded;
  readonly r: Value;
}

function reduce(b: Builder, x: Value, arithmetic: Arithmetic): Reduced {
  const n = roundProduct(b, x, log2OfE, arithmetic);
  return { n, r: subtractParts(b, x, n, [log2High, log2Low], arithmetic) };
}

function exponentialOf(b: Builder, r: Value): Value {
  return polynomial(b, r, [...exponentialTail, 1, 1]);
}

/**
 * e^x, at most 0.91 units of the last place from exact for every f32. Beyond the clamps the result is infinity or 0 all
 * the same; within them n stays in the range of `scale`.
 */
export function exponential(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  const { n, r } = reduce(b, b.max(b.min(x, 89), -104), arithmetic);
  return scale(b, exponentialOf(b, r), integerOf(b, n));
}

/** e^x for x <= 0 with everything below the smallest normal number at about that number: cheaper, for sums with 1. */
export function exponentialOfNegative(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  const { n, r } = reduce(b, b.max(x, -87.33654), arithmetic);
  return b.mul(exponentialOf(b, r), powerOfTwoOf(b, n));
}

/** e^r - 1 - r over r^2, for |r| <= log(2) / 2, minimax for e^r - 1. */
const expm1Tail = [0.0013836747, 0.008367105, 0.041667752, 0.16666539, 0.49999997];

/**
 * e^x - 1 = 2^n ((e^r - 1) + (1 - 2^-n)), at most 1.55 units of the last place from exact. Beyond the clamps the result
 * is infinity or -1.
 */
export function exponentialMinusOne(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  const { n, r } = reduce(b, b.max(b.min(x, 89), -17.5), arithmetic);
  const k = integerOf(b, n);
  const small = b.fma(b.mul(r, r), polynomial(b, r, expm1Tail), r);
  // 2^-k is no normal number for the largest k, and lost beside 1 long before.
  const inverse = b.select(b.gt(k, 126), 0, floatOf(b, b.shiftLeft(b.sub(127, k), 23)));
  const large = scale(b, b.add(small, b.sub(1, inverse)), k);
  // Where x is 0, x itself keeps the sign of -0.
  return b.select(b.eq(x, 0), x, b.select(b.eq(k, 0), small, large));
}

/** 2 / log 2. */
const doubleLog2OfE = 2.88539008;
/** log(2) / 2: with n below 32 the product is exact enough in one step. */
const halfLog2 = 0.346573591;
/** tanh r - r over r^3, as a polynomial in r^2, for |r| <= 0.5495. */
const tanhTail = [0.016446522, -0.052676465, 0.13320798, -0.3333295];

/**
 * tanh x, at most 1.57 units of the last place from exact.
 *
 * With |x| = n log(2) / 2 + r, e = 2^n = e^(2 (|x| - r)) and T = tanh r, the addition theorem gives
 * ((e + 1) T + (e - 1)) / ((e - 1) T + (e + 1)); the denominator is the numerator plus 2 - 2 T. Below 0.5493 n is 0 and
 * the quotient is T exactly: 2 T / 2. From 9.02 on the result is 1.
 */
export function hyperbolicTangent(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  const magnitude = b.min(b.abs(x), 9.02);
  const n = roundProductWhere(b, b.ge(magnitude, 0.54931), magnitude, doubleLog2OfE, arithmetic);
  const r = b.fma(n.value, -halfLog2, magnitude);
  const square = b.mul(r, r);
  const tangent = b.fma(b.mul(r, square), polynomial(b, square, tanhTail), r);
  const e = powerOfTwoOf(b, n);
  const numerator = b.fma(b.add(e, 1), tangent, b.sub(e, 1));
  const denominator = b.add(numerator, b.fma(tangent, -2, 2));
  return withSignOf(b, b.div(numerator, denominator), x);
}
