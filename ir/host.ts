/**
 * Arrays on the host: what `evaluate` computes with, and how each dtype rounds.
 *
 * An array is dense and row-major. Numbers are JavaScript numbers on the way through; `roundTo` brings them to what
 * the dtype can hold: nearest even for floats, wrapped for integers, 0 or 1 for bool. f16 and bf16 are held in a
 * Float32Array whose values are already rounded; bool in a Uint8Array; i64 in a Float64Array (exact to 2^53).
 */

import type { DType } from "./type.ts";

export type HostData = Float64Array | Float32Array | Int32Array | Int8Array | Uint32Array | Uint8Array;

export interface HostArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostData;
}

export function hostArray(dtype: DType, shape: readonly number[], values?: ArrayLike<number>): HostArray {
  const count = shape.reduce((product, size) => product * size, 1);
  const data = allocate(dtype, count);
  if (values !== undefined) {
    if (values.length !== count) throw new RangeError(`${values.length} values for the ${count} elements of ${dtype}[${shape.join(",")}]`);
    for (let i = 0; i < count; i++) data[i] = roundTo(dtype, values[i] ?? 0);
  }
  return { dtype, shape, data };
}

export function roundTo(dtype: DType, value: number): number {
  switch (dtype) {
    case "f64": return value;
    case "f32": return Math.fround(value);
    case "f16": return roundToHalf(value);
    case "bf16": return roundToBfloat(value);
    case "i64": return Math.trunc(value);
    case "i32": return value | 0;
    case "u32": return value >>> 0;
    case "i8": return (value << 24) >> 24;
    case "u8": return value & 255;
    case "bool": return value !== 0 ? 1 : 0;
  }
}

/** Row-major position of an index. */
export function offsetOf(shape: readonly number[], index: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) offset = offset * (shape[axis] ?? 1) + (index[axis] ?? 0);
  return offset;
}

/** Calls `visit` for every index of a shape in row-major order; the array it is given is reused. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], offset: number) => void): void {
  const count = shape.reduce((product, size) => product * size, 1);
  const index = new Array<number>(shape.length).fill(0);
  for (let offset = 0; offset < count; offset++) {
    visit(index, offset);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
}

function allocate(dtype: DType, count: number): HostData {
  switch (dtype) {
    case "f64": case "i64": return new Float64Array(count);
    case "f32": case "f16": case "bf16": return new Float32Array(count);
    case "i32": return new Int32Array(count);
    case "u32": return new Uint32Array(count);
    case "i8": return new Int8Array(count);
    case "u8": case "bool": return new Uint8Array(count);
  }
}

const bits = new DataView(new ArrayBuffer(4));

/** Nearest even at 8 bits of significand (IEEE 754 round to nearest, ties to even, on the upper half of an f32). */
function roundToBfloat(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  if (Number.isNaN(value)) return NaN;
  bits.setUint32(0, (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000);
  return bits.getFloat32(0);
}

/** IEEE 754 binary16: 11 bits of significand, exponents -14 to 15, gradual underflow below 2^-14. */
function roundToHalf(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const magnitude = Math.abs(value);
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  const step = 2 ** (exponent - 10);
  const quotient = magnitude / step;
  const floor = Math.floor(quotient);
  const rest = quotient - floor;
  const rounded = (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor) * step;
  return Math.sign(value) * (rounded > 65504 ? Infinity : rounded);
}
