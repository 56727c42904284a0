/** Numbers of JavaScript as tensors of the library. */

import { type DTypeName, hostTensor, type NestedNumbers, type TypedArray } from "tsdlc-runtime";
import type { NaturalArray, NaturalDType, TypedArrays } from "tsdlc-runtime/library";
import type { Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/**
 * A tensor of numbers: a number (rank 0), nested arrays (their lengths are the shape), or a typed array (rank 1 without
 * a shape). The data is copied. Without a dtype it is the typed array's, else f32. Throws ArgumentError.
 *
 *     tensor([[1, 2], [3, 4]]).matmul(tensor([[1], [1]]))
 *     tensor(new Int32Array([5, 0, 4]), [3])
 */
export function tensor<A extends NaturalArray, const S extends readonly number[] = readonly number[]>(data: A, shape?: S): Tensor<S, NaturalDType<A>>;
export function tensor<D extends DTypeName, const S extends readonly number[]>(data: TypedArrays[D], shape: S, dtype: D): Tensor<S, D>;
export function tensor<const A extends NestedNumbers, D extends DTypeName = "f32">(data: A, shape?: undefined, dtype?: D): Tensor<ShapeOfLists<A>, D>;
export function tensor<const S extends readonly number[], D extends DTypeName = "f32">(data: NestedNumbers, shape: S, dtype?: D): Tensor<S, D>;
export function tensor(data: TypedArray | NestedNumbers, shape?: readonly number[], dtype?: DTypeName): Tensor<Shape, DTypeName> {
  const host = hostTensor(data, shape, dtype);
  return new Tensor(host.dtype, host.shape, { kind: "host", data: host.data });
}

/** The lengths of nested arrays: numbers where they are written out, as in [[1, 2], [3, 4]]. */
export type ShapeOfLists<A> = A extends number | boolean
  ? []
  : A extends readonly [infer First, ...unknown[]]
    ? [A["length"], ...ShapeOfLists<First>]
    : A extends readonly (infer Item)[]
      ? [number, ...ShapeOfLists<Item>]
      : Shape;
