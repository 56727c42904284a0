/**
 * Identities of elementwise ops, for tensors, scalars and vectors alike.
 *
 * What floats forbid, and is therefore not here: x * 0 = 0 (NaN, infinity, -0), x - x = 0 (NaN, infinity), x + 0 = x
 * (-0 + 0 is 0), and merging constants of a chain (rounds differently).
 */

import type { Value } from "../../ir/module.ts";
import { isFloat, type ScalarDType } from "../../ir/type.ts";
import { type Candidate, hasFloats, hasIntegers, type Identities, type Identity, madeBy, operand, type Simplifier, splatValue } from "./identity.ts";

export const arithmeticIdentities: Identities = {
  add: [
    // x + -0 = x, for floats; x + 0 = x, for integers.
    withConstant((x, c) => (isZeroOfSum(x, c) ? x : undefined)),
    // x + -y = x - y; -x + y = y - x
    (op, s) => {
      const [left, right] = [operand(op, 0), operand(op, 1)];
      const negatedRight = madeBy(s, right, "neg");
      if (negatedRight !== undefined) return s.make("sub", [left, operand(negatedRight, 0)]);
      const negatedLeft = madeBy(s, left, "neg");
      return negatedLeft === undefined ? undefined : s.make("sub", [right, operand(negatedLeft, 0)]);
    },
    // (x + c) + d = x + (c + d), for integers: wrapping addition is associative.
    mergeConstants("add"),
  ],
  sub: [
    // x - 0 = x; for floats not x - -0, because -0 - -0 is 0.
    (op, s) => (Object.is(splatValue(s, operand(op, 1)), 0) ? operand(op, 0) : undefined),
    // x - x = 0, for integers.
    (op, s) => (hasIntegers(op.type) && operand(op, 0) === operand(op, 1) ? s.constant(op.type, 0) : undefined),
    // x - -y = x + y
    (op, s) => {
      const negated = madeBy(s, operand(op, 1), "neg");
      return negated === undefined ? undefined : s.make("add", [operand(op, 0), operand(negated, 0)]);
    },
  ],
  mul: [
    // x * 1 = x
    withConstant((x, c) => (c === 1 ? x : undefined)),
    // x * -1 = -x, for floats, where neg flips the sign of every value.
    withConstant((x, c, s) => (c === -1 && hasFloats(x.type) ? s.make("neg", [x]) : undefined)),
    // x * 0 = 0, for integers.
    withConstant((x, c, s, op) => (c === 0 && hasIntegers(x.type) ? s.constant(op.type, 0) : undefined)),
    // -x * -y = x * y
    (op, s) => {
      const [left, right] = op.operands.map((value) => madeBy(s, value, "neg"));
      return left === undefined || right === undefined ? undefined : s.make("mul", [operand(left, 0), operand(right, 0)]);
    },
    // -x * c = x * -c, for floats.
    withConstant((x, c, s) => {
      const negated = hasFloats(x.type) ? madeBy(s, x, "neg") : undefined;
      return negated === undefined ? undefined : s.make("mul", [operand(negated, 0), s.constant(negated.type, -c)]);
    }),
    // (x * c) * d = x * (c * d), for integers: wrapping multiplication is associative.
    mergeConstants("mul"),
  ],
  div: [
    // x / 1 = x
    (op, s) => (splatValue(s, operand(op, 1)) === 1 ? operand(op, 0) : undefined),
    // x / 2^k = x * 2^-k, for floats: both are x with another exponent, rounded once.
    (op, s) => {
      const divisor = splatValue(s, operand(op, 1));
      if (divisor === undefined || !hasFloats(op.type) || !isSafePowerOfTwo(divisor)) return undefined;
      return s.make("mul", [operand(op, 0), s.constant(op.type, 1 / divisor)]);
    },
    // (i / c) / d = i / (c d), for indices and positive c and d, whose product must be an index where an index has 32 bits.
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "div");
      const divisor = splatValue(s, operand(op, 1));
      const innerDivisor = inner === undefined ? undefined : splatValue(s, operand(inner, 1));
      if (inner === undefined || op.type.dtype !== "index" || !isPositive(divisor) || !isPositive(innerDivisor) || divisor * innerDivisor >= 2 ** 32) return undefined;
      return s.make("div", [operand(inner, 0), s.constant(op.type, divisor * innerDivisor)]);
    },
  ],
  rem: [
    // i % 1 = 0, for integers.
    (op, s) => (hasIntegers(op.type) && splatValue(s, operand(op, 1)) === 1 ? s.constant(op.type, 0) : undefined),
    // (i % c) % c = i % c
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "rem");
      if (inner === undefined) return undefined;
      const [divisor, innerDivisor] = [operand(op, 1), operand(inner, 1)];
      const isSame = divisor === innerDivisor || (splatValue(s, divisor) !== undefined && splatValue(s, divisor) === splatValue(s, innerDivisor));
      return isSame ? operand(op, 0) : undefined;
    },
  ],
  pow: [
    // x^1 = x
    (op, s) => (splatValue(s, operand(op, 1)) === 1 ? operand(op, 0) : undefined),
    // x^2 = x x: not the bits of every pow, but correctly rounded, which no pow promises.
    (op, s) => (splatValue(s, operand(op, 1)) === 2 ? s.make("mul", [operand(op, 0), operand(op, 0)]) : undefined),
    // x^3 = (x x) x: within one unit of the last place, and a pow promises two.
    (op, s) => {
      if (splatValue(s, operand(op, 1)) !== 3) return undefined;
      const x = operand(op, 0);
      return s.make("mul", [s.make("mul", [x, x]), x]);
    },
  ],
  // -(-x) = x
  neg: [undoes("neg")],
  // !!x = x, and ~~x = x for integers
  not: [undoes("not")],
  abs: [
    // |-x| = |x|
    (op, s) => {
      const negated = madeBy(s, operand(op, 0), "neg");
      return negated === undefined ? undefined : s.make("abs", [operand(negated, 0)]);
    },
    // ||x|| = |x|
    absorbs("abs"),
  ],
  // Rounding what is rounded, in whatever direction, changes nothing.
  floor: [absorbs("floor"), absorbs("ceil"), absorbs("round")],
  ceil: [absorbs("floor"), absorbs("ceil"), absorbs("round")],
  round: [absorbs("floor"), absorbs("ceil"), absorbs("round")],
  // max(x, x) = x, NaN and -0 included
  max: [sameOperands],
  // min(x, x) = x
  min: [sameOperands],
  and: [
    // x & x = x
    sameOperands,
    // x & 0 = 0; of bool, x & true = x
    withConstant((x, c, s, op) => (c === 0 ? s.constant(op.type, 0) : c !== 0 && x.type.dtype === "bool" ? x : undefined)),
  ],
  or: [
    // x | x = x
    sameOperands,
    // x | 0 = x; of bool, x | true = true
    withConstant((x, c, s, op) => (c === 0 ? x : c !== 0 && x.type.dtype === "bool" ? s.constant(op.type, 1) : undefined)),
  ],
  // x ^ 0 = x
  xor: [withConstant((x, c) => (c === 0 ? x : undefined))],
  // x << 0 = x
  shift_left: [(op, s) => (splatValue(s, operand(op, 1)) === 0 ? operand(op, 0) : undefined)],
  // x >> 0 = x
  shift_right: [(op, s) => (splatValue(s, operand(op, 1)) === 0 ? operand(op, 0) : undefined)],
  select: [
    // true ? x : y = x
    (op, s) => {
      const condition = splatValue(s, operand(op, 0));
      return condition === undefined ? undefined : operand(op, condition !== 0 ? 1 : 2);
    },
    // c ? x : x = x
    (op) => (operand(op, 1) === operand(op, 2) ? operand(op, 1) : undefined),
    // c ? v : v = v, of constants
    (op, s) => {
      const [onTrue, onFalse] = [splatValue(s, operand(op, 1)), splatValue(s, operand(op, 2))];
      return onTrue !== undefined && Object.is(onTrue, onFalse) ? operand(op, 1) : undefined;
    },
    // !c ? x : y = c ? y : x
    (op, s) => {
      const negated = madeBy(s, operand(op, 0), "not");
      return negated === undefined ? undefined : s.make("select", [operand(negated, 0), operand(op, 2), operand(op, 1)]);
    },
  ],
  cast: [
    // a cast to its own dtype
    (op) => (operand(op, 0).type.dtype === op.type.dtype ? operand(op, 0) : undefined),
    // cast(cast(x)) = cast(x) where the dtype between changes nothing on the way
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "cast");
      if (inner === undefined || !isTransparent(operand(inner, 0).type.dtype, inner.type.dtype, op.type.dtype)) return undefined;
      return s.make("cast", [operand(inner, 0)], op.attrs);
    },
  ],
  bitcast: [
    // a bitcast to its own dtype
    (op) => (operand(op, 0).type.dtype === op.type.dtype ? operand(op, 0) : undefined),
    // bits stay what they are on the way
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "bitcast");
      return inner === undefined ? undefined : s.make("bitcast", [operand(inner, 0)], op.attrs);
    },
  ],
  // Derivatives have been taken by now.
  stop_gradient: [(op) => operand(op, 0)],
  // The size of a dim that is a number.
  dim: [(op, s) => (typeof op.attrs["size"] === "number" ? s.constant(op.type, op.attrs["size"]) : undefined)],
};

