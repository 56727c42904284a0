/**
 * Memory as the interpreter sees it: stricter than any machine.
 *
 * Every access is checked per axis; an element must be stored to before it is loaded; inputs are never stored to. And
 * memory that is shared by the iterations of a parallel loop remembers who touched each element, so that a race shows
 * on every run: two iterations that touch one element are refused as soon as one of them stores to it.
 */

import { hostArray, type HostArray, type HostData } from "./host.ts";
import type { DType } from "./type.ts";

/** Who is running: iterations of the outermost parallel loop are numbered across a launch, from 1. */
export interface Iteration {
  /** 0 outside of any parallel loop. */
  current: number;
  /** The first iteration of the loop that is running; touches by earlier ones are ordered before it. */
  first: number;
}

export type Role = "input" | "result" | "local";

export class Memory {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly array: HostArray;
  readonly #data: HostData;
  readonly #description: string;
  readonly #role: Role;
  readonly #written: Uint8Array | undefined;
  readonly #touches: Touches | undefined;

  /** `description` opens messages: "kernel @softmax: %3". `isShared`: more than one iteration can reach it. */
  constructor(description: string, role: Role, array: HostArray, isShared: boolean) {
    this.shape = array.shape;
    this.dtype = array.dtype;
    this.array = array;
    this.#data = array.data;
    this.#description = description;
    this.#role = role;
    this.#written = role === "input" ? undefined : new Uint8Array(array.data.length);
    this.#touches = role !== "input" && isShared ? createTouches(array.data.length) : undefined;
  }

  /** Memory that nothing was stored to yet. */
  static fresh(description: string, role: Role, dtype: DType, shape: readonly number[], isShared: boolean): Memory {
    return new Memory(description, role, hostArray(dtype, shape), isShared);
  }

  load(index: readonly number[], iteration: Iteration): number {
    const position = this.#positionOf("load", index);
    if (this.#written?.[position] === 0) throw this.#fault("load", index, "nothing was stored there before");
    if (this.#touches !== undefined && iteration.current > 0) this.#noteLoad(this.#touches, position, index, iteration);
    return this.#data[position] ?? NaN;
  }

  store(index: readonly number[], value: number, iteration: Iteration): void {
    const position = this.#positionOf("store", index);
    if (this.#written === undefined) throw this.#fault("store", index, "it is an input, which kernels only load from");
    if (this.#touches !== undefined && iteration.current > 0) this.#noteStore(this.#touches, position, index, iteration);
    this.#written[position] = 1;
    this.#data[position] = value;
  }

  /** Throws when an element was never stored to. */
  checkComplete(): void {
    const first = this.#written?.indexOf(0) ?? -1;
    if (first < 0) return;
    const missing = this.#written?.reduce((count, flag) => count + (1 - flag), 0) ?? 0;
    throw new RangeError(
      `${this.#description}: the kernel stored nothing to ${missing} of the ${this.#data.length} elements of ${this.#text()}, the first at [${indexAt(this.shape, first).join(",")}]`,
    );
  }

  #positionOf(access: string, index: readonly number[]): number {
    let position = 0;
    for (let axis = 0; axis < this.shape.length; axis++) {
      const size = this.shape[axis] ?? 0;
      const at = index[axis] ?? NaN;
      if (!(at >= 0 && at < size && Number.isInteger(at))) {
        throw this.#fault(access, index, `axis ${axis} has the size ${size}`);
      }
      position = position * size + at;
    }
    return position;
  }

  #noteLoad(touches: Touches, position: number, index: readonly number[], { current, first }: Iteration): void {
    const storedBy = touches.storedBy[position] ?? 0;
    if (storedBy >= first && storedBy !== current) throw this.#race("load", index, current, "stored to", storedBy, first);
    const loadedBy = touches.loadedBy[position] ?? 0;
    if (loadedBy < first) touches.loadedBy[position] = current;
    else if (loadedBy !== current) touches.alsoLoadedBy[position] = current;
  }

  #noteStore(touches: Touches, position: number, index: readonly number[], { current, first }: Iteration): void {
    const storedBy = touches.storedBy[position] ?? 0;
    if (storedBy >= first && storedBy !== current) throw this.#race("store", index, current, "stored to", storedBy, first);
    for (const loadedBy of [touches.loadedBy[position] ?? 0, touches.alsoLoadedBy[position] ?? 0]) {
      if (loadedBy >= first && loadedBy !== current) throw this.#race("store", index, current, "loaded from", loadedBy, first);
    }
    touches.storedBy[position] = current;
  }

  #race(access: string, index: readonly number[], current: number, before: string, other: number, first: number): Error {
    return this.#fault(
      access,
      index,
      `iteration ${current - first} of the parallel loop races with iteration ${other - first}, which ${before} the same element`,
    );
  }

  #fault(access: string, index: readonly number[], reason: string): Error {
    return new RangeError(`${this.#description}: ${access} at [${index.join(",")}] of ${this.#text()}: ${reason}`);
  }

  #text(): string {
    return `${this.#role} ${this.dtype}[${this.shape.join(",")}]`;
  }
}

/** For each element, the iterations that touched it last. Two loaders suffice: one of them is not the storer. */
interface Touches {
  readonly storedBy: Int32Array;
  readonly loadedBy: Int32Array;
  readonly alsoLoadedBy: Int32Array;
}

function createTouches(count: number): Touches {
  return { storedBy: new Int32Array(count), loadedBy: new Int32Array(count), alsoLoadedBy: new Int32Array(count) };
}

function indexAt(shape: readonly number[], position: number): readonly number[] {
  const index: number[] = [];
  let rest = position;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}
