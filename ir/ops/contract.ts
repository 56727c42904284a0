/**
 * The contraction that matrix products, and einsum, come down to. Its reduce form says that it is one, so that a
 * schedule may tile it; read as a plain reduction it is right all the same.
 */

import type { Builder } from "../builder.ts";
import { type Dim, namedDim, printDim, sameDim } from "../dim.ts";
import { at, present } from "../expect.ts";
import { forEachIndex } from "../host.ts";
import type { Attrs, Value } from "../module.ts";
import { type BatchContext, type Contraction, type Sample, type TensorOpRecord, TypeFault } from "../op.ts";
import type { Precision } from "../signature.ts";
import { type DType, type TensorType, tensorType } from "../type.ts";
import { expectAxis, expectOperandCount, fact, integersAttr, tensorAt } from "./check.ts";
import { accumulatorOf } from "./dtype-ranges.ts";
import { moveAxis } from "./make-batch.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export interface DotGeneralAttrs extends Attrs, Contraction {
  readonly leftBatch: readonly number[];
  readonly rightBatch: readonly number[];
  readonly leftReduced: readonly number[];
  readonly rightReduced: readonly number[];
  /** What factors of f32 may be rounded to; absent where nothing. The meaning leaves it open whether they are. */
  readonly precision?: Precision;
}

export const dotGeneral: TensorOpRecord<(left: Value, right: Value, attrs: DotGeneralAttrs) => Value> = {
  doc: "the sum over pairs of reduced axes of left times right; axes of the result: batch, then free ones of left, then of right",
  operands: ["left", "right"],
  results: ["result"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 2);
    const [left, right] = [tensorAt(operands, 0, "left"), tensorAt(operands, 1, "right")];
    if (left.dtype !== right.dtype || left.dtype === "bool") {
      throw new TypeFault("dot_general takes two tensors of one dtype, floats or integers", [fact("left", left), fact("right", right)], "cast one of them");
    }
    const axes = contractionOf(attrs);
    expectAxes("left", left, [...axes.leftBatch, ...axes.leftReduced]);
    expectAxes("right", right, [...axes.rightBatch, ...axes.rightReduced]);
    expectPairs("batch", left, axes.leftBatch, right, axes.rightBatch);
    expectPairs("reduced", left, axes.leftReduced, right, axes.rightReduced);
    const { leftFree, rightFree } = freeAxes(axes, left.shape.length, right.shape.length);
    const sizes = (type: TensorType, list: readonly number[]): readonly Dim[] => list.map((axis) => type.shape[axis] ?? 0);
    return [tensorType(left.dtype, [...sizes(left, axes.leftBatch), ...sizes(left, leftFree), ...sizes(right, rightFree)])];
  },
  evaluate: (operands, attrs, [result]) => {
    const [left, right] = [operandAt(operands, 0), operandAt(operands, 1)];
    const axes = contractionOf(attrs);
    const extents = axes.leftReduced.map((axis) => left.shape[axis] ?? 0);
    const multiply = left.dtype === "i32" || left.dtype === "u32" ? Math.imul : (x: number, y: number): number => x * y;
    return [
      tabulate(result, (index) => {
        let sum = 0;
        forEachIndex(extents, (reduced) => {
          const at = operandIndices(axes, left.shape.length, right.shape.length, index, reduced);
          sum += multiply(elementAt(left, at.left), elementAt(right, at.right));
        });
        return sum;
      }),
    ];
  },
  compute: {
    form: "reduce",
    extents: ([left], attrs) => contractionOf(attrs).leftReduced.map((axis) => left?.shape[axis] ?? 0),
    slots: ([left]) => [accumulatorOf(left?.dtype ?? "f32")],
    identity: () => [0],
    element: (b, context, index, reduced) => {
      const [left, right] = context.operands;
      if (left === undefined || right === undefined) throw new RangeError("dot_general has two operands");
      const at = operandIndices(contractionOf(context.attrs), left.shape.length, right.shape.length, index, reduced);
      return [b.mul(widen(b, context.load(0, at.left), left.dtype), widen(b, context.load(1, at.right), right.dtype))];
    },
    combine: (b, left, right) => [b.add(at(left, 0), at(right, 0))],
    contraction: (_operands, attrs) => contractionOf(attrs),
  },
  derivative: {
    linear: [0, 1],
    multilinear: true,
    transpose: (b, cotangents, [left, right], [leftType, rightType], attrs) => {
      if (leftType === undefined || rightType === undefined) throw new RangeError("dot_general has two operands");
      const [cotangent, axes] = [at(cotangents, 0), contractionOf(attrs)];
      const ranks = [leftType.shape.length, rightType.shape.length] as const;
      return [
        left === undefined ? leftCotangent(b, cotangent, present(right, "two operands of a product are tangents"), axes, ...ranks) : undefined,
        right === undefined ? rightCotangent(b, cotangent, present(left, "two operands of a product are tangents"), axes, ...ranks) : undefined,
      ];
    },
  },
  batch: batchContraction,
  samples: [
    ...samples([namedDim("N"), 3], [3, 4], { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] }),
    ...samples([3, namedDim("N")], [2, 3], { leftBatch: [], rightBatch: [], leftReduced: [0], rightReduced: [1] }),
    ...samples([2, namedDim("N"), 3], [3, 2, 4], { leftBatch: [0], rightBatch: [1], leftReduced: [2], rightReduced: [0] }),
    ...samples([2, 3, namedDim("N")], [namedDim("N"), 2, 3], { leftBatch: [], rightBatch: [], leftReduced: [0, 2], rightReduced: [1, 0] }),
    ...samples([2], [3], { leftBatch: [], rightBatch: [], leftReduced: [], rightReduced: [] }),
    ...samples([2, 0], [0, 3], { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] }),
  ],
};

