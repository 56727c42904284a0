/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The tensor handle: shape and dtype at hand, bytes on a device, reachable through a promise.
 *
 * A tensor made from numbers stays on the host until a call needs it on a device, so making one needs no device. A
 * handle ends by `dispose`, `using`, being donated to a call, or being collected; any use after says which it was.
 * The state hangs on a symbol of the global registry: handles work across copies of this package in one process.
 */

import type { Device, DeviceBuffer } from "./device.ts";
import {
  arrayName, bytesOf, bytesPerElement, decode, encode, holds, isTypedArray, type NaturalArray, type NaturalDType, naturalDType, refusal,
  type TypedArray, type TypedArrays, viewBytes,
} from "./dtype.ts";
import { ArgumentError, DeviceError, HandleError } from "./errors.ts";
import { recorder } from "./memory-lines.ts";
import { printTensor } from "./print-tensor.ts";
import type { DTypeName } from "./program.ts";

/** A literal size, or the name of one that is known at the call. */
export type Dim = number | string;
export type Shape = readonly Dim[];

declare const shapeOf: unique symbol;
/** The key of the phantom property; no value has it. */
export type ShapeOf = typeof shapeOf;

/** Names, open sizes and open ranks agree with everything: whether they must be equal is for the compiler. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- `any` is what makes a name agree with every size
export type ErasedShape<S extends Shape> = number extends S["length"] ? any : { readonly [Axis in keyof S]: S[Axis] extends string ? any : number extends S[Axis] ? any : S[Axis] };

export const tensorBrand: unique symbol = Symbol.for("tsdlc.tensor");

/** Who traces a function: tensors of the trace have no elements, and exist as long as it goes on. */
export interface TracedBy {
  readonly name: string;
  readonly isOver: boolean;
}

/** Where a tensor's bytes are: on the host, on a device, not there yet, or gone. */
export type TensorState =
  | { readonly kind: "host"; readonly data: TypedArray }
  | { readonly kind: "device"; readonly device: Device; readonly buffer: DeviceBuffer }
  | { readonly kind: "traced"; readonly by: TracedBy }
  | { readonly kind: "disposed" }
  /** `call` is the function that took it; the stack of `site` says where. */
  | { readonly kind: "donated"; readonly call: string; readonly site: { readonly stack?: string } };

export class Tensor<S extends Shape = Shape, D extends DTypeName = "f32"> {
  /** Exists for the type checker alone. */
  declare readonly [shapeOf]?: S extends unknown ? ErasedShape<S> : never;
  readonly dtype: D;
  readonly shape: readonly number[];
  [tensorBrand]: TensorState;

  /** For devices and the library; users call `tensor`. */
  constructor(dtype: D, shape: readonly number[], state: TensorState) {
    this.dtype = dtype;
    this.shape = shape;
    this[tensorBrand] = state;
    if (recorder !== undefined && (state.kind === "device" || state.kind === "host")) recorder.add(this, byteSize(this));
  }

