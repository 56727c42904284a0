/** The functions that generate.py computes with JAX, under the same names and with the same results. */

import { arange, einsum, embedding, grad, jvp, layerNorm, model, optim, type Tensor, valueAndGrad, vmap } from "tsdlc";

type Matrix = Tensor<["N", "C"]>;

export const crossEntropy = model((logits: Tensor<["N", 7]>, labels: Tensor<["N"], "i32">) => {
  const [value, gradient] = valueAndGrad((x: Tensor<["N", 7]>) => x.softmaxCrossEntropy(labels).mean())(logits);
  return { each: logits.softmaxCrossEntropy(labels), value, gradient };
});

export const logSoftmax = model((x: Matrix, weight: Matrix) => ({
  rows: x.logSoftmax(),
  columns: x.logSoftmax(0),
  softmax: x.softmax(),
  gradient: grad((y: Matrix) => y.logSoftmax().mul(weight).sum())(x),
  softmaxGradient: grad((y: Matrix) => y.softmax(0).mul(weight).sum())(x),
}));

export const norm = model((x: Matrix, gain: Tensor<["C"]>, bias: Tensor<["C"]>, weight: Matrix) => {
  const loss = (y: Matrix, g: Tensor<["C"]>, b: Tensor<["C"]>) => layerNorm(y, g, b).mul(weight).sum();
  const [dx, dgain, dbias] = grad(loss, { wrt: [0, 1, 2] })(x, gain, bias);
  return { out: layerNorm(x, gain, bias), x: dx, gain: dgain, bias: dbias };
});

export const gelu = model((x: Tensor<["N"]>, weight: Tensor<["N"]>) => ({
  exact: x.gelu(),
  exactGradient: grad((y: Tensor<["N"]>) => y.gelu().mul(weight).sum())(x),
  tanh: x.gelu("tanh"),
  tanhGradient: grad((y: Tensor<["N"]>) => y.gelu("tanh").mul(weight).sum())(x),
}));

export const statistics = model((x: Matrix, weight: Tensor<["N"]>) => ({
  variance: x.variance(-1),
  biased: x.variance(0, { correction: 0 }),
  std: x.std(-1),
  logSumExp: x.logSumExp(-1),
  varianceGradient: grad((y: Matrix) => y.variance(-1).mul(weight).sum())(x),
  stdGradient: grad((y: Matrix) => y.std(-1).mul(weight).sum())(x),
  logSumExpGradient: grad((y: Matrix) => y.logSumExp(-1).mul(weight).sum())(x),
}));

type Queries = Tensor<["B", "Q", 4]>;
type Keys = Tensor<["B", "K", 4]>;
type Values = Tensor<["B", "K", 6]>;

function attend(q: Queries, k: Keys, v: Values): Tensor<["B", "Q", 6]> {
  return q.matmul(k.transpose(-1, -2)).div(2).softmax().matmul(v);
}

export const attention = model((q: Queries, k: Keys, v: Values, weight: Tensor<["B", "Q", 6]>) => {
  const loss = (a: Queries, b: Keys, c: Values) => attend(a, b, c).mul(weight).sum();
  const [dq, dk, dv] = grad(loss, { wrt: [0, 1, 2] })(q, k, v);
  return { out: attend(q, k, v), q: dq, k: dk, v: dv };
});

type Left = Tensor<["B", "N", 4]>;
type Right = Tensor<["B", 4, 5]>;
type Shared = Tensor<[5, 6]>;

export const matmul = model((a: Left, b: Right, shared: Shared) => {
  const loss = (x: Left, y: Right, z: Shared) => x.matmul(y).matmul(z).sin().sum();
  const [da, db, dshared] = grad(loss, { wrt: [0, 1, 2] })(a, b, shared);
  return { out: a.matmul(b).matmul(shared), a: da, b: db, shared: dshared };
});

type Cube = Tensor<[2, 3, 4]>;

export const sums = model((a: Cube, b: Tensor<[5, 4]>, c: Tensor<[5, 3]>) => {
  const loss = (x: Cube, y: Tensor<[5, 4]>, z: Tensor<[5, 3]>) => einsum("bij,kj,kl->bli", x, y, z).sin().sum();
  const [da, db, dc] = grad(loss, { wrt: [0, 1, 2] })(a, b, c);
  return {
    chain: einsum("bij,kj,kl->bli", a, b, c), a: da, b: db, c: dc,
    outer: einsum("bij,kl->bijkl", a, c).select(0, 0).select(0, 0),
    total: einsum("bij->", a),
  };
});

export const running = model((x: Matrix, weight: Matrix) => ({
  first: x.cumsum(0),
  last: x.cumsum(1),
  reverse: x.cumsum(1, { reverse: true }),
  gradient: grad((y: Matrix) => y.square().cumsum(1).mul(weight).sum())(x),
}));

type Table = Tensor<["V", 4]>;

