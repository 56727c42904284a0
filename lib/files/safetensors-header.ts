/**
 * The header of a safetensors file (https://github.com/huggingface/safetensors#format): 8 bytes with its length, then
 * that many bytes of JSON, which give each tensor a dtype, a shape and its place in the data that follows. The tensors
 * fill the data from its first byte to its last.
 *
 * A header is taken at its word in nothing: every number is held against the bytes that there are before it is used.
 */

import { DataFormatError, type DTypeName } from "tsdlc-runtime";
import { bytesPerElement } from "tsdlc-runtime/library";
import { countOf } from "./elements.ts";
import { isWellFormed, parseJsonBytes, quote } from "./json.ts";
import { refusalOfName } from "./name.ts";

/** One tensor as the header has it; `begin` and `end` count from the start of the file. */
export interface HeaderEntry {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly tensors: ReadonlyMap<string, HeaderEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The bytes before the header. */
export const lengthBytes = 8;
/** What the reference implementation reads; a longer header is refused there and here. */
export const longestHeader = 100_000_000;
export const metadataKey = "__metadata__";

export const dtypeOfFormat: ReadonlyMap<string, DTypeName> = new Map<string, DTypeName>([
  ["F64", "f64"], ["F32", "f32"], ["F16", "f16"], ["BF16", "bf16"], ["I64", "i64"], ["I32", "i32"], ["I8", "i8"], ["U32", "u32"], ["U8", "u8"], ["BOOL", "bool"],
]);

/** Dtypes of safetensors that none here holds. */
const otherFormats = new Set(["F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4", "I16", "U16", "U64", "C64"]);

/** The length of the header, from the first bytes of a file that has `fileBytes`. Throws DataFormatError. */
export function readHeaderLength(start: Uint8Array, fileBytes: number, file: string): number {
  if (start.length < lengthBytes) {
    throw new DataFormatError(`${file}: ${fileBytes === 0 ? "empty" : "truncated"}: a safetensors file begins with ${lengthBytes} bytes that say how long its header is, and there are ${start.length}`);
  }
  const length = new DataView(start.buffer, start.byteOffset, lengthBytes).getBigUint64(0, true);
  if (length > longestHeader) {
    throw new DataFormatError(`${file}: not a safetensors file, or damaged: its first ${lengthBytes} bytes say that the header has ${length} bytes, and no header has more than ${longestHeader}`);
  }
  if (lengthBytes + Number(length) > fileBytes) {
    throw new DataFormatError(`${file}: truncated: the header has ${length} bytes after the first ${lengthBytes}, and the file has ${fileBytes} in all`);
  }
  return Number(length);
}

/** What the bytes of a header say, held against the size of the file. Throws DataFormatError. */
export function readHeader(bytes: Uint8Array, fileBytes: number, file: string): Header {
  if (bytes[0] !== 0x7b) throw new DataFormatError(`${file}: not a safetensors file: its header begins with ${bytes.length === 0 ? "nothing" : `the byte ${bytes[0]}`}, not with {`);
  const fields = parseJsonBytes(bytes, `${file}: the header`) as Readonly<Record<string, unknown>>;
  const dataStart = lengthBytes + bytes.length;
  const tensors = new Map<string, HeaderEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(fields)) {
    if (name === metadataKey) metadata = readMetadata(value ?? {}, file);
    else tensors.set(name, readEntry(name, value, dataStart, fileBytes, file));
  }
  requireFilled(tensors, dataStart, fileBytes, file);
  return { tensors, metadata };
}

