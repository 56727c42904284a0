/**
 * Reductions: axes folded by a monoid. Those of f16 and bf16 accumulate in f32. The order of folding is the
 * schedule's, so a float sum is known up to rounding only; maxima are exact, and NaN wins them.
 */

import type { Builder } from "../builder.ts";
import { type Dim, namedDim } from "../dim.ts";
import { at } from "../expect.ts";
import { forEachIndex, type HostArray } from "../host.ts";
import type { Attrs, Value } from "../module.ts";
import { type ComputeContext, type Derivative, type Sample, type TensorOpRecord, TypeFault } from "../op.ts";
import { type DType, isFloat, type TensorType, tensorType } from "../type.ts";
import { axesAttr, fact, integersAttr, tensorAt } from "./check.ts";
import { accumulatorOf, highestOf, lowestOf } from "./dtype-ranges.ts";
import { sameOp, shiftedAxes } from "./make-batch.ts";
import { floatSamples, linearRule, splat } from "./make-rules.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

type Reduction = TensorOpRecord<(x: Value, attrs: { readonly axes: readonly number[] }) => Value>;

export const reduceSum: Reduction = reduction({
  doc: "the sum over the axes; 0 of nothing",
  identity: () => 0,
  combine: (b, left, right) => b.add(left, right),
  fold: (_dtype, x, y) => x + y,
  derivative: linearRule((b, cotangent, x, attrs) => b.broadcast(cotangent, { shape: x.shape, axes: keptAxes(x.shape.length, attrs) })),
  // Of one sign, so that no cancellation makes the last places meaningless.
  sample: { range: [0.5, 2], ulp: 16 },
});

export const reduceProd: Reduction = reduction({
  doc: "the product over the axes; 1 of nothing",
  identity: () => 1,
  combine: (b, left, right) => b.mul(left, right),
  fold: (dtype, x, y) => (isFloat(dtype) || dtype === "i64" ? x * y : Math.imul(x, y)),
  derivative: { jvp: (b, [x], [tangent], _results, attrs) => [x && tangent && productTangent(b, x, tangent, attrs)] },
  sample: { range: [0.5, 2], ulp: 16 },
});

export const reduceMax: Reduction = reduction({
  doc: "the largest over the axes, NaN if one is NaN; -infinity or the lowest integer of nothing; ties share the derivative equally",
  identity: lowestOf,
  combine: (b, left, right) => b.max(left, right),
  fold: (_dtype, x, y) => Math.max(x, y),
  derivative: { jvp: (b, [x], [tangent], [result], attrs) => [x && tangent && result && extremeTangent(b, x, tangent, result, attrs)] },
  sample: {},
});

export const reduceMin: Reduction = reduction({
  doc: "the smallest over the axes, NaN if one is NaN; infinity or the highest integer of nothing; ties share the derivative equally",
  identity: highestOf,
  combine: (b, left, right) => b.min(left, right),
  fold: (_dtype, x, y) => Math.min(x, y),
  derivative: { jvp: (b, [x], [tangent], [result], attrs) => [x && tangent && result && extremeTangent(b, x, tangent, result, attrs)] },
  sample: {},
});

interface ReductionRule {
  readonly doc: string;
  readonly identity: (dtype: DType) => number;
  readonly combine: (b: Builder, left: Value, right: Value) => Value;
  readonly fold: (dtype: DType, x: number, y: number) => number;
  readonly derivative: Derivative;
  readonly sample: Omit<Sample, "operands" | "attrs">;
}

