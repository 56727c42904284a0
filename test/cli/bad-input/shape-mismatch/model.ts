import { model, type Tensor } from "tsdlc";

interface Params {
  w1: Tensor<[784, 128]>;
  w2: Tensor<[128, 10]>;
}

/** Any sizes, as far as the editor can see. */
function project(x: Tensor<["N", "In"]>, w: Tensor<["In", "Out"]>): Tensor<["N", "Out"]> {
  return x.matmul(w);
}

export const predict = model((p: Params, x: Tensor<["N", 784]>) => project(x, p.w2).relu());
