/**
 * Elements in files and handles in memory. A handle takes the bytes where they stand when their place and order allow
 * it, so that nothing is copied twice; otherwise it gets a copy in the machine's order.
 */

import { DataFormatError, type DTypeName, type Tensor as Handle } from "tsdlc-runtime";
import { bytesOf, bytesPerElement, present, typeOf, viewBytes } from "tsdlc-runtime/library";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";

export type AnyTensor = Tensor<Shape, DTypeName>;
/** What is written may come from a built package too, whose handles have no methods of the library. */
export type AnyHandle = Handle<Shape, DTypeName>;
export type ByteOrder = "little" | "big";

const hostOrder: ByteOrder = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little" : "big";

/** A handle of the elements in `bytes`. Throws DataFormatError, beginning with `place`, for a bool that is not 0 or 1. */
export function tensorOfBytes(dtype: DTypeName, shape: readonly number[], bytes: Uint8Array, order: ByteOrder, place: string): AnyTensor {
  if (dtype === "bool") requireBools(bytes, place);
  const size = bytesPerElement(dtype);
  const ordered = order === hostOrder ? bytes : swapBytes(bytes, size);
  const { buffer, byteOffset } = ordered;
  const data = buffer instanceof ArrayBuffer && byteOffset % size === 0
    ? viewBytes(dtype, buffer, byteOffset, ordered.length / size)
    : viewBytes(dtype, copyBytes(ordered));
  return new Tensor(dtype, shape, { kind: "host", data });
}

/** The elements of a handle, smallest byte first; not a copy where they are on the host. `what` names it in errors. */
export async function bytesOfTensor(tensor: AnyHandle, what: string): Promise<Uint8Array> {
  const state = present(tensor, `${what}, ${typeOf(tensor)},`);
  const bytes = bytesOf(state.kind === "host" ? state.data : await tensor.data());
  return hostOrder === "little" ? bytes : swapBytes(bytes, bytesPerElement(tensor.dtype));
}

/** A copy with the bytes of each element reversed. */
export function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  const swapped = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += size) {
    for (let i = 0; i < size; i++) swapped[start + i] = bytes[start + size - 1 - i] ?? 0;
  }
  return swapped;
}

/** The number of elements, or undefined where it or a step on the way to it is no exact number. */
export function countOf(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

function copyBytes(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}

function requireBools(bytes: Uint8Array, place: string): void {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong >= 0) throw new DataFormatError(`${place}: element ${wrong} is ${bytes[wrong]}, and a bool is 0 or 1`);
}
