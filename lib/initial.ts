/** Initial values of weights in the DSL. Weights are [..., in, out], as matmul takes them, unless said otherwise. */

import { normal, uniform, type Key } from "./random.ts";
import type { Dim, Sizes } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Fans of a weight: how many inputs each output sees, and how many outputs each input reaches. */
export interface FanOptions {
  /** "in-out" for x.matmul(w); "out-in" for linear(x, w). */
  readonly layout?: "in-out" | "out-in";
}

/** Uniform in [-b, b), b = gain sqrt(3 / fan in), gain sqrt(2) for relu (He et al., ICCV 2015, arXiv:1502.01852). */
export function kaimingUniform<const T extends readonly Dim[]>(key: Key, shape: T & readonly number[], options: FanOptions & { readonly gain?: number } = {}): Tensor<Sizes<T>, "f32"> {
  const [fanIn] = fans(shape, options);
  const bound = (options.gain ?? Math.SQRT2) * Math.sqrt(3 / fanIn);
  return uniform(key, shape, { low: -bound, high: bound });
}

/** Normal with deviation gain / sqrt(fan in). */
export function kaimingNormal<const T extends readonly Dim[]>(key: Key, shape: T & readonly number[], options: FanOptions & { readonly gain?: number } = {}): Tensor<Sizes<T>, "f32"> {
  const [fanIn] = fans(shape, options);
  return normal(key, shape as readonly number[]).mul((options.gain ?? Math.SQRT2) / Math.sqrt(fanIn));
}

/** Uniform in [-b, b), b = sqrt(6 / (fan in + fan out)) (Glorot, Bengio, AISTATS 2010). */
export function xavierUniform<const T extends readonly Dim[]>(key: Key, shape: T & readonly number[], options: FanOptions = {}): Tensor<Sizes<T>, "f32"> {
  const [fanIn, fanOut] = fans(shape, options);
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return uniform(key, shape, { low: -bound, high: bound });
}

function fans(shape: readonly number[], options: FanOptions): readonly [number, number] {
  if (shape.length < 2) throw new Error(`the fans of a weight need at least two axes; the shape is [${shape.join(",")}]`);
  const [first = 1, second = 1] = shape.slice(-2);
  return options.layout === "out-in" ? [second, first] : [first, second];
}
