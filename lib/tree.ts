/** Trees: tensors at the leaves of arrays, tuples and objects. The compiler knows mapTree by name. */

import { ArgumentError, type DTypeName, type Tensor as Handle } from "tsdlc-runtime";
import { isLeaf } from "./eager/handles.ts";
import { describeValue, isTree, type Path, pathName } from "./eager/trees.ts";
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
export function mapTree(fn: (...leaves: Leaf<DTypeName>[]) => unknown, tree: unknown, ...others: readonly unknown[]): unknown {
  return mapTogether(fn as (...leaves: unknown[]) => unknown, tree, others, []);
}

function mapTogether(fn: (...leaves: unknown[]) => unknown, tree: unknown, others: readonly unknown[], path: Path): unknown {
  const place = path.length === 0 ? "the trees" : `the trees at ${pathName("", path).replace(/^[.]/, "")}`;
  const requireSame = (isSame: (other: unknown) => boolean): void => {
    const different = others.find((other) => !isSame(other));
    if (different !== undefined || others.some((other) => other === undefined)) {
      throw new ArgumentError(`mapTree: the trees must have one structure, and ${place} differ: ${describeValue(tree)} against ${describeValue(different)}`);
    }
  };
  const at = (key: string | number): readonly unknown[] => others.map((other) => (other as Readonly<Record<string | number, unknown>>)[key]);
  if (isLeaf(tree) || typeof tree === "number") {
    requireSame((other) => isLeaf(other) || typeof other === "number");
    return fn(tree, ...others);
  }
  if (Array.isArray(tree)) {
    requireSame((other) => Array.isArray(other) && other.length === tree.length);
    return tree.map((item, i) => mapTogether(fn, item, at(i), [...path, i]));
  }
  if (!isTree(tree)) throw new ArgumentError(`mapTree: the leaves of a tree must be tensors or numbers, and ${path.length === 0 ? "it" : pathName("", path).replace(/^[.]/, "")} is ${describeValue(tree)}`);
  const keys = Object.keys(tree);
  requireSame((other) => isTree(other) && !isLeaf(other) && Object.keys(other).length === keys.length && keys.every((key) => Object.hasOwn(other, key)));
  const copy = Object.create(Object.getPrototypeOf(tree) as object | null) as Record<string, unknown>;
  for (const key of keys) copy[key] = mapTogether(fn, tree[key], at(key), [...path, key]);
  return copy;
}
