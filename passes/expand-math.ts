/**
 * expand-math: exp, log, tanh and their kin of f32 become multiplications, additions and bits (math/).
 *
 * A C library computes one lane at a time, tens of times slower than the formulas do in vectors, and differs from
 * machine to machine in the last place. The formulas are made of ops that mean the same in scalars, in vectors and in
 * the reference interpreter, so an element has the same bits wherever a schedule puts it.
 *
 * Needs: kernels (lower). Ensures: for a CPU, no such op of f32 is left in them, but for sin and cos of magnitudes that
 * math/trigonometric.ts does not reduce. f64 and pow stay with the C library; other targets have these as instructions.
 *
 *     %y: f32x16 = log %x     ->     some 30 ops on f32x16 and i32x16
 */

import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type RewriteRule } from "../ir/rewrite.ts";
import { errorFunction } from "./math/error-function.ts";
import { exponential, exponentialMinusOne, hyperbolicTangent } from "./math/exponential.ts";
import { logarithm, logarithmOfOnePlus } from "./math/logarithm.ts";
import { cosine, sine } from "./math/trigonometric.ts";
import type { Pass } from "./pass.ts";

export const expandMath: Pass = {
  name: "expand-math",
  run(module, { limits }) {
    if (limits === undefined) throw new Error("which functions are expanded depends on the limits of a tier");
    return limits.target === "cpu" ? mapModule(module, (func) => rewriteFunction(func, expand, functionsOf(module))) : module;
  },
};

/** By the text names of ops. */
const formulas: Readonly<Record<string, (b: Builder, x: Value) => Value>> = {
  exp: exponential,
  expm1: exponentialMinusOne,
  log: logarithm,
  log1p: logarithmOfOnePlus,
  tanh: hyperbolicTangent,
  sin: sine,
  cos: cosine,
  erf: errorFunction,
};

const expand: RewriteRule = (b, op, [x]) => {
  const formula = formulas[op.name];
  if (formula === undefined || x === undefined || x.type.kind !== "scalar" || x.type.dtype !== "f32") return undefined;
  return [formula(b, x)];
};
