/**
 * The op record: every target-independent fact about one op, in one place.
 *
 * Records live in `ops/`, one file per family, and are collected in `ops/table.ts`. A record's type argument is the
 * signature of the builder method that makes the op, so `b.add(x, y)` is typed by the record of `add`. Annotate each
 * record with its type; inferring it would make the builder's type circular.
 */

import type { Builder } from "./builder.ts";
import type { Dim } from "./dim.ts";
import { type HostArray, roundTo } from "./host.ts";
import type { Attrs, Func, Region, Value } from "./module.ts";
import type { ScalarDType, TensorType, Type } from "./type.ts";

export interface OpRecord<Call = unknown> {
  /** One sentence with the formula. */
  readonly doc: string;
  /** Names of the operands; a last name with "..." in front takes any number. */
  readonly operands: readonly string[];
  readonly results: readonly string[];
  /** Names of regions, for ops that have them. */
  readonly regions?: readonly string[];
  /** Attrs that hold dims (alone or in arrays): text shows them as strings, passes substitute in them. */
  readonly dimAttrs?: readonly string[];
  /**
   * Result types from operand types; throws TypeFault for what does not fit, so it is the verifier too.
   * Elementwise ops take tensors, scalars and vectors alike. `callee` is the function that attr `callee` names.
   */
  infer(operands: readonly Type[], attrs: Attrs, regions: readonly Region[], callee?: Func): readonly Type[];
  /**
   * The meaning, on host arrays: slow, obvious, the oracle and constant folding. Dims in attrs are numbers by then.
   * Ops with regions, and ops that only exist at kernel level, are evaluated by the interpreter instead.
   */
  readonly evaluate?: (operands: readonly HostArray[], attrs: Attrs, results: readonly TensorType[]) => readonly HostArray[];
  /** How tensor-level ops become loops. Absent for control flow and for kernel-level ops. */
  readonly compute?: Compute;
  /** Absent for kernel-level ops. */
  readonly derivative?: Derivative;
  /** How the op is done for many examples at once. Absent for control flow, which passes/batch.ts knows, and for kernel-level ops. */
  readonly batch?: Batch;
  /** What ops.test.ts tries; every tensor-level op with `evaluate` has some. */
  readonly samples?: readonly Sample[];
  /** Phantom: the builder method's signature. */
  readonly call?: Call;
}

/** The record of an op that has a meaning on tensors by itself: no part of it may be missing. */
export interface TensorOpRecord<Call = unknown> extends OpRecord<Call> {
  readonly evaluate: NonNullable<OpRecord["evaluate"]>;
  readonly compute: Compute;
  readonly derivative: Derivative;
  readonly batch: Batch;
  readonly samples: readonly Sample[];
}

/** A rule that operand types or attrs do not keep. The builder adds the op and its spans. */
export class TypeFault extends Error {
  /** What each operand is, when that helps: `left is f32[N,784]`. */
  readonly facts: readonly string[];
  readonly help: string | undefined;
  constructor(rule: string, facts: readonly string[] = [], help?: string) {
    super(rule);
    this.name = "TypeFault";
    this.facts = facts;
    this.help = help;
  }
}

/* ---------------------------------------------------------------- compute */

/** What a rule of `compute` may ask about the op that it lowers. */
export interface ComputeContext {
  readonly operands: readonly TensorType[];
  readonly results: readonly TensorType[];
  readonly attrs: Attrs;
  /**
   * The element of an operand at an index (one `index` value per axis). It may be a load, or the inlined
   * computation of a producer that was fused; out of range is not allowed even where the element is not used.
   */
  load(operand: number, index: readonly Value[]): Value;
}

export type Compute = MapCompute | ReduceCompute | ScanCompute | KernelCompute;

/** Each element of the one result is a scalar expression over loads at index expressions. */
export interface MapCompute {
  readonly form: "map";
  at(b: Builder, context: ComputeContext, index: readonly Value[]): Value;
}

/** A map over output and reduced axes, folded along the reduced ones by a monoid on a tuple of scalars. */
export interface ReduceCompute {
  readonly form: "reduce";
  /** Sizes of the reduced axes. */
  extents(operands: readonly TensorType[], attrs: Attrs): readonly Dim[];
  /** Dtypes of the tuple that is folded; accumulators may be wider than the operands. */
  slots(operands: readonly TensorType[], attrs: Attrs): readonly ScalarDType[];
  /** The monoid's neutral tuple. */
  identity(operands: readonly TensorType[], attrs: Attrs): readonly number[];
  /** The tuple at one point; `index` has one value per axis of the results. */
  element(b: Builder, context: ComputeContext, index: readonly Value[], reduced: readonly Value[]): readonly Value[];
  /** Associative and commutative up to rounding; must be written with ops that also take vectors. */
  combine(b: Builder, left: readonly Value[], right: readonly Value[], attrs: Attrs): readonly Value[];
  /** The results' elements from the folded tuple; each slot itself, cast to its result's dtype, when absent. */
  finish?(b: Builder, context: ComputeContext, total: readonly Value[]): readonly Value[];
  /** Says that this is a sum of products of two operands, so that it may become a tiled contraction. */
  contraction?(operands: readonly TensorType[], attrs: Attrs): Contraction;
}

/** Result axes are batch axes, then the left operand's free axes, then the right's, in this order. */
export interface Contraction {
  readonly leftBatch: readonly number[];
  readonly rightBatch: readonly number[];
  readonly leftReduced: readonly number[];
  readonly rightReduced: readonly number[];
}

