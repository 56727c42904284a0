/**
 * Elementwise arithmetic of two and three operands. Integers wrap around; a division of integers by zero gives 0, and
 * so does its remainder, so that no input traps. i64 is exact as long as results stay below 2^53 in the reference.
 */

import type { Builder } from "../builder.ts";
import { at, present } from "../expect.ts";
import type { Value } from "../module.ts";
import type { Binary, Operand, TensorOpRecord } from "../op.ts";
import { fusedMultiplyAdd, fusedMultiplyAddToFloat, power } from "../special-functions.ts";
import { isFloat, type ScalarDType } from "../type.ts";
import { binary, elementwise } from "./make-elementwise.ts";
import { addTangents, factorsRule, splat } from "./make-rules.ts";

export const add: Binary = binary("add", {
  doc: "left + right",
  accepts: "numberOrIndex",
  scalar: (_dtype, x = 0, y = 0) => x + y,
  derivative: {
    linear: [0, 1],
    transpose: (_b, [cotangent], operands) => operands.map((operand) => (operand === undefined ? cotangent : undefined)),
  },
});

export const sub: Binary = binary("sub", {
  doc: "left - right",
  accepts: "numberOrIndex",
  scalar: (_dtype, x = 0, y = 0) => x - y,
  derivative: {
    linear: [0, 1],
    transpose: (b, cotangents, [left, right]) => {
      const cotangent = at(cotangents, 0);
      return [left === undefined ? cotangent : undefined, right === undefined ? b.neg(cotangent) : undefined];
    },
  },
});

export const mul: Binary = binary("mul", {
  doc: "left right",
  accepts: "numberOrIndex",
  scalar: (dtype, x = 0, y = 0) => (dtype === "i32" || dtype === "u32" ? Math.imul(x, y) : x * y),
  derivative: {
    linear: [0, 1],
    multilinear: true,
    transpose: (b, cotangents, [left, right]) => {
      const cotangent = at(cotangents, 0);
      return [
        left === undefined ? b.mul(cotangent, present(right, "two factors of a product are tangents")) : undefined,
        right === undefined ? b.mul(cotangent, present(left, "two factors of a product are tangents")) : undefined,
      ];
    },
  },
});

export const div: Binary = binary("div", {
  doc: "left / right; of integers truncated toward zero, and 0 where right is 0",
  accepts: "numberOrIndex",
  scalar: (dtype, x = 0, y = 0) => (isFloat(dtype) ? x / y : y === 0 ? 0 : Math.trunc(x / y)),
  derivative: factorsRule(
    (b, _x, y) => b.div(1, y),
    (b, _x, y, result) => b.neg(b.div(result, y)),
  ),
  ranges: [[-2, 2], [0.5, 2]],
});

export const rem: Binary = binary("rem", {
  doc: "left - right trunc(left / right), with the sign of left; of integers 0 where right is 0",
  accepts: "numberOrIndex",
  scalar: (dtype, x = 0, y = 0) => (isFloat(dtype) || y !== 0 ? x % y : 0),
  derivative: factorsRule(
    (b, x) => splat(b, x, 1),
    // (left - result) / right is a whole number but for rounding.
    (b, x, y, result) => b.neg(b.round(b.div(b.sub(x, result), y))),
  ),
  ranges: [[-7, 7], [0.7, 2]],
});

export const pow: Binary = binary("pow", {
  doc: "left to the power of right; anything to the power of 0 is 1",
  accepts: "float",
  scalar: (_dtype, x = 0, y = 0) => power(x, y),
  // At the edges as JAX has it: y x^(y-1) is 0 where y is 0, and log x is left out where x is 0.
  derivative: factorsRule(
    (b, x, y) => b.select(b.eq(y, 0), 0, b.mul(y, b.pow(x, b.sub(y, 1)))),
    (b, x, _y, result) => b.mul(result, b.log(b.select(b.eq(x, 0), splat(b, x, 1), x))),
  ),
  ranges: [[0.2, 3], [-2, 2]],
});

export const max: Binary = binary("max", {
  doc: "the larger of the two, NaN where one is NaN; ties share the derivative equally",
  accepts: "numberOrIndex",
  scalar: (_dtype, x = 0, y = 0) => Math.max(x, y),
  derivative: factorsRule(
    (b, x, y) => share(b, x, b.gt(x, y), b.eq(x, y)),
    (b, x, y) => share(b, x, b.gt(y, x), b.eq(x, y)),
  ),
});

export const min: Binary = binary("min", {
  doc: "the smaller of the two, NaN where one is NaN; ties share the derivative equally",
  accepts: "numberOrIndex",
  scalar: (_dtype, x = 0, y = 0) => Math.min(x, y),
  derivative: factorsRule(
    (b, x, y) => share(b, x, b.lt(x, y), b.eq(x, y)),
    (b, x, y) => share(b, x, b.lt(y, x), b.eq(x, y)),
  ),
});

export const mulHigh: Binary = binary("mul_high", {
  doc: "the upper 32 bits of the 64-bit product",
  accepts: "u32",
  scalar: (_dtype, x = 0, y = 0) => Number((BigInt(x) * BigInt(y)) >> 32n),
  derivative: "none",
  range: [0, 2 ** 32 - 1],
});

export const fma: TensorOpRecord<(a: Operand, b: Operand, c: Operand) => Value> = elementwise("fma", ["a", "b", "c"], {
  doc: "a b + c, rounded once",
  accepts: "float",
  scalar: (dtype, x = 0, y = 0, z = 0) => fusedScalar(dtype, x, y, z),
  derivative: {
    jvp: (b, primals, [da, db, dc]) => [
      addTangents(
        b,
        da === undefined ? undefined : b.mul(da, at(primals, 1)),
        db === undefined ? undefined : b.mul(db, at(primals, 0)),
        dc,
      ),
    ],
  },
});

function fusedScalar(dtype: ScalarDType, x: number, y: number, z: number): number {
  switch (dtype) {
    case "f64": return fusedMultiplyAdd(x, y, z);
    case "f32": return fusedMultiplyAddToFloat(x, y, z);
    // A product of two f16 (22 bits) or two bf16 (16 bits) is exact in a double; its sum with z is rounded twice, to 53
    // bits here and to the dtype by who called, which differs from rounding once only in rare ties.
    default: return x * y + z;
  }
}

/** 1 where an operand wins, 0.5 where the two are equal, else 0. */
function share(b: Builder, like: Value, wins: Value, ties: Value): Value {
  return b.select(wins, splat(b, like, 1), b.select(ties, splat(b, like, 0.5), splat(b, like, 0)));
}
