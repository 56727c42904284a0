/**
 * Memory of small tensors on the CPU: pieces of ArrayBuffers, which cost V8 nothing to make and nothing to forget.
 *
 * A handle of the addon is an object with a finalizer; for a tensor of a few elements that is dearer than the op. So small
 * results are computed into memory of JavaScript, at once and on its thread, and a piece is an object of three numbers.
 * One piece that is kept keeps its slab of 8 KB. Pieces never change once they are filled.
 */

import type { DeviceBuffer } from "./device.ts";

/** Larger buffers are the addon's. */
export const smallBytes = 4096;

/**
 * Two of the largest pieces, each at a multiple of the alignment. A piece that is kept keeps so much; larger slabs would
 * not make pieces cheaper.
 */
const slabBytes = 2 * smallBytes + 64;
/** Of the vectors of any kernel. */
const alignment = 64;

/** Memory that pieces lie in. */
export interface Slab {
  readonly memory: ArrayBuffer;
  /** In the memory of the process. */
  readonly address: number;
  /** As long as it is there, the slab counts as live. */
  readonly token: object;
}

export class Piece {
  readonly slab: Slab;
  readonly offset: number;
  readonly bytes: number;
  /** In the memory of the process. */
  readonly address: number;
  /** A copy of the addon's, once a run in the queue has needed one. */
  native: DeviceBuffer | undefined;

  constructor(slab: Slab, offset: number, bytes: number, address: number) {
    this.slab = slab;
    this.offset = offset;
    this.bytes = bytes;
    this.address = address;
    this.native = undefined;
  }

  /** A view of the bytes. */
  view(): Uint8Array {
    return new Uint8Array(this.slab.memory, this.offset, this.bytes);
  }
}

export class SmallMemory {
  readonly #adopt: (memory: ArrayBuffer) => readonly [address: number, token: object];
  #slab: Slab | undefined;
  #next = 0;

  /** `adopt` says where memory is, and counts it. */
  constructor(adopt: (memory: ArrayBuffer) => readonly [address: number, token: object]) {
    this.#adopt = adopt;
  }

  /** A piece of at most `smallBytes`. */
  allocate(bytes: number): Piece {
    let slab = this.#slab;
    if (slab === undefined || this.#next + bytes > slabBytes) slab = this.#open();
    const offset = this.#next;
    this.#next = offset + ((Math.max(bytes, 1) + alignment - 1) & -alignment);
    return new Piece(slab, offset, bytes, slab.address + offset);
  }

  #open(): Slab {
    const memory = new ArrayBuffer(slabBytes);
    const [address, token] = this.#adopt(memory);
    this.#next = (alignment - (address % alignment)) % alignment;
    return (this.#slab = { memory, address, token });
  }
}
