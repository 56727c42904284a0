/**
 * Reading and adding at positions that are data. Both may have leading batch axes, which the operands have in common. gather clamps its positions into range, so that it cannot read
 * outside; scatter_add drops what is out of range. Each is the transpose of the other up to that difference, which
 * the rules below make up for.
 */

import type { Builder } from "../builder.ts";
import { type Dim, namedDim, sameShape } from "../dim.ts";
import { at, present } from "../expect.ts";
import { forEachIndex, hostArray, offsetOf, roundTo } from "../host.ts";
import type { Attrs, Value } from "../module.ts";
import { type BatchContext, type KernelContext, type Sample, type TensorOpRecord, TypeFault } from "../op.ts";
import { indexType, printShape, scalarType, type TensorType, tensorType, type Type } from "../type.ts";
import { axisAttr, expectOperandCount, fact, tensorAt } from "./check.ts";
import { loadClamped } from "./indexing.ts";
import { allMapped, moveAxis } from "./make-batch.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export interface GatherAttrs extends Attrs {
  /** Of x, or of base. */
  readonly axis: number;
  /** How many leading axes the operands have in common; none when absent. */
  readonly batch?: number;
}

export const gather: TensorOpRecord<(x: Value, indices: Value, attrs: GatherAttrs) => Value> = {
  doc: "x at the indices along an axis, clamped into range (0 if the axis is empty): result[b, a, i, c] = x[b, a, indices[b, i], c]",
  operands: ["x", "indices"],
  results: ["result"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 2);
    const x = tensorAt(operands, 0, "x");
    return [tensorType(x.dtype, gatheredShape(x, indicesAt(operands, 1), attrs))];
  },
  evaluate: (operands, attrs, [result]) => {
    const [x, indices, { axis, batch = 0 }] = [operandAt(operands, 0), operandAt(operands, 1), attrs as GatherAttrs];
    const [rank, size] = [indices.shape.length - batch, x.shape[axis] ?? 0];
    return [
      tabulate(result, (index) => {
        const position = elementAt(indices, [...index.slice(0, batch), ...index.slice(axis, axis + rank)]);
        if (size === 0) return 0;
        return elementAt(x, index.toSpliced(axis, rank, Math.min(Math.max(position, 0), size - 1)));
      }),
    ];
  },
  compute: {
    form: "map",
    at: (b, context, index) => {
      const [x, indices] = context.operands;
      if (x === undefined || indices === undefined) throw new RangeError("gather has two operands");
      const { axis, batch = 0 } = context.attrs as GatherAttrs;
      const rank = indices.shape.length - batch;
      const raw = context.load(1, [...index.slice(0, batch), ...index.slice(axis, axis + rank)]);
      const position = b.cast(b.max(raw, b.constantOf(scalarType(indices.dtype), 0)), { dtype: "index" });
      return loadClamped(b, x, position, x.shape[axis] ?? 0, (at) => context.load(0, index.toSpliced(axis, rank, at)));
    },
  },
  derivative: {
    linear: [0],
    transpose: (b, cotangents, operands, [x], attrs) => {
      if (x === undefined) throw new RangeError("the type of x is missing");
      const indices = clampedIndices(b, at(operands, 1), x.shape[axisAttr(attrs, x.shape.length)] ?? 0);
      return [b.scatterAdd(b.constantOf(x, 0), indices, at(cotangents, 0), attrs as GatherAttrs), undefined];
    },
  },
  batch: batchGather,
  samples: [
    ...gatherSamples([5, 3], [namedDim("N")], { axis: 0 }),
    ...gatherSamples([2, namedDim("N")], [2, 2], { axis: 1 }),
    ...gatherSamples([2, 4, 3], [], { axis: 1 }),
    ...gatherSamples([namedDim("N"), 4, 3], [namedDim("N"), 2], { axis: 1, batch: 1 }),
    ...gatherSamples([2, 3, 2, 4], [2, 3], { axis: 3, batch: 2 }),
  ],
};

