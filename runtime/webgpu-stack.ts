/**
 * A stack of one run on WebGPU: chunks of memory, each with room for twice as many elements as the one before. Where an
 * element goes is known when its copy is encoded, because the host follows every branch.
 */

import { RunError } from "./errors.ts";
import type { Storage } from "./webgpu-memory.ts";

/** Elements of the first chunk. */
const first = 8;

export interface StackPlace {
  readonly storage: Storage;
  /** Bytes. */
  readonly offset: number;
  /** Whether the storage was allocated for it. */
  readonly isFresh: boolean;
}

export class RunStack {
  readonly #chunks: Storage[] = [];
  #count = 0;

  /** Where the next element goes; all of a stack have the same bytes. Throws what `allocate` throws. */
  push(bytes: number, allocate: (bytes: number) => Storage): StackPlace {
    const { chunk, position } = placeOf(this.#count);
    const present = this.#chunks[chunk];
    const storage = present ?? allocate(bytes * first * 2 ** chunk);
    this.#chunks[chunk] = storage;
    this.#count++;
    return { storage, offset: position * bytes, isFresh: present === undefined };
  }

  /** Where the element is that was on top. */
  pop(bytes: number): StackPlace {
    if (this.#count === 0) throw new RunError("a stack is popped that is empty");
    const { chunk, position } = placeOf(--this.#count);
    const storage = this.#chunks[chunk];
    if (storage === undefined) throw new RangeError(`a stack of ${this.#count + 1} elements has ${this.#chunks.length} chunks`);
    return { storage, offset: position * bytes, isFresh: false };
  }

  clear(): void {
    this.#count = 0;
  }
}

/** Chunk c has first * 2 ** c elements. */
function placeOf(element: number): { readonly chunk: number; readonly position: number } {
  const chunk = Math.floor(Math.log2(element / first + 1));
  return { chunk, position: element - first * (2 ** chunk - 1) };
}
