/**
 * Which line made the tensors that are there: for who looks for what fills the memory.
 *
 * While somebody records, each new handle takes a stack and adds its bytes to the first line in it that is not this
 * project's own; they are subtracted when the handle is disposed of or donated, or after the collector has come to it. When
 * nobody records, nothing is done but to ask whether somebody does.
 */

import type { Shape, Tensor } from "./tensor.ts";
import type { DTypeName } from "./program.ts";

/** What one line has made. */
export interface LineMemory {
  /** "/home/me/train.ts:14"; source maps are followed where Node follows them (tsx, or --enable-source-maps). */
  readonly line: string;
  /** Bytes of its tensors that are still there, the most that has been, and how many tensors these are. */
  readonly bytesLive: number;
  readonly bytesPeak: number;
  readonly tensors: number;
}

interface Line {
  bytesLive: number;
  bytesPeak: number;
  tensors: number;
}

interface Entry {
  readonly line: Line;
  readonly bytes: number;
}

type AnyTensor = Tensor<Shape, DTypeName>;

/** Stacks are recorded to this depth: a step of a deep network is many calls inside of the library. */
const framesTaken = 50;

export class LineRecorder {
  readonly #lines = new Map<string, Line>();
  readonly #entries = new WeakMap<AnyTensor, Entry>();
  readonly #collected = new FinalizationRegistry<Entry>((entry) => subtract(entry));

  /** A handle that was made just now. */
  add(tensor: AnyTensor, bytes: number): void {
    const name = lineOf(stack());
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = { bytesLive: 0, bytesPeak: 0, tensors: 0 };
      this.#lines.set(name, line);
    }
    line.bytesLive += bytes;
    line.bytesPeak = Math.max(line.bytesPeak, line.bytesLive);
    line.tensors++;
    const entry = { line, bytes };
    this.#entries.set(tensor, entry);
    this.#collected.register(tensor, entry, tensor);
  }

  /** The handle holds nothing any more. */
  remove(tensor: AnyTensor): void {
    const entry = this.#entries.get(tensor);
    if (entry === undefined) return;
    this.#entries.delete(tensor);
    this.#collected.unregister(tensor);
    subtract(entry);
  }

  /** The lines, with the one that has the most bytes first. */
  lines(): readonly LineMemory[] {
    const all = [...this.#lines].map(([line, counts]) => ({ line, ...counts }));
    return all.sort((one, other) => other.bytesLive - one.bytesLive || other.bytesPeak - one.bytesPeak);
  }
}

function subtract({ line, bytes }: Entry): void {
  line.bytesLive -= bytes;
  line.tensors--;
}

/** Undefined when nobody records. */
export let recorder: LineRecorder | undefined;

export function startRecording(): void {
  recorder ??= new LineRecorder();
}

export function stopRecording(): void {
  recorder = undefined;
}

function stack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = framesTaken;
  const { stack: text = "" } = new Error();
  Error.stackTraceLimit = limit;
  return text;
}

/** Where code is whose lines say nothing to who uses it; and the packages that it is in, which source maps of bundles name. */
const ownFolders: string[] = [];
addOwnFolder(import.meta.url, "memory-lines");
const ownPackage = /[/\\]node_modules[/\\]tsdlc(-runtime)?[/\\]/;

/** All that lies beside and below this file is ours, or above it by as many folders as `file` has; but in a bundle, which has other names. */
export function addOwnFolder(url: string, file: string): void {
  const folder = pathOf(url).replace(new RegExp(`${file}[.][jt]s$`), "");
  if (folder !== pathOf(url)) ownFolders.push(folder);
}

function lineOf(text: string): string {
  const places = text.split("\n").slice(1).flatMap((frame) => placeOf(frame));
  const place = places.find((one) => !ownPackage.test(one) && !ownFolders.some((folder) => one.startsWith(folder)));
  return place ?? "no line outside of tsdlc";
}

/** "/home/me/train.ts:14" of "    at step (file:///home/me/train.ts:14:21)"; nothing for code of the engine. */
function placeOf(frame: string): readonly string[] {
  const place = /(?:\(|at (?:async )?)((?:[a-z]+:\/\/|\/|[A-Za-z]:[\\/]).+:\d+):\d+\)?$/.exec(frame)?.[1];
  return place === undefined || place.startsWith("node:") ? [] : [pathOf(place)];
}

function pathOf(url: string): string {
  return url.replace(/^file:\/\//, "");
}