export const scatterAdd: TensorOpRecord<(base: Value, indices: Value, updates: Value, attrs: GatherAttrs) => Value> = {
  doc: "base with result[b, a, indices[b, i], c] += updates[b, a, i, c] for every i, in order; indices out of range are dropped",
  operands: ["base", "indices", "updates"],
  results: ["result"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 3);
    const [base, indices, updates] = [tensorAt(operands, 0, "base"), indicesAt(operands, 1), tensorAt(operands, 2, "updates")];
    const expected = gatheredShape(base, indices, attrs);
    if (base.dtype === "bool" || base.dtype !== updates.dtype || !sameShape(updates.shape, expected)) {
      throw new TypeFault("the updates of a scatter_add are shaped like a gather from base", [
        fact("base", base), fact("indices", indices), fact("updates", updates), `a gather would be ${base.dtype}${printShape(expected)}`,
      ]);
    }
    return [base];
  },
  evaluate: (operands, attrs) => {
    const [base, indices, updates] = [operandAt(operands, 0), operandAt(operands, 1), operandAt(operands, 2)];
    const { axis, batch = 0 } = attrs as GatherAttrs;
    const rank = indices.shape.length - batch;
    const result = hostArray(base.dtype, base.shape, base.data);
    forEachIndex(updates.shape, (index, offset) => {
      const position = elementAt(indices, [...index.slice(0, batch), ...index.slice(axis, axis + rank)]);
      if (position < 0 || position >= (base.shape[axis] ?? 0)) return;
      const at = offsetOf(base.shape, index.toSpliced(axis, rank, position));
      result.data[at] = roundTo(base.dtype, (result.data[at] ?? 0) + (updates.data[offset] ?? 0));
    });
    return [result];
  },
  compute: { form: "kernel", body: scatterBody },
  derivative: {
    linear: [0, 2],
    transpose: (b, cotangents, [base, indices, updates], [baseType], attrs) => {
      if (baseType === undefined) throw new RangeError("the type of base is missing");
      const cotangent = at(cotangents, 0);
      return [
        base === undefined ? cotangent : undefined,
        undefined,
        updates === undefined ? gatherOrZero(b, cotangent, present(indices, "indices have no tangent"), baseType, attrs as GatherAttrs) : undefined,
      ];
    },
  },
  batch: batchScatter,
  samples: [
    ...scatterSamples([5, 3], [namedDim("N")], [namedDim("N"), 3], { axis: 0 }),
    ...scatterSamples([2, namedDim("N")], [2, 2], [2, 2, 2], { axis: 1 }),
    ...scatterSamples([4], [], [], { axis: 0 }),
    ...scatterSamples([2, 4, 3], [2, namedDim("N")], [2, namedDim("N"), 3], { axis: 1, batch: 1 }),
    ...scatterSamples([2, 2, 2, 3], [2, 2], [2, 2, 2], { axis: 3, batch: 2 }),
  ],
};

/** Copies base, then adds the updates: rows may meet. */
function scatterBody(b: Builder, context: KernelContext): void {
  const [base, indices, updates] = context.operands;
  const [buffer] = context.buffers;
  if (base === undefined || indices === undefined || updates === undefined || buffer === undefined) throw new RangeError("scatter_add has three operands");
  const { axis, batch = 0 } = context.attrs as GatherAttrs;
  const rank = indices.shape.length - batch;
  const forEach = (shape: readonly Dim[], body: (index: readonly Value[]) => void): void =>
    void b.parallel({ extents: shape }, [b.region(shape.map(() => indexType), (index) => (body(index), []))]);
  forEach(base.shape, (index) => b.store(buffer, context.load(0, index), index));
  forEach(updates.shape, (index) => {
    const raw = context.load(1, [...index.slice(0, batch), ...index.slice(axis, axis + rank)]);
    const position = b.cast(raw, { dtype: "index" });
    const isBelow = b.lt(position, b.index(base.shape[axis] ?? 0));
    const isInRange = b.and(b.ge(raw, b.constantOf(scalarType(indices.dtype), 0)), isBelow);
    const target = index.toSpliced(axis, rank, position);
    const addOne = b.region([], () => {
      b.atomicAdd(buffer, context.load(2, index), target);
      return [];
    });
    b.if(isInRange, {}, [addOne, b.region([], () => [])]);
  });
}

