import { model, valueAndGrad, mapTree, type Tensor } from "tsdlc";

export interface Params {
  w1: Tensor<[784, 128]>; b1: Tensor<[128]>;
  w2: Tensor<[128, 10]>;  b2: Tensor<[10]>;
}

function logits(p: Params, x: Tensor<["N", 784]>): Tensor<["N", 10]> {
  return x.matmul(p.w1).add(p.b1).relu().matmul(p.w2).add(p.b2);
}
function loss(p: Params, x: Tensor<["N", 784]>, y: Tensor<["N"], "i32">): Tensor<[]> {
  return logits(p, x).softmaxCrossEntropy(y).mean();
}

/** The digit that each image shows. */
export const predict = model((p: Params, x: Tensor<["N", 784]>) => logits(p, x).argmax(-1));

export const step = model(
  (p: Params, x: Tensor<["N", 784]>, y: Tensor<["N"], "i32">, lr: Tensor<[]>) => {
    const [value, g] = valueAndGrad(loss)(p, x, y);
    return { p: mapTree((w, dw) => w.sub(dw.mul(lr)), p, g), loss: value };
  },
  { donate: [0], dims: { N: { min: 1, max: 4096 } } },
);
