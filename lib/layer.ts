/** Layers as functions in the DSL: parameters come in as tensors and nothing is kept. */

import { einsum } from "./create.ts";
import type { Check, Dim, Good, MatMul, Replace, Shape } from "./shape.ts";
import type { Float, Integer, Tensor } from "./tensor.ts";

/**
 * x W^T + b over the last axis, with W of shape [out, in] as in torch.nn.functional.linear.
 *
 * x is [..., in], the bias [out] or absent; the result is [..., out].
 */
export function linear<A extends Shape, F extends Float, O extends Dim, I extends Dim>(
  x: Tensor<A, F> & Check<MatMul<A, [I, O]>>,
  weight: Tensor<[O, I], NoInfer<F>>,
  bias?: Tensor<[O], NoInfer<F>>,
): Tensor<Good<MatMul<A, [I, O]>>, F> {
  const product = einsum("...i,oi->...o", x as Tensor<Shape, F>, weight as Tensor<Shape, F>);
  return bias === undefined ? product : product.add(bias as Tensor<Shape, F>);
}

/**
 * (x - mean) / sqrt(variance + eps) * gain + bias over as many last axes as the gain has (Ba, Kiros, Hinton, "Layer
 * normalization", 2016, arXiv:1607.06450); the variance is the biased one, eps is 1e-5 unless said otherwise.
 */
export function layerNorm<A extends Shape, F extends Float>(x: Tensor<A, F>, gain: Tensor<Shape, NoInfer<F>>, bias?: Tensor<Shape, NoInfer<F>>, options: { readonly eps?: number } = {}): Tensor<A, F> {
  const all: Tensor<Shape, F> = x;
  const axes = gain.shape.map((_: number, axis: number) => axis - gain.shape.length);
  const centered = all.sub(all.mean(axes, { keepdim: true }));
  const variance = centered.mul(centered).mean(axes, { keepdim: true });
  const scaled = centered.mul(variance.add(options.eps ?? 1e-5).rsqrt()).mul(gain);
  return bias === undefined ? scaled : scaled.add(bias);
}

/**
 * x / sqrt(mean(x^2) + eps) * gain over as many last axes as the gain has (Zhang, Sennrich, "Root mean square layer
 * normalization", 2019, arXiv:1910.07467); eps is 1e-6 unless said otherwise.
 */
export function rmsNorm<A extends Shape, F extends Float>(x: Tensor<A, F>, gain: Tensor<Shape, NoInfer<F>>, options: { readonly eps?: number } = {}): Tensor<A, F> {
  const all: Tensor<Shape, F> = x;
  const axes = gain.shape.map((_: number, axis: number) => axis - gain.shape.length);
  const meanSquare = all.mul(all).mean(axes, { keepdim: true });
  return all.mul(meanSquare.add(options.eps ?? 1e-6).rsqrt()).mul(gain);
}

/** Rows of a table [entries, features], one for each id; the result is [...ids, features]. */
export function embedding<V extends Dim, C extends Dim, F extends Float, I extends Shape>(table: Tensor<[V, C], F>, ids: Tensor<I, Integer>): Tensor<Replace<[V, C], 0, I>, F> {
  return table.indexSelect(0, ids);
}
