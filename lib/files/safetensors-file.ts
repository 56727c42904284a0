/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Safetensors files in Node. Opening one reads its header alone, and each tensor is read when it is asked for, from its
 * place in the file into memory of its own: Node cannot map files into memory, and this is what stands for it. What is
 * not asked for is never read, and what is read is not copied again.
 */

import type { FileHandle } from "node:fs/promises";
import { ArgumentError, DataFormatError, HandleError, OutOfMemoryError } from "tsdlc-runtime";
import { eachAtOnce } from "./each.ts";
import { type AnyHandle, type AnyTensor, bytesOfTensor, tensorOfBytes } from "./elements.ts";
import { quote } from "./json.ts";
import { nodeFiles, readAt, replaceFile, writeAt } from "./replace-file.ts";
import { absence, type TensorSource } from "./safetensors.ts";
import { type Header, lengthBytes, readHeader, readHeaderLength } from "./safetensors-header.ts";
import { layOut, type Named } from "./safetensors-layout.ts";

export interface SafetensorsFile extends TensorSource, AsyncDisposable {
  /** Ends all reading; tensors that were read stay. */
  close(): Promise<void>;
}

/**
 * Opens a safetensors file: names, dtypes, shapes and metadata at once, tensors by `read`, several at once if you like.
 * Close it when you are done; `await using` does. A file that is renamed over an open one leaves the open one as it was.
 *
 *     const file = await openSafetensors("model.safetensors");
 *     const embedding = await file.read("model.embed_tokens.weight");
 *     await file.close();
 *
 * Rejects with DataFormatError for anything but a safetensors file, with Node's own error for a file that cannot be
 * opened.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await nodeFiles("openSafetensors", "fetch the file, and pass its bytes to readSafetensors").open(path, "r");
  try {
    const header = await readHeaderOf(handle, path);
    return openFile(handle, header, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Writes tensors, of any dtype and on any device, to a safetensors file. They go to a file beside it, which takes the
 * place of `path` when all of it is on the disk, so that `path` is never half a file.
 *
 * Rejects with ArgumentError for names or metadata that a file cannot hold, HandleError for a tensor that is no more,
 * and Node's own error for a file that cannot be written.
 */
export async function writeSafetensors(path: string, tensors: Named<AnyHandle>, metadata?: Named<string>): Promise<void> {
  const files = nodeFiles("writeSafetensors", "take the bytes of toSafetensors");
  const { start, placed } = layOut("writeSafetensors", tensors, metadata);
  await replaceFile(files, path, async (handle) => {
    await writeAt(handle, start, 0);
    await eachAtOnce(placed, async ({ name, tensor, begin }) => writeAt(handle, await bytesOfTensor(tensor, quote(name)), begin));
  });
}

async function readHeaderOf(handle: FileHandle, path: string): Promise<Header> {
  const { size } = await handle.stat();
  const length = readHeaderLength(await readPart(handle, 0, Math.min(lengthBytes, size), path), size, path);
  return readHeader(await readPart(handle, lengthBytes, lengthBytes + length, path), size, path);
}

function openFile(handle: FileHandle, { tensors, metadata }: Header, path: string): SafetensorsFile {
  let isOpen = true;
  const close = async (): Promise<void> => {
    isOpen = false;
    // Closing twice is no fault of Node's either.
    await handle.close();
  };
  const read = async (name: string): Promise<AnyTensor> => {
    if (!isOpen) throw new HandleError(`${path} was closed and cannot be read from again: open it once more`);
    const entry = tensors.get(name);
    if (entry === undefined) throw new ArgumentError(absence(path, name, tensors));
    const place = `${path}: tensor ${quote(name)}`;
    return tensorOfBytes(entry.dtype, entry.shape, await readPart(handle, entry.begin, entry.end, place), "little", place);
  };
  return { name: path, tensors, metadata, read, close, [Symbol.asyncDispose]: close };
}

/** Bytes of a file, which its size says are there. */
async function readPart(handle: FileHandle, begin: number, end: number, place: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(end - begin);
  } catch (error) {
    throw new OutOfMemoryError(`${place}: there is no memory for its ${end - begin} bytes`, { cause: error });
  }
  const found = await readAt(handle, bytes, begin);
  if (found < bytes.length) throw new DataFormatError(`${place}: truncated while it was open: bytes ${begin} to ${end} were asked for, and there are ${found}`);
  return bytes;
}
