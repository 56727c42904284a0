/**
 * Elementwise ops of one operand: each result element is a function of the operand element at the same index. The
 * same records serve scalars and vectors at kernel level. Ops of several operands are in arithmetic.ts, compare.ts
 * and bits.ts, conversions in cast.ts.
 */

import { at } from "../expect.ts";
import { erf as errorFunction, roundHalfEven } from "../special-functions.ts";
import type { Unary } from "../op.ts";
import { unary } from "./make-elementwise.ts";
import { factorRule, splat } from "./make-rules.ts";

export const neg: Unary = unary("neg", {
  doc: "-x; the smallest integer stays itself",
  accepts: "signed",
  scalar: (_dtype, x = 0) => -x,
  derivative: { linear: [0], transpose: (b, cotangents) => [b.neg(at(cotangents, 0))] },
});

export const abs: Unary = unary("abs", {
  doc: "|x|, with derivative 0 at 0; the smallest integer stays itself",
  accepts: "signed",
  scalar: (_dtype, x = 0) => Math.abs(x),
  derivative: factorRule((b, x) => b.sign(x)),
});

export const sign: Unary = unary("sign", {
  doc: "-1, 0 or 1, and NaN for NaN",
  accepts: "signed",
  scalar: (_dtype, x = 0) => Math.sign(x),
  derivative: "none",
});

export const floor: Unary = unary("floor", {
  doc: "the largest integer that is at most x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.floor(x),
  derivative: "none",
});

export const ceil: Unary = unary("ceil", {
  doc: "the smallest integer that is at least x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.ceil(x),
  derivative: "none",
});

export const round: Unary = unary("round", {
  doc: "the integer nearest to x, the even one of two",
  accepts: "float",
  scalar: (_dtype, x = 0) => roundHalfEven(x),
  derivative: "none",
});

export const sqrt: Unary = unary("sqrt", {
  doc: "the square root of x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.sqrt(x),
  derivative: factorRule((b, _x, result) => b.div(0.5, result)),
  range: [0.1, 4],
});

export const rsqrt: Unary = unary("rsqrt", {
  doc: "1 / sqrt(x)",
  accepts: "float",
  scalar: (_dtype, x = 0) => 1 / Math.sqrt(x),
  derivative: factorRule((b, x, result) => b.mul(b.div(result, x), -0.5)),
  range: [0.1, 4],
});

export const exp: Unary = unary("exp", {
  doc: "e^x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.exp(x),
  derivative: factorRule((_b, _x, result) => result),
});

export const expm1: Unary = unary("expm1", {
  doc: "e^x - 1, exact for small x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.expm1(x),
  derivative: factorRule((b, _x, result) => b.add(result, 1)),
});

export const log: Unary = unary("log", {
  doc: "the natural logarithm of x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.log(x),
  derivative: factorRule((b, x) => b.div(1, x)),
  range: [0.1, 4],
});

export const log1p: Unary = unary("log1p", {
  doc: "log(1 + x), exact for small x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.log1p(x),
  derivative: factorRule((b, x) => b.div(1, b.add(x, 1))),
  range: [-0.9, 3],
});

export const sin: Unary = unary("sin", {
  doc: "the sine of x in radians",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.sin(x),
  derivative: factorRule((b, x) => b.cos(x)),
});

export const cos: Unary = unary("cos", {
  doc: "the cosine of x in radians",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.cos(x),
  derivative: factorRule((b, x) => b.neg(b.sin(x))),
  range: [-1.5, 1.5],
});

export const tanh: Unary = unary("tanh", {
  doc: "the hyperbolic tangent of x",
  accepts: "float",
  scalar: (_dtype, x = 0) => Math.tanh(x),
  derivative: factorRule((b, _x, result) => b.sub(1, b.mul(result, result))),
});

export const erf: Unary = unary("erf", {
  doc: "the error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x",
  accepts: "float",
  scalar: (_dtype, x = 0) => errorFunction(x),
  derivative: factorRule((b, x) => b.mul(b.exp(b.neg(b.mul(x, x))), splat(b, x, 2 / Math.sqrt(Math.PI)))),
  // The reference is a continued fraction whose rounding errors add up.
  ulp: 16,
});

export const stopGradient: Unary = unary("stop_gradient", {
  doc: "x itself, as a constant to derivatives",
  accepts: "any",
  scalar: (_dtype, x = 0) => x,
  derivative: "none",
});
