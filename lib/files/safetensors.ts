/** Safetensors as bytes in memory: what a browser fetched, and what it offers to save. Files are safetensors-file.ts. */

import { ArgumentError, type DTypeName } from "tsdlc-runtime";
import { type AnyHandle, type AnyTensor, bytesOfTensor, tensorOfBytes } from "./elements.ts";
import { eachAtOnce } from "./each.ts";
import { quote } from "./json.ts";
import { lengthBytes, readHeader, readHeaderLength } from "./safetensors-header.ts";
import { layOut, type Named } from "./safetensors-layout.ts";

/** Where tensors come from: an open file, or bytes. */
export interface TensorSource {
  /** What errors call it: the path, or what the caller said. */
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, { readonly dtype: DTypeName; readonly shape: readonly number[] }>;
  /** One tensor. Rejects with ArgumentError for a name that is not there. */
  read(name: string): Promise<AnyTensor>;
}

/** Bytes whose tensors are all at hand. */
export interface SafetensorsBytes extends TensorSource {
  readonly tensors: ReadonlyMap<string, AnyTensor>;
}

/**
 * The tensors of a safetensors file that is in memory. They are views of `bytes` where a tensor begins at a multiple of
 * its element's size, as in every file that this library or a recent one of Hugging Face wrote: do not change the bytes
 * while tensors of them are in use, and know that one tensor keeps all of them. `name` is what messages call the bytes.
 *
 *     const { tensors } = readSafetensors(await (await fetch(url)).arrayBuffer(), url);
 *
 * Throws DataFormatError for anything else than one whole safetensors file, naming the tensor.
 */
export function readSafetensors(bytes: Uint8Array | ArrayBuffer, name = "the bytes"): SafetensorsBytes {
  const file = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const length = readHeaderLength(file.subarray(0, lengthBytes), file.length, name);
  const { tensors: entries, metadata } = readHeader(file.subarray(lengthBytes, lengthBytes + length), file.length, name);
  const tensors = new Map([...entries].map(([key, { dtype, shape, begin, end }]) =>
    [key, tensorOfBytes(dtype, shape, file.subarray(begin, end), "little", `${name}: tensor ${quote(key)}`)] as const));
  const read = async (key: string): Promise<AnyTensor> => {
    const found = tensors.get(key);
    if (found === undefined) throw new ArgumentError(absence(name, key, tensors));
    return found;
  };
  return { name, tensors, metadata, read };
}

/**
 * The bytes of a safetensors file with these tensors, of any dtype and on any device.
 *
 * Rejects with ArgumentError for names or metadata that a file cannot hold, HandleError for a tensor that is no more.
 */
export async function toSafetensors(tensors: Named<AnyHandle>, metadata?: Named<string>): Promise<Uint8Array<ArrayBuffer>> {
  const { start, placed, fileBytes } = layOut("toSafetensors", tensors, metadata);
  const bytes = allocate(fileBytes);
  bytes.set(start);
  await eachAtOnce(placed, async ({ name, tensor, begin }) => bytes.set(await bytesOfTensor(tensor, quote(name)), begin));
  return bytes;
}

/** What is said of a tensor that a file does not have. */
export function absence(file: string, name: string, tensors: ReadonlyMap<string, unknown>): string {
  const some = [...tensors.keys()].slice(0, 8).map(quote).join(", ");
  return `${file} has no tensor ${quote(name)}: it has ${tensors.size === 0 ? "none" : some}${tensors.size > 8 ? ` and ${tensors.size - 8} more` : ""}`;
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch {
    throw new ArgumentError(`toSafetensors: the tensors take ${bytes} bytes, more than one array can have here: write them to a file, with writeSafetensors`);
  }
}
