/**
 * Ops that take a part of a tensor or put parts together. slice and pad are transposes of each other: a slice with
 * strides is undone by a pad with an interior.
 */

import { addDims, type Dim, maxDims, mulDims, namedDim, printDim, sameDim, subDims } from "../dim.ts";
import type { Builder } from "../builder.ts";
import { at } from "../expect.ts";
import type { Attrs, Value } from "../module.ts";
import { type ComputeContext, type TensorOpRecord, TypeFault } from "../op.ts";
import { scalarType, type TensorType, tensorType } from "../type.ts";
import { axisAttr, dimsAttr, expectLength, fact, integersAttr, tensorAt } from "./check.ts";
import { addOffset, loadClamped, multiply, subtractOffset } from "./indexing.ts";
import { sameOp, shiftedAxis } from "./make-batch.ts";
import { floatSamples, linearRule } from "./make-rules.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export interface SliceAttrs extends Attrs {
  readonly starts: readonly Dim[];
  readonly sizes: readonly Dim[];
  readonly strides: readonly number[];
}

export const slice: TensorOpRecord<(x: Value, attrs: SliceAttrs) => Value> = {
  doc: "result[i, ...] = x[starts + strides i, ...], for i below sizes",
  operands: ["x"],
  results: ["result"],
  dimAttrs: ["starts", "sizes"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    const [starts, sizes, strides] = [dimsAttr(attrs, "starts"), dimsAttr(attrs, "sizes"), integersAttr(attrs, "strides")];
    for (const [name, list] of [["starts", starts], ["sizes", sizes], ["strides", strides]] as const) expectLength(name, list, x.shape.length);
    x.shape.forEach((dim, axis) => {
      const [start = 0, size = 0, stride = 1] = [starts[axis], sizes[axis], strides[axis]];
      if (stride < 1) throw new TypeFault("strides must be 1 or more", [`axis ${axis} has stride ${stride}`], "reverse the axis first");
      // For symbolic sizes the difference of the two ends may still be a number: [N-1] from 1 of an axis of N.
      const room = subDims(dim, addDims(start, dilated(size, stride - 1)));
      if (typeof room === "number" && room < 0) {
        throw new TypeFault("a slice must lie inside of the tensor", [
          fact("x", x),
          `axis ${axis}: ${printDim(size)} elements from ${printDim(start)} by ${stride}, of ${printDim(dim)}`,
        ]);
      }
    });
    return [tensorType(x.dtype, sizes)];
  },
  evaluate: (operands, attrs, [result]) => {
    const [starts, strides] = [attrs["starts"] as readonly number[], attrs["strides"] as readonly number[]];
    return [tabulate(result, (index) => elementAt(operandAt(operands, 0), index.map((i, axis) => (starts[axis] ?? 0) + i * (strides[axis] ?? 1))))];
  },
  compute: {
    form: "map",
    at: (b, context, index) => {
      const [starts, strides] = [dimsAttr(context.attrs, "starts"), integersAttr(context.attrs, "strides")];
      return context.load(0, index.map((i, axis) => addOffset(b, multiply(b, i, strides[axis] ?? 1), starts[axis] ?? 0)));
    },
  },
  derivative: linearRule((b, cotangent, x, attrs) => {
    const [starts, sizes, strides] = [dimsAttr(attrs, "starts"), dimsAttr(attrs, "sizes"), integersAttr(attrs, "strides")];
    const interior = strides.map((stride) => stride - 1);
    const high = x.shape.map((dim, axis) => subDims(dim, addDims(starts[axis] ?? 0, dilated(sizes[axis] ?? 0, interior[axis] ?? 0))));
    return b.pad(cotangent, { low: starts, high, interior, value: 0 });
  }),
  batch: sameOp((attrs, { size }) => ({ starts: [0, ...dimsAttr(attrs, "starts")], sizes: [size, ...dimsAttr(attrs, "sizes")], strides: [1, ...integersAttr(attrs, "strides")] })),
  samples: [
    ...floatSamples([namedDim("N"), 5], { starts: [0, 1], sizes: [namedDim("N"), 3], strides: [1, 1] }),
    ...floatSamples([8, namedDim("N")], { starts: [1, 0], sizes: [3, namedDim("N")], strides: [3, 1] }),
    ...floatSamples([4], { starts: [4], sizes: [0], strides: [1] }),
    { operands: [tensorType("i32", [6])], attrs: { starts: [1], sizes: [3], strides: [2] } },
  ],
};

