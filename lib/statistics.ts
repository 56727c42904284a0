/** Reductions that are made of others, in the DSL: mean, variance, softmax. Fusion makes one kernel of each. */

import { elementCount, sizeAt } from "./arrange.ts";
import { where } from "./create.ts";
import { stopGradient } from "./grad.ts";
import type { Axes, DTypeName, Shape } from "./shape.ts";
import { plus, times } from "./size.ts";
import type { Float, Tensor } from "./tensor.ts";

export function mean<F extends Float>(x: Tensor<Shape, F>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, F> {
  requireFloat(x, "mean");
  return sum(x, axis, keepdim).div(count(x, axis));
}

/** In two passes, so that a large mean does not cancel the digits of a small variance. */
export function variance<F extends Float>(x: Tensor<Shape, F>, axis: Axes, correction: number | undefined, keepdim: boolean | undefined): Tensor<Shape, F> {
  requireFloat(x, "variance");
  const centered = x.sub(mean(x, axis, true));
  return sum(centered.mul(centered), axis, keepdim).div(plus(count(x, axis), -(correction ?? 1)));
}

export function std<F extends Float>(x: Tensor<Shape, F>, axis: Axes, correction: number | undefined, keepdim: boolean | undefined): Tensor<Shape, F> {
  return variance(x, axis, correction, keepdim).sqrt();
}

export function norm<F extends Float>(x: Tensor<Shape, F>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, F> {
  return sum(x.mul(x), axis, keepdim).sqrt();
}

/** An infinite maximum is not subtracted: -Infinity everywhere is the logarithm of 0, not NaN. */
export function logSumExp<F extends Float>(x: Tensor<Shape, F>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, F> {
  const largest = stopGradient(max(x, axis));
  const shift = where(largest.abs().eq(Infinity), 0, largest);
  const result = sum(x.sub(shift).exp(), axis, true).log().add(shift);
  return keepdim === true ? result : result.reshape(sum(x, axis, false).shape);
}

export function softmax<F extends Float>(x: Tensor<Shape, F>, axis: number): Tensor<Shape, F> {
  const power = x.sub(stopGradient(max(x, axis))).exp();
  return power.div(sum(power, axis, true));
}

export function logSoftmax<F extends Float>(x: Tensor<Shape, F>, axis: number): Tensor<Shape, F> {
  const shifted = x.sub(stopGradient(max(x, axis)));
  return shifted.sub(sum(shifted.exp(), axis, true).log());
}

export function any<D extends DTypeName>(x: Tensor<Shape, D>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, "bool"> {
  return x.ne(0).to("i32").sum(axis, { keepdim: keepdim === true }).gt(0);
}

export function all<D extends DTypeName>(x: Tensor<Shape, D>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, "bool"> {
  return x.eq(0).to("i32").sum(axis, { keepdim: keepdim === true }).eq(0);
}

function sum<F extends Float>(x: Tensor<Shape, F>, axis: Axes, keepdim: boolean | undefined): Tensor<Shape, F> {
  return x.sum(axis, { keepdim: keepdim === true });
}

function max<F extends Float>(x: Tensor<Shape, F>, axis: Axes): Tensor<Shape, F> {
  return x.max(axis, { keepdim: true });
}

/** How many elements are folded into one: a number, or an expression over named dims. */
function count(x: Tensor<Shape, DTypeName>, axis: Axes): number {
  if (axis === undefined) return elementCount(x);
  if (typeof axis === "number") return sizeAt(x, axis);
  return axis.reduce((product, one) => times(product, sizeAt(x, one)), 1);
}

function requireFloat(x: Tensor<Shape, DTypeName>, name: string): void {
  if (["f64", "f32", "f16", "bf16"].includes(x.dtype)) return;
  throw new Error(`${name} needs a tensor of floats, and this one is ${x.dtype}; convert it first, with .to("f32")`);
}
