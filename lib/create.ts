/** Functions without a receiver: tensors from sizes and numbers, and ops on several tensors alike. */

import { primitive } from "./primitive.ts";
import type { Broadcast, Check, Dim, DTypeName, EinsumShape, Good, Insert, Resized, Shape, Sizes, Unsized } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A shape filled with one number. */
export function full<const T extends readonly Dim[], D extends DTypeName = "f32">(shape: T & readonly number[], value: number, dtype?: D): Tensor<Sizes<T>, D> {
  return primitive("full", shape, value, dtype ?? "f32");
}

/** A shape filled with 0. */
export function zeros<const T extends readonly Dim[], D extends DTypeName = "f32">(shape: T & readonly number[], dtype?: D): Tensor<Sizes<T>, D> {
  return primitive("full", shape, 0, dtype ?? "f32");
}

/** A shape filled with 1. */
export function ones<const T extends readonly Dim[], D extends DTypeName = "f32">(shape: T & readonly number[], dtype?: D): Tensor<Sizes<T>, D> {
  return primitive("full", shape, 1, dtype ?? "f32");
}

/** Zeros of the shape and dtype of x. */
export function zerosLike<S extends Shape, D extends DTypeName>(x: Tensor<S, D>): Tensor<S, D> {
  return primitive("full", x.shape, 0, x.dtype);
}

/** Ones of the shape and dtype of x. */
export function onesLike<S extends Shape, D extends DTypeName>(x: Tensor<S, D>): Tensor<S, D> {
  return primitive("full", x.shape, 1, x.dtype);
}

/** The numbers 0, 1, ... below `count`. Start and step are arithmetic: arange(5).mul(step).add(start). */
export function arange<const N extends number, D extends DTypeName = "i32">(count: N, dtype?: D): Tensor<[N], D> {
  return primitive("iota", dtype ?? "i32", [count], 0);
}

/** The index along one axis at every element of a shape; not public, since arange and expand say the same. */
export function iota<D extends DTypeName>(dtype: D, shape: readonly number[], axis: number): Tensor<Shape, D> {
  return primitive("iota", dtype, shape, axis);
}

/** Numbers that are written in the source, in nested lists: constant([[1, 2], [3, 4]]). All must be static. */
export function constant<D extends DTypeName = "f32">(values: readonly number[], dtype?: D): Tensor<[number], D>;
export function constant<D extends DTypeName = "f32">(values: readonly (readonly number[])[], dtype?: D): Tensor<[number, number], D>;
export function constant<D extends DTypeName = "f32">(values: NestedNumbers, dtype?: D): Tensor<Shape, D>;
export function constant(values: NestedNumbers, dtype?: DTypeName): Tensor<Shape, DTypeName> {
  return primitive("literal", values, dtype ?? "f32");
}

export type NestedNumbers = number | readonly NestedNumbers[];

/**
 * Elements of `onTrue` where the condition holds, of `onFalse` elsewhere. All three broadcast; the two values share a
 * dtype, and one of them may be a number.
 */
export function where<C extends Shape, D extends DTypeName, A extends Shape = [], B extends Shape = []>(
  condition: Tensor<C, "bool">,
  onTrue: (Tensor<A, D> & Check<Broadcast<C, A>>) | number,
  onFalse: (Tensor<B, D> & Check<Broadcast<Good<Broadcast<C, A>>, B>>) | number,
): Tensor<Good<Broadcast<Good<Broadcast<C, A>>, B>>, D> {
  return primitive("where", condition, onTrue, onFalse);
}

/** Tensors end to end along an axis; their other axes and their dtypes agree. */
export function concat<S extends Shape, D extends DTypeName, const X extends number = 0>(
  tensors: readonly [Tensor<S, D>, ...Tensor<NoInfer<Unsized<S>>, NoInfer<D>>[]],
  axis?: X,
): Tensor<Resized<S, X>, D>;
export function concat<S extends Shape, D extends DTypeName, const X extends number = 0>(tensors: readonly Tensor<S, D>[], axis?: X): Tensor<Resized<S, X>, D>;
export function concat(tensors: readonly Tensor<Shape, DTypeName>[], axis = 0): Tensor<Shape, DTypeName> {
  return primitive("concat", tensors, axis);
}

/** Tensors of one shape side by side along a new axis. */
export function stack<S extends Shape, D extends DTypeName, const X extends number = 0>(
  tensors: readonly [Tensor<S, D>, ...Tensor<NoInfer<S>, NoInfer<D>>[]],
  axis?: X,
): Tensor<Insert<S, X, number>, D>;
export function stack<S extends Shape, D extends DTypeName, const X extends number = 0>(tensors: readonly Tensor<S, D>[], axis?: X): Tensor<Insert<S, X, number>, D>;
export function stack(tensors: readonly Tensor<Shape, DTypeName>[], axis = 0): Tensor<Shape, DTypeName> {
  return primitive("concat", tensors.map((one) => one.unsqueeze(axis)), axis);
}

/**
 * Einstein's summation, as in numpy.einsum: einsum("bij,bjk->bik", a, b). Labels that are not in the result are summed,
 * a repeated label takes a diagonal, "..." stands for any axes, aligned at the right.
 */
export function einsum<const E extends string, D extends DTypeName>(equation: E, ...operands: readonly Tensor<Shape, D>[]): Tensor<EinsumShape<E>, D> {
  return primitive("einsum", equation, ...operands);
}
