/**
 * Elementwise logic on bool and bitwise logic on integers. A shift takes its amount modulo the width of the dtype, as
 * WGSL does, so that every amount has a meaning.
 */

import type { Binary, Unary } from "../op.ts";
import { bytesOf, type ScalarDType } from "../type.ts";
import { binary, unary } from "./make-elementwise.ts";

export const and: Binary = binary("and", {
  doc: "left and right, bit by bit",
  accepts: "bits",
  scalar: (dtype, x = 0, y = 0) => bitwise(dtype, x, y, (a, b) => a & b, (a, b) => a & b),
  derivative: "none",
  range: [-9, 9],
});

export const or: Binary = binary("or", {
  doc: "left or right, bit by bit",
  accepts: "bits",
  scalar: (dtype, x = 0, y = 0) => bitwise(dtype, x, y, (a, b) => a | b, (a, b) => a | b),
  derivative: "none",
  range: [-9, 9],
});

export const xor: Binary = binary("xor", {
  doc: "left or right and not both, bit by bit",
  accepts: "bits",
  scalar: (dtype, x = 0, y = 0) => bitwise(dtype, x, y, (a, b) => a ^ b, (a, b) => a ^ b),
  derivative: "none",
  range: [-9, 9],
});

export const not: Unary = unary("not", {
  doc: "the other truth value; of integers the complement of each bit",
  accepts: "bits",
  // -1 - x is the complement in two's complement, and exact for every width.
  scalar: (dtype, x = 0) => (dtype === "bool" ? 1 - x : -1 - x),
  derivative: "none",
  range: [-9, 9],
});

export const shiftLeft: Binary = binary("shift_left", {
  doc: "left 2^right, wrapping; right modulo the width",
  accepts: "integer",
  scalar: (dtype, x = 0, y = 0) => {
    const amount = shiftAmount(dtype, y);
    return dtype === "i64" ? wide((a, b) => a << b, x, amount) : x << amount;
  },
  derivative: "none",
  ranges: [[-9, 9], [0, 40]],
});

export const shiftRight: Binary = binary("shift_right", {
  doc: "floor(left / 2^right), which for signed integers keeps the sign; right modulo the width",
  accepts: "integer",
  scalar: (dtype, x = 0, y = 0) => {
    const amount = shiftAmount(dtype, y);
    return dtype === "i64" ? wide((a, b) => a >> b, x, amount) : dtype === "u32" ? x >>> amount : x >> amount;
  },
  derivative: "none",
  ranges: [[-999, 999], [0, 40]],
});

function bitwise(
  dtype: ScalarDType,
  x: number,
  y: number,
  narrow: (a: number, b: number) => number,
  exact: (a: bigint, b: bigint) => bigint,
): number {
  return dtype === "i64" ? wide(exact, x, y) : narrow(x, y);
}

function wide(operation: (a: bigint, b: bigint) => bigint, x: number, y: number): number {
  return Number(BigInt.asIntN(64, operation(BigInt(x), BigInt(y))));
}

/** The width is a power of two, so that a negative amount is taken modulo it as well. */
function shiftAmount(dtype: ScalarDType, amount: number): number {
  const width = dtype === "index" ? 64 : bytesOf(dtype) * 8;
  return ((amount % width) + width) % width;
}