function readMetadata(value: unknown, file: string): ReadonlyMap<string, string> {
  if (!isObject(value)) throw new DataFormatError(`${file}: ${metadataKey} of the header is no object`);
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw new DataFormatError(`${file}: ${metadataKey} of the header has ${quote(key)}, which is no string`);
    if (!isWellFormed(key) || !isWellFormed(text)) throw new DataFormatError(`${file}: ${metadataKey} of the header has ${quote(key)}, which is no well-formed Unicode`);
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(name: string, value: unknown, dataStart: number, fileBytes: number, file: string): HeaderEntry {
  const place = `${file}: tensor ${quote(name)}`;
  const refusal = refusalOfName(name);
  if (refusal !== undefined) throw new DataFormatError(`${file}: ${refusal}`);
  if (!isWellFormed(name)) throw new DataFormatError(`${place}: the name is no well-formed Unicode`);
  const fields: Readonly<Record<string, unknown>> = isObject(value) ? value : {};
  const [dtype, shape, offsets] = [fields["dtype"], fields["shape"], fields["data_offsets"]];
  if (typeof dtype !== "string" || !Array.isArray(shape) || !Array.isArray(offsets)) {
    throw new DataFormatError(`${place}: the header must say dtype, shape and data_offsets of it, a string and two lists`);
  }
  const held = dtypeOfFormat.get(dtype);
  if (held === undefined) throw new DataFormatError(`${place}: ${refusalOfFormat(dtype)}`);
  if (!shape.every(isCount)) throw new DataFormatError(`${place}: the shape must be sizes, whole numbers from 0 to 2^53; it is ${printList(shape)}`);
  const type = `${held}${printList(shape)}`;
  const bytes = (countOf(shape) ?? Infinity) * bytesPerElement(held);
  if (!Number.isSafeInteger(bytes)) throw new DataFormatError(`${place}: ${type} has more than 2^53 bytes`);
  const [begin, end] = offsets as readonly unknown[];
  if (offsets.length !== 2 || !isCount(begin) || !isCount(end) || begin > end) {
    throw new DataFormatError(`${place}: data_offsets must be where it begins and ends, whole numbers from 0 to 2^53, the first not above the second; it is ${printList(offsets)}`);
  }
  if (end - begin !== bytes) throw new DataFormatError(`${place}: ${type} takes ${bytes} bytes, and the header gives it ${end - begin}, from ${begin} to ${end} of the data`);
  if (end > fileBytes - dataStart) {
    throw new DataFormatError(`${place}: truncated, or out of range: it ends at byte ${end} of the data, and the file has ${fileBytes - dataStart} bytes of data`);
  }
  return { dtype: held, shape, begin: dataStart + begin, end: dataStart + end };
}

/** The tensors must follow each other from the first byte of the data to the last. */
function requireFilled(tensors: ReadonlyMap<string, HeaderEntry>, dataStart: number, fileBytes: number, file: string): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let filled = dataStart;
  let before: string | undefined;
  for (const [name, { begin, end }] of inOrder) {
    if (begin < filled) throw new DataFormatError(`${file}: tensor ${quote(name)} overlaps ${quote(before ?? "")}: it begins at byte ${begin - dataStart} of the data, where the other ends at ${filled - dataStart}`);
    if (begin > filled) {
      const gap = before === undefined ? "before it" : `between ${quote(before)} and it`;
      throw new DataFormatError(`${file}: a hole in the data: tensor ${quote(name)} begins at byte ${begin - dataStart}, and no tensor has the ${begin - filled} bytes ${gap}`);
    }
    filled = end;
    before = name;
  }
  if (filled !== fileBytes) throw new DataFormatError(`${file}: too long: ${fileBytes - filled} bytes follow the last tensor`);
}

/** Why a dtype of a file cannot be read. */
function refusalOfFormat(dtype: string): string {
  const known = [...dtypeOfFormat.keys()].join(", ");
  return otherFormats.has(dtype)
    ? `its dtype is ${dtype}, which no tensor here can hold: convert it first, to one of ${known}`
    : `its dtype is ${quote(dtype)}, which is none of safetensors: there are ${known}`;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `[2,3]`, cut where a hostile file makes it long. */
function printList(list: readonly unknown[]): string {
  const shown = list.slice(0, 16).map((item) => (typeof item === "number" ? (Object.is(item, -0) ? "-0" : String(item)) : quote(JSON.stringify(item).slice(0, 40))));
  return `[${shown.join(",")}${list.length > 16 ? `, and ${list.length - 16} more` : ""}]`;
}
