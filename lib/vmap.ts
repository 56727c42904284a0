/**
 * A function of one example as a function of many. The compiler knows vmap by name; called as plain JavaScript it runs the
 * function once, on tensors that stand for one example, and what it did is done for all of them at once (eager/batch.ts).
 */

import type { DTypeName, Tensor as Handle } from "tsdlc-runtime";
import { mapExamples } from "./eager/batch.ts";
import type { Dim, Insert, Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Along which axis the examples are: one axis for all tensors of a tree, null where there are none, or a tree of those. */
export type MappedAxes<T> = number | null | (T extends Handle<Shape, DTypeName> ? never : T extends object ? { readonly [K in keyof T]: MappedAxes<T[K]> } : never);

/** An entry for each argument. */
type AxesOf<P extends readonly unknown[]> = { readonly [K in keyof P]: MappedAxes<P[K]> };

/** What `fn` takes or gives, for N examples at once: each tensor has one more axis where the axes say. */
export type Mapped<T, A, N extends Dim = number> = [A] extends [null] ? T
  : T extends Handle<infer S extends Shape, infer D extends DTypeName> ? (A extends number ? Tensor<Insert<S, A, N>, D> : T)
  : T extends object ? { [K in keyof T]: Mapped<T[K], A extends number ? A : K extends keyof A ? A[K] : never, N> }
  : T;

/** The arguments of `fn`, for N examples at once. */
type MappedArguments<P extends readonly unknown[], A, N extends Dim> =
  A extends number ? { [K in keyof P]: Mapped<P[K], A, N> } : { [K in keyof P]: Mapped<P[K], K extends keyof A ? A[K] : never, N> };

/**
 * The function that does what `fn` does for each of many examples, at once. `fn` is written for one example; `axes` says
 * along which axis of each argument the examples are: a number for all arguments, or a list with an entry for each, a number,
 * null for an argument that is the same for all, or a tree of those for an argument that is a tree. `outAxes` says the same
 * for the result, where null is for what does not depend on the example and is wanted once.
 *
 *     const distances = vmap((x: Tensor<[3]>, y: Tensor<[3]>) => x.sub(y).square().sum(), [0, null])(points, center);
 *     const perExample = vmap(grad(loss), [null, 0, 0])(params, inputs, labels);
 *
 * It composes with grad, jit and itself, inside and outside. A random key that is mapped draws for each example what it
 * would draw alone. Numbers and strings in arguments are the same for all examples, and part of what is compiled: pass
 * tensor(rate) for a number that changes from call to call. Throws an ArgumentError where no argument is mapped, where
 * mapped axes have different sizes, and for an axis that is not there.
 *
 * Branches that examples take differently are both computed, and each example selects. What the other branch computed,
 * NaN or not, leaves no trace in values; but a gradient through it is 0 times what it computed, which is NaN where that
 * is infinite. Give the branch an argument that is safe: where(x.gt(0), x, 1) before the logarithm, as in JAX.
 */
export function vmap<
  F extends (...args: never[]) => unknown,
  const A extends number | AxesOf<Parameters<F>> = 0,
  const O extends MappedAxes<ReturnType<F>> = 0,
>(fn: F, axes?: A, outAxes?: O): <N extends Dim = number>(...args: MappedArguments<Parameters<F>, A, N>) => Mapped<ReturnType<F>, O, N>;
export function vmap(fn: (...args: never[]) => unknown, axes: unknown = 0, outAxes: unknown = 0): (...args: unknown[]) => unknown {
  return mapExamples(fn, axes, outAxes);
}