/** A running fold along one axis: result[i] = element[0] . ... . element[i] (from the end when reverse). */
export interface ScanCompute {
  readonly form: "scan";
  axis(attrs: Attrs): number;
  reverse(attrs: Attrs): boolean;
  identity(operands: readonly TensorType[], attrs: Attrs): number;
  element(b: Builder, context: ComputeContext, index: readonly Value[]): Value;
  combine(b: Builder, left: Value, right: Value, attrs: Attrs): Value;
}

/** An explicit body: it fuses only through `context.load` (prologue) and `store` (epilogue). */
export interface KernelCompute {
  readonly form: "kernel";
  body(b: Builder, context: KernelContext): void;
}

export interface KernelContext extends ComputeContext {
  /** The memory of a result, readable after it was stored to; dense and row-major. */
  readonly buffers: readonly Value[];
}

/* ---------------------------------------------------------------- derivative */

/**
 * `jvp` for a nonlinear op; `transpose` for one that is linear in some operands, named in `linear`; "none" said out
 * loud for an op with no derivative (its tangent is zero: comparisons, integers, random bits, argmax).
 */
export type Derivative = JvpRule | TransposeRule | "none";

export interface JvpRule {
  /**
   * The tangent of each result. A tangent that is undefined is zero; so is an undefined result. Must be built from
   * ops that are linear in the tangents, so that the reverse mode can transpose it.
   */
  jvp(
    b: Builder,
    primals: readonly Value[],
    tangents: readonly (Value | undefined)[],
    results: readonly Value[],
    attrs: Attrs,
  ): readonly (Value | undefined)[];
}

export interface TransposeRule {
  /**
   * Positions of operands that the op is linear in, each with the others held fixed: [0, 1] for add (jointly), and
   * for mul and dot_general (separately). "all" for an op that takes any number of operands.
   */
  readonly linear: readonly number[] | "all";
  /** True for mul and dot_general: linear in each of `linear` alone, not jointly. */
  readonly multilinear?: boolean;
  /**
   * Cotangents of the operands from those of the results. `operands[i]` is undefined exactly where operand i is
   * linear here (part of the tangent); only for those must a cotangent be returned.
   */
  transpose(
    b: Builder,
    cotangents: readonly Value[],
    operands: readonly (Value | undefined)[],
    operandTypes: readonly TensorType[],
    attrs: Attrs,
  ): readonly (Value | undefined)[];
}

/* ---------------------------------------------------------------- batch */

/** "unmapped" said out loud for an op without operands: it is the same for every example. */
export type Batch = BatchRule | "unmapped";

/**
 * The op for many examples at once: operands that differ from example to example have them along a new axis 0, the
 * others are as they are for one example. At least one has them, and every value that is returned must have them too.
 */
export type BatchRule = (b: Builder, operands: readonly Value[], context: BatchContext) => readonly Value[];

/** The op as it is for one example, and how many there are. */
export interface BatchContext {
  /** The op's text name. */
  readonly name: string;
  /** Types of the operands of one example. */
  readonly operands: readonly TensorType[];
  readonly attrs: Attrs;
  /** For each operand, whether it has the examples along axis 0. */
  readonly isMapped: readonly boolean[];
  /** The number of examples. */
  readonly size: Dim;
}

/* ---------------------------------------------------------------- samples */

export interface Sample {
  /** Operand types; named dims are tried at several sizes, 1 among them. */
  readonly operands: readonly TensorType[];
  readonly attrs?: Attrs;
  /** Where operand values are drawn from; [-2, 2] when absent. Integers: inclusive. */
  readonly range?: readonly [number, number];
  /** Per operand, when they differ. */
  readonly ranges?: readonly (readonly [number, number])[];
  /** Largest difference from `evaluate` in units of the last place of the larger magnitude; 2 when absent. */
  readonly ulp?: number;
}

/** The builder methods' signatures by family; a number stands for a constant of the other operand's type. */
export type Operand = Value | number;
export type Unary = TensorOpRecord<(x: Value) => Value>;
export type Binary = TensorOpRecord<(left: Operand, right: Operand) => Value>;
export type Cast = TensorOpRecord<(x: Value, attrs: { readonly dtype: ScalarDType }) => Value>;

/** An elementwise op also says what it does to numbers; arrays, scalars and vectors follow from it. */
export interface ElementwiseRecord<Call> extends TensorOpRecord<Call> {
  /** Before rounding to the result's dtype; `dtype` is the first operand's. */
  readonly scalar: (dtype: ScalarDType, ...operands: readonly number[]) => number;
  /** Of cast and bitcast, in place of `scalar`: their meaning depends on both dtypes. */
  readonly convert?: (from: ScalarDType, to: ScalarDType, value: number) => number;
}

/** An elementwise op on numbers: `dtype` is the first operand's, and the value is rounded to `result`. */
export function evaluateScalar(
  record: ElementwiseRecord<unknown>,
  dtype: ScalarDType,
  result: ScalarDType,
  operands: readonly number[],
): number {
  const [first = 0] = operands;
  const value = record.convert === undefined ? record.scalar(dtype, ...operands) : record.convert(dtype, result, first);
  return result === "index" ? Math.trunc(value) : roundTo(result, value);
}

export function isLinearIn(rule: TransposeRule, position: number): boolean {
  return rule.linear === "all" || rule.linear.includes(position);
}

export function isElementwise(record: OpRecord): record is ElementwiseRecord<unknown> {
  return "scalar" in record;
}
