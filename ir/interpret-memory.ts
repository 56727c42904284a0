/**
 * Memory as the interpreter sees it: stricter than any machine.
 *
 * Every access is checked per axis; an element must be stored to before it is loaded; inputs are never stored to. And
 * memory that is shared by the iterations of a parallel loop remembers who touched each element, so that a race shows
 * on every run: two iterations that touch one element are refused as soon as one of them stores to it. The threads of a
 * block are iterations too, and only a barrier between them orders what they do.
 */

import { hostArray, type HostArray, type HostData, roundTo } from "./host.ts";
import type { CommonSpace } from "./ops/kernel.ts";
import type { DType } from "./type.ts";

/** Who is running: iterations of the outermost parallel loop are numbered across a launch, from 1. */
export interface Iteration {
  /** 0 outside of any parallel loop. In a block, the thread, or the block itself between phases. */
  current: number;
  /** The first iteration of the loop that is running; touches by earlier ones are ordered before it. */
  first: number;
  /** The first iteration of the block that is running; without blocks, each iteration is one. */
  block: number;
  /** Counts barriers, for each memory that they order: touches by threads of the same block before the last one are ordered too. */
  readonly epochs: Record<CommonSpace, number>;
}

export type Role = "input" | "result" | "local" | "shared" | "private";

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
    this.#touches = role !== "input" && isShared ? createTouches(array.data.length, role === "shared" ? "shared" : "global") : undefined;
  }

  /** Memory of results that go on from what was there. */
  static filled(description: string, { dtype, shape, data }: HostArray): Memory {
    const memory = new Memory(description, "result", hostArray(dtype, shape, data), true);
    memory.#written?.fill(1);
    return memory;
  }

  /** Memory that nothing was stored to yet. */
  static fresh(description: string, role: Role, dtype: DType, shape: readonly number[], isShared: boolean): Memory {
    return new Memory(description, role, hostArray(dtype, shape), isShared);
  }

  load(index: readonly number[], iteration: Iteration): number {
    const position = this.#positionOf("load", index);
    this.#requireOwner("load", index, iteration);
    if (this.#written?.[position] === 0) throw this.#fault("load", index, "nothing was stored there before");
    if (this.#touches !== undefined && iteration.current > 0) this.#noteLoad(this.#touches, position, index, iteration);
    return this.#data[position] ?? NaN;
  }

  store(index: readonly number[], value: number, iteration: Iteration): void {
    const position = this.#positionOf("store", index);
    if (this.#written === undefined) throw this.#fault("store", index, "it is an input, which kernels only load from");
    this.#requireOwner("store", index, iteration);
    if (this.#touches !== undefined && iteration.current > 0) this.#noteStore(this.#touches, position, index, iteration);
    this.#written[position] = 1;
    this.#data[position] = value;
  }

  /** An addition that others may be doing at once: it races with plain loads and stores alone. */
  add(index: readonly number[], value: number, iteration: Iteration): void {
    const position = this.#positionOf("atomic_add", index);
    if (this.#written === undefined) throw this.#fault("atomic_add", index, "it is an input, which kernels only load from");
    if (this.#written[position] === 0) throw this.#fault("atomic_add", index, "nothing was stored there before");
    if (this.#touches !== undefined && iteration.current > 0) this.#noteAddition(this.#touches, position, index, iteration);
    this.#data[position] = roundTo(this.dtype, (this.#data[position] ?? NaN) + value);
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

  #noteLoad({ stores, additions, loads, moreLoads }: Touches, position: number, index: readonly number[], iteration: Iteration): void {
    if (isConcurrent(stores, position, iteration)) throw this.#race("load", index, iteration, "stored to", stores, position);
    if (isConcurrent(additions, position, iteration)) throw this.#race("load", index, iteration, "added to", additions, position);
    // What the same block did before a barrier is ordered; what another block did never is.
    if (loads.by[position] === iteration.current || !isConcurrent(loads, position, iteration)) note(loads, position, iteration);
    else note(moreLoads, position, iteration);
  }

  #noteStore({ stores, additions, loads, moreLoads }: Touches, position: number, index: readonly number[], iteration: Iteration): void {
    this.#requireOrder("store", [[stores, "stored to"], [additions, "added to"], [loads, "loaded from"], [moreLoads, "loaded from"]], position, index, iteration);
    note(stores, position, iteration);
  }

  #noteAddition({ stores, additions, loads, moreLoads }: Touches, position: number, index: readonly number[], iteration: Iteration): void {
    this.#requireOrder("atomic_add", [[stores, "stored to"], [loads, "loaded from"], [moreLoads, "loaded from"]], position, index, iteration);
    note(additions, position, iteration);
  }

  #requireOrder(access: string, others: readonly (readonly [Touch, string])[], position: number, index: readonly number[], iteration: Iteration): void {
    for (const [touch, what] of others) if (isConcurrent(touch, position, iteration)) throw this.#race(access, index, iteration, what, touch, position);
  }

  /** Private memory is registers: a thread has no way to another's. */
  #requireOwner(access: string, index: readonly number[], { current, block }: Iteration): void {
    if (this.#role !== "private" || index[0] === current - block - 1) return;
    throw this.#fault(access, index, current === block ? "only threads have registers, and this is between phases" : `it belongs to thread ${index[0]}, and this is thread ${current - block - 1}`);
  }

  #race(access: string, index: readonly number[], iteration: Iteration, before: string, touches: Touch, position: number): Error {
    const { current, first, block } = iteration;
    const other = touches.by[position] ?? 0;
    if (other < block) return this.#fault(access, index, `iteration ${block - first} of the parallel loop races with iteration ${other - first}, which ${before} the same element`);
    const nameOf = (id: number): string => (id === block ? "the block itself" : `thread ${id - block - 1}`);
    return this.#fault(access, index, `${nameOf(current)} races with ${nameOf(other)} of its block, which ${before} the same element: there is no barrier between them`);
  }

  #fault(access: string, index: readonly number[], reason: string): Error {
    return new RangeError(`${this.#description}: ${access} at [${index.join(",")}] of ${this.#text()}: ${reason}`);
  }

  #text(): string {
    return `${this.#role} ${this.dtype}[${this.shape.join(",")}]`;
  }
}

/** For each element, the iteration that touched it last, and when, counted by barriers of the space. */
interface Touch {
  readonly space: CommonSpace;
  readonly by: Int32Array;
  readonly epoch: Int32Array;
}

/** Two loaders suffice: one of them is not the storer. */
interface Touches {
  readonly stores: Touch;
  /** The last atomic addition: among themselves they have no order, and need none. */
  readonly additions: Touch;
  readonly loads: Touch;
  readonly moreLoads: Touch;
}

function createTouches(count: number, space: CommonSpace): Touches {
  const touch = (): Touch => ({ space, by: new Int32Array(count), epoch: new Int32Array(count) });
  return { stores: touch(), additions: touch(), loads: touch(), moreLoads: touch() };
}

/** Whether nothing orders a touch before what this iteration does: neither a loop's start, nor a barrier, nor itself. */
function isConcurrent({ space, by, epoch }: Touch, position: number, { current, first, block, epochs }: Iteration): boolean {
  const other = by[position] ?? 0;
  return other >= first && other !== current && (other < block || epoch[position] === epochs[space]);
}

function note({ space, by, epoch }: Touch, position: number, { current, epochs }: Iteration): void {
  by[position] = current;
  epoch[position] = epochs[space];
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
