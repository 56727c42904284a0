/**
 * Elements as WebGPU holds them. WGSL has no type of one byte, so bool, i8 and u8 take a 32-bit word each; everything
 * else has the host's layout. Sizes of buffers and copies are multiples of four bytes, and never zero.
 */

import { bytesPerElement } from "./dtype.ts";
import { DeviceError } from "./errors.ts";
import type { DTypeName } from "./program.ts";

const absent: ReadonlySet<DTypeName> = new Set(["f64", "i64", "bf16"]);

function isWidened(dtype: DTypeName): boolean {
  return bytesPerElement(dtype) === 1;
}

/** What `bytes` of the host take on the device. */
export function deviceBytes(bytes: number, dtype: DTypeName): number {
  return Math.max(4, isWidened(dtype) ? bytes * 4 : Math.ceil(bytes / 4) * 4);
}

/** The vector of four words that kernels load and store at once. */
const vectorBytes = 16;

/**
 * What a kernel is shown of a buffer: whole vectors, and one at least, because to the kernel the buffer may be an array of
 * them, of which a part at the end would be left out. Blocks are whole vectors too (webgpu-memory.ts); what is past the
 * elements is never looked at.
 */
export function boundBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / vectorBytes)) * vectorBytes;
}

/** The device's layout of elements, `deviceBytes` long; the host's own memory where that is the same. */
export function toDevice(bytes: Uint8Array, dtype: DTypeName): Uint8Array<ArrayBuffer> {
  if (absent.has(dtype)) throw new DeviceError(`WebGPU has no ${dtype}: convert the tensor to f32 or i32, or use another device`);
  if (isWidened(dtype)) {
    const words = new Int32Array(Math.max(1, bytes.length));
    words.set(dtype === "i8" ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes);
    return new Uint8Array(words.buffer);
  }
  // Dawn ends the process when it is given memory that threads share.
  if (bytes.length > 0 && bytes.length % 4 === 0 && bytes.buffer instanceof ArrayBuffer) return bytes as Uint8Array<ArrayBuffer>;
  const padded = new Uint8Array(deviceBytes(bytes.length, dtype));
  padded.set(bytes);
  return padded;
}

/** Fills the host's layout from the device's. */
export function toHost(device: ArrayBuffer, host: ArrayBuffer, dtype: DTypeName): void {
  if (isWidened(dtype)) new Uint8Array(host).set(new Int32Array(device, 0, host.byteLength));
  else new Uint8Array(host).set(new Uint8Array(device, 0, host.byteLength));
}
