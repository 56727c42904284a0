/**
 * Samples of the op table as things to run: inputs for given sizes of named dims, the one-op function, and the
 * one-op kernel that follows from the op's compute rule alone, with no pass involved.
 */

import { type Builder, buildFunction } from "../ir/builder.ts";
import { type Dim, evaluateDim, isDim, namesOfDim } from "../ir/dim.ts";
import { hostArray, type HostArray } from "../ir/host.ts";
import type { Attrs, AttrValue, Func, Value } from "../ir/module.ts";
import type { ComputeContext, KernelContext, OpRecord, ReduceCompute, Sample, ScanCompute } from "../ir/op.ts";
import { bufferType, bytesOf, type DType, indexType, isFloat, type ScalarDType, scalarType, type TensorType, tensorType } from "../ir/type.ts";

export type Sizes = Readonly<Record<string, number>>;

/** Sizes to try: for each named dim several, one among them; else none. */
export function sizesOfSample(sample: Sample): readonly Sizes[] {
  const names = new Set([...sample.operands.flatMap(({ shape }) => shape.flatMap(namesOfDim)), ...namesInAttr(Object.values(sample.attrs ?? {}))]);
  return names.size === 0 ? [{}] : [1, 4, 0].map((size) => Object.fromEntries([...names].map((name) => [name, size])));
}

function namesInAttr(value: AttrValue): readonly string[] {
  if (Array.isArray(value)) return (value as readonly AttrValue[]).flatMap(namesInAttr);
  return isDim(value) ? namesOfDim(value) : [];
}

/** The sample's types and attrs with numbers in place of named dims. */
export function withSizes(sample: Sample, sizes: Sizes): Sample {
  const size = (value: AttrValue): AttrValue =>
    Array.isArray(value) ? (value as readonly AttrValue[]).map(size) : isDim(value) ? evaluateDim(value, sizes) : value;
  return {
    ...sample,
    operands: sample.operands.map(({ dtype, shape }) => tensorType(dtype, shape.map((dim) => evaluateDim(dim, sizes)))),
    attrs: Object.fromEntries(Object.entries(sample.attrs ?? {}).map(([name, value]) => [name, size(value)])),
  };
}

/** Values for each operand, the same on every run. */
export function inputsOf(sample: Sample, sizes: Sizes, seed: number): readonly HostArray[] {
  const random = createRandom(seed);
  return sample.operands.map(({ dtype, shape }, position) => {
    const [low, high] = sample.ranges?.[position] ?? sample.range ?? [-2, 2];
    const lengths = shape.map((dim) => evaluateDim(dim, sizes));
    const count = lengths.reduce((product, length) => product * length, 1);
    const values = Array.from({ length: count }, () =>
      isFloat(dtype) ? low + (high - low) * random() : Math.floor(low + (high - low + 1) * random()),
    );
    return hostArray(dtype, lengths, values);
  });
}

/** Mulberry32: small, and good enough to choose test values. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** func @f(operands) { yield op operands } */
export function functionOf(name: string, sample: Sample): Func {
  return buildFunction("f", parametersOf(sample.operands), (b, operands) => b.op(name, operands, sample.attrs ?? {}));
}

export function parametersOf(types: readonly TensorType[]): readonly { readonly name: string; readonly type: TensorType }[] {
  return types.map((type, position) => ({ name: `x${position}`, type }));
}

/** kernel @f(inputs..., results...) by the record's compute rule. */
export function kernelOf(record: OpRecord, sample: Sample): Func {
  const attrs: Attrs = sample.attrs ?? {};
  const results = record.infer(sample.operands, attrs, []).map(expectTensor);
  const buffers = [...sample.operands, ...results].map(({ dtype, shape }, i) => ({ name: `buffer${i}`, type: bufferType("global", dtype, shape) }));
  return buildFunction("f", buffers, (b, values) => {
    const context: KernelContext = {
      operands: sample.operands,
      results,
      attrs,
      load: (operand, index) => b.load(at(values, operand), index),
      buffers: values.slice(sample.operands.length),
    };
    const { compute } = record;
    switch (compute?.form) {
      case "map": buildParallel(b, shapeOf(results), (index) => storeAll(b, context, [compute.at(b, context, index)], index)); break;
      case "reduce": buildReduce(b, context, compute); break;
      case "scan": buildScan(b, context, compute); break;
      case "kernel": compute.body(b, context); break;
      case undefined: throw new Error("the op has no compute rule");
    }
    return [];
  });
}

