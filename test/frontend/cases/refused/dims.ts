import { model, type Tensor } from "tsdlc";

export const branch = model((x: Tensor<["N"]>) => (x.shape[0] > 1 ? x : x.neg()));
export const loop = model((x: Tensor<["N", 2]>) => {
  let sum = x.select(0, 0);
  for (let i = 1; i < x.shape[0]; i++) sum = sum.add(x.select(0, i));
  return sum;
});
export const equal = model((x: Tensor<["N"]>) => (x.shape[0] === 4 ? x : x.neg()));
export const shift = model((x: Tensor<["N"]>) => x.mul(x.shape[0] << 1));
export const length = model((x: Tensor<["N"]>) => Array.from({ length: x.shape[0] }, () => x));
export const unmatched = model((x: Tensor<["N", 2]>, y: Tensor<["M", 2]>) => x.reshape([x.shape[0] * 2]).add(y.reshape([y.shape[0] * 2]).slice(0, 1)));
