/** What the table of CUDA times, and the same in plain JavaScript at a few places of each result. */

import { roundTo } from "../ir/host.ts";
import type { Program } from "tsdlc-runtime/program";
import { hostInput } from "./machine.ts";

export type Kind = "matmul" | "chain" | "softmax";
/** Of the factors of a product; everything else is f32. */
export type Format = "f32" | "tf32" | "bf16";

export interface Workload {
  readonly title: string;
  readonly kind: Kind;
  readonly format: Format;
  /** In models/cuda.ts. */
  readonly model: string;
  /** Of each input, and of the result. */
  readonly shape: readonly number[];
  /** Operations, or bytes read and written, of one call. */
  readonly amount: number;
  readonly unit: "TFLOP/s" | "GB/s";
}

const formats = ["f32", "tf32", "bf16"] as const;

export function workloads(isSmall: boolean): readonly Workload[] {
  if (isSmall) {
    return [...formats.map((format) => product(format, 64, `small_${format}`)), inMemory("chain", "small_chain", [4096]), inMemory("softmax", "small_softmax", [8, 100])];
  }
  return [
    ...formats.flatMap((format) => [1024, 2048, 4096, 8192].map((size) => product(format, size, `${format}_${size}`))),
    inMemory("chain", "chain", [1 << 26]),
    inMemory("softmax", "softmax", [16384, 4096]),
    inMemory("softmax", "softmaxOfShortRows", [65536, 128]),
  ];
}

function product(format: Format, size: number, model: string): Workload {
  return { title: `matmul ${format} ${size} x ${size} x ${size}`, kind: "matmul", format, model, shape: [size, size], amount: 2 * size ** 3, unit: "TFLOP/s" };
}

function inMemory(kind: Kind, model: string, shape: readonly number[]): Workload {
  const title = kind === "chain" ? `chain over ${shape.join(" x ")}: tanh(x * 2 + 1) * x` : `softmax [${shape.join(",")}]`;
  return { title, kind, format: "f32", model, shape, amount: 2 * 4 * elementsOf(shape), unit: "GB/s" };
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Places of the result: both ends, and 22 between them. */
export function samplePositions({ shape }: Workload): readonly number[] {
  const count = elementsOf(shape);
  return [0, count - 1, ...Array.from({ length: 22 }, (_, i) => Math.floor(count * ((i * 0.6180339887 + 0.31) % 1)))];
}

/** Throws when a value is not what plain JavaScript computes in f64 of the same factors: then times say nothing. */
export function requirePlainSample(contender: string, workload: Workload, values: readonly number[]): void {
  const expected = plainSample(workload);
  samplePositions(workload).forEach((position, i) => {
    const [value = Number.NaN, { exact, tolerance } = { exact: Number.NaN, tolerance: 0 }] = [values[i], expected[i]];
    if (!(Math.abs(value - exact) <= tolerance)) {
      throw new Error(`${workload.title}: element ${position} is ${value} for ${contender}, and ${exact} in plain JavaScript (tolerance ${tolerance})`);
    }
  });
}

interface Exact {
  readonly exact: number;
  readonly tolerance: number;
}

const known = new WeakMap<Workload, readonly Exact[]>();

function plainSample(workload: Workload): readonly Exact[] {
  const present = known.get(workload);
  if (present !== undefined) return present;
  const { kind, format, shape } = workload;
  const x = hostInput(shape).data;
  const columns = shape.at(-1) ?? 1;
  const at = (position: number): number => (format === "bf16" ? roundTo("bf16", x[position] ?? Number.NaN) : x[position] ?? Number.NaN);
  const values = samplePositions(workload).map((position): Exact => {
    switch (kind) {
      case "matmul": return plainProduct(at, Math.floor(position / columns), position % columns, columns, format);
      case "chain": return { exact: Math.tanh(at(position) * 2 + 1) * at(position), tolerance: 2e-6 };
      case "softmax": return plainSoftmax(at, position, columns);
    }
  });
  known.set(workload, values);
  return values;
}

/**
 * Rounding errors of factors (2^-11 of tf32, none of bf16, whose factors are given) and of sums in f32 are of either sign,
 * so that they grow with the square root of the terms: four times as much is allowed. A bf16 result is rounded to 2^-9,
 * and by some after partial sums: twice that.
 */
function plainProduct(at: (position: number) => number, row: number, column: number, size: number, format: Format): Exact {
  let [exact, magnitude] = [0, 0];
  for (let k = 0; k < size; k++) {
    const term = at(row * size + k) * at(k * size + column);
    exact += term;
    magnitude += Math.abs(term);
  }
  const ofSums = 4 * Math.sqrt(size) * 2 ** -24 * magnitude;
  const ofFactors = format === "tf32" ? (4 * 2 ** -10 * magnitude) / Math.sqrt(size) : 0;
  return { exact, tolerance: ofSums + ofFactors + (format === "bf16" ? 2 ** -8 * Math.abs(exact) : 0) };
}

function plainSoftmax(at: (position: number) => number, position: number, columns: number): Exact {
  const start = position - (position % columns);
  let [largest, total] = [-Infinity, 0];
  for (let i = 0; i < columns; i++) largest = Math.max(largest, at(start + i));
  for (let i = 0; i < columns; i++) total += Math.exp(at(start + i) - largest);
  const exact = Math.exp(at(position) - largest) / total;
  return { exact, tolerance: 1e-4 * exact };
}

/** A Program of one step, a copy by the driver. */
export function copyProgram(shape: readonly number[]): Program {
  return {
    format: "tsdlc-program", version: 1, name: "copy", dims: [], guards: [], mutations: [],
    parameters: [{ name: "x", tree: { kind: "tensor", dtype: "f32", shape }, donated: false }],
    result: { kind: "tensor", dtype: "f32", shape },
    buffers: [{ dtype: "f32", shape, role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape, role: { kind: "result" } }],
    kernels: [], steps: [{ kind: "copy", from: 0, to: 1 }], resultBuffers: [1],
  };
}
