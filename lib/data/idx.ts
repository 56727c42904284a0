/**
 * The IDX format of the MNIST files: two zero bytes, a byte for the element type, a byte for the number of axes, one
 * 32-bit size for each axis, then the elements, everything big-endian (http://yann.lecun.com/exdb/mnist/).
 */

import { DataFormatError } from "tsdlc-runtime";

/** An array as an IDX file holds it, in the machine's byte order. */
export type IdxArray =
  | { readonly dtype: "u8"; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly dtype: "i8"; readonly shape: readonly number[]; readonly data: Int8Array }
  | { readonly dtype: "i32"; readonly shape: readonly number[]; readonly data: Int32Array }
  | { readonly dtype: "f32"; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: "f64"; readonly shape: readonly number[]; readonly data: Float64Array };

/** Gzip is told by its first two bytes, 1f 8b (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

const elementBytes: Readonly<Record<number, number>> = { 0x08: 1, 0x09: 1, 0x0b: 2, 0x0c: 4, 0x0d: 4, 0x0e: 8 };

/**
 * Reads a whole IDX file. 16-bit integers, which no dtype holds, become i32. `name` is what messages call the bytes.
 *
 * Throws DataFormatError for bytes that are no IDX file, and for more or fewer of them than the header says.
 */
export function readIdx(bytes: Uint8Array, name = "the bytes"): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw new DataFormatError(`${name}: an IDX file has a header of at least 4 bytes, and there are ${bytes.length}`);
  const type = view.getUint8(2);
  const size = elementBytes[type];
  if (view.getUint16(0) !== 0 || size === undefined) {
    const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new DataFormatError(`${name}: not an IDX file: it begins with ${found}, not with 00 00, a type (08, 09, 0b to 0e) and the number of axes`);
  }
  const rank = view.getUint8(3);
  const header = 4 + 4 * rank;
  if (bytes.length < header) {
    throw new DataFormatError(`${name}: truncated: the header of ${rank} axes takes ${header} bytes, and there are ${bytes.length}`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const count = shape.reduce((product, one) => product * one, 1);
  const expected = header + count * size;
  if (bytes.length !== expected) {
    const fault = bytes.length < expected ? "truncated" : "too long";
    throw new DataFormatError(
      `${name}: ${fault}: ${shape.join(" x ")} elements of ${size} byte${size === 1 ? "" : "s"} take ${expected} bytes with the header, and there are ${bytes.length}`,
    );
  }
  const body = new Uint8Array(bytes.length - header);
  body.set(bytes.subarray(header));
  const read = (element: (offset: number) => number) => (_: unknown, i: number) => element(header + i * size);
  switch (type) {
    case 0x08: return { dtype: "u8", shape, data: body };
    case 0x09: return { dtype: "i8", shape, data: new Int8Array(body.buffer) };
    case 0x0b: return { dtype: "i32", shape, data: Int32Array.from({ length: count }, read((offset) => view.getInt16(offset))) };
    case 0x0c: return { dtype: "i32", shape, data: Int32Array.from({ length: count }, read((offset) => view.getInt32(offset))) };
    case 0x0d: return { dtype: "f32", shape, data: Float32Array.from({ length: count }, read((offset) => view.getFloat32(offset))) };
    default: return { dtype: "f64", shape, data: Float64Array.from({ length: count }, read((offset) => view.getFloat64(offset))) };
  }
}
