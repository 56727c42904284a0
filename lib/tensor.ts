/**
 * Tensor, the face of the library: every op with a natural receiver is a method, and every method is one line.
 *
 * A method either names a primitive (surface.ts), or calls a composite that is written in the DSL itself
 * (activation.ts, statistics.ts, loss.ts, arrange.ts), which the compiler inlines from its source. Methods take
 * `this: Tensor<A, D>` so that they see the full shape, while two tensors are assignable to each other whenever their
 * ranks and literal dims agree (shape.ts). Names and argument order are PyTorch's where PyTorch has the op.
 *
 * In every op with two tensors: shapes broadcast after NumPy, where only a literal 1 stretches and a named dim never
 * does; dtypes must be equal, nothing is promoted; a number takes the tensor's dtype, and one with a fraction is an
 * error beside integers. Negative axes count from the end. Faults are reported by the editor where they are certain,
 * and otherwise by `tsdlc check` and `tsdlc build`.
 */

import { type Device, type DTypeName, Tensor as Handle } from "tsdlc-runtime";
import * as activation from "./activation.ts";
import * as arrange from "./arrange.ts";
import { introduce } from "./eager/handles.ts";
import { moveTo } from "./eager/move.ts";
import { rowsOf } from "./eager/rows.ts";
import * as loss from "./loss.ts";
import { primitive } from "./primitive.ts";
import type {
  Axes, Broadcast, Check, Dim, Good, Insert, MatMul, Permute, Reduce, Repeated, Replace, Resized, Shape, Sizes, Transpose, Unsized,
} from "./shape.ts";
import * as statistics from "./statistics.ts";

export type Float = "f64" | "f32" | "f16" | "bf16";
export type Integer = "i64" | "i32" | "i8" | "u32" | "u8";
export type Numeric = Float | Integer;

/** The other operand of an elementwise op: a tensor of the same dtype whose shape broadcasts, or a number. */
export type Operand<A extends Shape, B extends Shape, D extends DTypeName> = (Tensor<B, NoInfer<D>> & Check<Broadcast<A, B>>) | number;
type Joined<A extends Shape, B extends Shape> = Good<Broadcast<A, B>>;

/** Whether folded axes stay, as 1. */
export interface KeepDim<K extends boolean> {
  readonly keepdim?: K;
}

