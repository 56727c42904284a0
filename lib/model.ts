/**
 * `model` marks an entry point: the function that a built package exports under the same name.
 *
 * The types here are the caller's view of it. The caller has handles, typed arrays and numbers where the function has
 * tensors, and gets handles back, with a plain `number` for every named dim, since any size may have come in.
 */

import type { Tensor as Handle, TypedArrays } from "tsdlc-runtime";
import { callModel, declare } from "./eager/call-model.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export interface ModelOptions {
  /** Positions of parameters whose handles the call consumes, so that results may take their memory. */
  readonly donate?: readonly number[];
  /** Ranges of named dims: { N: { max: 4096 } }. Without a range a dim is any size from 0. */
  readonly dims?: Readonly<Record<string, { readonly min?: number; readonly max?: number }>>;
  /**
   * What products of f32 matrices may round their factors to where that is faster, which today is on CUDA: tf32 keeps
   * 10 bits of the fraction, bf16 keeps 7. Sums are f32 in any case. "f32", which rounds nothing, when absent.
   */
  readonly precision?: "f32" | "tf32" | "bf16";
}

/** What a caller may pass for a parameter: a handle or a typed array for a tensor, a number for a tensor of rank 0. */
export type Argument<T> = T extends Tensor<infer S, infer D>
  ? Handle<S, D> | TypedArrays[D] | (S extends readonly [] ? number : never)
  : T extends number | boolean | string | undefined | null
    ? T
    : { readonly [K in keyof T]: Argument<T[K]> };

/** What a caller gets back: a tensor for each tensor and each number. */
export type Result<T> = T extends Tensor<infer S, infer D>
  ? Tensor<Sized<S>, D>
  : T extends number
    ? Tensor<[], "f64" | "f32">
    : T extends boolean | string | undefined | null
      ? T
      : { [K in keyof T]: Result<T[K]> };

type Sized<S extends Shape> = { -readonly [K in keyof S]: S[K] extends string ? number : S[K] };

type Arguments<P extends readonly unknown[]> = { [K in keyof P]: Argument<P[K]> };

export type Model<F extends (...args: never[]) => unknown> = (...args: Arguments<Parameters<F>>) => Result<ReturnType<F>>;

/**
 * Marks `fn` as an entry point. Its parameters and result are trees of tensors and numbers.
 *
 *     export const predict = model((w: Tensor<[784, 10]>, x: Tensor<["N", 784]>) => x.matmul(w).argmax(-1));
 *
 * Called as plain JavaScript its ops run one by one; "npx tsdlc build" makes a package of it, in which they are kernels.
 */
export function model<F extends (...args: never[]) => unknown>(fn: F, options?: ModelOptions): Model<F>;
export function model(fn: (...args: never[]) => unknown, options: ModelOptions = {}): (...args: unknown[]) => unknown {
  const name = fn.name === "" ? "the model" : fn.name;
  const call = (...args: unknown[]): unknown => callModel(name, fn, options.donate ?? [], args, call);
  declare(call, { donate: options.donate ?? [], dims: options.dims ?? {} });
  Object.defineProperty(call, "name", { value: name });
  return call;
}
