/** Programs that the editor must accept: what is not certainly wrong is left to `tsdlc check`. */

import {
  arange, concat, constant, einsum, embedding, full, grad, jit, jvp, layerNorm, linear, mapTree, model, optim, random, rmsNorm, stack,
  type Shape, stopGradient, tensor, type Tensor, valueAndGrad, vmap, where, zeros, zerosLike,
} from "tsdlc";
import { fromNpy, loadCheckpoint, loadTree, openSafetensors, readSafetensors, saveCheckpoint, toNpy, toSafetensors, writeSafetensors } from "tsdlc/files";

/** Both directions, so that a result type is neither too wide nor too narrow. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertType<A, B>(_proof: Same<A, B>): void {}

/* ------------------------------------------------------------ the program of the README */

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

export const predict = model((p: Params, x: Tensor<["N", 784]>) => logits(p, x).argmax(-1));

export const step = model(
  (p: Params, x: Tensor<["N", 784]>, y: Tensor<["N"], "i32">, lr: Tensor<[]>) => {
    const [value, g] = valueAndGrad(loss)(p, x, y);
    return { p: mapTree((w, dw) => w.sub(dw.mul(lr)), p, g), loss: value };
  },
  { donate: [0], dims: { N: { max: 4096 } } },
);

/* ------------------------------------------------------------ calls of models */

declare const images: Float32Array;
declare const labels: Int32Array;
declare const params: Params;

const first = step(params, images, labels, 0.1);
const second = step(first.p, tensor(images, [32, 784]), labels, tensor(0.1, []));
const third = step({ w1: images, b1: images, w2: images, b2: images }, images, labels, first.loss);
const classes: Promise<Int32Array> = predict(second.p, images).data();
const value: Promise<Float32Array> = third.loss.data();
export { classes, value };

/* ------------------------------------------------------------ named dims */

declare const xb: Tensor<["B", 784]>;
declare const x32: Tensor<[32, 784]>;
declare const xn: Tensor<[number, 784]>;
logits(params, xb);
logits(params, x32);
logits(params, xn);
const d: Tensor<[32, 10]> = logits(params, x32);
d.add(logits(params, xb));
const named: Tensor<["M", 784]> = x32;
const literal: Tensor<[32, 784]> = named;
const sized: Tensor<[32, 784]> = xn;
function addNamed(a: Tensor<["N", 4]>, b: Tensor<["M", 4]>): Tensor<["N", 4]> { return a.add(b); }
export { addNamed, literal, sized };

/* ------------------------------------------------------------ open ranks */

function normalize(x: Tensor): Tensor { return x.sub(x.mean(-1, { keepdim: true })).div(x.std(-1, { keepdim: true })); }
const normalized: Tensor<["N", 784]> = normalize(x32);
function anyRank(x: Tensor, axis: number): Tensor { return x.sum(axis).add(1); }
anyRank(x32, 0).matmul(params.w1);
export { normalized };

/* ------------------------------------------------------------ results of ops */

declare const a: Tensor<["N", 3, 4]>;
declare const ids: Tensor<["N", "T"], "i32">;
const axis: number = Math.floor(1.5);

