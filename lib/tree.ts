/** Trees: tensors at the leaves of arrays, tuples and objects. The compiler knows mapTree by name. */

import type { DTypeName, Tensor as Handle } from "tsdlc-runtime";
import { notBuilt } from "./primitive.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** The dtypes at the leaves of a tree. */
export type LeafDType<T> = T extends Handle<Shape, infer D>
  ? D
  : T extends readonly (infer Item)[]
    ? LeafDType<Item>
    : T extends object
      ? { [K in keyof T]-?: LeafDType<T[K]> }[keyof T]
      : never;

type LeafDTypeOrAny<T> = [LeafDType<T>] extends [never] ? DTypeName : LeafDType<T>;
type Leaf<D extends DTypeName> = Tensor<Shape, D>;
type AnyLeaf = Tensor<Shape, DTypeName>;

/**
 * A tree like the first one, with fn(leaf, ...leaves of the others at the same place) for each leaf. The trees must have
 * the same structure; fields and items are visited in the order of the first tree.
 *
 *     const next = mapTree((w, dw) => w.sub(dw.mul(rate)), params, gradients);
 *
 * The leaves have the dtypes that the tree has; in a generic function, where it is open, say it: mapTree<P, "f32">(...).
 */
export function mapTree<T, D extends DTypeName = LeafDTypeOrAny<T>>(fn: (leaf: Leaf<D>) => AnyLeaf, tree: T): T;
export function mapTree<T, D extends DTypeName = LeafDTypeOrAny<T>>(fn: (leaf: Leaf<D>, second: Leaf<D>) => AnyLeaf, tree: T, second: NoInfer<T>): T;
export function mapTree<T, D extends DTypeName = LeafDTypeOrAny<T>>(fn: (leaf: Leaf<D>, second: Leaf<D>, third: Leaf<D>) => AnyLeaf, tree: T, second: NoInfer<T>, third: NoInfer<T>): T;
export function mapTree<T, D extends DTypeName = LeafDTypeOrAny<T>>(fn: (...leaves: Leaf<D>[]) => AnyLeaf, tree: T, ...others: readonly NoInfer<T>[]): T;
export function mapTree(): never {
  return notBuilt("mapTree");
}