/** The sizes: as many as the rank says, each known when the program is built, a named one as an expression. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- `any` is what makes an open rank agree with every rank
export type SizesOf<S extends Shape> = number extends S["length"] ? any : { readonly [Axis in keyof S]: number };

export class Tensor<S extends Shape = Shape, D extends DTypeName = "f32"> extends Handle<S, D> {
  declare readonly shape: SizesOf<S>;

  /* ------------------------------------------------------------ arithmetic */

  /** x + y */
  add<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("add", this, other); }
  /** x - y */
  sub<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("sub", this, other); }
  /** x * y, elementwise; see matmul for the other product. */
  mul<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("mul", this, other); }
  /** x / y; on integers the quotient is cut towards zero, as in C. */
  div<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("div", this, other); }
  /** The remainder of the division cut towards zero: it has the sign of x, like % in JavaScript. */
  rem<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("rem", this, other); }
  /** x to the power y. */
  pow<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("pow", this, other); }
  /** The larger of x and y; NaN when one is. */
  maximum<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("maximum", this, other); }
  /** The smaller of x and y; NaN when one is. */
  minimum<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, D> { return primitive("minimum", this, other); }
  /** min(max(x, low), high); either bound may be undefined. */
  clamp<A extends Shape, D extends DTypeName>(this: Tensor<A, D>, low: number | undefined, high?: number): Tensor<A, D> { return activation.clamp(this, low, high); }
  /** -x */
  neg<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("neg", this); }
  /** |x| */
  abs<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("abs", this); }
  /** -1, 0 or 1 by the sign of x. */
  sign<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("sign", this); }
  /** The largest whole number that is not above x. */
  floor<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("floor", this); }
  /** The smallest whole number that is not below x. */
  ceil<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("ceil", this); }
  /** The nearest whole number; halves go to the even one. */
  round<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("round", this); }
  /** x * x */
  square<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<A, D> { return primitive("mul", this, this); }

  /* ------------------------------------------------------------ functions of a real number: floats only */

  /** The square root. */
  sqrt<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("sqrt", this); }
  /** 1 / sqrt(x) */
  rsqrt<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("rsqrt", this); }
  /** e to the power x. */
  exp<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("exp", this); }
  /** exp(x) - 1, exact near 0. */
  expm1<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("expm1", this); }
  /** The natural logarithm. */
  log<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("log", this); }
  /** log(1 + x), exact near 0. */
  log1p<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("log1p", this); }
  /** The sine of x radians. */
  sin<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("sin", this); }
  /** The cosine of x radians. */
  cos<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("cos", this); }
  /** The hyperbolic tangent. */
  tanh<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("tanh", this); }
  /** The error function: 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x. */
  erf<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return primitive("erf", this); }

  /* ------------------------------------------------------------ comparison and logic: bool results */

  /** x == y */
  eq<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("eq", this, other); }
  /** x != y */
  ne<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("ne", this, other); }
  /** x < y */
  lt<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("lt", this, other); }
  /** x <= y */
  le<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("le", this, other); }
  /** x > y */
  gt<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("gt", this, other); }
  /** x >= y */
  ge<A extends Shape, D extends DTypeName, B extends Shape = []>(this: Tensor<A, D>, other: Operand<A, B, D>): Tensor<Joined<A, B>, "bool"> { return primitive("ge", this, other); }
  /** x && y, on bool tensors. */
  logicalAnd<A extends Shape, B extends Shape>(this: Tensor<A, "bool">, other: Tensor<B, "bool"> & Check<Broadcast<A, B>>): Tensor<Joined<A, B>, "bool"> { return primitive("logicalAnd", this, other); }
  /** x || y, on bool tensors. */
  logicalOr<A extends Shape, B extends Shape>(this: Tensor<A, "bool">, other: Tensor<B, "bool"> & Check<Broadcast<A, B>>): Tensor<Joined<A, B>, "bool"> { return primitive("logicalOr", this, other); }
  /** !x, on bool tensors. */
  logicalNot<A extends Shape>(this: Tensor<A, "bool">): Tensor<A, "bool"> { return primitive("logicalNot", this); }
  /** The bits that both integers have. */
  bitwiseAnd<A extends Shape, I extends Integer, B extends Shape = []>(this: Tensor<A, I>, other: Operand<A, B, I>): Tensor<Joined<A, B>, I> { return primitive("bitwiseAnd", this, other); }
  /** The bits that either integer has. */
  bitwiseOr<A extends Shape, I extends Integer, B extends Shape = []>(this: Tensor<A, I>, other: Operand<A, B, I>): Tensor<Joined<A, B>, I> { return primitive("bitwiseOr", this, other); }
  /** The bits that one of the integers has. */
  bitwiseXor<A extends Shape, I extends Integer, B extends Shape = []>(this: Tensor<A, I>, other: Operand<A, B, I>): Tensor<Joined<A, B>, I> { return primitive("bitwiseXor", this, other); }

  /* ------------------------------------------------------------ dtype */

  /** The same numbers in another dtype (floats to integers cut towards zero, anything but 0 is true), or on another device. */
  to<A extends Shape, D extends DTypeName, T extends DTypeName | Device>(this: Tensor<A, D>, target: T): Tensor<A, T extends DTypeName ? T : D> { return typeof target === "string" ? primitive("to", this, target) : moveTo(this, target as Device); }

  /* ------------------------------------------------------------ reductions: an axis, a list of axes, or none for all */

  /** The sum. */
  sum<A extends Shape, D extends Numeric, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, D> { return primitive("sum", this, axis, options.keepdim); }
  /** The product. */
  prod<A extends Shape, D extends Numeric, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, D> { return primitive("prod", this, axis, options.keepdim); }
  /** The largest element, NaN when there is one (torch.amax: values alone; see argmax for positions). */
  max<A extends Shape, D extends Numeric, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, D> { return primitive("max", this, axis, options.keepdim); }
  /** The smallest element, NaN when there is one (torch.amin). */
  min<A extends Shape, D extends Numeric, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, D> { return primitive("min", this, axis, options.keepdim); }
  /** Position of the largest element, the first one of several; without an axis, in the flattened tensor. */
  argmax<A extends Shape, D extends Numeric, const X extends number | undefined = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, "i32"> { return primitive("argmax", this, axis, options.keepdim); }
  /** Position of the smallest element, the first one of several; without an axis, in the flattened tensor. */
  argmin<A extends Shape, D extends Numeric, const X extends number | undefined = undefined, K extends boolean = false>(this: Tensor<A, D>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, "i32"> { return primitive("argmin", this, axis, options.keepdim); }
  /** The sum over the number of elements. Floats. */
  mean<A extends Shape, F extends Float, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, F>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, F> { return statistics.mean(this, axis, options.keepdim); }
  /** sum((x - mean)^2) / (n - correction); the correction is 1 unless said otherwise, as in torch.var. Floats. */
  variance<A extends Shape, F extends Float, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, F>, axis?: X, options: KeepDim<K> & { readonly correction?: number } = {}): Tensor<Reduce<A, X, K>, F> { return statistics.variance(this, axis, options.correction, options.keepdim); }
  /** The square root of the variance. Floats. */
  std<A extends Shape, F extends Float, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, F>, axis?: X, options: KeepDim<K> & { readonly correction?: number } = {}): Tensor<Reduce<A, X, K>, F> { return statistics.std(this, axis, options.correction, options.keepdim); }
  /** The Euclidean norm, sqrt(sum(x * x)). Its gradient at 0 is NaN. Floats. */
  norm<A extends Shape, F extends Float, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, F>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, F> { return statistics.norm(this, axis, options.keepdim); }
  /** log(sum(exp(x))) without overflow. Floats. */
  logSumExp<A extends Shape, F extends Float, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, F>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, F> { return statistics.logSumExp(this, axis, options.keepdim); }
  /** Whether an element is not 0. */
  any<A extends Shape, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, DTypeName>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, "bool"> { return statistics.any(this, axis, options.keepdim); }
  /** Whether no element is 0. */
  all<A extends Shape, const X extends Axes = undefined, K extends boolean = false>(this: Tensor<A, DTypeName>, axis?: X, options: KeepDim<K> = {}): Tensor<Reduce<A, X, K>, "bool"> { return statistics.all(this, axis, options.keepdim); }
  /** Sums of the first 1, 2, ... elements along an axis; of the last ones when `reverse`. */
  cumsum<A extends Shape, D extends Numeric>(this: Tensor<A, D>, axis: number, options: { readonly reverse?: boolean } = {}): Tensor<A, D> { return primitive("cumsum", this, axis, options.reverse); }

  /* ------------------------------------------------------------ shape */

  /** The number of elements, known when the program is built. */
  override get size(): number { return arrange.elementCount(this); }
  /** The same elements, row by row, in another shape; one size may be -1, which is worked out. */
  reshape<A extends Shape, D extends DTypeName, const T extends readonly Dim[]>(this: Tensor<A, D>, shape: T & readonly number[]): Tensor<Sizes<T>, D> { return primitive("reshape", this, shape); }
  /** Axes `start` to `end`, both included, as one (torch.flatten). */
  flatten<A extends Shape, D extends DTypeName>(this: Tensor<A, D>): Tensor<[number], D>;
  flatten<A extends Shape, D extends DTypeName>(this: Tensor<A, D>, start: number, end?: number): Tensor<Shape, D>;
  flatten(this: Tensor<Shape, DTypeName>, start = 0, end = -1): Tensor<Shape, DTypeName> { return arrange.flatten(this, start, end); }
  /** Two axes exchanged. */
  transpose<A extends Shape, D extends DTypeName, const X extends number, const Y extends number>(this: Tensor<A, D>, first: X, second: Y): Tensor<Transpose<A, X, Y>, D> { return arrange.transpose(this, first, second); }
  /** Axis i of the result is axis axes[i] of x. */
  permute<A extends Shape, D extends DTypeName, const X extends readonly number[]>(this: Tensor<A, D>, axes: X): Tensor<Permute<A, X>, D> { return primitive("permute", this, axes); }
  /** A new axis of size 1, before which `axis` axes of the result lie. */
  unsqueeze<A extends Shape, D extends DTypeName, const X extends number>(this: Tensor<A, D>, axis: X): Tensor<Insert<A, X>, D> { return arrange.unsqueeze(this, axis); }
  /** The shape without an axis of literal size 1. */
  squeeze<A extends Shape, D extends DTypeName, const X extends number>(this: Tensor<A, D>, axis: X): Tensor<Reduce<A, X>, D> { return arrange.squeeze(this, axis); }
  /** Axes of literal size 1 stretched, and new ones put in front; -1 keeps an axis as it is. */
  expand<A extends Shape, D extends DTypeName, const T extends readonly Dim[]>(this: Tensor<A, D>, shape: T & readonly number[]): Tensor<Sizes<T>, D> { return primitive("expand", this, shape); }
  /** `length` elements from `start` along an axis. */
  narrow<A extends Shape, D extends DTypeName, const X extends number, const L extends number>(this: Tensor<A, D>, axis: X, start: number, length: L): Tensor<Replace<A, X, [L]>, D> { return primitive("narrow", this, axis, start, length); }
  /** Elements start, start + step, ... below stop along an axis, as in Array.slice: negative bounds count from the end, and what a literal size lacks is left out; a named dim must have all of them, which the call checks. */
  slice<A extends Shape, D extends DTypeName, const X extends number>(this: Tensor<A, D>, axis: X, start: number, stop?: number, step?: number): Tensor<Resized<A, X>, D> { return primitive("slice", this, axis, start, stop, step); }
  /** One position of an axis, which is gone from the result. */
  select<A extends Shape, D extends DTypeName, const X extends number>(this: Tensor<A, D>, axis: X, index: number): Tensor<Reduce<A, X>, D> { return arrange.select(this, axis, index); }
  /** The elements of one axis, several or all in reverse order. */
  flip<A extends Shape, D extends DTypeName>(this: Tensor<A, D>, axes?: Axes): Tensor<A, D> { return primitive("flip", this, axes); }
  /** `value` put before and after each axis: widths are one [before, after] for each axis, as in numpy.pad. */
  pad<A extends Shape, D extends DTypeName>(this: Tensor<A, D>, widths: readonly (readonly [number, number])[], value = 0): Tensor<Unsized<A>, D> { return primitive("pad", this, widths, value); }
  /** Pieces along an axis: of `sizes` elements each (the last may be shorter), or one piece for each size in a list. */
  split<A extends Shape, D extends DTypeName, const X extends number = 0>(this: Tensor<A, D>, sizes: number, axis?: X): Tensor<Resized<A, X>, D>[];
  split<A extends Shape, D extends DTypeName, const Z extends readonly number[], const X extends number = 0>(this: Tensor<A, D>, sizes: Z, axis?: X): { -readonly [K in keyof Z]: Tensor<Replace<A, X, [Z[K]]>, D> };
  split(this: Tensor<Shape, DTypeName>, sizes: number | readonly number[], axis = 0): Tensor<Shape, DTypeName>[] { return arrange.split(this, sizes, axis); }
  /** `count` pieces of equal length along an axis, of which the last may be shorter; throws where it would be empty. */
  chunk<A extends Shape, D extends DTypeName, const N extends number, const X extends number = 0>(this: Tensor<A, D>, count: N, axis?: X): Repeated<Tensor<Resized<A, X>, D>, N>;
  chunk(this: Tensor<Shape, DTypeName>, count: number, axis = 0): Tensor<Shape, DTypeName>[] { return arrange.chunk(this, count, axis); }

  /* ------------------------------------------------------------ products */

  /** The matrix product, batched over the axes before the last two; a vector is a row on the left, a column on the right (torch.matmul). */
  matmul<A extends Shape, D extends DTypeName, B extends Shape>(this: Tensor<A, D>, other: Tensor<B, NoInfer<D>> & Check<MatMul<A, B>>): Tensor<Good<MatMul<A, B>>, D> { return primitive("matmul", this, other); }
  /** The inner product of two vectors. */
  dot<N extends Dim, D extends DTypeName, M extends Dim>(this: Tensor<[N], D>, other: Tensor<[M], NoInfer<D>> & Check<MatMul<[N], [M]>>): Tensor<[], D> { return primitive("matmul", this, other); }
  /** The products of all pairs of elements of two vectors. */
  outer<N extends Dim, D extends DTypeName, M extends Dim>(this: Tensor<[N], D>, other: Tensor<[M], NoInfer<D>>): Tensor<[N, M], D> { return primitive("einsum", "i,j->ij", this, other); }

  /* ------------------------------------------------------------ rows by index: integers, clamped into range */

  /** Rows along an axis, one for each index; the axis is replaced by the shape of the indices. */
  indexSelect<A extends Shape, D extends DTypeName, const X extends number, I extends Shape>(this: Tensor<A, D>, axis: X, indices: Tensor<I, Integer>): Tensor<Replace<A, X, I>, D> { return primitive("indexSelect", this, axis, indices); }
  /** x plus updates at rows along an axis: rows named twice add twice, rows out of range are dropped. */
  indexAdd<A extends Shape, D extends Numeric>(this: Tensor<A, D>, axis: number, indices: Tensor<Shape, Integer>, updates: Tensor<Shape, NoInfer<D>>): Tensor<A, D> { return primitive("indexAdd", this, axis, indices, updates); }
  /** 1 at the position that each index says along a new last axis, 0 elsewhere. */
  oneHot<A extends Shape, const N extends number>(this: Tensor<A, Integer>, classes: N): Tensor<[...A, N], "f32"> { return arrange.oneHot(this, classes); }

  /* ------------------------------------------------------------ activations: floats */

  /** max(x, 0), with gradient 0 at 0. */
  relu<A extends Shape, D extends Numeric>(this: Tensor<A, D>): Tensor<A, D> { return activation.relu(this); }
  /** x where positive, slope * x elsewhere. */
  leakyRelu<A extends Shape, F extends Float>(this: Tensor<A, F>, slope = 0.01): Tensor<A, F> { return activation.leakyRelu(this, slope); }
  /** 1 / (1 + exp(-x)) */
  sigmoid<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return activation.sigmoid(this); }
  /** x * sigmoid(x) */
  silu<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return activation.silu(this); }
  /** x * Phi(x), with Phi the distribution function of the normal distribution; "tanh" is the approximation of the paper. */
  gelu<A extends Shape, F extends Float>(this: Tensor<A, F>, approximate: "none" | "tanh" = "none"): Tensor<A, F> { return activation.gelu(this, approximate); }
  /** log(1 + exp(x)) */
  softplus<A extends Shape, F extends Float>(this: Tensor<A, F>): Tensor<A, F> { return activation.softplus(this); }
  /** exp(x) / sum(exp(x)) along an axis. */
  softmax<A extends Shape, F extends Float>(this: Tensor<A, F>, axis = -1): Tensor<A, F> { return statistics.softmax(this, axis); }
  /** log(softmax(x)) along an axis, without losing small probabilities. */
  logSoftmax<A extends Shape, F extends Float>(this: Tensor<A, F>, axis = -1): Tensor<A, F> { return statistics.logSoftmax(this, axis); }
  /** -log softmax(x)[label] along the last axis; labels are classes, one for each row of x. */
  softmaxCrossEntropy<A extends Shape, F extends Float, B extends Shape>(this: Tensor<A, F>, labels: Tensor<B, "i32"> & Check<Broadcast<Reduce<A, -1>, B>>): Tensor<Reduce<A, -1>, F> { return loss.softmaxCrossEntropy(this, labels); }
  /** Each element 0 with probability `rate`, and otherwise divided by 1 - rate. */
  dropout<A extends Shape, F extends Float>(this: Tensor<A, F>, key: Tensor<[2], "u32">, rate: number): Tensor<A, F> { return activation.dropout(this, key, rate); }

  /** What there is at each place of the first axis: `for (const row of x)`. A model needs to know how many there are. */
  [Symbol.iterator](): Generator<Tensor<Reduce<S, 0>, D>, undefined> { return rowsOf(this as Tensor<Shape, DTypeName>) as Generator<Tensor<Reduce<S, 0>, D>, undefined>; }
}

introduce(Tensor);
