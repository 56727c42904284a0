/**
 * Trees that are saved and restored: tensors, numbers, strings, booleans and null at the leaves of arrays and objects.
 * A field that is undefined is no field. Where a tree only says what is wanted, `{ dtype, shape }` may stand for a tensor.
 */

import { ArgumentError, type DTypeName, isTensor, type Tensor as Handle } from "tsdlc-runtime";
import { isDType } from "tsdlc-runtime/library";
import { describeValue, isTree, pathName } from "../eager/trees.ts";
import type { Tensor } from "../tensor.ts";
import type { AnyHandle } from "./elements.ts";
import { quote } from "./json.ts";
import { type Path, refusalOfName } from "./name.ts";

export type Plain = number | string | boolean | null;

/** A tensor that is wanted, by its type. */
export interface TensorType {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
}

/** What a tree of tensors and of types of tensors becomes when it is filled from a file. */
export type Restored<T> =
  T extends Handle<infer _S, infer _D> ? T
  : T extends { readonly dtype: infer D extends DTypeName; readonly shape: infer S extends readonly number[] } ? Tensor<S, D>
  : T extends null ? Plain
  : T extends object ? { -readonly [K in keyof T]: Restored<T[K]> }
  : T extends number ? number : T extends string ? string : T extends boolean ? boolean : T;

/** What a walk makes of each part of a tree, from the leaves up. */
export interface Fold<R> {
  tensor(leaf: AnyHandle | TensorType, path: Path): R;
  plain(leaf: Plain, path: Path): R;
  list(items: readonly R[], path: Path): R;
  fields(fields: readonly (readonly [string, R])[], path: Path, original: object): R;
}

/** Deeper trees are taken for ones that contain themselves; a file of them would end the stack of its reader. */
export const deepest = 256;

/** Walks a tree left to right. Throws ArgumentError, with the path, for what no tree has. */
export function foldTree<R>(caller: string, tree: unknown, fold: Fold<R>, path: Path = []): R {
  if (isTensor(tree) || isTensorType(tree)) return fold.tensor(tree, path);
  if (isPlain(tree)) return fold.plain(tree, path);
  if (path.length >= deepest) throw new ArgumentError(`${caller}: the tree is deeper than ${deepest} at ${placeOf(path.slice(0, 8))}...: does it contain itself?`);
  if (Array.isArray(tree)) return fold.list(Array.from(tree, (item, i) => foldTree(caller, item, fold, [...path, i])), path);
  if (!isTree(tree)) {
    throw new ArgumentError(`${caller}: the leaves of a tree are tensors, numbers, strings, booleans and null, and ${placeOf(path)} is ${describeValue(tree)}`);
  }
  const fields = Object.entries(tree).filter(([, item]) => item !== undefined).map(([key, item]) => {
    const refusal = refusalOfName(key);
    if (refusal !== undefined) throw new ArgumentError(`${caller}: ${placeOf([...path, key])}: ${refusal}`);
    return [key, foldTree(caller, item, fold, [...path, key])] as const;
  });
  return fold.fields(fields, path, tree);
}

/** A tree of the same structure with other leaves; instances of classes stay instances of them. */
export function refillTree(caller: string, tree: unknown, leaf: Pick<Fold<unknown>, "tensor" | "plain">): unknown {
  return foldTree<unknown>(caller, tree, {
    ...leaf,
    list: (items) => [...items],
    fields: (fields, _, original) => Object.assign(Object.create(Object.getPrototypeOf(original) as object | null) as object, Object.fromEntries(fields)),
  });
}

/** `params.layers[0].w` */
export function placeOf(path: Path): string {
  return path.length === 0 ? "the tree" : pathName("", path).replace(/^[.]/, "");
}

export function isPlain(value: unknown): value is Plain {
  return value === null || typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}

function isTensorType(value: unknown): value is TensorType {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "dtype") || !Object.hasOwn(value, "shape")) return false;
  const { dtype, shape } = value as { readonly dtype: unknown; readonly shape: unknown };
  return isDType(dtype) && Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/** A type for messages and comparison: `f32[2,3]`. */
export function printTensorType({ dtype, shape }: TensorType | AnyHandle): string {
  return `${dtype}[${shape.join(",")}]`;
}

/** The same for leaves that are no tensors, of which only the kind must agree. */
export function printPlainType(value: Plain): string {
  return value === null ? "null" : `a ${typeof value}`;
}

/** `3`, `"adam"`, shortened. */
export function printPlain(value: Plain): string {
  return typeof value === "string" ? quote(value) : String(value);
}