  /** The device that holds the bytes, or "host" for a tensor that no call has used yet. Throws HandleError. */
  get device(): string {
    const state = present(this);
    return state.kind === "host" ? "host" : state.device.name;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** A copy of the elements, row-major, when the call that makes them has ended; rejects with its error if it failed. */
  async data(): Promise<TypedArrays[D]> {
    const state = present(this);
    if (state.kind === "host") return copyOf(this.dtype, state.data);
    return viewBytes(this.dtype, await state.device.read(state.buffer, byteSize(this), this.dtype));
  }

  /** The same, waiting for the call; throws DeviceError on a device that cannot wait. */
  dataSync(): TypedArrays[D] {
    const state = present(this);
    if (state.kind === "host") return copyOf(this.dtype, state.data);
    if (state.device.readSync === undefined) {
      throw new DeviceError(`${typeOf(this)} is on ${state.device.name}, which cannot be read without waiting: use await data()`);
    }
    return viewBytes(this.dtype, state.device.readSync(state.buffer, byteSize(this), this.dtype));
  }

  /** The only element as a number, waiting for it; booleans are 0 and 1. */
  item(): number {
    requireOne(this);
    return decode(this.dtype, this.dataSync(), 0);
  }

  /** The only element as a number, on every device. */
  async itemAsync(): Promise<number> {
    requireOne(this);
    return decode(this.dtype, await this.data(), 0);
  }

  /** Ends this handle. The memory is released when no other handle and no queued call needs it. */
  dispose(): void {
    const state = this[tensorBrand];
    if (state.kind === "device") state.device.release(state.buffer);
    if (state.kind === "device" || state.kind === "host") this[tensorBrand] = { kind: "disposed" };
    recorder?.remove(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What console.log shows in Node, on every device: the elements, of long axes the two ends. For a page: `console.log(await x.text())`. */
  async text(): Promise<string> {
    return printTensor(this.dtype, this.shape, await this.data());
  }

  toString(): string {
    const { kind } = this[tensorBrand];
    return `Tensor ${typeOf(this)}${kind === "host" || kind === "device" ? "" : ` (${kind})`}`;
  }

  /** What console.log shows in Node: the elements, where they can be had without waiting for an event. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const state = this[tensorBrand];
    if (state.kind !== "host" && state.kind !== "device") return this.toString();
    if (state.kind === "device" && state.device.readSync === undefined) return `${this.toString()} on ${state.device.name}, its elements by await data()`;
    try {
      return printTensor(this.dtype, this.shape, this.dataSync());
    } catch (error) {
      return `${this.toString()}, whose elements cannot be had: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

/** What a leaf of an argument may be: the tensor, a typed array of its length, or a number where the rank is 0. */
export type Argument<T> =
  T extends Tensor<infer S, infer D>
    ? T | Tensor<S, D> | TypedArrays[D] | (S extends readonly [] ? number : never)
    : T extends number | string | boolean ? T
    : { readonly [Field in keyof T]: Argument<T[Field]> };

export function isTensor(value: unknown): value is Tensor<Shape, DTypeName> {
  return typeof value === "object" && value !== null && tensorBrand in value;
}

/** `f32[2,3]` */
export function typeOf(value: Tensor<Shape, DTypeName>): string {
  return `${value.dtype}[${value.shape.join(",")}]`;
}

/** The state of a handle that is still good; throws HandleError with what ended it. `named` is what the message calls it. */
export function present(value: Tensor<Shape, DTypeName>, named?: string): Extract<TensorState, { kind: "host" | "device" }> {
  const state = value[tensorBrand];
  if (state.kind === "host" || state.kind === "device") return state;
  const what = named ?? `this ${typeOf(value)}`;
  switch (state.kind) {
    case "traced":
      throw new HandleError(
        state.by.isOver
          ? `${what} was made while ${state.by.name} was traced and has no elements: return it from ${state.by.name}`
          : `${what} has no elements while ${state.by.name} is traced: choose with where(condition, a, b) or cond(condition, f, g), loop with whileLoop or scan, or return it and read it after the call; a model that is built may branch on item() itself`,
      );
    case "disposed":
      throw new HandleError(`${what} was disposed of and cannot be used again`);
    case "donated":
      throw new HandleError(`${what} was donated to ${state.call}${siteOf(state.site)} and cannot be used again: use what ${state.call} returned, or pass a copy`);
  }
}

/** The buffer of a tensor on a device, brought there from the host if need be; as a small buffer where that is asked for. */
export function bufferOn(device: Device, value: Tensor<Shape, DTypeName>, isSmallWanted = false): DeviceBuffer {
  const state = present(value);
  if (state.kind === "device") {
    if (state.device === device) return state.buffer;
    throw new DeviceError(`${typeOf(value)} is on ${state.device.name}, not on ${device.name}: read it with data() and make a new tensor`);
  }
  const bytes = bytesOf(state.data);
  const buffer = (isSmallWanted ? device.writeSmall?.(bytes) : undefined) ?? device.write(bytes, value.dtype);
  value[tensorBrand] = { kind: "device", device, buffer };
  return buffer;
}

/** The state of handles that a call consumed, made while it is on the stack; `caller` is the function that the user called. */
export function donatedTo(name: string, caller: (...args: never[]) => unknown): TensorState {
  return { kind: "donated", call: name, site: frameAbove(caller) };
}

/** " at model.ts:11:12": where a function that is on the stack was called; nothing where engines do not say. */
export function siteAbove(caller: (...args: never[]) => unknown): string {
  return siteOf(frameAbove(caller));
}

/** Only the line of the call is ever shown; a stack of one frame is cheap to record. */
function frameAbove(caller: (...args: never[]) => unknown): { readonly stack?: string } {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, caller);
  Error.stackTraceLimit = limit;
  return site;
}

export type NestedNumbers = number | boolean | readonly NestedNumbers[];

export interface HostTensor<D extends DTypeName = DTypeName> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/**
 * A tensor of numbers: a number (rank 0), nested arrays (their lengths are the shape), or a typed array (rank 1 without
 * a shape). The data is copied. Without a dtype it is the typed array's, else f32. Throws ArgumentError.
 *
 *     tensor([[1, 2], [3, 4]])                        // f32[2,2]
 *     tensor(new Int32Array([5, 0, 4]), [3])          // i32[3]
 */
export function tensor<A extends NaturalArray, const S extends readonly number[] = readonly number[]>(data: A, shape?: S): Tensor<S, NaturalDType<A>>;
export function tensor<D extends DTypeName, const S extends readonly number[]>(data: TypedArrays[D], shape: S, dtype: D): Tensor<S, D>;
export function tensor<const S extends readonly number[] = readonly number[], D extends DTypeName = "f32">(
  data: NestedNumbers,
  shape?: S,
  dtype?: D,
): Tensor<S, D>;
export function tensor(data: TypedArray | NestedNumbers, shape?: readonly number[], dtype?: DTypeName): Tensor<Shape, DTypeName> {
  const host = hostTensor(data, shape, dtype);
  return new Tensor(host.dtype, host.shape, { kind: "host", data: host.data });
}

/** What `tensor` makes a handle of. */
export function hostTensor(data: TypedArray | NestedNumbers, shape?: readonly number[], dtype?: DTypeName): HostTensor {
  if (shape?.some((size) => !Number.isInteger(size) || size < 0)) {
    throw new ArgumentError(`tensor: [${shape.join(",")}] is not a shape: sizes are whole numbers that are not negative`);
  }
  if (isTypedArray(data)) {
    const held = dtype ?? naturalDType(data);
    if (held === undefined) throw new ArgumentError(`tensor: a ${data.constructor.name} needs a dtype: "f16" or "bf16" for a Uint16Array of raw bits`);
    if (!holds(data, held)) {
      throw new ArgumentError(`tensor: ${held} is held in a ${arrayName(held)}, got a ${data.constructor.name}: convert it with ${arrayName(held)}.from`);
    }
    requireCount(data.length, shape);
    return { dtype: held, shape: shape ?? [data.length], data: copyOf(held, data) };
  }
  const held = dtype ?? "f32";
  const values: number[] = [];
  const nested = collect(data, values, []);
  requireCount(values.length, shape);
  for (const value of values) {
    const reason = refusal(held, value);
    if (reason !== undefined) throw new ArgumentError(`tensor: ${reason}, which ${held} needs`);
  }
  return { dtype: held, shape: shape ?? nested, data: encode(held, values) };
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

function collect(data: NestedNumbers, values: number[], path: readonly number[]): number[] {
  if (typeof data === "number" || typeof data === "boolean") {
    values.push(Number(data));
    return [];
  }
  const where = path.map((i) => `[${i}]`).join("");
  if (!Array.isArray(data)) throw new ArgumentError(`tensor: data${where} must be a number, an array or a typed array, got ${data === null ? "null" : typeof data}`);
  let inner: number[] = [];
  data.forEach((item: NestedNumbers, i) => {
    const shape = collect(item, values, [...path, i]);
    if (i > 0 && shape.join() !== inner.join()) {
      throw new ArgumentError(`tensor: the arrays are ragged: data${where}[0] has shape [${inner.join(",")}] but data${where}[${i}] has [${shape.join(",")}]`);
    }
    inner = shape;
  });
  return [data.length, ...inner];
}

function requireCount(count: number, shape: readonly number[] | undefined): void {
  if (shape !== undefined && sizeOf(shape) !== count) {
    throw new ArgumentError(`tensor: the shape [${shape.join(",")}] has ${sizeOf(shape)} elements, the data ${count}`);
  }
}

function requireOne(value: Tensor<Shape, DTypeName>): void {
  if (value.size !== 1) throw new ArgumentError(`item: ${typeOf(value)} has ${value.size} elements: only a tensor of one element has an item`);
}

function byteSize(value: Tensor<Shape, DTypeName>): number {
  return value.size * bytesPerElement(value.dtype);
}

function copyOf<D extends DTypeName>(dtype: D, data: TypedArray): TypedArrays[D] {
  const bytes = new ArrayBuffer(data.byteLength);
  new Uint8Array(bytes).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return viewBytes(dtype, bytes);
}

/** " at model.ts:11:12", from the first line of a stack; nothing where there is no stack. */
function siteOf(site: { readonly stack?: string }): string {
  const line = site.stack?.split("\n")[1]?.trim().replace(/^at /, "");
  if (line === undefined) return "";
  return ` at ${/\(([^)]*)\)$/.exec(line)?.[1] ?? line}`;
}
