/** Activation functions in the DSL: elementwise, and written so that neither they nor their gradients overflow. */

import { where } from "./create.ts";
import type { DTypeName, Shape } from "./shape.ts";
import type { Float, Tensor } from "./tensor.ts";
import { uniform } from "./random.ts";

export function clamp<D extends DTypeName>(x: Tensor<Shape, D>, low: number | undefined, high: number | undefined): Tensor<Shape, D> {
  const raised = low === undefined ? x : x.maximum(low);
  return high === undefined ? raised : raised.minimum(high);
}

/** By a comparison, not maximum, so that the gradient at 0 is 0 (as in PyTorch) and NaN stays NaN. */
export function relu<D extends DTypeName>(x: Tensor<Shape, D>): Tensor<Shape, D> {
  return where(x.le(0), 0, x);
}

export function leakyRelu<F extends Float>(x: Tensor<Shape, F>, slope: number): Tensor<Shape, F> {
  return where(x.gt(0), x, x.mul(slope));
}

/** Of exp only values up to 1 are taken: 1 / (1 + exp(-x)) for x >= 0 and exp(x) / (1 + exp(x)) for x < 0. */
export function sigmoid<F extends Float>(x: Tensor<Shape, F>): Tensor<Shape, F> {
  const isPositive = x.ge(0);
  const power = where(isPositive, x.neg(), x).exp();
  return where(isPositive, 1, power).div(power.add(1));
}

/** Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", 2017 (arXiv:1702.03118). */
export function silu<F extends Float>(x: Tensor<Shape, F>): Tensor<Shape, F> {
  return x.mul(sigmoid(x));
}

/** Hendrycks, Gimpel, "Gaussian error linear units", 2016 (arXiv:1606.08415); Phi(x) = (1 + erf(x / sqrt(2))) / 2. */
export function gelu<F extends Float>(x: Tensor<Shape, F>, approximate: "none" | "tanh"): Tensor<Shape, F> {
  if (approximate === "tanh") {
    const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
    return x.mul(inner.tanh().add(1)).mul(0.5);
  }
  return x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5);
}

/** max(x, 0) + log(1 + exp(-|x|)) */
export function softplus<F extends Float>(x: Tensor<Shape, F>): Tensor<Shape, F> {
  const isPositive = x.ge(0);
  return where(isPositive, x, 0).add(where(isPositive, x.neg(), x).exp().log1p());
}

/** Srivastava et al., "Dropout", JMLR 15, 2014; the mask is a function of the key, so the gradient recomputes it. */
export function dropout<F extends Float>(x: Tensor<Shape, F>, key: Tensor<[2], "u32">, rate: number): Tensor<Shape, F> {
  if (rate === 0) return x;
  if (!(rate > 0 && rate < 1)) throw new Error(`the rate of dropout must be at least 0 and below 1; it is ${rate}`);
  const isKept = uniform(key, x.shape).ge(rate);
  return where(isKept, x.mul(1 / (1 - rate)), 0);
}