function reduction(rule: ReductionRule): Reduction {
  return {
    doc: rule.doc,
    operands: ["x"],
    results: ["result"],
    infer: (operands, attrs) => {
      const x = tensorAt(operands, 0, "x");
      const axes = axesAttr(attrs, x.shape.length);
      if (x.dtype === "bool") throw new TypeFault("a reduction takes floats and integers", [fact("x", x)], "cast it to i32");
      return [tensorType(x.dtype, x.shape.filter((_, axis) => !axes.includes(axis)))];
    },
    evaluate: (operands, attrs, [result]) => {
      const x = operandAt(operands, 0);
      return [tabulate(result, (index) => foldAt(x, index, attrs, rule))];
    },
    compute: {
      form: "reduce",
      extents: ([x], attrs) => integersAttr(attrs, "axes").map((axis) => x?.shape[axis] ?? 0),
      slots: (operands) => [accumulatorOf(dtypeOf(operands))],
      identity: (operands) => [rule.identity(accumulatorOf(dtypeOf(operands)))],
      element: (b, context, index, reduced) => [widen(b, context.load(0, mergeIndex(index, reduced, integersAttr(context.attrs, "axes"))), context)],
      combine: (b, left, right) => [rule.combine(b, at(left, 0), at(right, 0))],
    },
    derivative: rule.derivative,
    batch: sameOp((attrs) => ({ axes: shiftedAxes(attrs, "axes") })),
    samples: [
      ...floatSamples([namedDim("N"), 3], { axes: [0] }, rule.sample),
      ...floatSamples([2, namedDim("N"), 3], { axes: [0, 2] }, rule.sample),
      ...floatSamples([namedDim("N"), 2], { axes: [0, 1] }, rule.sample),
      ...floatSamples([2, 3], { axes: [] }, rule.sample),
      ...floatSamples([2, 0], { axes: [1] }, rule.sample),
      { operands: [tensorType("i32", [namedDim("N"), 3])], attrs: { axes: [1] }, range: [-4, 4] },
      { operands: [tensorType("u32", [3, namedDim("N")])], attrs: { axes: [0] }, range: [0, 9] },
    ],
  };
}

/** Folds in order, in double precision. */
function foldAt(x: HostArray, index: readonly number[], attrs: Attrs, rule: ReductionRule): number {
  const axes = attrs["axes"] as readonly number[];
  let total = rule.identity(x.dtype);
  forEachIndex(axes.map((axis) => x.shape[axis] ?? 0), (reduced) => {
    total = rule.fold(x.dtype, total, elementAt(x, mergeIndex(index, reduced, axes)));
  });
  return total;
}

/** The index into the operand: reduced axes from `reduced`, the others from `index`. */
function mergeIndex<T>(index: readonly T[], reduced: readonly T[], axes: readonly number[]): readonly T[] {
  const merged = [...index];
  // Axes are increasing, so each insertion leaves the earlier ones in place.
  axes.forEach((axis, position) => merged.splice(axis, 0, ...reduced.slice(position, position + 1)));
  return merged;
}

function keptAxes(rank: number, attrs: Attrs): readonly number[] {
  const axes = integersAttr(attrs, "axes");
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
}

function widen(b: Builder, element: Value, { operands }: ComputeContext): Value {
  const dtype = dtypeOf(operands);
  const accumulator = accumulatorOf(dtype);
  return accumulator === dtype ? element : b.cast(element, { dtype: accumulator });
}

function dtypeOf([x]: readonly TensorType[]): DType {
  if (x === undefined) throw new RangeError("operand x is missing");
  return x.dtype;
}

/** The mean of the tangents of the elements that are equal to the result. */
function extremeTangent(b: Builder, x: Value, tangent: Value, result: Value, attrs: Attrs): Value {
  const { axes, spread } = alongAxes(b, x, attrs);
  const mask = b.select(b.eq(x, spread(result)), splat(b, x, 1), splat(b, x, 0));
  return b.mul(b.reduceSum(b.mul(tangent, mask), { axes }), b.div(1, b.reduceSum(mask, { axes })));
}

/**
 * The sum of each tangent times the product of the other elements: the product of the elements that are not zero,
 * over the element itself; with one zero it is the zero's factor alone that is left, with two none. Where there is a
 * zero, the second derivative leaves out terms that mix it with others.
 */
function productTangent(b: Builder, x: Value, tangent: Value, attrs: Attrs): Value {
  const { axes, spread } = alongAxes(b, x, attrs);
  const [zero, one] = [splat(b, x, 0), splat(b, x, 1)];
  const isZero = b.eq(x, zero);
  const product = spread(b.reduceProd(b.select(isZero, one, x), { axes }));
  const zeros = spread(b.reduceSum(b.select(isZero, one, zero), { axes }));
  const others = b.select(isZero, product, b.div(product, b.select(isZero, one, x)));
  const isFactor = b.eq(zeros, b.select(isZero, one, zero));
  return b.reduceSum(b.mul(tangent, b.select(isFactor, others, zero)), { axes });
}

/** The axes of a reduction of x, and how its result gets the shape of x again. */
function alongAxes(b: Builder, x: Value, attrs: Attrs): { readonly axes: readonly number[]; readonly spread: (result: Value) => Value } {
  const shape: readonly Dim[] = x.type.kind === "tensor" ? x.type.shape : [];
  return {
    axes: integersAttr(attrs, "axes"),
    spread: (result) => b.broadcast(result, { shape, axes: keptAxes(shape.length, attrs) }),
  };
}
