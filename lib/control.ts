/**
 * Branches and loops as functions of functions: what `if` and `while` on `x.item()` are where JavaScript's own cannot be,
 * because a function is traced (jit, vmap) or its device cannot be read without waiting (WebGPU). Elsewhere they do what
 * their source says, step by step; in a built model the compiler reads that source.
 */

import type { DTypeName, Tensor as Handle } from "tsdlc-runtime";
import { isTraced, isTrue, scanRows, traceCond, traceWhile } from "./eager/traced-control.ts";
import type { Dim, Insert, Reduce, Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A row of each tensor of a tree: without the first axis. */
export type Row<T> = T extends Handle<infer S extends Shape, infer D extends DTypeName> ? Tensor<Reduce<S, 0>, D>
  : T extends object ? { [K in keyof T]: Row<T[K]> } : T;

/** Rows one below the other: each tensor of a tree with one more axis in front. */
export type Rows<T, N extends Dim = number> = T extends Handle<infer S extends Shape, infer D extends DTypeName> ? Tensor<Insert<S, 0, N>, D>
  : T extends object ? { [K in keyof T]: Rows<T[K], N> } : T;

/**
 * `ifTrue(...args)` or `ifFalse(...args)`, by a bool of rank 0; only that one runs. Under jit and on WebGPU both must return
 * trees of one structure, with tensors of equal shapes and dtypes, else an ArgumentError names the place.
 *
 *     const clipped = cond(norm.gt(1), () => x.div(norm), () => x);
 *
 * Gradients go through the branch that is taken.
 */
export function cond<A extends readonly unknown[], R>(condition: Tensor<[], "bool">, ifTrue: (...args: A) => R, ifFalse: (...args: A) => R, ...args: A): R {
  if (isTraced([condition, args])) return traceCond(condition, ifTrue, ifFalse, args);
  if (isTrue("cond", condition)) return ifTrue(...args);
  return ifFalse(...args);
}

/**
 * `body(state)` over and over, as long as `condition(state)` holds: the last state. A state is a tree of tensors, whose
 * structure, shapes and dtypes must stay as they are, else an ArgumentError names the place.
 *
 *     const { root } = whileLoop(({ root }) => root.square().sub(x).abs().gt(1e-6), ({ root }) => ({ root: root.add(x.div(root)).mul(0.5) }), { root: x });
 *
 * Gradients go through it, however many turns there are: what a turn leaves for them is kept until then.
 */
export function whileLoop<S>(condition: (state: S) => Tensor<[], "bool">, body: (state: S) => S, initial: S): S {
  if (isTraced(initial)) return traceWhile(condition, body, initial);
  let state = initial;
  while (isTrue("whileLoop", condition(state))) state = body(state);
  return state;
}

/**
 * A running computation over rows: `step(carry, row)` returns [next carry, result] for each row of `xs`, first to last, or
 * last to first with `reverse`. Gives the last carry and the results as rows, in the order of `xs`. Rows go along the first
 * axis, which all tensors of `xs` must have of one size; carries keep their structure, shapes and dtypes.
 *
 *     const [total, sums] = scan((sum: Tensor<[3]>, x: Tensor<[3]>) => [sum.add(x), sum.add(x)], zeros([3]), xs);
 *
 * Under jit and in built models it is one loop, whatever the number of rows.
 */
export function scan<C, Y, const X>(step: (carry: C, row: Row<X>) => readonly [C, Y], initial: C, xs: X, options: { readonly reverse?: boolean } = {}): [C, Rows<Y>] {
  return scanRows(step as (carry: C, row: unknown) => readonly [C, Y], initial, xs, options.reverse ?? false) as [C, Rows<Y>];
}
