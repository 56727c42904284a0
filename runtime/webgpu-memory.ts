/**
 * Memory of a WebGPU device: buffers in size classes, kept for reuse, behind storages that count their references.
 *
 * A block is a GPUBuffer; a storage is one use of a block, from its allocation until nothing refers to it. A block goes
 * back to the pool only when all commands that use it are submitted: the order of the queue does the rest, so a buffer
 * may be taken for the next run while the last one still runs. Running out of memory is known later (webgpu-faults.ts)
 * and marks the block: whoever reads it, or a result that was made with it, is told then.
 */

import type { DeviceBuffer, MemoryUse } from "./device.ts";
import type { Endings, MakeEndings } from "./endings.ts";
import { HandleError, OutOfMemoryError } from "./errors.ts";
import { boundBytes } from "./webgpu-elements.ts";
import { type Faults, wordsOf } from "./webgpu-faults.ts";

/** Bits of GPUBufferUsage and GPUMapMode (WebGPU, sections 5.1.2 and 5.2): the globals are missing in Node. */
export const bufferUsage = { mapRead: 0x1, copySource: 0x4, copyDestination: 0x8, uniform: 0x40, storage: 0x80 } as const;
export const mapForReading = 0x1;

export interface Block {
  /** Never given twice, so that it can be a key for what was made with the buffer. */
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  failure: OutOfMemoryError | undefined;
}

export interface Storage {
  readonly block: Block;
  references: number;
  /** Why its content was never made. */
  failure: Error | undefined;
}

export function failureOf({ failure, block }: Storage): Error | undefined {
  return failure ?? block.failure;
}

interface Ticket {
  readonly storage: Storage;
  isReleased: boolean;
}

/** What the interface calls a DeviceBuffer. */
class Handle {
  readonly ticket: Ticket;
  token?: object;

  constructor(ticket: Ticket) {
    this.ticket = ticket;
  }
}

const smallest = 256;

/** Eight classes between powers of two: at most an eighth of a buffer is not asked for. A multiple of 32. */
export function sizeClass(bytes: number): number {
  if (bytes <= smallest) return smallest;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 4);
  return Math.ceil(bytes / step) * step;
}

export class WebGpuMemory {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #cacheBytes: number;
  readonly #description: string;
  /** By size; the most recent last. */
  readonly #free = new Map<number, Block[]>();
  /** Oldest first. */
  readonly #freeInOrder = new Set<Block>();
  readonly #endings: Endings<Ticket>;
  #bytesLive = 0;
  #bytesPeak = 0;
  #bytesCached = 0;
  #blocks = 0;

  /** `cacheBytes`: how much is kept for reuse. */
  constructor(device: GPUDevice, faults: Faults, description: string, cacheBytes: number, makeEndings: MakeEndings) {
    this.#device = device;
    this.#faults = faults;
    this.#description = description;
    this.#cacheBytes = cacheBytes;
    this.#endings = makeEndings<Ticket>((ticket) => this.#end(ticket));
  }

  /** A storage with one reference. Throws OutOfMemoryError when no buffer of the device can be as large. */
  allocate(bytes: number): Storage {
    const limit = this.#device.limits.maxBufferSize;
    if (bytes > limit) {
      throw new OutOfMemoryError(`out of memory: a buffer of ${bytes} bytes is larger than ${limit} bytes, the most that one buffer of webgpu (${this.#description}) can have`);
    }
    this.#endings.collect();
    const size = sizeClass(bytes) <= limit ? sizeClass(bytes) : boundBytes(bytes);
    const block = this.#free.get(size)?.pop() ?? this.#create(size);
    if (this.#freeInOrder.delete(block)) this.#bytesCached -= size;
    this.#bytesLive += size;
    this.#bytesPeak = Math.max(this.#bytesPeak, this.#bytesLive);
    return { block, references: 1, failure: undefined };
  }

  retain(storage: Storage): Storage {
    storage.references++;
    return storage;
  }

  release(storage: Storage): void {
    if (--storage.references > 0) return;
    const { block } = storage;
    this.#bytesLive -= block.bytes;
    if (block.failure !== undefined || this.#faults.isLost) {
      block.buffer.destroy();
      return;
    }
    this.#bytesCached += block.bytes;
    this.#freeInOrder.add(block);
    const list = this.#free.get(block.bytes);
    if (list === undefined) this.#free.set(block.bytes, [block]);
    else list.push(block);
    for (const oldest of this.#freeInOrder) {
      if (this.#bytesCached <= this.#cacheBytes) break;
      this.#destroy(oldest);
    }
  }

  /** Takes over one reference of the storage. */
  handle(storage: Storage): DeviceBuffer {
    const handle = new Handle({ storage, isReleased: false });
    this.#endings.watch(handle, storage.block.bytes);
    return handle as unknown as DeviceBuffer;
  }

  /** The storage of a handle that is in use. Throws HandleError. */
  storageOf(buffer: DeviceBuffer): Storage {
    const ticket = buffer instanceof Handle ? buffer.ticket : undefined;
    if (ticket === undefined) throw new HandleError("this buffer is not one of the device webgpu");
    if (ticket.isReleased) throw new HandleError("this buffer of the device webgpu was released and cannot be used again");
    return ticket.storage;
  }

  releaseHandle(buffer: DeviceBuffer): void {
    if (!(buffer instanceof Handle)) return;
    this.#endings.forget(buffer);
    this.#end(buffer.ticket);
  }

  use(): MemoryUse {
    this.#endings.collect();
    return { bytesLive: this.#bytesLive, bytesPeak: this.#bytesPeak, bytesCached: this.#bytesCached };
  }

  trim(): void {
    for (const block of this.#freeInOrder) this.#destroy(block);
  }

  #create(bytes: number): Block {
    const usage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyDestination;
    const created = this.#faults.guard(
      ["out-of-memory"],
      (): Block => ({ id: this.#blocks++, buffer: this.#device.createBuffer({ size: bytes, usage }), bytes, failure: undefined }),
      ([error]) => {
        if (error === undefined) return;
        const { bytesLive, bytesCached } = this.use();
        created.failure = new OutOfMemoryError(
          `out of memory: a buffer of ${bytes} bytes cannot be had on webgpu (${this.#description}), where ${bytesLive} bytes are in use and ${bytesCached} kept for reuse: ${wordsOf(error)}`,
        );
        // What is kept may be what is missing, and the block itself may be among it by now.
        this.trim();
      },
    );
    return created;
  }

  #end(ticket: Ticket): void {
    if (ticket.isReleased) return;
    ticket.isReleased = true;
    this.release(ticket.storage);
  }

  #destroy(block: Block): void {
    this.#freeInOrder.delete(block);
    const list = this.#free.get(block.bytes);
    const at = list?.indexOf(block) ?? -1;
    if (at >= 0) list?.splice(at, 1);
    this.#bytesCached -= block.bytes;
    block.buffer.destroy();
  }
}