export interface PadAttrs extends Attrs {
  readonly low: readonly Dim[];
  readonly high: readonly Dim[];
  readonly interior: readonly number[];
  readonly value: number;
}

export const pad: TensorOpRecord<(x: Value, attrs: PadAttrs) => Value> = {
  doc: "x with `value` around it: low elements before, high after, and interior between neighbours of each axis",
  operands: ["x"],
  results: ["result"],
  dimAttrs: ["low", "high"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    const [low, high, interior] = [dimsAttr(attrs, "low"), dimsAttr(attrs, "high"), integersAttr(attrs, "interior")];
    for (const [name, list] of [["low", low], ["high", high], ["interior", interior]] as const) expectLength(name, list, x.shape.length);
    if (interior.some((count) => count < 0)) throw new TypeFault("interior must be 0 or more", [`it is [${interior.join(",")}]`]);
    if (typeof attrs["value"] !== "number") throw new TypeFault("attr value must be a number");
    return [tensorType(x.dtype, x.shape.map((dim, axis) => addDims(low[axis] ?? 0, dilated(dim, interior[axis] ?? 0), high[axis] ?? 0)))];
  },
  evaluate: (operands, attrs, [result]) => {
    const x = operandAt(operands, 0);
    const [low, interior] = [attrs["low"] as readonly number[], attrs["interior"] as readonly number[]];
    return [
      tabulate(result, (index) => {
        const source = index.map((i, axis) => (i - (low[axis] ?? 0)) / ((interior[axis] ?? 0) + 1));
        const isElement = source.every((i, axis) => Number.isInteger(i) && i >= 0 && i < (x.shape[axis] ?? 0));
        return isElement ? elementAt(x, source) : (attrs["value"] as number);
      }),
    ];
  },
  compute: { form: "map", at: padAt },
  derivative: {
    linear: [0],
    transpose: (b, cotangents, _operands, [x], attrs) => {
      const [low, interior] = [dimsAttr(attrs, "low"), integersAttr(attrs, "interior")];
      return [b.slice(at(cotangents, 0), { starts: low, sizes: x?.shape ?? [], strides: interior.map((count) => count + 1) })];
    },
  },
  batch: sameOp((attrs) => ({
    ...attrs, low: [0, ...dimsAttr(attrs, "low")], high: [0, ...dimsAttr(attrs, "high")], interior: [0, ...integersAttr(attrs, "interior")],
  })),
  samples: [
    ...floatSamples([namedDim("N"), 3], { low: [0, 1], high: [0, 2], interior: [0, 0], value: 0 }),
    ...floatSamples([namedDim("N")], { low: [2], high: [1], interior: [0], value: 0 }),
    ...floatSamples([3, 2], { low: [1, 0], high: [0, 3], interior: [1, 2], value: 0 }),
    ...floatSamples([0, 2], { low: [1, 0], high: [1, 0], interior: [1, 0], value: 0 }),
    { operands: [tensorType("i32", [3])], attrs: { low: [1], high: [0], interior: [1], value: 7 } },
  ],
};

export const concat: TensorOpRecord<(parts: readonly Value[], attrs: { readonly axis: number }) => Value> = {
  doc: "the parts one after the other along an axis",
  operands: ["...parts"],
  results: ["result"],
  infer: (operands, attrs) => {
    const first = tensorAt(operands, 0, "the first part");
    const axis = axisAttr(attrs, first.shape.length);
    const parts = operands.map((_, position) => tensorAt(operands, position, `part ${position}`));
    parts.forEach((part, position) => {
      const fits = part.dtype === first.dtype && part.shape.length === first.shape.length && part.shape.every((dim, i) => i === axis || sameDim(dim, first.shape[i] ?? 0));
      if (!fits) throw new TypeFault(`the parts of a concat may differ along axis ${axis} only`, [fact("part 0", first), fact(`part ${position}`, part)]);
    });
    return [tensorType(first.dtype, first.shape.map((dim, i) => (i === axis ? addDims(0, ...parts.map((part) => part.shape[axis] ?? 0)) : dim)))];
  },
  evaluate: (operands, attrs, [result]) => {
    const axis = attrs["axis"] as number;
    return [
      tabulate(result, (index) => {
        let position = index[axis] ?? 0;
        for (const part of operands) {
          const size = part.shape[axis] ?? 0;
          if (position < size) return elementAt(part, index.map((i, at) => (at === axis ? position : i)));
          position -= size;
        }
        throw new RangeError("a concat is as long as its parts");
      }),
    ];
  },
  compute: { form: "map", at: concatAt },
  derivative: {
    linear: "all",
    transpose: (b, cotangents, operands, types, attrs) => {
      const axis = attrs["axis"] as number;
      let start: Dim = 0;
      return types.map((type, position) => {
        const here: Dim = start;
        start = addDims(start, type.shape[axis] ?? 0);
        if (operands[position] !== undefined) return undefined;
        return b.slice(at(cotangents, 0), {
          starts: type.shape.map((_, i) => (i === axis ? here : 0)),
          sizes: type.shape,
          strides: type.shape.map(() => 1),
        });
      });
    },
  },
  batch: sameOp(shiftedAxis),
  samples: (["f32", "f64", "i32"] as const).flatMap((dtype) => [
    { operands: [tensorType(dtype, [namedDim("N"), 2]), tensorType(dtype, [namedDim("N"), 3])], attrs: { axis: 1 } },
    { operands: [tensorType(dtype, [namedDim("N"), 2]), tensorType(dtype, [3, 2]), tensorType(dtype, [1, 2])], attrs: { axis: 0 } },
    { operands: [tensorType(dtype, [0]), tensorType(dtype, [3])], attrs: { axis: 0 } },
    { operands: [tensorType(dtype, [2])], attrs: { axis: 0 } },
  ]),
};