const results = {
  sum: a.sum(), sumAxis: a.sum(1), sumLast: a.sum(-1), sumTwo: a.sum([0, -1]), kept: a.sum(-1, { keepdim: true }), keptAll: a.mean(undefined, { keepdim: true }),
  someAxis: a.sum(axis), argmax: a.argmax(-1), variance: a.variance(0, { correction: 0 }), all: a.all(),
  added: a.add(params.b2.slice(0, 0, 4)), stretched: zeros([5, 1]).mul(zeros([1, 6])), less: a.lt(0), chosen: where(a.lt(0), 0, a),
  cast: a.to("i32"), transposed: a.transpose(0, -1), permuted: a.permute([2, 0, 1]), unsqueezed: a.unsqueeze(-1), front: a.unsqueeze(0),
  squeezed: zeros([4, 1, 5]).squeeze(1), reshaped: a.reshape([-1, 12]), narrowed: a.narrow(1, 0, 2), sliced: a.slice(0, 1), selected: a.select(0, 0),
  product: a.matmul(zeros([4, 7])), batched: zeros([5, 2, 3]).matmul(zeros([5, 3, 4])), row: zeros([4]).matmul(zeros([4, 2])), column: zeros([2, 4]).matmul(zeros([4])),
  inner: zeros([4]).dot(zeros([4])), outer: zeros([4]).outer(zeros([5])), einsum: einsum("bij,bjk->bik", zeros([2, 3, 4]), zeros([2, 4, 5])),
  rows: embedding(zeros([1000, 64]), ids), oneHot: ids.oneHot(10), picked: a.indexSelect(1, ids), count: arange(10), filled: full([2, 3], 1, "i32"),
  ragged: concat([zeros([2, 3]), zeros([4, 3]), xb.narrow(1, 0, 3)]), list: concat([1, 2].map((n) => zeros([n, 3])), 1), mixed: stack([x32, xb]),
  sections: a.split([1, 2], 1), equal: a.chunk(2, -1), pieces: a.split(2, 0),
  joined: concat([zeros([2, 3]), zeros([2, 3])]), stacked: stack([zeros([2, 3]), zeros([2, 3])], 1), loss: zeros(["N" as unknown as number, 10]).softmaxCrossEntropy(arange(3)),
};

assertType<typeof results.sum, Tensor<[], "f32">>(true);
assertType<typeof results.sumAxis, Tensor<["N", 4], "f32">>(true);
assertType<typeof results.sumLast, Tensor<["N", 3], "f32">>(true);
assertType<typeof results.sumTwo, Tensor<[3], "f32">>(true);
assertType<typeof results.kept, Tensor<["N", 3, 1], "f32">>(true);
assertType<typeof results.keptAll, Tensor<[1, 1, 1], "f32">>(true);
assertType<typeof results.someAxis, Tensor<[number, number], "f32">>(true);
assertType<typeof results.argmax, Tensor<["N", 3], "i32">>(true);
assertType<typeof results.variance, Tensor<[3, 4], "f32">>(true);
assertType<typeof results.all, Tensor<[], "bool">>(true);
assertType<typeof results.added, Tensor<["N", 3, 4], "f32">>(true);
assertType<typeof results.stretched, Tensor<[5, 6], "f32">>(true);
assertType<typeof results.less, Tensor<["N", 3, 4], "bool">>(true);
assertType<typeof results.chosen, Tensor<["N", 3, 4], "f32">>(true);
assertType<typeof results.cast, Tensor<["N", 3, 4], "i32">>(true);
assertType<typeof results.transposed, Tensor<[4, 3, "N"], "f32">>(true);
assertType<typeof results.permuted, Tensor<[4, "N", 3], "f32">>(true);
assertType<typeof results.unsqueezed, Tensor<["N", 3, 4, 1], "f32">>(true);
assertType<typeof results.front, Tensor<[1, "N", 3, 4], "f32">>(true);
assertType<typeof results.squeezed, Tensor<[4, 5], "f32">>(true);
assertType<typeof results.reshaped, Tensor<[number, 12], "f32">>(true);
assertType<typeof results.narrowed, Tensor<["N", 2, 4], "f32">>(true);
assertType<typeof results.sliced, Tensor<[number, 3, 4], "f32">>(true);
assertType<typeof results.selected, Tensor<[3, 4], "f32">>(true);
assertType<typeof results.product, Tensor<["N", 3, 7], "f32">>(true);
assertType<typeof results.batched, Tensor<[5, 2, 4], "f32">>(true);
assertType<typeof results.row, Tensor<[2], "f32">>(true);
assertType<typeof results.column, Tensor<[2], "f32">>(true);
assertType<typeof results.inner, Tensor<[], "f32">>(true);
assertType<typeof results.outer, Tensor<[4, 5], "f32">>(true);
assertType<typeof results.einsum, Tensor<[number, number, number], "f32">>(true);
assertType<typeof results.rows, Tensor<["N", "T", 64], "f32">>(true);
assertType<typeof results.oneHot, Tensor<["N", "T", 10], "f32">>(true);
assertType<typeof results.picked, Tensor<["N", "N", "T", 4], "f32">>(true);
assertType<typeof results.count, Tensor<[10], "i32">>(true);
assertType<typeof results.filled, Tensor<[2, 3], "i32">>(true);
assertType<typeof results.joined, Tensor<[number, 3], "f32">>(true);
assertType<typeof results.ragged, Tensor<[number, 3], "f32">>(true);
assertType<typeof results.list, Tensor<[number, number], "f32">>(true);
assertType<typeof results.sections, [Tensor<["N", 1, 4], "f32">, Tensor<["N", 2, 4], "f32">]>(true);
assertType<typeof results.equal, [Tensor<["N", 3, number], "f32">, Tensor<["N", 3, number], "f32">]>(true);
assertType<typeof results.pieces, Tensor<[number, 3, 4], "f32">[]>(true);
assertType<typeof results.stacked, Tensor<[2, number, 3], "f32">>(true);