/** An identity of a commutative op one of whose operands is a splat constant. */
function withConstant(rule: (x: Value, constant: number, s: Simplifier, op: Candidate) => Value | undefined): Identity {
  return (op, s) => {
    const [left, right] = [operand(op, 0), operand(op, 1)];
    const [leftConstant, rightConstant] = [splatValue(s, left), splatValue(s, right)];
    const result = rightConstant === undefined ? undefined : rule(left, rightConstant, s, op);
    return result ?? (leftConstant === undefined ? undefined : rule(right, leftConstant, s, op));
  };
}

function mergeConstants(name: string): Identity {
  return withConstant((x, constant, s, op) => {
    const inner = hasIntegers(op.type) ? madeBy(s, x, name) : undefined;
    if (inner === undefined) return undefined;
    const position = inner.operands.findIndex((value) => splatValue(s, value) !== undefined);
    if (position < 0) return undefined;
    const merged = s.make(name, [operand(inner, position), s.constant(op.type, constant)]);
    return s.make(name, [operand(inner, 1 - position), merged]);
  });
}

function isZeroOfSum(x: Value, constant: number): boolean {
  return hasFloats(x.type) ? Object.is(constant, -0) : constant === 0;
}

/** f(f(x)) = x */
function undoes(name: string): Identity {
  return (op, s) => {
    const inner = madeBy(s, operand(op, 0), name);
    return inner === undefined ? undefined : operand(inner, 0);
  };
}

