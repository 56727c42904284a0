/** A line through points: the smallest model that learns. */

import { mapTree, model, type Tensor, valueAndGrad, zeros } from "tsdlc";

export interface Params {
  w: Tensor<[2, 1]>;
  b: Tensor<[1]>;
}

function loss(p: Params, x: Tensor<["N", 2]>, y: Tensor<["N", 1]>): Tensor<[]> {
  return x.matmul(p.w).add(p.b).sub(y).square().mean();
}

export const init = model((): Params => ({ w: zeros([2, 1]), b: zeros([1]) }));

/** One step of gradient descent. */
export const step = model((p: Params, x: Tensor<["N", 2]>, y: Tensor<["N", 1]>, rate: Tensor<[]>) => {
  const [value, gradients] = valueAndGrad(loss)(p, x, y);
  return { p: mapTree((w, g) => w.sub(g.mul(rate)), p, gradients), loss: value };
});
