/**
 * The signature of an entry point: how the trees that a caller passes and gets map to the flat parameters and results
 * of a function. The leaves of all parameters, left to right, are the function's parameters; its results are the
 * leaves of `result` and then one for each mutation.
 */

import type { Dim } from "./dim.ts";
import type { Span } from "./module.ts";
import type { TensorType } from "./type.ts";

export interface Signature {
  /** The exported name; the function of the same name is in the module. */
  readonly name: string;
  readonly dims: readonly NamedDim[];
  readonly parameters: readonly Parameter[];
  readonly result: SignatureTree;
  readonly mutations: readonly FieldWrite[];
  /** What contractions of f32 may round their factors to; absent where nothing. */
  readonly precision?: Precision;
  readonly guards: readonly DimGuard[];
  /** The doc comment of the source, without its stars. */
  readonly doc: string | undefined;
  readonly span: Span;
}

/** What the factors of a product are rounded to before they are multiplied; the sum is f32. */
export type Precision = "f32" | "tf32" | "bf16" | "f16";

export interface NamedDim {
  readonly name: string;
  readonly min: number;
  readonly max: number | undefined;
}

export interface Parameter {
  readonly name: string;
  readonly tree: SignatureTree;
  readonly donated: boolean;
  /** Where it is declared; absent for functions that were given as text. */
  readonly span?: Span;
}

export type SignatureTree =
  | { readonly kind: "tensor"; readonly type: TensorType }
  /** A JavaScript number, carried as a tensor of rank 0. */
  | { readonly kind: "number"; readonly type: TensorType }
  /** A tuple, or an array of known length. */
  | { readonly kind: "array"; readonly items: readonly SignatureTree[] }
  | ObjectTree;

export interface ObjectTree {
  readonly kind: "object";
  readonly fields: readonly Field[];
  /** The interface or class it was declared as. */
  readonly declared: string | undefined;
  /** The doc comment of that interface or class. */
  readonly doc: string | undefined;
}

export interface Field {
  readonly name: string;
  readonly tree: SignatureTree;
  readonly doc: string | undefined;
}

/** An assignment to a field of a parameter object, which the caller sees after the call. */
export interface FieldWrite {
  /** From the arguments: [0, "running", "mean"]. */
  readonly path: readonly (number | string)[];
  readonly type: TensorType;
}

export interface DimGuard {
  readonly left: Dim;
  readonly relation: "==" | "<=" | "<";
  readonly right: Dim;
  readonly reason: string;
  readonly spans: readonly Span[];
}
