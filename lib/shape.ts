/**
 * Shapes in the type system: what the editor can say about an op before the compiler looks.
 *
 * A dim is a literal (784), a name ("N") or `number`. The types here report only what is certain: a wrong rank, and one
 * literal against another. A name or `number` agrees with everything, and a shape of unknown rank (`Shape` itself)
 * makes results of unknown rank. A fault travels as a literal type, `ShapeError<"...">`, which editors print well.
 */

import type { Dim, Shape } from "tsdlc-runtime";

export type { Dim, DTypeName, Shape } from "tsdlc-runtime";

/** An argument that cannot fit; no tensor has this property, so the message shows where the argument stands. */
export interface ShapeError<Message extends string> {
  readonly "shape error": Message;
}

/** The part of an operation's argument type that carries its fault: `unknown` when there is none. */
export type Check<S> = [FaultOf<S>] extends [never] ? unknown : ShapeError<FaultOf<S>>;

/** The result shape, or any shape when there is a fault, so that one mistake is reported once. */
export type Good<S> = [FaultOf<S>] extends [never] ? (S extends Shape ? S : Shape) : Shape;

type FaultOf<S> = S extends readonly [infer Head, ...infer Tail] ? (Head extends ShapeError<infer M> ? M : FaultOf<Tail>) : never;

type IsUnknownRank<S extends Shape> = number extends S["length"] ? true : false;
type IsLiteral<D extends Dim> = D extends number ? (number extends D ? false : true) : false;

/* ---------------------------------------------------------------- broadcasting */

/** NumPy's rule on literals; see surface/broadcast.ts for the rule on names. */
export type Broadcast<A extends Shape, B extends Shape> =
  true extends IsUnknownRank<A> | IsUnknownRank<B> ? Shape : BroadcastKnown<A, B>;

type BroadcastKnown<A extends Shape, B extends Shape> = A extends readonly [...infer FrontA extends Shape, infer LastA extends Dim]
  ? B extends readonly [...infer FrontB extends Shape, infer LastB extends Dim]
    ? [...BroadcastKnown<FrontA, FrontB>, BroadcastDim<LastA, LastB>]
    : A
  : B;

type BroadcastDim<A extends Dim, B extends Dim> = A extends 1 ? B
  : B extends 1 ? A
  : SameDim<A, B> extends never ? ShapeError<`cannot broadcast ${A} with ${B}`>
  : SameDim<A, B>;

/** One dim for two that must be equal: the literal when there is one, `never` for two different literals. */
type SameDim<A extends Dim, B extends Dim> = [A] extends [B] ? A
  : IsLiteral<A> extends true ? (IsLiteral<B> extends true ? never : A)
  : IsLiteral<B> extends true ? B
  : number;

/* ---------------------------------------------------------------- contraction */

/** torch.matmul: a vector is a row on the left, a column on the right; axes before the last two are batches. */
export type MatMul<A extends Shape, B extends Shape> = true extends IsUnknownRank<A> | IsUnknownRank<B> ? Shape
  : A extends readonly [] ? [ShapeError<"matmul: the left operand has no axes">]
  : B extends readonly [] ? [ShapeError<"matmul: the right operand has no axes">]
  : A extends readonly [infer K extends Dim]
    ? B extends readonly [infer K2 extends Dim] ? Contracted<K, K2, []>
    : B extends readonly [...infer Batch extends Shape, infer K2 extends Dim, infer N extends Dim] ? Contracted<K, K2, [...Batch, N]> : Shape
  : A extends readonly [...infer BatchA extends Shape, infer M extends Dim, infer K extends Dim]
    ? B extends readonly [infer K2 extends Dim] ? Contracted<K, K2, [...BatchA, M]>
    : B extends readonly [...infer BatchB extends Shape, infer K2 extends Dim, infer N extends Dim]
      ? Contracted<K, K2, [...Broadcast<BatchA, BatchB>, M, N]> : Shape
  : Shape;

type Contracted<K extends Dim, K2 extends Dim, Result> =
  SameDim<K, K2> extends never ? [ShapeError<`matmul: inner ${K} and ${K2}`>] : Result;

/** The rank that an einsum's result has; its sizes are left to the compiler. */
export type EinsumShape<Equation extends string> = Equation extends `${string}.${string}` ? Shape
  : Equation extends `${string}->${infer Output}` ? Letters<Output>
  : Shape;

type Letters<Text extends string> = Text extends `${infer Letter}${infer Rest}` ? (Letter extends " " ? Letters<Rest> : [number, ...Letters<Rest>]) : [];

/* ---------------------------------------------------------------- axes */

/** The axes a reduction folds: one, several, or all when undefined. */
export type Axes = number | readonly number[] | undefined;

