/**
 * Zip archives as np.savez and its kin write them (PKWARE's APPNOTE 6.3): entries that are stored or deflated, found by the
 * directory at the end. An archive has one meaning here or none: names twice, entries that overlap, sizes that are not
 * those of the data and wrong check sums are refused. Nothing is allocated that the bytes at hand could not expand to.
 *
 * Why no library: the platform inflates and deflates by itself, and what is left, the directory, is where the small ones
 * let two readers see two archives: of equal names they keep the last, and they check no sums.
 */

import { ArgumentError, DataFormatError } from "tsdlc-runtime";
import { quote } from "./json.ts";

export interface ZipEntry {
  readonly name: string;
  /** Of the data, when it is not compressed. */
  readonly size: number;
  readonly isDeflated: boolean;
  readonly checksum: number;
  /** As it stands in the archive. */
  readonly data: Uint8Array;
}

const [localMark, directoryMark, endMark, end64Mark] = [0x04034b50, 0x02014b50, 0x06054b50, 0x07064b50];
const [localBytes, directoryBytes, endBytes, end64Bytes] = [30, 46, 22, 20];
const longestComment = 0xffff;
/** What a match of 258 bytes in 2 bits comes to: deflate makes no more of a byte. */
const mostExpansion = 1032;
const [stored, deflated] = [0, 8];
const [isEncrypted, isUtf8] = [1, 0x800];

