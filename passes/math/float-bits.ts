/**
 * What formulas of f32 are made of: polynomials, and integers, powers of two and signs by way of the bits (IEEE 754
 * binary32). Each works on scalars and vectors alike.
 *
 * Constants are written with nine digits, which tell every f32 from its neighbours.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";

/**
 * 1.5 2^23. Floats from 2^23 to 2^24 are the integers, so that adding this rounds to an integer, which then stands in
 * the low bits of the sum. Its own low 22 bits are 0.
 */
const roundingShift = 12582912;
const roundingShiftBits = 0x4b400000;
const signBit = -(2 ** 31);
/** The exponent's bias, and how many bits of significand are below the exponent. */
const bias = 127;
const significandBits = 23;

/** c0 x^n + c1 x^(n-1) + ... + cn, by Horner's rule with one rounding at each step. */
export function polynomial(b: Builder, x: Value, [highest = 0, ...lower]: readonly number[]): Value {
  const [next = 0, ...rest] = lower;
  return rest.reduce<Value>((sum, coefficient) => b.fma(sum, x, coefficient), b.fma(highest, x, next));
}

/** An integer near a float: as a float, and as the shifted sum whose low bits hold it. */
export interface Rounded {
  readonly shifted: Value;
  readonly value: Value;
}

/**
 * What a formula may rely on. "exact": each op is what is written, and fma rounds once. "loose": a compiler may take
 * (x + c) - c for x and n a + n b for n (a + b), as those of WGSL do, and fma may round twice; but to round to an integer
 * is an instruction there.
 */
export type Arithmetic = "exact" | "loose";

/** The integer nearest to x factor, for products below 2^22 in magnitude. */
export function roundProduct(b: Builder, x: Value, factor: number, arithmetic: Arithmetic): Rounded {
  return arithmetic === "exact" ? ofShifted(b, b.fma(x, factor, roundingShift)) : ofInteger(b, b.round(b.mul(x, factor)));
}

/** The same where `isRounded`, and 0 elsewhere. */
export function roundProductWhere(b: Builder, isRounded: Value, x: Value, factor: number, arithmetic: Arithmetic): Rounded {
  return arithmetic === "exact"
    ? ofShifted(b, b.select(isRounded, b.fma(x, factor, roundingShift), roundingShift))
    : ofInteger(b, b.select(isRounded, b.round(b.mul(x, factor)), 0));
}

function ofShifted(b: Builder, shifted: Value): Rounded {
  return { shifted, value: b.sub(shifted, roundingShift) };
}

function ofInteger(b: Builder, value: Value): Rounded {
  return { shifted: b.add(value, roundingShift), value };
}

/** x less n times a constant that is a sum of parts, the first of which has so few bits that n times it is exact. */
export function subtractParts(b: Builder, x: Value, { value: n }: Rounded, parts: readonly number[], arithmetic: Arithmetic): Value {
  return parts.reduce((rest, part, i) => {
    const next = b.fma(n, -part, rest);
    // Where n is 0 nothing changes; what is seen through no select is that the next step has a factor n too.
    return arithmetic === "exact" || i === parts.length - 1 ? next : b.select(b.ne(n, 0), next, rest);
  }, x);
}

/** The integer as an i32. */
export function integerOf(b: Builder, { shifted }: Rounded): Value {
  return b.sub(bitsOf(b, shifted), roundingShiftBits);
}

/** An i32 whose low 22 bits are those of the integer. */
export function lowBitsOf(b: Builder, { shifted }: Rounded): Value {
  return bitsOf(b, shifted);
}

/** 2^k for an i32 k from -126 to 127. */
export function powerOfTwo(b: Builder, k: Value): Value {
  return floatOf(b, b.shiftLeft(b.add(k, bias), significandBits));
}

/** 2^n for the rounded integer n, from -126 to 127: the shift drops what the sum holds above n. */
export function powerOfTwoOf(b: Builder, { shifted }: Rounded): Value {
  return floatOf(b, b.add(b.shiftLeft(bitsOf(b, shifted), significandBits), bias * 2 ** significandBits));
}

/** x 2^k for k from -252 to 254, rounded once when the result is subnormal: by two factors, because 2^k may be no f32. */
export function scale(b: Builder, x: Value, k: Value): Value {
  const half = b.shiftRight(k, 1);
  return b.mul(b.mul(x, powerOfTwo(b, half)), powerOfTwo(b, b.sub(k, half)));
}

/** A positive x with the sign of another; NaN stays NaN. */
export function withSignOf(b: Builder, x: Value, sign: Value): Value {
  return floatOf(b, b.or(bitsOf(b, x), b.and(bitsOf(b, sign), signBit)));
}

/** x, or -x where the sign bit of the i32 `flip` is set. */
export function flipSign(b: Builder, x: Value, flip: Value): Value {
  return floatOf(b, b.xor(bitsOf(b, x), b.and(flip, signBit)));
}

export function bitsOf(b: Builder, x: Value): Value {
  return b.bitcast(x, { dtype: "i32" });
}

export function floatOf(b: Builder, bits: Value): Value {
  return b.bitcast(bits, { dtype: "f32" });
}
