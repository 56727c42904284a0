/**
 * Conversions between dtypes: cast keeps the value as well as it can, bitcast keeps the bits.
 */

import { namedDim } from "../dim.ts";
import { at } from "../expect.ts";
import type { Attrs, Value } from "../module.ts";
import { type Cast, type ElementwiseRecord, type Sample, TypeFault } from "../op.ts";
import { bytesOf, type DType, isFloat, isInteger, type ScalarDType, scalarType, tensorType, type Type } from "../type.ts";
import { fact, scalarDTypeAttr } from "./check.ts";
import { oneType, tabulateFlat, withDType } from "./make-elementwise.ts";
import { highestOf, lowestOf } from "./dtype-ranges.ts";
import { sameOp } from "./make-batch.ts";
import { operandAt } from "./tabulate.ts";

type CastCall = (x: Value, attrs: { readonly dtype: ScalarDType }) => Value;

const castRecord: ElementwiseRecord<CastCall> = {
  doc: "x as another dtype: floats to the nearest, floats to integers truncated and saturated (NaN to 0), integers wrapped, bool as x != 0",
  operands: ["x"],
  results: ["result"],
  scalar: (_dtype, x = 0) => x,
  convert: (from, to, value) => (isFloat(from) && isInteger(to) && to !== "index" ? saturate(to, value) : value),
  infer: (operands, attrs) => [converted(operands, attrs)],
  evaluate: (operands, _attrs, results) => [
    tabulateFlat(results[0], 1, (_position, offset) => operandAt(operands, 0).data[offset] ?? 0, castRecord, operandAt(operands, 0).dtype),
  ],
  compute: { form: "map", at: (b, context, index) => b.cast(context.load(0, index), { dtype: scalarDTypeAttr(context.attrs) }) },
  // Only floats have tangents, so both dtypes are floats where this rule is asked.
  derivative: {
    linear: [0],
    transpose: (b, cotangents, _operands, [x]) => [b.cast(at(cotangents, 0), { dtype: x?.dtype ?? "f32" })],
  },
  batch: sameOp(),
  samples: [
    castSample("f32", "f64"), castSample("f64", "f32"), castSample("f64", "f64"), castSample("f32", "i32", [-9, 9]), castSample("f32", "u32", [-9, 9]),
    castSample("i32", "f32", [-9, 9]), castSample("u32", "f32", [0, 9]), castSample("i32", "u32", [-9, 9]), castSample("i32", "bool", [-1, 1]),
    castSample("f32", "bool"), castSample("bool", "f32", [0, 1]), castSample("bool", "i32", [0, 1]), castSample("f32", "i32", [-1e10, 1e10]),
  ],
};

export const cast: Cast = castRecord;

const bitcastRecord: ElementwiseRecord<CastCall> = {
  doc: "the bits of x read as another dtype of the same width",
  operands: ["x"],
  results: ["result"],
  scalar: (_dtype, x = 0) => x,
  convert: (from, to, value) => reinterpret(from, to, value),
  infer: (operands, attrs) => {
    const [x] = operands;
    const result = converted(operands, attrs);
    if (!(result.dtype in views) || x === undefined || !(x.dtype in views) || width(x) !== width(result)) {
      throw new TypeFault("a bitcast goes between f32, i32 and u32, or between i8 and u8", [fact("x", x), `attr dtype is ${result.dtype}`]);
    }
    return [result];
  },
  evaluate: (operands, _attrs, results) => [
    tabulateFlat(results[0], 1, (_position, offset) => operandAt(operands, 0).data[offset] ?? 0, bitcastRecord, operandAt(operands, 0).dtype),
  ],
  compute: { form: "map", at: (b, context, index) => b.bitcast(context.load(0, index), { dtype: scalarDTypeAttr(context.attrs) }) },
  derivative: "none",
  batch: sameOp(),
  samples: [castSample("f32", "u32"), castSample("u32", "f32", [0, 2 ** 30]), castSample("i32", "u32", [-9, 9]), castSample("f32", "i32")],
};

export const bitcast: Cast = bitcastRecord;

function converted(operands: readonly Type[], attrs: Attrs): ReturnType<typeof oneType> {
  const type = oneType(["x"], operands);
  const dtype = scalarDTypeAttr(attrs);
  if (dtype !== "index") return withDType(type, dtype);
  if (type.kind === "tensor" || isFloat(type.dtype)) throw new TypeFault("only integer scalars become index values", [fact("x", type)]);
  return scalarType("index", type.lanes);
}

function saturate(to: DType, value: number): number {
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, lowestOf(to)), highestOf(to)));
}

const scratch = new DataView(new ArrayBuffer(4));

/** How the bits of a dtype are read and written; the dtypes that a bitcast takes. */
const views: Readonly<Partial<Record<ScalarDType, { read: () => number; write: (value: number) => void; bytes: number }>>> = {
  f32: { read: () => scratch.getFloat32(0), write: (value) => scratch.setFloat32(0, value), bytes: 4 },
  i32: { read: () => scratch.getInt32(0), write: (value) => scratch.setInt32(0, value), bytes: 4 },
  u32: { read: () => scratch.getUint32(0), write: (value) => scratch.setUint32(0, value), bytes: 4 },
  i8: { read: () => scratch.getInt8(0), write: (value) => scratch.setInt8(0, value), bytes: 1 },
  u8: { read: () => scratch.getUint8(0), write: (value) => scratch.setUint8(0, value), bytes: 1 },
};

function reinterpret(from: ScalarDType, to: ScalarDType, value: number): number {
  views[from]?.write(value);
  return views[to]?.read() ?? value;
}

function width(type: Type): number {
  return type.dtype === "index" ? 8 : bytesOf(type.dtype);
}

function castSample(from: DType, to: DType, range: readonly [number, number] = [-2, 2]): Sample {
  return { operands: [tensorType(from, [namedDim("N"), 3])], attrs: { dtype: to }, range };
}
