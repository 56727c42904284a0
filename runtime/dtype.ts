/**
 * Element types as JavaScript holds them: bytes, typed array, and how one number becomes an element.
 *
 * f16 and bf16 travel as their raw 16 bits in a Uint16Array, bool as 0 and 1 in a Uint8Array, i64 in a BigInt64Array.
 */

import type { DTypeName } from "./program.ts";

export interface TypedArrays {
  readonly f64: Float64Array;
  readonly f32: Float32Array;
  readonly f16: Uint16Array;
  readonly bf16: Uint16Array;
  readonly i64: BigInt64Array;
  readonly i32: Int32Array;
  readonly i8: Int8Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;
  readonly bool: Uint8Array;
}

export type TypedArray = TypedArrays[DTypeName];

/** Arrays that are of one dtype unless something else is said. */
export type NaturalArray = Exclude<TypedArray, Uint16Array>;
export type NaturalDType<A extends NaturalArray> =
  A extends Float32Array ? "f32" : A extends Float64Array ? "f64" : A extends Int32Array ? "i32" : A extends Uint32Array ? "u32"
  : A extends Int8Array ? "i8" : A extends BigInt64Array ? "i64" : "u8";

interface TypedArrayConstructor {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TypedArray;
}

const constructors: Readonly<Record<DTypeName, TypedArrayConstructor>> = {
  f64: Float64Array, f32: Float32Array, f16: Uint16Array, bf16: Uint16Array, i64: BigInt64Array,
  i32: Int32Array, i8: Int8Array, u32: Uint32Array, u8: Uint8Array, bool: Uint8Array,
};

/** The dtype that a typed array has when nothing says otherwise; a Uint16Array has none. */
const natural: Readonly<Record<string, DTypeName>> = {
  Float64Array: "f64", Float32Array: "f32", BigInt64Array: "i64", Int32Array: "i32",
  Int8Array: "i8", Uint32Array: "u32", Uint8Array: "u8", Uint8ClampedArray: "u8",
};

const integerRanges: Readonly<Partial<Record<DTypeName, readonly [number, number]>>> = {
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], i32: [-(2 ** 31), 2 ** 31 - 1], i8: [-128, 127],
  u32: [0, 2 ** 32 - 1], u8: [0, 255], bool: [0, 1],
};

export function isDType(name: unknown): name is DTypeName {
  return typeof name === "string" && Object.hasOwn(constructors, name);
}

export function bytesPerElement(dtype: DTypeName): number {
  return constructors[dtype].BYTES_PER_ELEMENT;
}

export function arrayName(dtype: DTypeName): string {
  return constructors[dtype].name;
}

/** All elements in a buffer, or `length` of them from a place that is a multiple of their size. */
export function viewBytes<D extends DTypeName>(dtype: D, bytes: ArrayBuffer, byteOffset?: number, length?: number): TypedArrays[D];
export function viewBytes(dtype: DTypeName, bytes: ArrayBuffer, byteOffset?: number, length?: number): TypedArray {
  return new constructors[dtype](bytes, byteOffset, length);
}

export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

export function naturalDType(array: TypedArray): DTypeName | undefined {
  return natural[array.constructor.name];
}

/** Whether an array's elements are laid out as this dtype's. */
export function holds(array: TypedArray, dtype: DTypeName): boolean {
  return array instanceof constructors[dtype] || (dtype === "u8" && array instanceof Uint8ClampedArray);
}

/** The bytes of an array; a copy where another thread could change them meanwhile. */
export function bytesOf(array: TypedArray): Uint8Array {
  const own = array.buffer instanceof ArrayBuffer ? array : array.slice();
  return new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
}

/** Why a number cannot be an element of this dtype exactly (rounding of floats aside), or undefined. */
export function refusal(dtype: DTypeName, value: number): string | undefined {
  const range = integerRanges[dtype];
  if (range === undefined) return undefined;
  if (!Number.isInteger(value)) return `${value} is not a whole number`;
  if (value < range[0] || value > range[1]) return `${value} is not between ${range[0]} and ${range[1]}`;
  return undefined;
}

/** Elements from numbers, rounded to nearest even for floats. */
export function encode(dtype: DTypeName, values: ArrayLike<number>): TypedArray {
  const array = viewBytes(dtype, new ArrayBuffer(values.length * bytesPerElement(dtype)));
  const toElement: ((value: number) => number) | undefined =
    dtype === "f16" ? halfBits : dtype === "bf16" ? bfloatBits : undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (array instanceof BigInt64Array) array[i] = BigInt(value);
    else array[i] = toElement === undefined ? value : toElement(value);
  }
  return array;
}

/** One element as a number. */
export function decode(dtype: DTypeName, array: TypedArray, position: number): number {
  const element = array[position] ?? 0;
  if (dtype === "f16") return halfValue(Number(element));
  if (dtype === "bf16") return floatOfBits(Number(element) * 65536);
  return Number(element);
}

const scratch = new DataView(new ArrayBuffer(4));

function floatOfBits(word: number): number {
  scratch.setUint32(0, word);
  return scratch.getFloat32(0);
}

/** The upper half of an f32, rounded to nearest even; NaN stays NaN. */
function bfloatBits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const word = scratch.getUint32(0);
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

/** IEEE 754 binary16: 5 bits of exponent biased by 15, 10 of fraction, rounded to nearest even. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value)) return 0x7e00;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const scaled = magnitude / 2 ** (exponent - 10);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const fraction = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  // A fraction that rounds up to the next power of two carries into the exponent by itself.
  return sign | (fraction < 1024 ? fraction : ((exponent + 15) << 10) + (fraction - 1024));
}

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