export const rows = model((table: Table, ids: Tensor<[2, 3], "i32">, weight: Tensor<[2, 3, 4]>) => ({
  rows: embedding(table, ids),
  gradient: grad((t: Table) => embedding(t, ids).sin().mul(weight).sum())(table),
  columns: table.indexSelect(1, ids.select(0, 0)),
  added: table.indexAdd(0, ids, weight),
}));

interface Layers { w1: Tensor<[12, 20]>; b1: Tensor<[20]>; w2: Tensor<[20, 4]>; b2: Tensor<[4]> }

export const perceptron = model((x: Tensor<["N", 12]>, w1: Tensor<[12, 20]>, b1: Tensor<[20]>, w2: Tensor<[20, 4]>, b2: Tensor<[4]>, labels: Tensor<["N"], "i32">) => {
  const loss = (p: Layers) => x.matmul(p.w1).add(p.b1).relu().matmul(p.w2).add(p.b2).softmaxCrossEntropy(labels).mean();
  const [value, gradient] = valueAndGrad(loss)({ w1, b1, w2, b2 });
  return { value, w1: gradient.w1, b1: gradient.b1, w2: gradient.w2, b2: gradient.b2 };
});

interface Affine { w: Tensor<[6, 3]>; b: Tensor<[3]> }

function fiveSteps<E>(optimizer: optim.Optimizer<E>, params: Affine, x: Tensor<["N", 6]>, y: Tensor<["N", 3]>): Affine {
  let current = params;
  let state = optimizer.init(current);
  for (const _ of [1, 2, 3, 4, 5]) {
    const gradients = grad((p: Affine) => x.matmul(p.w).add(p.b).sub(y).square().mean())(current);
    const next = optimizer.update(current, gradients, state);
    current = next.params;
    state = next.state;
  }
  return current;
}

export const optimizers = model((w: Tensor<[6, 3]>, b: Tensor<[3]>, x: Tensor<["N", 6]>, y: Tensor<["N", 3]>) => ({
  sgd: fiveSteps(optim.sgd({ learningRate: 0.1 }), { w, b }, x, y),
  momentum: fiveSteps(optim.momentum({ learningRate: 0.1 }), { w, b }, x, y),
  nesterov: fiveSteps(optim.momentum({ learningRate: 0.1, momentum: 0.8, nesterov: true }), { w, b }, x, y),
  adam: fiveSteps(optim.adam({ learningRate: 0.01 }), { w, b }, x, y),
  adamW: fiveSteps(optim.adamW({ learningRate: 0.02, betas: [0.8, 0.99], weightDecay: 0.1 }), { w, b }, x, y),
}));

export const perExample = model((x: Tensor<["N", 12]>, w1: Tensor<[12, 20]>, b1: Tensor<[20]>, w2: Tensor<[20, 4]>, b2: Tensor<[4]>, labels: Tensor<["N"], "i32">) => {
  const loss = (p: Layers, row: Tensor<[12]>, label: Tensor<[], "i32">) => row.matmul(p.w1).add(p.b1).relu().matmul(p.w2).add(p.b2).softmaxCrossEntropy(label);
  const gradients = vmap(grad(loss), [null, 0, 0])({ w1, b1, w2, b2 }, x, labels);
  const norms = gradients.w1.square().sum([1, 2]).add(gradients.b1.square().sum(1)).add(gradients.w2.square().sum([1, 2])).add(gradients.b2.square().sum(1));
  return { w1: gradients.w1, b1: gradients.b1, w2: gradients.w2, b2: gradients.b2, norms };
});

type Point = Tensor<[4]>;

export const mapped = model((tables: Tensor<["B", 5, 4]>, ids: Tensor<[2, "B"], "i32">, points: Tensor<["N", 4]>, weight: Point) => {
  const rowsOf = vmap((table: Tensor<[5, 4]>, at: Tensor<[2], "i32">) => table.indexSelect(0, at), [0, 1], 2);
  const distance = (a: Point, b: Point) => a.sub(b).abs().mul(weight).sum();
  const wave = (p: Point) => p.mul(weight).sin().mul(p.cumsum(0)).sum();
  const slope = grad(wave);
  const unit = arange(4).unsqueeze(1).eq(arange(4)).to("f32");
  return {
    rows: rowsOf(tables, ids),
    tables: grad((t: Tensor<["B", 5, 4]>) => rowsOf(t, ids).sin().sum())(tables),
    pairs: vmap(vmap(distance, [null, 0]), [0, null], 1)(points, points),
    along: vmap((p: Point) => jvp(wave, [p], [weight])[1])(points),
    hessians: vmap((p: Point) => vmap((v: Point) => jvp(slope, [p], [v])[1])(unit))(points),
    columns: vmap((p: Tensor<["N"]>) => p.softmax(), 1, 1)(points),
    largest: vmap((p: Point) => points.indexSelect(0, points.matmul(p).argmax(0)))(points),
  };
});
