import { concat, model, type Tensor, zeros } from "tsdlc";

interface Params { w1: Tensor<[784, 128]>; w2: Tensor<[128, 10]> }

// The editor knows nothing of these shapes: they come out of a function without annotations.
const loosely = (x: unknown) => x as Tensor<readonly number[]>;

export const inner = model((p: Params, x: Tensor<["N", 784]>) => {
  return loosely(x).matmul(p.w2);
});
export const inChain = model((p: Params, x: Tensor<["N", 784]>) =>
  loosely(x)
    .matmul(p.w1)
    .matmul(p.w1)
    .relu(),
);
export const broadcast = model((x: Tensor<[3, 4]>, y: Tensor<[3]>) => loosely(x).add(y));
export const namedAgainstLiteral = model((x: Tensor<["N", 4]>, y: Tensor<[8, 4]>) => x.add(y));
export const dtype = model((x: Tensor<[3]>, y: Tensor<[3], "i32">) => x.add(y as never));
export const fraction = model((y: Tensor<[3], "i32">) => y.mul(0.5));
export const axis = model((x: Tensor<[3, 4]>) => loosely(x).sum(2));
export const reshape = model((x: Tensor<[3, 4]>) => x.reshape([5, 3]));
export const inLibrary = model((x: Tensor<[3, 4]>, y: Tensor<[3, 1], "i32">) => loosely(x).softmaxCrossEntropy(y));
export const concatenated = model((x: Tensor<[3, 4]>, y: Tensor<[3, 5]>) => concat([loosely(x), y], 0));
export const integerRoot = model((y: Tensor<[3], "i32">) => (y as never as Tensor<[3]>).sqrt());
export const mean = model((y: Tensor<[3], "i32">) => (y as never as Tensor<[3]>).mean());
export const uncountable = model((x: Tensor<[3]>) => zeros([2 ** 40, 2 ** 40]).sum().add(x));
