/** Arrays of NumPy: the .npy files of numpy.save, versions 1 to 3, in both orders of axes and of bytes. */

import { ArgumentError, DataFormatError, type DTypeName } from "tsdlc-runtime";
import { bytesPerElement, typeOf } from "tsdlc-runtime/library";
import { type AnyHandle, type AnyTensor, bytesOfTensor, countOf, tensorOfBytes } from "./elements.ts";
import { quote } from "./json.ts";
import { readNpyHeader } from "./npy-header.ts";

/** By kind and bytes, as in "<f4"; NumPy has no bf16. */
const dtypes: ReadonlyMap<string, DTypeName> = new Map<string, DTypeName>([
  ["f8", "f64"], ["f4", "f32"], ["f2", "f16"], ["i8", "i64"], ["i4", "i32"], ["i1", "i8"], ["u4", "u32"], ["u1", "u8"], ["b1", "bool"],
]);
const spellings = new Map<DTypeName, string>([...dtypes].map(([spelling, dtype]) => [dtype, spelling]));

/**
 * The array of an .npy file. It is a view of `bytes` where they are as memory has them, which they are for what
 * numpy.save wrote on a usual machine; do not change the bytes while it is in use. `name` is what messages call them.
 *
 *     const x = fromNpy(await readFile("x.npy"), "x.npy");
 *
 * Throws DataFormatError for anything but one whole .npy file, and for a dtype that no tensor has.
 */
export function fromNpy(bytes: Uint8Array | ArrayBuffer, name = "the bytes"): AnyTensor {
  const file = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const { descr, isFortran, shape, dataStart } = readNpyHeader(file, name);
  const dtype = dtypeOfNpy(descr, name);
  const size = bytesPerElement(dtype);
  const expected = (countOf(shape) ?? Infinity) * size;
  const type = `${dtype}[${shape.join(",")}]`;
  if (!Number.isSafeInteger(expected)) throw new DataFormatError(`${name}: ${type} has more than 2^53 bytes`);
  const data = file.subarray(dataStart);
  if (data.length !== expected) {
    throw new DataFormatError(`${name}: ${data.length < expected ? "truncated" : "too long"}: ${type} takes ${expected} bytes after the header, and there are ${data.length}`);
  }
  return tensorOfBytes(dtype, shape, isFortran ? rowMajor(data, shape, size) : data, descr.startsWith(">") ? "big" : "little", name);
}

/** The dtype that NumPy spells so: "<f4". Throws DataFormatError, beginning with `name`, for one that no tensor has. */
export function dtypeOfNpy(descr: string, name: string): DTypeName {
  const [, order, spelling] = /^([<>|])(\w+)$/.exec(descr) ?? [];
  const dtype = dtypes.get(spelling ?? "");
  if (dtype !== undefined && !(order === "|" && bytesPerElement(dtype) > 1)) return dtype;
  throw new DataFormatError(`${name}: its dtype is ${quote(descr)}, which no tensor here can hold: convert it first, with .astype, to float64, float32, float16, int64, int32, int8, uint32, uint8 or bool`);
}

/**
 * An .npy file of a tensor on any device, as numpy.load reads it: `await writeFile("x.npy", await toNpy(x))`.
 * Rejects with ArgumentError for bf16, which NumPy does not have.
 */
export async function toNpy(tensor: AnyHandle): Promise<Uint8Array<ArrayBuffer>> {
  const { dtype, shape } = tensor;
  const spelling = spellings.get(dtype);
  if (spelling === undefined) throw new ArgumentError(`toNpy: ${typeOf(tensor)} has no place in an .npy file, since NumPy has no ${dtype}: write it with writeSafetensors, or convert it with .to("f32")`);
  const sizes = shape.length === 1 ? `${shape.join()},` : shape.join(", ");
  const text = `{'descr': '${bytesPerElement(dtype) === 1 ? "|" : "<"}${spelling}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const lengthBytes = text.length < 60_000 ? 2 : 4;
  // Spaces and a line feed bring the data to a multiple of 64, for those who map the file into memory.
  const start = Math.ceil((8 + lengthBytes + text.length + 1) / 64) * 64;
  const data = await bytesOfTensor(tensor, "the array");
  const bytes = new Uint8Array(start + data.length);
  bytes.fill(0x20, 0, start - 1);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, lengthBytes === 2 ? 1 : 2, 0]);
  const view = new DataView(bytes.buffer);
  if (lengthBytes === 2) view.setUint16(8, start - 10, true);
  else view.setUint32(8, start - 12, true);
  bytes.set(new TextEncoder().encode(text), 8 + lengthBytes);
  bytes[start - 1] = 0x0a;
  bytes.set(data, start);
  return bytes;
}

/** Elements of `size` bytes whose first axis runs fastest, in the order where the last one does. */
function rowMajor(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  const strides: number[] = [];
  let stride = size;
  for (const extent of shape) {
    strides.push(stride);
    stride *= extent;
  }
  const result = new Uint8Array(bytes.length);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to += size) {
    for (let i = 0; i < size; i++) result[to + i] = bytes[from + i] ?? 0;
    // The next index, like the digits of a counter: those that are full go back to 0.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [step, extent, digit] = [strides[axis] ?? 0, shape[axis] ?? 0, (index[axis] ?? 0) + 1];
      from += step;
      index[axis] = digit;
      if (digit < extent) break;
      from -= step * extent;
      index[axis] = 0;
    }
  }
  return result;
}