/** dx[batch, free, reduced] = sum over right's free axes of dy[batch, free, right free] y[batch, reduced, right free]. */
function leftCotangent(b: Builder, cotangent: Value, right: Value, axes: Contraction, leftRank: number, rightRank: number): Value {
  const { leftFree, rightFree } = freeAxes(axes, leftRank, rightRank);
  const product = b.dotGeneral(cotangent, right, {
    leftBatch: axes.leftBatch.map((_, i) => i),
    rightBatch: axes.rightBatch,
    leftReduced: rightFree.map((_, i) => axes.leftBatch.length + leftFree.length + i),
    rightReduced: rightFree,
  });
  return arrange(b, product, [...axes.leftBatch, ...leftFree, ...pairedAxes(axes.rightReduced, axes.leftReduced)]);
}

/** dy[batch, reduced, free] = sum over left's free axes of x[batch, left free, reduced] dy[batch, left free, free]. */
function rightCotangent(b: Builder, cotangent: Value, left: Value, axes: Contraction, leftRank: number, rightRank: number): Value {
  const { leftFree, rightFree } = freeAxes(axes, leftRank, rightRank);
  const product = b.dotGeneral(left, cotangent, {
    leftBatch: axes.leftBatch,
    rightBatch: axes.leftBatch.map((_, i) => i),
    leftReduced: leftFree,
    rightReduced: leftFree.map((_, i) => axes.leftBatch.length + i),
  });
  return arrange(b, product, [...axes.rightBatch, ...pairedAxes(axes.leftReduced, axes.rightReduced), ...rightFree]);
}

/** Partners of `axes`, in the order in which `axes` are free axes of another contraction: increasing. */
function pairedAxes(axes: readonly number[], partners: readonly number[]): readonly number[] {
  const pairs = axes.map((axis, i) => ({ axis, partner: partners[i] ?? 0 }));
  return pairs.sort((x, y) => x.axis - y.axis).map(({ partner }) => partner);
}

/**
 * Examples of both operands are a batch axis, the first; of one operand a free axis of it, which needs no copies of the
 * other. A right operand whose examples are all that is free goes to the left, where its result has them in front.
 */
function batchContraction(b: Builder, [left, right]: readonly Value[], context: BatchContext): readonly Value[] {
  const { attrs, isMapped: [isLeft, isRight], operands: [leftType, rightType] } = context;
  if (left === undefined || right === undefined || leftType === undefined || rightType === undefined) throw new RangeError("dot_general has two operands");
  const axes = contractionOf(attrs);
  if (isLeft !== true && rightType.shape.length === axes.rightBatch.length + axes.rightReduced.length) {
    const turned = { ...attrs, leftBatch: axes.rightBatch, rightBatch: axes.leftBatch, leftReduced: axes.rightReduced, rightReduced: axes.leftReduced };
    return batchContraction(b, [right, left], { ...context, attrs: turned, isMapped: [true, false], operands: [rightType, leftType] });
  }
  const shift = (list: readonly number[], isMapped: boolean | undefined): readonly number[] => (isMapped === true ? list.map((axis) => axis + 1) : list);
  const isBoth = isLeft === true && isRight === true;
  const product = b.dotGeneral(left, right, {
    ...attrs,
    leftBatch: [...(isBoth ? [0] : []), ...shift(axes.leftBatch, isLeft)],
    rightBatch: [...(isBoth ? [0] : []), ...shift(axes.rightBatch, isRight)],
    leftReduced: shift(axes.leftReduced, isLeft),
    rightReduced: shift(axes.rightReduced, isRight),
  });
  // The first free axis of the operand that has them.
  const leftFree = leftType.shape.length - axes.leftReduced.length;
  return [moveAxis(b, product, isBoth ? 0 : isLeft === true ? axes.leftBatch.length : leftFree, 0)];
}