/** The shape without the axes, or with 1 in their places. */
export type Reduce<S extends Shape, X extends Axes, Keep extends boolean = false> =
  true extends IsUnknownRank<S> ? (X extends undefined ? (Keep extends true ? Shape : []) : Shape)
  : X extends undefined ? (Keep extends true ? { -readonly [K in keyof S]: 1 } : [])
  : X extends number ? (number extends X ? (Keep extends true ? Unsized<S> : Unsized<Tail<S>>) : ReduceAxes<S, X, Keep>)
  : X extends readonly number[] ? (number extends X["length"] | X[number] ? Shape : ReduceAxes<S, X[number], Keep>)
  : Shape;

type ReduceAxes<S extends Shape, X extends number, Keep extends boolean, Front extends readonly unknown[] = []> =
  S extends readonly [infer Head extends Dim, ...infer Rest extends Shape]
    ? IsAxis<X, Front, S> extends true
      ? [...(Keep extends true ? [1] : []), ...ReduceAxes<Rest, X, Keep, [...Front, 0]>]
      : [Head, ...ReduceAxes<Rest, X, Keep, [...Front, 0]>]
    : [];

/** Whether one of the axes X is the head of S, which has Front before it; negative axes count from the end. */
type IsAxis<X extends number, Front extends readonly unknown[], S extends Shape> =
  Front["length"] extends X ? true : `-${S["length"]}` extends `${X}` ? true : false;

type Tail<S extends Shape> = S extends readonly [Dim, ...infer Rest extends Shape] ? Rest : S;

/** The same rank, with every size left open. */
export type Unsized<S extends Shape> = { -readonly [K in keyof S]: number };

/** The dim at an axis; `number` where that is not certain. */
export type At<S extends Shape, X extends number> = number extends X ? number : true extends IsUnknownRank<S> ? number : AtKnown<S, X>;

type AtKnown<S extends Shape, X extends number, Front extends readonly unknown[] = []> =
  S extends readonly [infer Head extends Dim, ...infer Rest extends Shape]
    ? IsAxis<X, Front, S> extends true ? Head : AtKnown<Rest, X, [...Front, 0]>
    : number;

/** The shape with the dims in place of those at an axis. */
export type Replace<S extends Shape, X extends number, By extends Shape> =
  true extends IsUnknownRank<S> | IsUnknownRank<By> ? Shape
  : number extends X ? (By extends readonly [Dim] ? Unsized<S> : Shape)
  : ReplaceKnown<S, X, By>;

type ReplaceKnown<S extends Shape, X extends number, By extends Shape, Front extends readonly unknown[] = []> =
  S extends readonly [infer Head extends Dim, ...infer Rest extends Shape]
    ? IsAxis<X, Front, S> extends true ? [...By, ...Rest] : [Head, ...ReplaceKnown<Rest, X, By, [...Front, 0]>]
    : [];

/** Two axes exchanged. */
export type Transpose<S extends Shape, X extends number, Y extends number> =
  number extends X | Y ? Unsized<S> : true extends IsUnknownRank<S> ? Shape : TransposeKnown<S, X, Y, S>;

type TransposeKnown<S extends Shape, X extends number, Y extends number, All extends Shape, Front extends readonly unknown[] = []> =
  S extends readonly [infer Head extends Dim, ...infer Rest extends Shape]
    ? [
        IsAxis<X, Front, S> extends true ? At<All, Y> : IsAxis<Y, Front, S> extends true ? At<All, X> : Head,
        ...TransposeKnown<Rest, X, Y, All, [...Front, 0]>,
      ]
    : [];

/** Axis i of the result is axis X[i] of the operand. */
export type Permute<S extends Shape, X extends readonly number[]> = number extends X["length"] ? Shape : { -readonly [K in keyof X]: At<S, X[K]> };

/** A new axis of size 1 (or another dim) before the axis X of the result. */
export type Insert<S extends Shape, X extends number, New extends Dim = 1> =
  true extends IsUnknownRank<S> ? Shape : number extends X ? [number, ...Unsized<S>] : InsertKnown<[...S, 0], X, S, New>;

/** `Slots` is one longer than the shape: its elements are the places where the axis may go. */
type InsertKnown<Slots extends Shape, X extends number, S extends Shape, New extends Dim, Front extends readonly unknown[] = []> =
  Slots extends readonly [Dim, ...infer Rest extends Shape]
    ? IsAxis<X, Front, Slots> extends true
      ? [New, ...S]
      : S extends readonly [infer Head extends Dim, ...infer Tail extends Shape] ? [Head, ...InsertKnown<Rest, X, Tail, New, [...Front, 0]>] : []
    : [];

/** The shape that a list of sizes says, with -1 left open. */
export type Sizes<T extends readonly Dim[]> = number extends T["length"] ? Shape : { -readonly [K in keyof T]: T[K] extends -1 ? number : T[K] };

/** A sequence along an axis whose total is not known to the type system. */
export type Resized<S extends Shape, X extends number> = Replace<S, X, [number]>;

/** An array of as many items as a literal count says. */
export type Repeated<Item, N extends number, Sofar extends readonly Item[] = []> =
  number extends N ? Item[] : Sofar["length"] extends N ? Sofar : Repeated<Item, N, [...Sofar, Item]>;
