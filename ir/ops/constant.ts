/**
 * Values that come from no operand: constants, counters along an axis, and the sizes of dims.
 */

import { type Dim, isDim, namedDim } from "../dim.ts";
import { hostArray } from "../host.ts";
import type { Attrs, Value } from "../module.ts";
import { type OpRecord, type TensorOpRecord, TypeFault } from "../op.ts";
import { type DType, indexType, isFloat, printShape, type ScalarDType, scalarType, tensorType } from "../type.ts";
import { axisAttr, dimsAttr, dtypeAttr, expectOperandCount, scalarDTypeAttr } from "./check.ts";
import { linearize } from "./indexing.ts";
import { sizesOf, tabulate } from "./tabulate.ts";

export interface TensorConstantAttrs extends Attrs {
  /** One number for every element, or the elements of a literal shape in row-major order. */
  readonly value: number | readonly number[];
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface ScalarConstantAttrs extends Attrs {
  readonly value: number;
  readonly dtype: ScalarDType;
  readonly lanes?: number;
}

export const constant: TensorOpRecord<(attrs: TensorConstantAttrs | ScalarConstantAttrs) => Value> = {
  doc: "a number in every element, or the listed numbers; without a shape a scalar or vector of the kernel level",
  operands: [],
  results: ["result"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 0);
    const dtype = scalarDTypeAttr(attrs);
    const values = numbersOf(attrs);
    const fraction = values.find((value) => !isFloat(dtype) && !Number.isInteger(value));
    if (fraction !== undefined) throw new TypeFault(`${fraction} is no value of ${dtype}`, [], "round it, or use a float dtype");
    if (attrs["shape"] === undefined) {
      const lanes = attrs["lanes"] ?? 1;
      if (typeof lanes !== "number" || !Number.isInteger(lanes) || lanes < 1) throw new TypeFault("attr lanes must be an integer, 1 or more");
      if (Array.isArray(attrs["value"])) throw new TypeFault("a scalar constant has one value", [`it has ${values.length}`]);
      return [scalarType(dtype, lanes)];
    }
    const shape = dimsAttr(attrs, "shape");
    if (Array.isArray(attrs["value"])) {
      const count = shape.reduce<number>((product, dim) => (typeof dim === "number" ? product * dim : NaN), 1);
      if (count !== values.length) throw new TypeFault("a constant lists one value for each element of a literal shape", [`${values.length} values for ${printShape(shape)}`]);
    }
    return [tensorType(dtypeAttr(attrs), shape)];
  },
  evaluate: (_operands, attrs, [result]) => {
    const value = attrs["value"];
    if (result !== undefined && Array.isArray(value)) return [hostArray(result.dtype, sizesOf(result), value as readonly number[])];
    return [tabulate(result, () => numbersOf(attrs)[0] ?? 0)];
  },
  compute: {
    form: "map",
    // A long list is data: it belongs in a buffer, and only short ones should come this way.
    at: (b, { attrs, results: [result] }, index) => {
      const element = scalarType(dtypeAttr(attrs));
      const [first = 0, ...others] = numbersOf(attrs);
      if (others.length === 0 || result === undefined) return b.constantOf(element, first);
      const position = linearize(b, index, result.shape);
      return others.reduce(
        (chosen, value, i) => b.select(b.eq(position, b.index(i + 1)), b.constantOf(element, value), chosen),
        b.constantOf(element, first),
      );
    },
  },
  derivative: "none",
  batch: "unmapped",
  samples: [
    { operands: [], attrs: { value: 1.5, dtype: "f32", shape: [namedDim("N"), 3] } },
    { operands: [], attrs: { value: -Infinity, dtype: "f32", shape: [2] } },
    { operands: [], attrs: { value: [1, 2, 3, 4, 5, 6], dtype: "i32", shape: [2, 3] } },
    { operands: [], attrs: { value: 1, dtype: "bool", shape: [] } },
  ],
};

/** The size of a dim, for index arithmetic in kernels. */
export const dim: OpRecord<(attrs: { readonly size: Dim }) => Value> = {
  doc: "the size of a dim, an index scalar",
  operands: [],
  results: ["result"],
  dimAttrs: ["size"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 0);
    if (!isDim(attrs["size"])) throw new TypeFault("attr size must be a dim");
    return [indexType];
  },
};

/** The size of a dim among tensors: what a mean over a named axis divides by. */
export const size: TensorOpRecord<(attrs: { readonly size: Dim; readonly dtype: DType }) => Value> = {
  doc: "the size of a dim, a tensor of rank 0",
  operands: [],
  results: ["result"],
  dimAttrs: ["size"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 0);
    if (!isDim(attrs["size"])) throw new TypeFault("attr size must be a dim");
    return [tensorType(dtypeAttr(attrs), [])];
  },
  evaluate: (_operands, attrs, [result]) => [tabulate(result, () => attrs["size"] as number)],
  compute: {
    form: "map",
    at: (b, { attrs }) => b.cast(b.index(attrs["size"] as Dim), { dtype: dtypeAttr(attrs) }),
  },
  derivative: "none",
  batch: "unmapped",
  samples: [
    { operands: [], attrs: { size: 7, dtype: "f32" } },
    { operands: [], attrs: { size: 7, dtype: "i32" } },
  ],
};

export const iota: TensorOpRecord<(attrs: { readonly dtype: DType; readonly shape: readonly Dim[]; readonly axis: number }) => Value> = {
  doc: "the position along an axis: result[i0, i1, ...] = i_axis",
  operands: [],
  results: ["result"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 0);
    const shape = dimsAttr(attrs, "shape");
    axisAttr(attrs, shape.length);
    const dtype = dtypeAttr(attrs);
    if (dtype === "bool") throw new TypeFault("bool cannot count", [], "use i32");
    return [tensorType(dtype, shape)];
  },
  evaluate: (_operands, attrs, [result]) => [tabulate(result, (index) => index[attrs["axis"] as number] ?? 0)],
  compute: {
    form: "map",
    at: (b, { attrs }, index) => {
      const position = index[axisAttr(attrs, index.length)];
      return position === undefined ? b.constantOf(scalarType(dtypeAttr(attrs)), 0) : b.cast(position, { dtype: dtypeAttr(attrs) });
    },
  },
  derivative: "none",
  batch: "unmapped",
  samples: [
    { operands: [], attrs: { dtype: "i32", shape: [namedDim("N"), 3], axis: 0 } },
    { operands: [], attrs: { dtype: "f32", shape: [2, namedDim("N")], axis: 1 } },
    { operands: [], attrs: { dtype: "u32", shape: [5], axis: 0 } },
  ],
};

function numbersOf(attrs: Attrs): readonly number[] {
  const value: unknown = attrs["value"];
  const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (!list.every((item) => typeof item === "number")) throw new TypeFault("attr value must be a number or a list of numbers");
  return list;
}
