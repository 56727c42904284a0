/**
 * Mistakes that are certain, which the editor must report. The text after each directive must be in the error's message:
 * types.test.ts checks that too.
 */

import { concat, grad, linear, mapTree, model, type Tensor, valueAndGrad, vmap, where, zeros } from "tsdlc";

interface Params { w1: Tensor<[784, 128]>; b1: Tensor<[128]>; w2: Tensor<[128, 10]>; b2: Tensor<[10]> }
declare const p: Params;
declare const x: Tensor<["N", 784]>;
declare const bad: Tensor<[32, 100]>;
declare const counts: Tensor<["N"], "i32">;
declare const mask: Tensor<["N"], "bool">;
function logits(q: Params, y: Tensor<["N", 784]>): Tensor<["N", 10]> { return y.matmul(q.w1).add(q.b1).relu().matmul(q.w2).add(q.b2); }

/* ------------------------------------------------------------ shapes */

// @ts-expect-error matmul: inner 784 and 128
x.matmul(p.w2);
// @ts-expect-error cannot broadcast 784 with 128
x.add(p.b1);
// @ts-expect-error cannot broadcast 784 with 128
where(x.gt(0), x, p.b1);
// @ts-expect-error 100
logits(p, bad);
// @ts-expect-error 128
export const assigned: Tensor<[784, 64]> = p.w1;
// @ts-expect-error ["N", 10]
export const rank: Tensor<[10]> = logits(p, x);
// @ts-expect-error matmul: the right operand has no axes
x.matmul(zeros([]));
// @ts-expect-error matmul: inner 4 and 5
zeros([2, 3, 4]).matmul(zeros([2, 5, 4]));
// @ts-expect-error cannot broadcast 2 with 3
zeros([2, 3, 4]).matmul(zeros([3, 4, 5]));
// @ts-expect-error matmul: inner 3 and 4
zeros([3]).dot(zeros([4]));
// @ts-expect-error matmul: inner 784 and 64
linear(x, zeros([10, 64]));
// @ts-expect-error cannot broadcast 3 with 4
zeros([3, 10]).softmaxCrossEntropy(zeros([4], "i32"));
// @ts-expect-error Tensor
concat([zeros([2, 3]), zeros([2])]);
// @ts-expect-error Tensor
concat([x, counts]);

/* ------------------------------------------------------------ results carry their shapes on */

// @ts-expect-error cannot broadcast 4 with 3
zeros([2, 3, 4]).sum(0).add(zeros([3]));
// @ts-expect-error matmul: inner 3 and 2
zeros([2, 3]).matmul(zeros([3, 2]).transpose(0, 1));
// @ts-expect-error cannot broadcast 6 with 5
zeros([2, 3]).reshape([6]).add(zeros([5]));

/* ------------------------------------------------------------ dtypes */

// @ts-expect-error "i32"
zeros(["N" as unknown as number]).add(counts);
// @ts-expect-error "i32"
counts.exp();
// @ts-expect-error "i32"
counts.mean();
// @ts-expect-error "f32"
x.logicalAnd(mask);
// @ts-expect-error "bool"
mask.sum();
// @ts-expect-error "f32"
where(x, 0, x);
// @ts-expect-error "f32"
logits(p, x).softmaxCrossEntropy(x.select(1, 0));
// @ts-expect-error "float"
x.to("float");

/* ------------------------------------------------------------ names, derivatives, trees, models */

// @ts-expect-error does not exist
x.rellu();
// @ts-expect-error ["N", 10]
valueAndGrad(logits);
// @ts-expect-error Tensor
grad((w: Tensor<[2]>) => w.relu());
// @ts-expect-error b1
mapTree((one, two) => one.add(two), p, { w1: p.w1 });

const scale = model((w: Tensor<[3]>, factor: Tensor<[]>, times: number) => w.mul(factor).mul(times));
scale(new Float32Array(3), 2, 3);
// @ts-expect-error Float64Array
scale(new Float64Array(3), 2, 3);
// @ts-expect-error number
scale(5, 2, 3);
// @ts-expect-error Expected 3 arguments
scale(new Float32Array(3), 2);
// @ts-expect-error Type 'string'
model((w: Tensor<[3]>) => w, { donate: ["names"] });

/* ------------------------------------------------------------ many examples */

const dotOfOne = (a: Tensor<[3]>, b: Tensor<[3]>): Tensor<[]> => a.mul(b).sum();
const ofTree = (t: { a: Tensor<[3]>; b: Tensor<[3]> }): Tensor<[]> => dotOfOne(t.a, t.b);
// @ts-expect-error 3
vmap(dotOfOne, [0, null])(zeros([5, 4]), zeros([3]));
// @ts-expect-error [3]
vmap(dotOfOne, [0, null])(zeros([5, 3]), zeros([5, 3]));
// @ts-expect-error MappedAxes
vmap(dotOfOne, [0, "1"]);
// @ts-expect-error [number]
vmap(dotOfOne, [0]);
// @ts-expect-error Property 'b' is missing
vmap(ofTree, [{ a: 0 }]);
// @ts-expect-error [5]
export const mapped: Tensor<[6]> = vmap(dotOfOne)(zeros([5, 3]), zeros([5, 3]));
