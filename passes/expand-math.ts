/**
 * expand-math: exp, log, tanh and their kin of f32 become multiplications, additions and bits (math/).
 *
 * A C library computes one lane at a time, tens of times slower than the formulas do in vectors, and differs from
 * machine to machine in the last place. The formulas are made of ops that mean the same in scalars, in vectors and in
 * the reference interpreter, so an element has the same bits wherever a schedule puts it.
 *
 * WGSL has most of these as instructions. It lacks expm1, log1p and erf; its tanh has an absolute error of 1e-5 and no
 * value for large arguments on some adapters; its sin and cos have an error of 2^-11, and outside of [-pi, pi] any. Those
 * are expanded, for f16 by way of f32.
 *
 * Needs: kernels (lower). Ensures: no such op of f32 is left in a kernel for a CPU, but for sin and cos of magnitudes that
 * math/trigonometric.ts does not reduce; none of those that WGSL lacks in one for WGSL. f64 and pow stay as they are, and
 * so does everything for CUDA.
 *
 *     %y: f32x16 = log %x     ->     some 30 ops on f32x16 and i32x16
 */

import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type RewriteRule } from "../ir/rewrite.ts";
import { errorFunction } from "./math/error-function.ts";
import { exponential, exponentialMinusOne, hyperbolicTangent } from "./math/exponential.ts";
import type { Arithmetic } from "./math/float-bits.ts";
import { logarithm, logarithmOfOnePlus } from "./math/logarithm.ts";
import { cosine, sine } from "./math/trigonometric.ts";
import type { Limits } from "./limits.ts";
import type { Pass } from "./pass.ts";

export const expandMath: Pass = {
  name: "expand-math",
  run(module, { limits }) {
    if (limits === undefined) throw new Error("which functions are expanded depends on the limits of a tier");
    const rule = rules[limits.target];
    return rule === undefined ? module : mapModule(module, (func) => rewriteFunction(func, rule, functionsOf(module)));
  },
};

type Formula = (b: Builder, x: Value, arithmetic: Arithmetic) => Value;

/** By the text names of ops. */
const inaccurateInWgsl: Readonly<Record<string, Formula>> = {
  expm1: exponentialMinusOne,
  log1p: logarithmOfOnePlus,
  tanh: hyperbolicTangent,
  sin: sine,
  cos: cosine,
  erf: errorFunction,
};

const allFormulas: Readonly<Record<string, Formula>> = { ...inaccurateInWgsl, exp: exponential, log: logarithm };

const rules = {
  cpu: (b, op, [x]) => {
    const formula = allFormulas[op.name];
    return formula === undefined || dtypeOf(x) !== "f32" || x === undefined ? undefined : [formula(b, x, "exact")];
  },
  wgsl: (b, op, [x]) => {
    const formula = inaccurateInWgsl[op.name];
    if (formula === undefined || x === undefined) return undefined;
    if (dtypeOf(x) === "f16") return [b.cast(formula(b, b.cast(x, { dtype: "f32" }), "loose"), { dtype: "f16" })];
    return dtypeOf(x) === "f32" ? [formula(b, x, "loose")] : undefined;
  },
  cuda: undefined,
} satisfies Readonly<Record<Limits["target"], RewriteRule | undefined>>;

function dtypeOf(x: Value | undefined): string | undefined {
  return x?.type.kind === "scalar" ? x.type.dtype : undefined;
}
