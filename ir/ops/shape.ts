/**
 * Ops that rearrange: each result element is the operand element at another index, so all are maps and linear, and
 * fuse into whatever reads them. Axes are counted from 0, never from the end. Nothing is stretched implicitly.
 */

import { type Dim, elementCount, namedDim, printDim, sameDim } from "../dim.ts";
import { at } from "../expect.ts";
import { offsetOf } from "../host.ts";
import type { Attrs, Value } from "../module.ts";
import { type TensorOpRecord, TypeFault } from "../op.ts";
import { printShape, tensorType } from "../type.ts";
import { axesAttr, dimsAttr, expectLength, fact, integersAttr, tensorAt } from "./check.ts";
import { reshapeIndex } from "./indexing.ts";
import { longerShape, sameOp, shiftedAxes } from "./make-batch.ts";
import { floatSamples as floats, linearRule } from "./make-rules.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export const broadcast: TensorOpRecord<(x: Value, attrs: { readonly shape: readonly Dim[]; readonly axes: readonly number[] }) => Value> = {
  doc: "x repeated along new axes: axis i of x is axis axes[i] of the result, with the same size",
  operands: ["x"],
  results: ["result"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    const shape = dimsAttr(attrs, "shape");
    const axes = axesAttr(attrs, shape.length);
    expectLength("axes", axes, x.shape.length);
    axes.forEach((axis, i) => {
      const [from, to] = [x.shape[i] ?? 0, shape[axis] ?? 0];
      if (!sameDim(from, to)) {
        throw new TypeFault(
          "broadcast keeps the sizes of the operand's axes",
          [fact("x", x), `axis ${i} of x is ${printDim(from)}, axis ${axis} of ${printShape(shape)} is ${printDim(to)}`],
          from === 1 ? "reshape the axis of size 1 away first" : undefined,
        );
      }
    });
    return [tensorType(x.dtype, shape)];
  },
  evaluate: (operands, attrs, [result]) => {
    const axes = attrs["axes"] as readonly number[];
    return [tabulate(result, (index) => elementAt(operandAt(operands, 0), axes.map((axis) => index[axis] ?? 0)))];
  },
  compute: { form: "map", at: (_b, context, index) => context.load(0, axesOf(context.attrs).map((axis) => at(index, axis))) },
  derivative: linearRule((b, cotangent, x, attrs) => {
    const kept = axesOf(attrs);
    const repeated = (attrs["shape"] as readonly Dim[]).map((_, axis) => axis).filter((axis) => !kept.includes(axis));
    return repeated.length === 0 ? cotangent : b.reduceSum(cotangent, { axes: repeated });
  }),
  batch: sameOp((attrs, context) => ({ ...longerShape(attrs, context), axes: [0, ...shiftedAxes(attrs, "axes")] })),
  samples: [
    ...floats([3], { shape: [namedDim("N"), 3], axes: [1] }),
    ...floats([namedDim("N")], { shape: [namedDim("N"), 4], axes: [0] }),
    ...floats([], { shape: [namedDim("N"), 2], axes: [] }),
    ...floats([2, 3], { shape: [2, 0, 3], axes: [0, 2] }),
    { operands: [tensorType("bool", [2])], attrs: { shape: [2, 3], axes: [0] }, range: [0, 1] },
  ],
};

export const reshape: TensorOpRecord<(x: Value, attrs: { readonly shape: readonly Dim[] }) => Value> = {
  doc: "the elements of x in the same row-major order under another shape",
  operands: ["x"],
  results: ["result"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    const shape = dimsAttr(attrs, "shape");
    const [from, to] = [elementCount(x.shape), elementCount(shape)];
    if (!sameDim(from, to)) {
      throw new TypeFault("reshape keeps the number of elements", [
        `${fact("x", x)}: ${printDim(from)} elements`,
        `the new shape ${printShape(shape)} has ${printDim(to)}`,
      ]);
    }
    return [tensorType(x.dtype, shape)];
  },
  evaluate: (operands, _attrs, [result]) => {
    const x = operandAt(operands, 0);
    return [tabulate(result, (index) => x.data[offsetOf(result?.shape as readonly number[], index)] ?? 0)];
  },
  compute: {
    form: "map",
    at: (b, context, index) => {
      const [from, to] = [context.operands[0]?.shape ?? [], context.results[0]?.shape ?? []];
      return context.load(0, reshapeIndex(b, index, from, to));
    },
  },
  derivative: linearRule((b, cotangent, x) => b.reshape(cotangent, { shape: x.shape })),
  batch: sameOp(longerShape),
  samples: [
    ...floats([namedDim("N"), 6], { shape: [namedDim("N"), 2, 3] }),
    ...floats([namedDim("N"), 2, 3], { shape: [namedDim("N"), 6] }),
    ...floats([2, namedDim("N"), 3], { shape: [2, 1, namedDim("N"), 3, 1] }),
    ...floats([4, 1, 6], { shape: [3, 2, 4] }),
    ...floats([1, 1], { shape: [] }),
    ...floats([2, 0, 3], { shape: [0, 6] }),
    { operands: [tensorType("i32", [6])], attrs: { shape: [2, 3] } },
  ],
};

