/** Models that composites.test.ts compiles and runs: one for each function of the library that is written in the DSL. */

import {
  cond, constant, embedding, grad, initial, layerNorm, linear, mapTree, model, optim, random, rmsNorm, scan, stack, type Tensor, valueAndGrad, whileLoop,
} from "tsdlc";

type Matrix = Tensor<["N", "C"]>;
type Vector = Tensor<["N"]>;
type Key = Tensor<[2], "u32">;

/* ------------------------------------------------------------ elementwise, with gradients */

export const activations = model((x: Vector) => ({
  relu: x.relu(), leakyRelu: x.leakyRelu(0.1), sigmoid: x.sigmoid(), silu: x.silu(), gelu: x.gelu(), geluTanh: x.gelu("tanh"),
  softplus: x.softplus(), clamp: x.clamp(-1, 2), square: x.square(),
}));

export const activationGradients = model((x: Vector) => ({
  relu: grad((y: Vector) => y.relu().sum())(x),
  leakyRelu: grad((y: Vector) => y.leakyRelu(0.1).sum())(x),
  sigmoid: grad((y: Vector) => y.sigmoid().sum())(x),
  silu: grad((y: Vector) => y.silu().sum())(x),
  gelu: grad((y: Vector) => y.gelu().sum())(x),
  geluTanh: grad((y: Vector) => y.gelu("tanh").sum())(x),
  softplus: grad((y: Vector) => y.softplus().sum())(x),
}));

/* ------------------------------------------------------------ statistics */

export const statistics = model((x: Matrix) => ({
  mean: x.mean(0), meanAll: x.mean(), variance: x.variance(-1), biased: x.variance(-1, { correction: 0 }), std: x.std(0, { keepdim: true }),
  norm: x.norm(), logSumExp: x.logSumExp(-1), softmax: x.softmax(), softmaxFirst: x.softmax(0), logSoftmax: x.logSoftmax(),
  any: x.gt(2).any(-1), all: x.gt(-2).all(-1), elements: x.mul(0).add(x.size),
}));

export const crossEntropy = model((x: Matrix, labels: Tensor<["N"], "i32">) => {
  const [value, gradient] = valueAndGrad((y: Matrix) => y.softmaxCrossEntropy(labels).mean())(x);
  return { each: x.softmaxCrossEntropy(labels), value, gradient };
});

export const infinite = model((x: Matrix) => x.logSumExp(-1));

/* ------------------------------------------------------------ layers */

export const layers = model((x: Matrix, w: Tensor<[5, "C"]>, b: Tensor<[5]>, gain: Tensor<["C"]>, bias: Tensor<["C"]>, ids: Tensor<[2, 2], "i32">) => ({
  linear: linear(x, w, b), noBias: linear(x, w), layerNorm: layerNorm(x, gain, bias, { eps: 1e-3 }), rmsNorm: rmsNorm(x, gain), rows: embedding(w, ids),
}));

/* ------------------------------------------------------------ arrangement */

export const arrangement = model((x: Tensor<[2, 3, 4]>) => ({
  flat: x.flatten(), flatTail: x.flatten(1), transposed: x.transpose(0, -1), unsqueezed: x.unsqueeze(-1).squeeze(-1).unsqueeze(1),
  selected: x.select(-1, 2), split: x.split(2, 2), sections: x.split([1, 2], 1), chunk: x.chunk(2, 1), stacked: stack([x, x.neg()], -1),
  oneHot: constant([2, 0], "i32").oneHot(3), outer: constant([1, 2]).outer(constant([3, 4])), dot: constant([1, 2]).dot(constant([3, 4])),
}));

/* ------------------------------------------------------------ random */

export const draws = model((key: Key) => {
  const [first, second] = random.split(key);
  return {
    uniform: random.uniform(first, [4096], { low: -1, high: 3 }), normal: random.normal(second, [4096]), coin: random.bernoulli(first, 0.25, [4096]),
    keys: random.split(key, 3), folded: [random.foldIn(key, 0), random.foldIn(key, 1)], seeded: random.key(2 ** 33 + 5),
    kaiming: initial.kaimingUniform(first, [256, 16]), kaimingNormal: initial.kaimingNormal(first, [16, 256], { layout: "out-in" }), xavier: initial.xavierUniform(second, [100, 50]),
  };
});

export const dropped = model((x: Vector, key: Key) => {
  const [value, gradient] = valueAndGrad((y: Vector) => y.dropout(key, 0.25).sum())(x);
  return { value, gradient, out: x.dropout(key, 0.25), same: x.dropout(key, 0) };
});

/* ------------------------------------------------------------ optimizers: three steps on w^2 / 2, whose gradient is w */

interface Weights { readonly w: Tensor<[2]>; readonly deep: readonly [Tensor<[]>] }

function threeSteps<E>(optimizer: optim.Optimizer<E>, params: Weights): Weights {
  let current = params;
  let state = optimizer.init(current);
  for (const _ of [1, 2, 3]) {
    const next = optimizer.update(current, mapTree((w) => w, current), state);
    current = next.params;
    state = next.state;
  }
  return current;
}

export const optimizers = model((params: Weights, rate: Tensor<[]>) => ({
  sgd: threeSteps(optim.sgd({ learningRate: rate }), params),
  momentum: threeSteps(optim.momentum({ learningRate: 0.1 }), params),
  nesterov: threeSteps(optim.momentum({ learningRate: 0.1, nesterov: true }), params),
  adam: threeSteps(optim.adam({ learningRate: 0.1 }), params),
  adamW: threeSteps(optim.adamW({ learningRate: rate, weightDecay: 0.1 }), params),
}));

/* ------------------------------------------------------------ control flow */

type Triple = Tensor<[3]>;

/** x halved until none of it is above 1. */
const halved = (x: Triple): Triple => whileLoop((y: Triple) => y.max().gt(1), (y: Triple) => y.mul(0.5), x);

const bent = (x: Triple): Triple => cond(x.sum().gt(0), (y: Triple) => y.square(), (y: Triple) => y.mul(3), x);

const leaky = (xs: Tensor<[4, 3]>, rate: Tensor<[]>, reverse: boolean) =>
  scan((h: Triple, x: Triple) => {
    const next = h.mul(rate).add(x);
    return [next, { h: next, positive: next.gt(0) }] as const;
  }, constant([0, 0, 0]), xs, { reverse });

export const controls = model((x: Triple, xs: Tensor<[4, 3]>, rate: Tensor<[]>) => {
  const [last, { h, positive }] = leaky(xs, rate, false);
  const [first, backwards] = leaky(xs, rate, true);
  return { halved: halved(x), bent: bent(x), last, h, positive, first, backwards: backwards.h };
});

export const controlGradients = model((x: Triple, xs: Tensor<[4, 3]>, rate: Tensor<[]>) => ({
  halved: grad((y: Triple) => halved(y).sum())(x),
  bent: grad((y: Triple) => bent(y).sum())(x),
  scan: grad((ys: Tensor<[4, 3]>, r: Tensor<[]>) => leaky(ys, r, false)[1].h.square().sum() as Tensor<[]>, { wrt: [0, 1] })(xs, rate),
}));