/** f(g(x)) = g(x) */
function absorbs(name: string): Identity {
  return (op, s) => (madeBy(s, operand(op, 0), name) === undefined ? undefined : operand(op, 0));
}

function sameOperands(op: Candidate): Value | undefined {
  return operand(op, 0) === operand(op, 1) ? operand(op, 0) : undefined;
}

/** Powers of two whose reciprocal every float dtype holds; f16, the narrowest, has exponents from -14 to 15. */
function isSafePowerOfTwo(value: number): boolean {
  const exponent = Math.log2(Math.abs(value));
  return Number.isInteger(exponent) && Math.abs(exponent) <= 14;
}

function isPositive(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}

/**
 * Whether a cast through `between` is the direct cast. `between` must hold every value exactly; and integers must not
 * go to integers through a float, because integers wrap where floats saturate.
 */
function isTransparent(from: ScalarDType, between: ScalarDType, to: ScalarDType): boolean {
  if (!holdsEvery(between, from)) return false;
  return isFloat(from) || !isFloat(between) || isFloat(to) || to === "bool" || holdsEvery(to, from);
}

/** Whether every value of dtype `narrow` is a value of dtype `wide`. */
function holdsEvery(wide: ScalarDType, narrow: ScalarDType): boolean {
  return wide === narrow || (wider[narrow]?.includes(wide) ?? false);
}

const wider: Readonly<Partial<Record<ScalarDType, readonly ScalarDType[]>>> = {
  bool: ["f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u32", "u8"],
  i8: ["f64", "f32", "f16", "bf16", "i64", "i32"],
  u8: ["f64", "f32", "f16", "bf16", "i64", "i32", "u32"],
  i32: ["f64", "i64"],
  u32: ["f64", "i64"],
  f16: ["f64", "f32"],
  bf16: ["f64", "f32"],
  f32: ["f64"],
};
