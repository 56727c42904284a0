/** Models whose kernels kernel-counts.test.ts counts: what fusion must make one kernel of. */

import { grad, layerNorm, mapTree, model, optim, rmsNorm, type Tensor } from "tsdlc";

type Matrix = Tensor<["N", "C"]>;
type Row = Tensor<["C"]>;

export const softmax = model((x: Matrix) => x.softmax());
export const softmaxOfColumns = model((x: Matrix) => x.softmax(0));
export const logSoftmax = model((x: Matrix) => x.logSoftmax());
export const crossEntropy = model((x: Matrix, labels: Tensor<["N"], "i32">) => x.softmaxCrossEntropy(labels));
export const variance = model((x: Matrix) => x.variance(-1));
export const norm = model((x: Matrix, gain: Row, bias: Row) => layerNorm(x, gain, bias));
export const rootMeanSquareNorm = model((x: Matrix, gain: Row) => rmsNorm(x, gain));
export const gelu = model((x: Matrix) => x.gelu());
export const geluTanh = model((x: Matrix) => x.gelu("tanh"));
export const denseLayer = model((x: Tensor<["N", 64]>, w: Tensor<[64, 32]>, b: Tensor<[32]>) => x.matmul(w).add(b).gelu());

export const softmaxGradient = model((x: Matrix, weight: Matrix) => grad((y: Matrix) => y.softmax().mul(weight).sum())(x));
export const logSoftmaxGradient = model((x: Matrix, weight: Matrix) => grad((y: Matrix) => y.logSoftmax().mul(weight).sum())(x));
export const geluGradient = model((x: Matrix, weight: Matrix) => grad((y: Matrix) => y.gelu().mul(weight).sum())(x));
export const normGradient = model((x: Matrix, gain: Row, bias: Row, weight: Matrix) =>
  grad((y: Matrix, g: Row, b: Row) => layerNorm(y, g, b).mul(weight).sum(), { wrt: [0, 1, 2] })(x, gain, bias));

export interface Tree {
  a: Tensor<[64, 32]>;
  deep: [Tensor<[32]>, Tensor<[]>, Tensor<["N", 4]>];
}

interface Velocity { velocity: Tree }
interface MomentsOfTree { step: Tensor<[]>; mean: Tree; square: Tree }

export const sgd = model((params: Tree, gradients: Tree, learningRate: Tensor<[]>) => optim.sgd({ learningRate }).update(params, gradients, {}).params);
export const momentum = model((params: Tree, gradients: Tree, state: Velocity, learningRate: Tensor<[]>) => optim.momentum({ learningRate }).update(params, gradients, state));
export const nesterov = model((params: Tree, gradients: Tree, state: Velocity) => optim.momentum({ learningRate: 0.1, nesterov: true }).update(params, gradients, state));
export const adam = model((params: Tree, gradients: Tree, state: MomentsOfTree) => optim.adam().update(params, gradients, state));
export const adamW = model((params: Tree, gradients: Tree, state: MomentsOfTree, learningRate: Tensor<[]>) => optim.adamW({ learningRate }).update(params, gradients, state));
export const decayed = model((params: Tree) => mapTree((w: Tensor) => w.mul(0.99), params));
