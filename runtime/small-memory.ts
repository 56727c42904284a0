/**
 * Memory of small tensors on the CPU: pieces of ArrayBuffers, which cost V8 nothing to make and nothing to forget.
 *
 * A handle of the addon is an object with a finalizer; for a tensor of a few elements that is dearer than the op. So small
 * results are computed into memory of JavaScript, at once and on its thread, and a piece is an object of three numbers.
 * One piece that is kept keeps its slab. Pieces never change once they are filled.
 */

import type { DeviceBuffer } from "./device.ts";

/** Larger buffers are the addon's. */
export const smallBytes = 4096;

const slabBytes = 64 * 1024;
/** Of the vectors of any kernel. */
const alignment = 64;

export class Piece {
  readonly slab: ArrayBuffer;
  readonly offset: number;
  readonly bytes: number;
  /** In the memory of the process. */
  readonly address: number;
  /** A copy of the addon's, once a run in the queue has needed one. */
  native: DeviceBuffer | undefined;

  constructor(slab: ArrayBuffer, offset: number, bytes: number, address: number) {
    this.slab = slab;
    this.offset = offset;
    this.bytes = bytes;
    this.address = address;
    this.native = undefined;
  }

  /** A view of the bytes. */
  view(): Uint8Array {
    return new Uint8Array(this.slab, this.offset, this.bytes);
  }
}

export class SmallMemory {
  readonly #addressOf: (memory: ArrayBuffer) => number;
  #slab = new ArrayBuffer(0);
  #address = 0;
  #next = 0;

  constructor(addressOf: (memory: ArrayBuffer) => number) {
    this.#addressOf = addressOf;
  }

  /** A piece of at most `smallBytes`. */
  allocate(bytes: number): Piece {
    if (this.#next + bytes > this.#slab.byteLength) this.#open();
    const offset = this.#next;
    this.#next = offset + ((Math.max(bytes, 1) + alignment - 1) & -alignment);
    return new Piece(this.#slab, offset, bytes, this.#address + offset);
  }

  #open(): void {
    this.#slab = new ArrayBuffer(slabBytes);
    this.#address = this.#addressOf(this.#slab);
    this.#next = (alignment - (this.#address % alignment)) % alignment;
  }
}