/** The indices as gather reads them. */
function clampedIndices(b: Builder, indices: Value, size: Dim): Value {
  const { dtype, shape } = tensorAt([indices.type], 0, "indices");
  const last = b.sub(b.size({ size, dtype }), 1);
  return b.min(b.max(indices, 0), b.broadcast(last, { shape, axes: [] }));
}

/**
 * Like gather, but 0 for indices out of range: with a row of zeros at either end, that is what clamping finds. An
 * index that wraps around when 1 is added finds a row of zeros too.
 */
function gatherOrZero(b: Builder, x: Value, indices: Value, { shape }: TensorType, attrs: GatherAttrs): Value {
  const ends = shape.map((_, i) => (i === attrs.axis ? 1 : 0));
  const padded = b.pad(x, { low: ends, high: ends, interior: shape.map(() => 0), value: 0 });
  return b.gather(padded, b.add(indices, 1), attrs);
}

function gatheredShape(x: TensorType, indices: TensorType, attrs: Attrs): readonly Dim[] {
  const axis = axisAttr(attrs, x.shape.length);
  const batch = attrs["batch"] ?? 0;
  if (typeof batch !== "number" || !Number.isInteger(batch) || batch < 0 || batch > axis || !sameShape(indices.shape.slice(0, batch), x.shape.slice(0, batch))) {
    throw new TypeFault("attr batch counts leading axes before attr axis that the operands have in common", [
      fact("x", x), fact("indices", indices), `batch is ${JSON.stringify(batch)}, axis is ${axis}`,
    ]);
  }
  return x.shape.toSpliced(axis, 1, ...indices.shape.slice(batch));
}

/** Examples of both operands are a batch axis, the first; of one alone another axis of it, and no copies of the other are made. */
function batchGather(b: Builder, [x, indices]: readonly Value[], { attrs, isMapped: [isX, isIndices] }: BatchContext): readonly Value[] {
  if (x === undefined || indices === undefined) throw new RangeError("gather has two operands");
  const { axis, batch = 0 } = attrs as GatherAttrs;
  if (isX === true && isIndices === true) return [b.gather(x, indices, { axis: axis + 1, batch: batch + 1 })];
  if (isX === true) return [moveAxis(b, b.gather(moveAxis(b, x, 0, batch), indices, { ...attrs, axis: axis + 1 }), batch, 0)];
  return [moveAxis(b, b.gather(x, moveAxis(b, indices, 0, batch), { ...attrs, axis }), axis, 0)];
}

/** Where indices are the same for all examples, these are another axis of the rest; else a batch axis, the first. */
function batchScatter(b: Builder, operands: readonly Value[], context: BatchContext): readonly Value[] {
  const { axis, batch = 0 } = context.attrs as GatherAttrs;
  const [base, indices, updates] = allMapped(b, operands, context);
  if (base === undefined || indices === undefined || updates === undefined) throw new RangeError("scatter_add has three operands");
  if (batch === 0 && context.isMapped[1] !== true) return [b.scatterAdd(base, at(operands, 1), updates, { axis: axis + 1 })];
  return [b.scatterAdd(base, indices, updates, { axis: axis + 1, batch: batch + 1 })];
}

function indicesAt(operands: readonly Type[], position: number): TensorType {
  const indices = tensorAt(operands, position, "indices");
  if (indices.dtype !== "i32" && indices.dtype !== "u32") throw new TypeFault("indices must be i32 or u32", [fact("indices", indices)], "cast them");
  return indices;
}

function gatherSamples(x: readonly Dim[], indices: readonly Dim[], attrs: GatherAttrs): readonly Sample[] {
  return (["f32", "f64"] as const).map((dtype) => ({
    operands: [tensorType(dtype, x), tensorType("i32", indices)],
    attrs,
    ranges: [[-2, 2], [-2, 6]],
  }));
}

function scatterSamples(base: readonly Dim[], indices: readonly Dim[], updates: readonly Dim[], attrs: GatherAttrs): readonly Sample[] {
  return (["f32", "f64"] as const).map((dtype) => ({
    operands: [tensorType(dtype, base), tensorType("i32", indices), tensorType(dtype, updates)],
    attrs,
    ranges: [[0.5, 2], [-2, 6], [0.5, 2]],
    ulp: 16,
  }));
}
