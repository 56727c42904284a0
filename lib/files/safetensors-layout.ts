/**
 * Where tensors stand in a safetensors file that is written: those of wide elements first, so that every tensor begins at
 * a multiple of its element's size and a reader may take views; by name among equals, so that the same tensors give the
 * same bytes.
 */

import { ArgumentError, type DTypeName, isTensor } from "tsdlc-runtime";
import { bytesPerElement, present, typeOf } from "tsdlc-runtime/library";
import type { AnyHandle } from "./elements.ts";
import { isWellFormed, quote } from "./json.ts";
import { refusalOfName } from "./name.ts";
import { dtypeOfFormat, lengthBytes, longestHeader, metadataKey } from "./safetensors-header.ts";

/** Things by name. */
export type Named<T> = ReadonlyMap<string, T> | Readonly<Record<string, T>>;

export interface Placed {
  readonly name: string;
  readonly tensor: AnyHandle;
  /** From the start of the file. */
  readonly begin: number;
}

export interface Layout {
  /** The length, the header, and spaces up to a multiple of 8. */
  readonly start: Uint8Array;
  readonly placed: readonly Placed[];
  readonly fileBytes: number;
}

const formatOfDType = new Map<DTypeName, string>([...dtypeOfFormat].map(([format, dtype]) => [dtype, format]));

/** Throws ArgumentError for names and metadata that no file can hold, HandleError for a tensor that is no more. */
export function layOut(caller: string, tensors: Named<AnyHandle>, metadata: Named<string> = {}): Layout {
  const named = entriesOf(tensors).sort(([a, one], [b, other]) => sizeOf(other) - sizeOf(one) || (a < b ? -1 : 1));
  const header: [string, unknown][] = [];
  const texts = entriesOf(metadata);
  for (const [key, text] of texts) {
    if (typeof text !== "string") throw new ArgumentError(`${caller}: metadata is text, and ${quote(key)} is ${text === null ? "null" : `a ${typeof text}`}: pass String(value) or JSON.stringify(value)`);
    if (!isWellFormed(key) || !isWellFormed(text)) throw new ArgumentError(`${caller}: the metadata ${quote(key)} is no well-formed Unicode, which a file cannot hold`);
  }
  if (texts.length > 0) header.push([metadataKey, Object.fromEntries(texts)]);
  let filled = 0;
  const offsets = named.map(([name, tensor]) => {
    requireWritable(caller, name, tensor);
    const begin = filled;
    filled += tensor.size * bytesPerElement(tensor.dtype);
    header.push([name, { dtype: formatOfDType.get(tensor.dtype), shape: tensor.shape, data_offsets: [begin, filled] }]);
    return begin;
  });
  const start = encodeHeader(caller, Object.fromEntries(header));
  return {
    start,
    placed: named.map(([name, tensor], i) => ({ name, tensor, begin: start.length + (offsets[i] ?? 0) })),
    fileBytes: start.length + filled,
  };
}

function entriesOf<T>(named: Named<T>): (readonly [string, T])[] {
  return named instanceof Map ? [...(named as ReadonlyMap<string, T>)] : Object.entries(named as Readonly<Record<string, T>>);
}

function sizeOf(tensor: unknown): number {
  return isTensor(tensor) ? bytesPerElement(tensor.dtype) : 0;
}

function requireWritable(caller: string, name: string, tensor: unknown): asserts tensor is AnyHandle {
  if (!isTensor(tensor)) throw new ArgumentError(`${caller}: ${quote(name)} is no tensor: make one with tensor(...)`);
  if (name === metadataKey) throw new ArgumentError(`${caller}: a tensor cannot be called ${metadataKey}, which is where a file has its metadata`);
  if (!isWellFormed(name)) throw new ArgumentError(`${caller}: the name ${quote(name)} is no well-formed Unicode, which a file cannot hold`);
  const refusal = refusalOfName(name);
  if (refusal !== undefined) throw new ArgumentError(`${caller}: ${refusal}`);
  present(tensor, `${caller}: ${quote(name)}, ${typeOf(tensor)},`);
}

function encodeHeader(caller: string, header: object): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 8) * 8;
  if (length > longestHeader) throw new ArgumentError(`${caller}: names, shapes and metadata take ${length} bytes, and no reader takes more than ${longestHeader}: write several files`);
  const start = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(length), true);
  start.set(text, lengthBytes);
  return start;
}