function buildReduce(b: Builder, context: KernelContext, compute: ReduceCompute): void {
  const { operands, attrs } = context;
  const extents = compute.extents(operands, attrs);
  const slots = compute.slots(operands, attrs);
  const identity = compute.identity(operands, attrs);
  buildParallel(b, shapeOf(context.results), (index) => {
    const start = slots.map((dtype, slot) => b.constantOf(scalarType(dtype), identity[slot] ?? NaN));
    const element = b.region(extents.map(() => indexType), (reduced) => compute.element(b, context, index, reduced));
    const combine = combineRegion(b, slots, (left, right) => compute.combine(b, left, right, attrs));
    const total = b.reduce(start, { extents }, [element, combine]);
    const finished = compute.finish?.(b, context, total) ?? total.map((slot, i) => castTo(b, slot, context.results[i]?.dtype));
    storeAll(b, context, finished, index);
  });
}

function buildScan(b: Builder, context: KernelContext, compute: ScanCompute): void {
  const { operands, attrs } = context;
  const shape = shapeOf(context.results);
  const axis = compute.axis(attrs);
  const dtype = expectTensor(operands[0]).dtype;
  buildParallel(b, shape.toSpliced(axis, 1), (outer) => {
    const start = b.constantOf(scalarType(dtype), compute.identity(operands, attrs));
    b.scan(start, { extent: shape[axis] ?? 0, reverse: compute.reverse(attrs) }, [
      b.region([indexType], ([along]) => [compute.element(b, context, outer.toSpliced(axis, 0, present(along)))]),
      combineRegion(b, [dtype], ([left], [right]) => [compute.combine(b, present(left), present(right), attrs)]),
      b.region([indexType, scalarType(dtype)], ([along, sum]) => {
        storeAll(b, context, [present(sum)], outer.toSpliced(axis, 0, present(along)));
        return [];
      }),
    ]);
  });
}

function buildParallel(b: Builder, extents: readonly Dim[], body: (index: readonly Value[]) => void): void {
  const region = b.region(extents.map(() => indexType), (index) => {
    body(index);
    return [];
  });
  b.parallel({ extents }, [region]);
}

function combineRegion(
  b: Builder,
  slots: readonly ScalarDType[],
  combine: (left: readonly Value[], right: readonly Value[]) => readonly Value[],
): ReturnType<Builder["region"]> {
  const types = slots.map((dtype) => scalarType(dtype));
  return b.region([...types, ...types], (values) => combine(values.slice(0, slots.length), values.slice(slots.length)));
}

function storeAll(b: Builder, context: KernelContext, elements: readonly Value[], index: readonly Value[]): void {
  elements.forEach((element, result) => b.store(at(context.buffers, result), element, index));
}

function castTo(b: Builder, value: Value, dtype: DType | undefined): Value {
  return dtype === undefined || value.type.dtype === dtype ? value : b.cast(value, { dtype });
}

function shapeOf(results: ComputeContext["results"]): readonly Dim[] {
  return expectTensor(results[0]).shape;
}

export function expectTensor(type: unknown): TensorType {
  if (typeof type === "object" && type !== null && "kind" in type && type.kind === "tensor") return type as TensorType;
  throw new TypeError("a tensor type was expected");
}

function at(values: readonly Value[], position: number): Value {
  return present(values[position]);
}

export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError("a value is missing");
  return value;
}

/** The largest difference in units of the last place of the larger magnitude; equal NaNs and infinities differ by 0. */
export function ulpsBetween(dtype: DType, left: number, right: number): number {
  if (Object.is(left, right) || left === right) return 0;
  if (!isFloat(dtype) || !Number.isFinite(left) || !Number.isFinite(right)) return Infinity;
  const digits = { 8: 52, 4: 23, 2: dtype === "bf16" ? 7 : 10, 1: 0 }[bytesOf(dtype)] ?? 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(left), Math.abs(right)))) - digits);
  return Math.abs(left - right) / unit;
}