export const transpose: TensorOpRecord<(x: Value, attrs: { readonly permutation: readonly number[] }) => Value> = {
  doc: "x with its axes reordered: axis i of the result is axis permutation[i] of x",
  operands: ["x"],
  results: ["result"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    const permutation = integersAttr(attrs, "permutation");
    const isPermutation = permutation.length === x.shape.length && x.shape.every((_, axis) => permutation.includes(axis));
    if (!isPermutation) {
      throw new TypeFault("attr permutation must name each axis of x once", [fact("x", x), `permutation is [${permutation.join(",")}]`]);
    }
    return [tensorType(x.dtype, permutation.map((axis) => x.shape[axis] ?? 0))];
  },
  evaluate: (operands, attrs, [result]) => {
    const permutation = attrs["permutation"] as readonly number[];
    return [
      tabulate(result, (index) => {
        const source = new Array<number>(index.length).fill(0);
        permutation.forEach((axis, position) => (source[axis] = index[position] ?? 0));
        return elementAt(operandAt(operands, 0), source);
      }),
    ];
  },
  compute: {
    form: "map",
    at: (_b, context, index) => context.load(0, inverse(integersAttr(context.attrs, "permutation")).map((axis) => at(index, axis))),
  },
  derivative: linearRule((b, cotangent, _x, attrs) => b.transpose(cotangent, { permutation: inverse(integersAttr(attrs, "permutation")) })),
  batch: sameOp((attrs) => ({ permutation: [0, ...shiftedAxes(attrs, "permutation")] })),
  samples: [
    ...floats([namedDim("N"), 3], { permutation: [1, 0] }),
    ...floats([2, 3, namedDim("N")], { permutation: [2, 0, 1] }),
    ...floats([], { permutation: [] }),
    { operands: [tensorType("u32", [2, 3])], attrs: { permutation: [1, 0] }, range: [0, 9] },
  ],
};

export const reverse: TensorOpRecord<(x: Value, attrs: { readonly axes: readonly number[] }) => Value> = {
  doc: "x with the order along each of the axes turned around",
  operands: ["x"],
  results: ["result"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    axesAttr(attrs, x.shape.length);
    return [x];
  },
  evaluate: (operands, attrs, [result]) => {
    const x = operandAt(operands, 0);
    const axes = attrs["axes"] as readonly number[];
    return [tabulate(result, (index) => elementAt(x, index.map((i, axis) => (axes.includes(axis) ? (x.shape[axis] ?? 0) - 1 - i : i))))];
  },
  compute: {
    form: "map",
    at: (b, context, index) => {
      const axes = axesOf(context.attrs);
      const shape = context.operands[0]?.shape ?? [];
      // size - (i + 1) and not (size - 1) - i: no step of it is negative, and it is right for symbolic sizes as it is.
      return context.load(0, index.map((i, axis) => (axes.includes(axis) ? b.sub(b.index(shape[axis] ?? 0), b.add(i, b.index(1))) : i)));
    },
  },
  derivative: linearRule((b, cotangent, _x, attrs) => b.reverse(cotangent, { axes: axesOf(attrs) })),
  batch: sameOp((attrs) => ({ axes: shiftedAxes(attrs, "axes") })),
  samples: [...floats([namedDim("N"), 3], { axes: [0] }), ...floats([2, namedDim("N"), 3], { axes: [1, 2] })],
};

function axesOf(attrs: Attrs): readonly number[] {
  return integersAttr(attrs, "axes");
}

function inverse(permutation: readonly number[]): readonly number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis));
}