/* ------------------------------------------------------------ many examples */

declare const points: Tensor<[32, 3]>;
declare const openPoints: Tensor<["B", 3]>;
declare const center: Tensor<[3]>;
declare const labelsOfB: Tensor<["B"], "i32">;
const distance = (x: Tensor<[3]>, y: Tensor<[3]>): Tensor<[]> => x.sub(y).square().sum();
const lossOfOne = (q: Params, image: Tensor<[784]>, label: Tensor<[], "i32">): Tensor<[]> => image.matmul(q.w1).add(q.b1).relu().matmul(q.w2).add(q.b2).softmaxCrossEntropy(label);

const maps = {
  distances: vmap(distance, [0, null])(points, center), named: vmap(distance)(openPoints, openPoints), last: vmap(distance, [-1, null])(zeros([3, 8]), center),
  perExample: vmap(grad(lossOfOne), [null, 0, 0])(params, x32, arange(32)), both: vmap(valueAndGrad(lossOfOne), [null, 0, 0])(params, xb, labelsOfB),
  tree: vmap((t: { a: Tensor<[3]>; b: readonly [Tensor<[2], "i32">, number]; name: string }) => ({ sum: t.a.sum(), b: t.b[0], k: center }), [{ a: 1, b: [0, null], name: null }], { sum: 0, b: 1, k: null })({ a: zeros([3, 5]), b: [zeros([5, 2], "i32"), 3], name: "t" }),
  pairs: vmap(vmap(distance, [null, 0]), [0, null])(points, openPoints), jitted: jit(vmap(distance, [0, null]))(points, center),
  open: vmap((x: Tensor) => x.softmax())(points), axisOfNumber: vmap(distance, [axis, null])(points, center), gradient: grad((q: Tensor<[32, 3]>) => vmap(distance, [0, null])(q, center).sum())(points),
};

assertType<typeof maps.distances, Tensor<[32], "f32">>(true);
assertType<typeof maps.named, Tensor<["B"], "f32">>(true);
assertType<typeof maps.last, Tensor<[8], "f32">>(true);
assertType<typeof maps.perExample.w1, Tensor<[32, 784, 128], "f32">>(true);
assertType<typeof maps.both, [Tensor<["B"], "f32">, { w1: Tensor<["B", 784, 128]>; b1: Tensor<["B", 128]>; w2: Tensor<["B", 128, 10]>; b2: Tensor<["B", 10]> }]>(true);
assertType<typeof maps.tree, { sum: Tensor<[5], "f32">; b: Tensor<[2, 5], "i32">; k: Tensor<[3]> }>(true);
assertType<typeof maps.jitted, Tensor<[32], "f32">>(true);
assertType<typeof maps.open, Tensor<Shape, "f32">>(true);
assertType<typeof maps.axisOfNumber, Tensor<[number], "f32">>(true);
assertType<typeof maps.gradient, Tensor<[32, 3], "f32">>(true);

/* ------------------------------------------------------------ shapes as numbers */