/** Moves axis i to place[i]. */
function arrange(b: Builder, x: Value, place: readonly number[]): Value {
  if (place.every((axis, i) => axis === i)) return x;
  return b.transpose(x, { permutation: place.map((_, axis) => place.indexOf(axis)) });
}

function contractionOf(attrs: Attrs): Contraction {
  return {
    leftBatch: integersAttr(attrs, "leftBatch"),
    rightBatch: integersAttr(attrs, "rightBatch"),
    leftReduced: integersAttr(attrs, "leftReduced"),
    rightReduced: integersAttr(attrs, "rightReduced"),
  };
}

/** The axes of each operand that are neither batch nor reduced, in increasing order. */
function freeAxes(axes: Contraction, leftRank: number, rightRank: number): { readonly leftFree: readonly number[]; readonly rightFree: readonly number[] } {
  const free = (rank: number, taken: readonly number[]): readonly number[] =>
    Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !taken.includes(axis));
  return {
    leftFree: free(leftRank, [...axes.leftBatch, ...axes.leftReduced]),
    rightFree: free(rightRank, [...axes.rightBatch, ...axes.rightReduced]),
  };
}

/** Where the operands are read for a result index and a reduced index. */
function operandIndices<T>(
  axes: Contraction,
  leftRank: number,
  rightRank: number,
  index: readonly T[],
  reduced: readonly T[],
): { readonly left: readonly T[]; readonly right: readonly T[] } {
  const { leftFree, rightFree } = freeAxes(axes, leftRank, rightRank);
  const batch = index.slice(0, axes.leftBatch.length);
  const afterLeft = batch.length + leftFree.length;
  const gathered = (rank: number, places: readonly number[], values: readonly T[]): readonly T[] =>
    Array.from({ length: rank }, (_, axis) => values[places.indexOf(axis)]).filter((value) => value !== undefined);
  return {
    left: gathered(leftRank, [...axes.leftBatch, ...leftFree, ...axes.leftReduced], [...batch, ...index.slice(batch.length, afterLeft), ...reduced]),
    right: gathered(rightRank, [...axes.rightBatch, ...rightFree, ...axes.rightReduced], [...batch, ...index.slice(afterLeft), ...reduced]),
  };
}

function expectAxes(name: string, type: TensorType, axes: readonly number[]): void {
  axes.forEach((axis, position) => {
    expectAxis(axis, type.shape.length, `${name}Batch and ${name}Reduced`);
    if (axes.indexOf(axis) !== position) throw new TypeFault(`axis ${axis} of ${name} is named twice`, [fact(name, type)]);
  });
}

function expectPairs(kind: string, left: TensorType, leftAxes: readonly number[], right: TensorType, rightAxes: readonly number[]): void {
  const facts = [fact("left", left), fact("right", right)];
  if (leftAxes.length !== rightAxes.length) {
    throw new TypeFault(`${kind} axes come in pairs`, [...facts, `${leftAxes.length} of left, ${rightAxes.length} of right`]);
  }
  leftAxes.forEach((leftAxis, i) => {
    const rightAxis = rightAxes[i] ?? 0;
    const [leftDim, rightDim] = [left.shape[leftAxis] ?? 0, right.shape[rightAxis] ?? 0];
    if (sameDim(leftDim, rightDim)) return;
    throw new TypeFault(`paired ${kind} axes must have the same size`, [
      ...facts,
      `axis ${leftAxis} of left against axis ${rightAxis} of right: ${printDim(leftDim)} against ${printDim(rightDim)}`,
    ]);
  });
}

function widen(b: Builder, element: Value, dtype: DType): Value {
  const accumulator = accumulatorOf(dtype);
  return accumulator === dtype ? element : b.cast(element, { dtype: accumulator });
}

function samples(left: readonly Dim[], right: readonly Dim[], attrs: Attrs): readonly Sample[] {
  return (["f32", "f64", "i32"] as const).map((dtype) => ({
    operands: [tensorType(dtype, left), tensorType(dtype, right)],
    attrs,
    // Of one sign, so that no cancellation makes the last places meaningless.
    range: dtype === "i32" ? [-4, 4] : [0.5, 2],
    ulp: 16,
  }));
}
