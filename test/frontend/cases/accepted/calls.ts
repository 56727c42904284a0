import { model, type Tensor } from "tsdlc";

/** A model may call another: it is inlined. */
export const inner = model((x: Tensor<["N"]>) => x.mul(3));
export const outer = model((x: Tensor<["N"]>) => inner(x as never));

const layers = [(x: Tensor<["N"]>) => x.sin(), (x: Tensor<["N"]>) => x.cos()];
export const composed = model((x: Tensor<["N"]>) => layers.reduce((y, layer) => layer(y), x));

function power(x: Tensor<["N"]>, n: number): Tensor<["N"]> {
  if (n === 0) return x.mul(0).add(1);
  if (n < 0) throw new Error("n must not be negative");
  return n % 2 === 0 ? power(x.mul(x), n / 2) : power(x, n - 1).mul(x);
}
export const tenth = model((x: Tensor<["N"]>) => power(x, 10));

/** A runtime number takes the dtype of the tensor that it meets. */
export const mixed = model((x: Tensor<["N"], "f16">, rate: number) => x.mul(rate / 2).add(Math.exp(-rate)));