function attention(q: Tensor<["B", "T", 64]>, heads: number): Tensor<["B", "T", 64]> {
  const [batch, time, channels] = q.shape;
  const size: number = channels / heads;
  const [query, keys, values] = concat([q, q, q], -1).chunk(3, -1);
  const split = query.add(keys).add(values).reshape([batch, time, heads, size]).transpose(1, 2);
  const scores = split.matmul(split.transpose(-1, -2)).div(Math.sqrt(size));
  return scores.softmax(-1).matmul(split).transpose(1, 2).reshape([batch, time, channels]);
}
attention(zeros([2, 5, 64]), 4);

/* ------------------------------------------------------------ derivatives, optimizers, trees */

interface Block { readonly gain: Tensor<[64]>; readonly bias?: Tensor<[64]>; readonly layers: readonly { readonly w: Tensor<[64, 64]> }[] }

function forward(block: Block, x: Tensor<["N", 64]>): Tensor<[]> {
  const normed = layerNorm(x, block.gain, block.bias, { eps: 1e-6 });
  return block.layers.reduce((y, layer) => linear(y, layer.w).gelu(), rmsNorm(normed, block.gain)).square().sum();
}

const gradient = grad(forward);
const both = valueAndGrad(forward, { wrt: [0, 1] });
const withAux = valueAndGrad((b: Block, x: Tensor<["N", 64]>) => [forward(b, x), { kept: x.mean(0) }] as const, { aux: true });

export const train = model((block: Block, x: Tensor<["N", 64]>, state: optim.Moments<Block>, key: Tensor<[2], "u32">) => {
  const g: Block = gradient(block, x);
  const [value, [gBlock, gX]] = both(block, x);
  const [[, aux], gAux] = withAux(block, x.dropout(random.foldIn(key, 1), 0.1));
  const kept: Tensor<[64]> = aux.kept;
  const [keyA, keyB] = random.split(key);
  const noisy = gX.add(random.normal(keyA, [3, 64])).mul(random.uniform(keyB, [3, 64], { low: -1 }));
  const total = mapTree((one, two) => one.add(two), g, mapTree((one) => stopGradient(one).add(zerosLike(one)), gBlock));
  const [out, tangent] = jvp(forward, [block, x], [total, x]);
  const next = optim.adamW({ learningRate: value.mul(0.1) }).update(block, gAux, state);
  return { ...next, noisy, kept, out, tangent, table: constant([[1, 2], [3, 4]]) };
});

/* ------------------------------------------------------------ dtypes */

function halves(x: Tensor<["N"], "f16">): Tensor<["N"], "f16"> { return x.mul(2).tanh().softmax(); }
function anyFloat<F extends "f32" | "f16">(x: Tensor<["N"], F>): Tensor<["N"], F> { return x.exp().add(1).log(); }
halves(anyFloat(zeros([3], "f16")));

/* ------------------------------------------------------------ files */

export async function resume(block: Block, state: optim.Moments<Block>): Promise<void> {
  await saveCheckpoint("run.safetensors", { block, state, epoch: 3, best: null });
  const loaded = await loadCheckpoint("run.safetensors", { block, state, epoch: 0, best: null });
  const again: { block: Block; state: optim.Moments<Block>; epoch: number; best: number | string | boolean | null } = loaded;
  train(again.block, zeros([2, 64]), again.state, random.key(1));
  const { tree } = await loadTree({ w: { dtype: "bf16", shape: [2, 3] }, layers: [{ b: zeros([3]) }] }, await openSafetensors("model.safetensors"));
  const [w, b]: [Tensor<[2, 3], "bf16">, Tensor<[3]>] = [tree.w, tree.layers[0].b];
  await writeSafetensors("out.safetensors", { w, b }, { format: "pt" });
  const bytes: Uint8Array<ArrayBuffer> = await toSafetensors(new Map([["b", b]]));
  const all: ReadonlyMap<string, Tensor<readonly (number | string)[], "f32" | "bf16" | "f64" | "f16" | "i64" | "i32" | "i8" | "u32" | "u8" | "bool">> = readSafetensors(bytes).tensors;
  fromNpy(await toNpy(all.get("b") ?? b));
}