/** The size of an axis with `interior` elements put between neighbours. */
function dilated(size: Dim, interior: number): Dim {
  return interior === 0 ? size : addDims(size, mulDims(interior, maxDims(subDims(size, 1), 0)));
}

/** Loads at a clamped position and replaces what lies outside by the value, so that lanes need no branches. */
function padAt(b: Builder, context: ComputeContext, index: readonly Value[]): Value {
  const x = typeOf(context, 0);
  const [low, interior, value] = [dimsAttr(context.attrs, "low"), integersAttr(context.attrs, "interior"), context.attrs["value"] as number];
  const conditions: Value[] = [];
  const source: Value[] = [];
  const clamped: { readonly axis: number; readonly size: Dim }[] = [];
  index.forEach((i, axis) => {
    const [before = 0, step = 1, size = 0] = [low[axis], (interior[axis] ?? 0) + 1, x.shape[axis]];
    const isUntouched = sameDim(context.results[0]?.shape[axis] ?? -1, size);
    if (isUntouched) return void source.push(i);
    const shifted = subtractOffset(b, i, before);
    const position = step === 1 ? shifted : b.div(shifted, b.index(step));
    if (before !== 0) conditions.push(b.ge(i, b.index(before)));
    if (step !== 1) conditions.push(b.eq(b.rem(shifted, b.index(step)), b.index(0)));
    conditions.push(b.lt(position, b.index(size)));
    source.push(position);
    clamped.push({ axis, size });
  });
  const load = (position: readonly Value[], rest: typeof clamped): Value => {
    const [next, ...others] = rest;
    if (next === undefined) return context.load(0, position);
    return loadClamped(b, x, at(position, next.axis), next.size, (fixed) => load(position.with(next.axis, fixed), others), value);
  };
  const element = load(source, clamped);
  const outside = b.constantOf(scalarType(x.dtype), value);
  return conditions.length === 0 ? element : b.select(conditions.reduce((all, condition) => b.and(all, condition)), element, outside);
}

/** select(i < end0, part0[i], select(i < end1, part1[i - end0], ...)), each load clamped into its part. */
function concatAt(b: Builder, context: ComputeContext, index: readonly Value[]): Value {
  const axis = context.attrs["axis"] as number;
  const along = at(index, axis);
  let end: Dim = 0;
  const parts = context.operands.flatMap((type, position) => {
    const [start, size]: [Dim, Dim] = [end, type.shape[axis] ?? 0];
    end = addDims(end, size);
    return size === 0 ? [] : [{ type, position, start, size, end }];
  });
  const read = (part: (typeof parts)[number]): Value =>
    parts.length === 1
      ? context.load(part.position, index)
      : loadClamped(b, part.type, subtractOffset(b, along, part.start), part.size, (at) => context.load(part.position, index.with(axis, at)));
  const last = parts.at(-1);
  if (last === undefined) return b.constantOf(scalarType(typeOf(context, 0).dtype), 0);
  return parts.slice(0, -1).reduceRight((rest, part) => b.select(b.lt(along, b.index(part.end)), read(part), rest), read(last));
}

function typeOf(context: ComputeContext, position: number): TensorType {
  const type = context.operands[position];
  if (type === undefined) throw new RangeError(`operand ${position} is missing`);
  return type;
}
