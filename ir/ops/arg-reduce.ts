/**
 * Where the largest and smallest elements are. The monoid is on pairs of a value and its position: the better value
 * wins, of equal ones the first. NaN is better than all numbers, as in NumPy.
 */

import type { Builder } from "../builder.ts";
import { namedDim } from "../dim.ts";
import { at } from "../expect.ts";
import type { Value } from "../module.ts";
import { type TensorOpRecord, TypeFault } from "../op.ts";
import { type DType, isFloat, type TensorType, tensorType } from "../type.ts";
import { axisAttr, fact, tensorAt } from "./check.ts";
import { accumulatorOf, highestOf, lowestOf } from "./dtype-ranges.ts";
import { sameOp, shiftedAxis } from "./make-batch.ts";
import { floatSamples } from "./make-rules.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

type ArgReduction = TensorOpRecord<(x: Value, attrs: { readonly axis: number }) => Value>;

/** The position of the identity: it loses every tie, and is the answer for an axis that is empty. */
const nowhere = highestOf("i32");

export const argmax: ArgReduction = argReduction("largest", lowestOf, (b, left, right) => b.gt(left, right), (x, y) => x > y);
export const argmin: ArgReduction = argReduction("smallest", highestOf, (b, left, right) => b.lt(left, right), (x, y) => x < y);

function argReduction(
  word: string,
  worst: (dtype: DType) => number,
  isBetter: (b: Builder, left: Value, right: Value) => Value,
  beats: (x: number, y: number) => boolean,
): ArgReduction {
  return {
    doc: `the i32 position of the ${word} along an axis, the first of equal ones and of NaNs; ${nowhere} of nothing`,
    operands: ["x"],
    results: ["position"],
    infer: (operands, attrs) => {
      const x = tensorAt(operands, 0, "x");
      const axis = axisAttr(attrs, x.shape.length);
      if (x.dtype === "bool") throw new TypeFault("it takes floats and integers", [fact("x", x)], "cast it to i32");
      if (x.shape[axis] === 0) throw new TypeFault(`an empty axis has no ${word}`, [fact("x", x), `axis is ${axis}`]);
      return [tensorType("i32", x.shape.toSpliced(axis, 1))];
    },
    evaluate: (operands, attrs, [result]) => {
      const x = operandAt(operands, 0);
      const axis = attrs["axis"] as number;
      return [
        tabulate(result, (index) => {
          const line = Array.from({ length: x.shape[axis] ?? 0 }, (_, i) => elementAt(x, index.toSpliced(axis, 0, i)));
          const firstNaN = line.findIndex(Number.isNaN);
          if (firstNaN >= 0) return firstNaN;
          return line.reduce((best, value, i) => (i === 0 || beats(value, line[best] ?? NaN) ? i : best), nowhere);
        }),
      ];
    },
    compute: {
      form: "reduce",
      extents: ([x], attrs) => [x?.shape[axisAttr(attrs, x.shape.length)] ?? 0],
      slots: (operands) => [accumulatorOf(dtypeOf(operands)), "i32"],
      identity: (operands) => [worst(accumulatorOf(dtypeOf(operands))), nowhere],
      element: (b, context, index, reduced) => {
        const dtype = dtypeOf(context.operands);
        const position = at(reduced, 0);
        const value = context.load(0, index.toSpliced(context.attrs["axis"] as number, 0, position));
        const accumulator = accumulatorOf(dtype);
        return [accumulator === dtype ? value : b.cast(value, { dtype: accumulator }), b.cast(position, { dtype: "i32" })];
      },
      combine: (b, leftPair, rightPair) => {
        const [left, right] = [at(leftPair, 0), at(rightPair, 0)];
        const [leftAt, rightAt] = [at(leftPair, 1), at(rightPair, 1)];
        const isEarlier = b.lt(leftAt, rightAt);
        const takesLeft = chooseLeft(b, left, right, isEarlier, isBetter);
        return [b.select(takesLeft, left, right), b.select(takesLeft, leftAt, rightAt)];
      },
      finish: (_b, _context, total) => [at(total, 1)],
    },
    derivative: "none",
    batch: sameOp(shiftedAxis),
    samples: [
      ...floatSamples([namedDim("N"), 3], { axis: 1 }),
      ...floatSamples([3, namedDim("N")], { axis: 0 }),
      { operands: [tensorType("i32", [2, namedDim("N"), 3])], attrs: { axis: 1 }, range: [-2, 2] },
      { operands: [tensorType("u32", [5])], attrs: { axis: 0 }, range: [0, 2] },
    ],
  };
}

/** better(left, right), or as good and earlier. Only select-free logic, so that it works on lanes. */
function chooseLeft(b: Builder, left: Value, right: Value, isEarlier: Value, isBetter: (b: Builder, left: Value, right: Value) => Value): Value {
  const better = isBetter(b, left, right);
  const equal = b.eq(left, right);
  if (left.type.kind !== "scalar" || !isFloat(left.type.dtype)) return b.or(better, b.and(equal, isEarlier));
  const [leftIsNaN, rightIsNaN] = [b.ne(left, left), b.ne(right, right)];
  return b.or(
    b.or(better, b.and(leftIsNaN, b.not(rightIsNaN))),
    b.and(b.or(equal, b.and(leftIsNaN, rightIsNaN)), isEarlier),
  );
}

function dtypeOf([x]: readonly TensorType[]): DType {
  if (x === undefined) throw new RangeError("operand x is missing");
  return x.dtype;
}
