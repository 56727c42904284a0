/**
 * Comparisons, whose result is bool, and select, whose condition is. A comparison with NaN is false, but for ne.
 */

import { at, present } from "../expect.ts";
import type { Value } from "../module.ts";
import { type Binary, type ElementwiseRecord, type Operand, type Sample, type TensorOpRecord, TypeFault } from "../op.ts";
import { namedDim } from "../dim.ts";
import { type DType, sameType, tensorType } from "../type.ts";
import { fact } from "./check.ts";
import { type Accepts, binary, oneType, tabulateFlat, withDType } from "./make-elementwise.ts";
import { sameOp } from "./make-batch.ts";
import { operandAt } from "./tabulate.ts";

export const eq: Binary = comparison("eq", "left = right", "any", (x, y) => x === y);
export const ne: Binary = comparison("ne", "left != right, true where one is NaN", "any", (x, y) => x !== y);
export const lt: Binary = comparison("lt", "left < right", "numberOrIndex", (x, y) => x < y);
export const le: Binary = comparison("le", "left <= right", "numberOrIndex", (x, y) => x <= y);
export const gt: Binary = comparison("gt", "left > right", "numberOrIndex", (x, y) => x > y);
export const ge: Binary = comparison("ge", "left >= right", "numberOrIndex", (x, y) => x >= y);

function comparison(name: string, doc: string, accepts: Accepts, holds: (x: number, y: number) => boolean): Binary {
  return binary(name, {
    doc,
    accepts,
    scalar: (_dtype, x = 0, y = 0) => (holds(x, y) ? 1 : 0),
    derivative: "none",
    toBool: true,
  });
}

type SelectCall = (condition: Value, onTrue: Operand, onFalse: Operand) => Value;

const selectRecord: ElementwiseRecord<SelectCall> = {
  doc: "condition ? onTrue : onFalse, each element of both being computed",
  operands: ["condition", "onTrue", "onFalse"],
  results: ["result"],
  scalar: (_dtype, condition = 0, onTrue = 0, onFalse = 0) => (condition !== 0 ? onTrue : onFalse),
  infer: ([condition, ...branches]) => {
    const type = oneType(["onTrue", "onFalse"], branches);
    if (condition === undefined || !sameType(condition, withDType(type, "bool"))) {
      throw new TypeFault("the condition of a select must be bool and shaped like the rest", [fact("condition", condition), fact("onTrue", type)]);
    }
    return [type];
  },
  evaluate: (operands, _attrs, results) => [
    tabulateFlat(results[0], 3, (position, offset) => operandAt(operands, position).data[offset] ?? 0, selectRecord, "bool"),
  ],
  compute: {
    form: "map",
    at: (b, context, index) => b.select(context.load(0, index), context.load(1, index), context.load(2, index)),
  },
  derivative: {
    linear: [1, 2],
    transpose: (b, cotangents, [condition, onTrue, onFalse]) => {
      const [cotangent, test] = [at(cotangents, 0), present(condition, "a select between tangents needs its condition")];
      return [
        undefined,
        onTrue === undefined ? b.select(test, cotangent, 0) : undefined,
        onFalse === undefined ? b.select(test, 0, cotangent) : undefined,
      ];
    },
  },
  batch: sameOp(),
  samples: (["f32", "f64", "i32", "u32", "bool"] as const).map(selectSample),
};

export const select: TensorOpRecord<SelectCall> = selectRecord;

function selectSample(dtype: DType): Sample {
  const shape = [namedDim("N"), 3];
  const range = dtype === "f32" || dtype === "f64" ? ([-2, 2] as const) : dtype === "bool" ? ([0, 1] as const) : ([0, 9] as const);
  return { operands: [tensorType("bool", shape), tensorType(dtype, shape), tensorType(dtype, shape)], ranges: [[0, 1], range, range] };
}
