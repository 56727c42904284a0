/**
 * Ops of the kernel level: loops over index spaces, memory, and vectors.
 *
 * `lower` writes the algorithm with the first family (parallel, reduce, scan, contract), which say what is computed
 * and nothing about order. `schedule` replaces them by the `for` of control.ts with vectors and scratch memory. Both
 * run in the interpreter, which is how a schedule is checked against what it came from. Ops on scalars and vectors
 * are the elementwise records. `group` and `launch` are how tensor level refers to kernels: before lowering, a group
 * holds the ops of one kernel; afterwards a launch names the kernel function.
 */

import { type Dim, isDim } from "../dim.ts";
import { type Attrs, inputsOfLaunch, type Region, type Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import type { Precision } from "../signature.ts";
import { bufferType, type BufferType, type DType, indexType, printType, sameType, type ScalarType, scalarType, tensorType, type Type } from "../type.ts";
import { given } from "./check.ts";

/* ------------------------------------------------------------- index spaces */

/** Iterations are independent: they may run in any order, at once, and by any thread. */
export const parallel: OpRecord<(attrs: { readonly extents: readonly Dim[] }, regions: readonly [Region]) => readonly Value[]> = {
  doc: "body(i, j, ...) for every index of the extents, in any order",
  operands: [],
  results: [],
  regions: ["body"],
  dimAttrs: ["extents"],
  infer: (_operands, attrs, [body]) => {
    expectParameters("the body of a parallel", body, extentsOf(attrs).map(() => indexType));
    expectYields("the body of a parallel", body, []);
    return [];
  },
};

/** total = combine over all indices of the extents of element(i, j, ...), starting from the identities. */
export const reduce: OpRecord<(identities: readonly Value[], attrs: { readonly extents: readonly Dim[] }, regions: readonly [Region, Region]) => readonly Value[]> = {
  doc: "totals = the monoid `combine` folded over element(i, j, ...) for all indices, from the identities; in any order",
  operands: ["...identities"],
  results: ["...totals"],
  regions: ["element", "combine"],
  dimAttrs: ["extents"],
  infer: (identities, attrs, [element, combine]) => {
    expectParameters("the element of a reduce", element, extentsOf(attrs).map(() => indexType));
    expectYields("the element of a reduce", element, identities);
    expectParameters("the combine of a reduce", combine, [...identities, ...identities]);
    expectYields("the combine of a reduce", combine, identities);
    return identities;
  },
};

/** emit(i, combine(element(0), ..., element(i))) for i from 0 up, or from the end down when reverse. */
export const scan: OpRecord<(identity: Value, attrs: { readonly extent: Dim; readonly reverse: boolean }, regions: readonly [Region, Region, Region]) => readonly Value[]> = {
  doc: "emit(i, element(0) . ... . element(i)) for each i below extent, with the monoid `combine`; from the end when reverse",
  operands: ["identity"],
  results: [],
  regions: ["element", "combine", "emit"],
  dimAttrs: ["extent"],
  infer: ([identity], _attrs, [element, combine, emit]) => {
    const type = given(identity);
    expectParameters("the element of a scan", element, [indexType]);
    expectYields("the element of a scan", element, [type]);
    expectParameters("the combine of a scan", combine, [type, type]);
    expectYields("the combine of a scan", combine, [type]);
    expectParameters("the emit of a scan", emit, [indexType, type]);
    return [];
  },
};

export interface ContractAttrs extends Attrs {
  readonly batch: readonly Dim[];
  readonly m: Dim;
  readonly n: Dim;
  readonly k: Dim;
  /** Of the accumulator; the products are accumulated by fused multiply-add where the target has it. */
  readonly dtype: DType;
  /** Factors may be rounded to this, or are exact in it; absent where they may not. */
  readonly precision?: Precision;
}

/** epilogue(batch..., i, j, sum over p < k of left(batch..., i, p) * right(batch..., p, j)). */
export const contract: OpRecord<(attrs: ContractAttrs, regions: readonly [Region, Region, Region]) => readonly Value[]> = {
  doc: "epilogue(batch..., i, j, sum over p < k of left(batch..., i, p) * right(batch..., p, j)) for all i < m, j < n",
  operands: [],
  results: [],
  regions: ["left", "right", "epilogue"],
  dimAttrs: ["batch", "m", "n", "k"],
  infer: (_operands, attrs, [left, right, epilogue]) => {
    const { batch, dtype } = attrs as ContractAttrs;
    const indices = [...batch.map(() => indexType), indexType, indexType];
    const element = scalarType(dtype);
    expectParameters("the left of a contract", left, indices);
    expectYields("the left of a contract", left, [element]);
    expectParameters("the right of a contract", right, indices);
    expectYields("the right of a contract", right, [element]);
    expectParameters("the epilogue of a contract", epilogue, [...indices, element]);
    expectYields("the epilogue of a contract", epilogue, []);
    return [];
  },
};

/* ------------------------------------------------------------- memory */

export interface AllocAttrs extends Attrs {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /** Absent for scratch of whoever runs the op; of a block, what its threads share or have each. */
  readonly space?: "shared" | "private";
}

/** Scratch of one grid item, of a block of threads, or of each thread. Its contents are undefined until stored to. */
export const alloc: OpRecord<(attrs: AllocAttrs) => Value> = {
  doc: "memory for shape elements, undefined until stored to: of who runs the op, or of a block (shared; private to its threads)",
  operands: [],
  results: ["buffer"],
  dimAttrs: ["shape"],
  infer: (_operands, attrs) => {
    const { dtype, shape, space = "local" } = attrs as AllocAttrs;
    return [bufferType(space, dtype, shape)];
  },
};

/** Memory that the threads of a block have together. */
export type CommonSpace = "global" | "shared";

export interface BarrierAttrs extends Attrs {
  /** The memory that is ordered: what threads did to any other they may still be doing. */
  readonly orders: readonly CommonSpace[];
}

/** Between phases of a block: what its threads did before is done, and seen by all of them. */
export const barrier: OpRecord<(attrs: BarrierAttrs) => readonly Value[]> = {
  doc: "the threads of a block wait for each other; what they stored to the memory that is ordered is there for all of them",
  operands: [],
  results: [],
  infer: (_operands, { orders }) => {
    const isSpace = (space: unknown): boolean => space === "global" || space === "shared";
    if (!Array.isArray(orders) || orders.length === 0 || !orders.every(isSpace)) throw new TypeFault('attr orders must list "global", "shared" or both');
    return [];
  },
};

/**
 * buffer[indices]. With attr `lanes`, that many consecutive elements (along the last axis that is longer than 1). With a vector among the
 * indices, one element for each lane.
 */
export const load: OpRecord<(buffer: Value, indices: readonly Value[], attrs?: { readonly lanes?: number }) => Value> = {
  doc: "buffer[indices]; `lanes` consecutive elements along the last axis; or one element for each lane of a vector index",
  operands: ["buffer", "...indices"],
  results: ["element"],
  infer: ([buffer, ...indices], attrs) => {
    const memory = expectMemory(buffer, indices);
    return [scalarType(memory.dtype, accessLanes(indices, attrs))];
  },
};

/** buffer[indices] = value; lanes as in load. */
export const store: OpRecord<(buffer: Value, value: Value, indices: readonly Value[]) => readonly Value[]> = {
  doc: "buffer[indices] = value; a vector goes to consecutive elements along the last axis, or one to each lane of a vector index",
  operands: ["buffer", "value", "...indices"],
  results: [],
  infer: ([buffer, value, ...indices]) => {
    const memory = expectMemory(buffer, indices);
    const stored = given(value);
    if (stored.kind !== "scalar" || stored.dtype !== memory.dtype) {
      throw new TypeFault("a store needs a value of the buffer's dtype", [`buffer is ${printType(memory)}, value is ${printType(stored)}`]);
    }
    const lanes = accessLanes(indices, {});
    if (lanes !== 1 && lanes !== stored.lanes) throw new TypeFault("value and index must have the same lanes", [`${stored.lanes} against ${lanes}`]);
    return [];
  },
};

/** buffer[indices] += value, as one step that nothing comes between: iterations may meet, and the order is open. */
export const atomicAdd: OpRecord<(buffer: Value, value: Value, indices: readonly Value[]) => readonly Value[]> = {
  doc: "buffer[indices] += value; iterations that run at once may add to one element, in any order",
  operands: ["buffer", "value", "...indices"],
  results: [],
  infer: (operands, attrs, regions) => {
    const [, value] = operands;
    if (value?.kind === "scalar" && (value.lanes !== 1 || value.dtype === "bool")) throw new TypeFault("an atomic addition is of one number", [printType(value)]);
    return store.infer(operands, attrs, regions);
  },
};

/* ------------------------------------------------------------- vectors */

export const splat: OpRecord<(x: Value, attrs: { readonly lanes: number }) => Value> = {
  doc: "x in every lane",
  operands: ["x"],
  results: ["vector"],
  infer: ([x], attrs) => [scalarType(expectScalar(x).dtype, attrs["lanes"] as number)],
};

export const ramp: OpRecord<(start: Value, attrs: { readonly lanes: number }) => Value> = {
  doc: "start, start + 1, ..., start + lanes - 1",
  operands: ["start"],
  results: ["vector"],
  infer: ([start], attrs) => [scalarType(expectScalar(start).dtype, attrs["lanes"] as number)],
};

export const extract: OpRecord<(vector: Value, attrs: { readonly lane: number }) => Value> = {
  doc: "one lane of a vector",
  operands: ["vector"],
  results: ["element"],
  infer: ([vector], attrs) => {
    const type = given(vector);
    if (type.kind !== "scalar" || Number(attrs["lane"]) >= type.lanes) throw new TypeFault(`lane ${String(attrs["lane"])} is not in ${printType(type)}`);
    return [scalarType(type.dtype)];
  },
};

/** The inverse of extract, lane by lane. */
export const compose: OpRecord<(elements: readonly Value[]) => Value> = {
  doc: "the vector whose lanes are the elements, in order",
  operands: ["...elements"],
  results: ["vector"],
  infer: (elements) => {
    const { dtype } = expectScalar(elements[0]);
    const isVector = elements.length > 1 && elements.every((type) => expectScalar(type).dtype === dtype);
    if (!isVector) throw new TypeFault("a vector is composed of two scalars or more of one dtype", elements.map(printType));
    return [scalarType(dtype, elements.length)];
  },
};

/** `lanes` counts through left and then right: lane `n` of right is left's count of lanes plus n. */
export const shuffle: OpRecord<(left: Value, right: Value, attrs: { readonly lanes: readonly number[] }) => Value> = {
  doc: "the lanes of left and right, one after the other, that `lanes` lists",
  operands: ["left", "right"],
  results: ["vector"],
  infer: ([left, right], attrs) => {
    const [type, other] = [given(left), given(right)];
    if (type.kind !== "scalar" || !sameType(type, other)) throw new TypeFault("a shuffle takes two vectors of one type", [`${printType(type)} and ${printType(other)}`]);
    const lanes = attrs["lanes"];
    const isLane = (lane: unknown): boolean => typeof lane === "number" && Number.isInteger(lane) && lane >= 0 && lane < 2 * type.lanes;
    if (!Array.isArray(lanes) || !lanes.every(isLane)) throw new TypeFault(`attr lanes must list lanes of two ${printType(type)}`);
    return [scalarType(type.dtype, lanes.length)];
  },
};

/* ------------------------------------------------------------- kernels at tensor level */

/** The ops of one kernel. The body sees nothing but its parameters. */
export const group: OpRecord<(inputs: readonly Value[], attrs: Attrs, regions: readonly [Region]) => readonly Value[]> = {
  doc: "results = body(...inputs), computed by one kernel",
  operands: ["...inputs"],
  results: ["...results"],
  regions: ["body"],
  infer: (inputs, _attrs, [body]) => {
    expectParameters("the body of a group", body, inputs);
    return body?.yields.map(({ type }) => type) ?? [];
  },
};

export interface LaunchAttrs extends Attrs {
  readonly callee: string;
  /** The ops that the kernel was made of, for people: "dot_general + add + max". */
  readonly summary?: string;
  /** How many operands, the last ones, are not inputs: a result each, whose memory these results take over with what is in it. */
  readonly continues?: number;
}

/** Runs a kernel function, whose parameters are the input buffers and then one buffer for each result. */
export const launch: OpRecord<(inputs: readonly Value[], attrs: LaunchAttrs) => readonly Value[]> = {
  doc: "results = what the kernel `callee` stores to its last buffers, given the inputs as its first",
  operands: ["...inputs"],
  results: ["...results"],
  infer: (inputs, attrs, _regions, callee) => {
    if (callee === undefined) throw new TypeFault(`there is no kernel @${String(attrs["callee"])}`);
    const buffers = callee.body.parameters.map(({ type }) => {
      if (type.kind !== "buffer") throw new TypeFault("a kernel takes buffers alone", [printType(type)]);
      return tensorType(type.dtype, type.shape);
    });
    inputs.forEach((input, i) => {
      const buffer = buffers[i];
      if (buffer === undefined || !sameType(buffer, input)) {
        throw new TypeFault(`input ${i} of a launch must have the kernel's type`, [`${printType(input)} against ${buffer === undefined ? "nothing" : printType(buffer)}`]);
      }
    });
    // What results start from stands where the kernel has the results themselves.
    return buffers.slice(inputsOfLaunch(inputs.length, attrs));
  },
};

function extentsOf(attrs: Attrs): readonly Dim[] {
  const extents = attrs["extents"];
  if (!Array.isArray(extents) || !extents.every(isDim)) throw new TypeFault("extents must be an array of dims");
  return extents;
}

function expectParameters(what: string, region: Region | undefined, expected: readonly Type[]): void {
  expectTypes(`${what} takes`, region?.parameters ?? [], expected);
}

function expectYields(what: string, region: Region | undefined, expected: readonly Type[]): void {
  expectTypes(`${what} yields`, region?.yields ?? [], expected);
}

function expectTypes(what: string, values: readonly Value[], expected: readonly Type[]): void {
  const same = values.length === expected.length && values.every(({ type }, i) => sameType(type, given(expected[i])));
  if (same) return;
  throw new TypeFault(`${what} (${expected.map(printType).join(", ")})`, [`it has (${values.map(({ type }) => printType(type)).join(", ")})`]);
}

function expectMemory(buffer: Type | undefined, indices: readonly Type[]): BufferType {
  const type = given(buffer);
  if (type.kind !== "buffer") throw new TypeFault("only memory is indexed", [printType(type)]);
  if (indices.length !== type.shape.length) {
    throw new TypeFault("memory takes one index for each axis", [`${indices.length} indices for ${printType(type)}`]);
  }
  for (const index of indices) {
    if (index.kind !== "scalar" || index.dtype !== "index") throw new TypeFault("memory is indexed by index values", [printType(index)]);
  }
  return type;
}

function accessLanes(indices: readonly Type[], attrs: Attrs): number {
  let lanes = 1;
  for (const index of indices) {
    if (index.kind !== "scalar" || index.lanes === 1) continue;
    if (lanes !== 1 && index.lanes !== lanes) throw new TypeFault("vector indices must have the same lanes", [`${index.lanes} against ${lanes}`]);
    lanes = index.lanes;
  }
  const given = attrs["lanes"];
  if (given === undefined) return lanes;
  if (lanes !== 1) throw new TypeFault("lanes are given either by an index or by the attr, not by both");
  return Number(given);
}

function expectScalar(type: Type | undefined): ScalarType {
  const scalar = given(type);
  if (scalar.kind !== "scalar" || scalar.lanes !== 1) throw new TypeFault("the operand must be one scalar", [printType(scalar)]);
  return scalar;
}
