/**
 * A classifier of handwritten digits: 784 pixels, 128 hidden units, 10 digits, trained by gradient descent with momentum.
 */

import { initial, model, optim, random, type Tensor, valueAndGrad, zeros } from "tsdlc";

/** The weights of both layers. */
export interface Params {
  /** From pixels to hidden units. */
  w1: Tensor<[784, 128]>;
  b1: Tensor<[128]>;
  /** From hidden units to digits. */
  w2: Tensor<[128, 10]>;
  b2: Tensor<[10]>;
}

/** What training carries from step to step. */
export interface State {
  params: Params;
  /** The running mean of the gradients, which momentum keeps. */
  velocity: Params;
}

function logits(params: Params, images: Tensor<["N", 784]>): Tensor<["N", 10]> {
  const hidden = images.matmul(params.w1).add(params.b1).relu();
  return hidden.matmul(params.w2).add(params.b2);
}

function meanLoss(params: Params, images: Tensor<["N", 784]>, labels: Tensor<["N"], "i32">): Tensor<[]> {
  return logits(params, images).softmaxCrossEntropy(labels).mean();
}

/** Weights drawn at random from a key, two 32-bit words: equal keys give equal weights on every machine. */
export const init = model((key: Tensor<[2], "u32">) => {
  const [first, second] = random.split(key);
  const params: Params = {
    w1: initial.kaimingUniform(first, [784, 128]),
    b1: zeros([128]),
    w2: initial.kaimingUniform(second, [128, 10]),
    b2: zeros([10]),
  };
  return { params, ...optim.momentum({ learningRate: 0 }).init(params) };
});

/** The most likely digit for each image; pixels are 0 (paper) to 1 (ink). */
export const predict = model((params: Params, images: Tensor<["N", 784]>) => logits(params, images).argmax(-1));

/** How likely each digit is for each image: ten numbers that sum to 1. */
export const classify = model((params: Params, images: Tensor<["N", 784]>) => logits(params, images).softmax());

/** One step of training on a batch: the next state, and the loss that the batch had before it. */
export const step = model(
  (state: State, images: Tensor<["N", 784]>, labels: Tensor<["N"], "i32">, learningRate: Tensor<[]>) => {
    const [loss, gradients] = valueAndGrad(meanLoss)(state.params, images, labels);
    const { params, state: moved } = optim.momentum({ learningRate }).update(state.params, gradients, { velocity: state.velocity });
    return { state: { params, velocity: moved.velocity }, loss };
  },
  { donate: [0] },
);