/** The entries in the order of the directory. Throws DataFormatError, beginning with `place`. */
export function readZip(bytes: Uint8Array, place: string): readonly ZipEntry[] {
  const fault = (what: string): DataFormatError => new DataFormatError(`${place}: ${what}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  if (end === undefined) throw fault(`not a zip archive, or a truncated one: there is no directory at its end`);
  if (end >= end64Bytes && view.getUint32(end - end64Bytes, true) === end64Mark) throw fault("a zip64 archive (over 4 GB, or over 65,535 entries), which is not read here: write it in parts, or as safetensors");
  const [count, length, start] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  if (view.getUint16(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count) throw fault("an archive in several files, which is not read here");
  if (start + length !== end) throw fault(`damaged: the directory should be the ${length} bytes from ${start}, and it ends at ${end}`);
  const entries: (ZipEntry & { readonly begin: number; readonly end: number })[] = [];
  const names = new Set<string>();
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + directoryBytes > end || view.getUint32(at, true) !== directoryMark) throw fault(`damaged: entry ${i} of ${count} in the directory is not there`);
    const [nameLength, extraLength, commentLength] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)];
    const next = at + directoryBytes + nameLength + extraLength + commentLength;
    if (next > end) throw fault(`damaged: entry ${i} of ${count} in the directory goes beyond its end`);
    const nameBytes = bytes.subarray(at + directoryBytes, at + directoryBytes + nameLength);
    const flags = view.getUint16(at + 8, true);
    const name = decodeName(nameBytes, (flags & isUtf8) !== 0, (what) => fault(`entry ${i}: ${what}`));
    const here = (what: string): DataFormatError => fault(`entry ${quote(name)}: ${what}`);
    if (names.has(name)) throw here("there is another one of this name");
    names.add(name);
    if ((flags & isEncrypted) !== 0) throw here("it is encrypted");
    const method = view.getUint16(at + 10, true);
    if (method !== stored && method !== deflated) throw here(`it is compressed by method ${method}; there are 0, stored, and 8, deflated`);
    const [checksum, packed, size, offset] = [16, 20, 24, 42].map((field) => view.getUint32(at + field, true)) as [number, number, number, number];
    if ([packed, size, offset].includes(0xffffffff)) throw here("it is over 4 GB (zip64), which is not read here: write it as safetensors");
    if (method === stored && packed !== size) throw here(`it is stored, and has ${packed} bytes for ${size}`);
    if (size > packed * mostExpansion) throw here(`it says that ${packed} bytes expand to ${size}, and nothing expands more than ${mostExpansion} times`);
    const dataStart = startOfData(view, offset, start, nameBytes, here);
    if (dataStart + packed > start) throw here(`truncated: its ${packed} bytes from ${dataStart} go beyond ${start}, where the directory begins`);
    entries.push({ name, size, isDeflated: method === deflated, checksum, data: bytes.subarray(dataStart, dataStart + packed), begin: offset, end: dataStart + packed });
    at = next;
  }
  if (at !== end) throw fault(`damaged: after ${count} entries the directory has ${end - at} bytes more`);
  const ordered = entries.toSorted((one, other) => one.begin - other.begin);
  const overlapping = ordered.findIndex((entry, i) => entry.begin < (ordered[i - 1]?.end ?? 0));
  if (overlapping > 0) throw fault(`entries ${quote(ordered[overlapping - 1]?.name ?? "")} and ${quote(ordered[overlapping]?.name ?? "")} are in the same bytes`);
  return entries;
}

/** Where the record at the end begins: its comment must reach to the end of the file. */
function findEnd(view: DataView): number | undefined {
  const last = view.byteLength - endBytes;
  for (let at = last; at >= Math.max(0, last - longestComment); at--) {
    if (view.getUint32(at, true) === endMark && at + endBytes + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return undefined;
}

/** After the header that stands before the data, which must be of the same entry; its sizes may be left to the directory. */
function startOfData(view: DataView, offset: number, limit: number, name: Uint8Array, fault: (what: string) => DataFormatError): number {
  if (offset + localBytes > limit || view.getUint32(offset, true) !== localMark) throw fault(`damaged: there is no entry at byte ${offset}`);
  const [nameLength, extraLength] = [view.getUint16(offset + 26, true), view.getUint16(offset + 28, true)];
  const start = offset + localBytes + nameLength + extraLength;
  const isSame = start <= limit && nameLength === name.length && name.every((byte, i) => view.getUint8(offset + localBytes + i) === byte);
  if (!isSame) throw fault(`damaged: the entry at byte ${offset} has another name than the directory says`);
  return start;
}

function decodeName(bytes: Uint8Array, isUnicode: boolean, fault: (what: string) => DataFormatError): string {
  if (!isUnicode && bytes.some((byte) => byte > 126)) throw fault("its name is neither ASCII nor marked as UTF-8");
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fault("its name is not UTF-8");
  }
  const refusal = refusalOfEntryName(name);
  if (refusal !== undefined) throw fault(`its name ${quote(name)} ${refusal}`);
  return name;
}

/** Nothing is unpacked to a disk here; but what others unpack should not leave its folder. */
export function refusalOfEntryName(name: string): string | undefined {
  const steps = name.split("/");
  if (name === "") return "is empty";
  if (name.includes("\\") || name.includes("\0") || /^[A-Za-z]:/.test(name)) return "has a backslash, a NUL or a drive";
  if (steps.some((step) => step === "" || step === "." || step === "..")) return "is a path with an empty step, . or ..";
  return undefined;
}

/* ---------------------------------------------------------------- the data of an entry */

/** All of it. Rejects with DataFormatError where it is not what the directory says. */
export async function readEntry({ name, size, isDeflated, checksum, data }: ZipEntry, place: string): Promise<Uint8Array> {
  const fault = (what: string): DataFormatError => new DataFormatError(`${place}: entry ${quote(name)}: ${what}`);
  const whole = isDeflated ? await inflate(data, size, fault) : data;
  if (whole.length !== size) throw fault(`it expands to ${whole.length} bytes, and should to ${size}`);
  if (crc32(whole) !== checksum) throw fault("damaged: its check sum is another");
  return whole;
}

/** Its first bytes, at most `count`; nothing is checked but that they can be had. */
export async function readStart({ name, size, isDeflated, data }: ZipEntry, count: number, place: string): Promise<Uint8Array> {
  if (!isDeflated || size === 0) return data.subarray(0, count);
  return inflate(data, Math.min(size, count), (what) => new DataFormatError(`${place}: entry ${quote(name)}: ${what}`), true);
}

async function inflate(data: Uint8Array, size: number, fault: (what: string) => DataFormatError, isStart = false): Promise<Uint8Array> {
  const result = allocate(size, fault);
  let filled = 0;
  const reader = streamOf(data).pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const room = size - filled;
      if (next.value.length > room && !isStart) throw fault(`it expands to more than the ${size} bytes that it should`);
      result.set(next.value.subarray(0, room), filled);
      filled += Math.min(next.value.length, room);
      if (isStart && filled === size) break;
    }
  } catch (error) {
    if (error instanceof DataFormatError) throw error;
    throw fault(`damaged: it cannot be inflated (${error instanceof Error ? error.message : String(error)})`);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  return result.subarray(0, filled);
}

function allocate(size: number, fault: (what: string) => DataFormatError): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(size);
  } catch {
    throw fault(`its ${size} bytes are more than one array can have here`);
  }
}

function streamOf(data: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([data as Uint8Array<ArrayBuffer>]).stream();
}

/* ---------------------------------------------------------------- writing */

/** What is written, by name. */
export interface NewEntry {
  readonly name: string;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** An archive of these entries, deflated where that is asked for. Rejects with ArgumentError for what has no place in one. */
export async function writeZip(caller: string, entries: readonly NewEntry[], deflate: boolean): Promise<Uint8Array<ArrayBuffer>> {
  if (entries.length >= 0xffff) throw new ArgumentError(`${caller}: ${entries.length} tensors are more than the 65,534 of an archive without zip64: write a safetensors file`);
  const bodies: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const nameBytes = new TextEncoder().encode(name);
    if (nameBytes.length > 0xffff) throw new ArgumentError(`${caller}: the name ${quote(name)} is too long for an archive`);
    const packed = deflate ? new Uint8Array(await new Response(streamOf(data).pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer()) : data;
    if (offset + packed.length >= 0xffffffff || data.length >= 0xffffffff) throw new ArgumentError(`${caller}: the tensors take more than the 4 GB of an archive without zip64: write a safetensors file`);
    // The date is that of no time: equal tensors give equal bytes.
    const facts = [20, isUtf8, deflate ? deflated : stored, 0, 0x21];
    const sizes = [crc32(data), packed.length, data.length];
    const local = record(localMark, facts, sizes, [nameBytes.length, 0], nameBytes);
    directory.push(record(directoryMark, [20, ...facts], sizes, [nameBytes.length, 0, 0, 0, 0, 0, 0, offset & 0xffff, offset >>> 16], nameBytes));
    bodies.push(local, packed);
    offset += local.length + packed.length;
  }
  const length = directory.reduce((sum, { length: one }) => sum + one, 0);
  const end = record(endMark, [0, 0, entries.length, entries.length], [length, offset], [0], new Uint8Array());
  return new Uint8Array(await new Blob([...bodies, ...directory, end]).arrayBuffer());
}

/** A mark, then numbers of 2, of 4 and of 2 bytes, then a name: what all three records are. */
function record(mark: number, words: readonly number[], longs: readonly number[], more: readonly number[], name: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 2 * words.length + 4 * longs.length + 2 * more.length + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, mark, true);
  let at = 4;
  for (const word of words) at = (view.setUint16(at, word, true), at + 2);
  for (const long of longs) at = (view.setUint32(at, long, true), at + 4);
  for (const word of more) at = (view.setUint16(at, word, true), at + 2);
  bytes.set(name, at);
  return bytes;
}

/* ---------------------------------------------------------------- the check sum */

let table: Uint32Array | undefined;

/** The remainder of the bytes by the polynomial of IEEE 802.3, bits reversed. */
export function crc32(bytes: Uint8Array): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
    return rest;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (table[(sum ^ byte) & 255] ?? 0) ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
