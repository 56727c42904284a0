/**
 * What devices on the addon have in common: buffers in and out, and the addon's errors as the classes of errors.ts.
 */

import type { NativeMemory, NativePlan } from "./addon.ts";
import { type DeviceBuffer, type MemoryUse, type PreparedPlan, SharedDonation } from "./device.ts";
import { DeviceError, OutOfMemoryError, PackageError, RunError } from "./errors.ts";
import type { Program } from "./program.ts";

export class AddonMemory {
  readonly #memory: NativeMemory;

  constructor(memory: NativeMemory) {
    this.#memory = memory;
  }

  write(bytes: Uint8Array): DeviceBuffer {
    return withRuntimeErrors(() => this.#memory.write(bytes));
  }

  async read(buffer: DeviceBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      return await this.#memory.read(buffer, hostMemory(bytes));
    } catch (error) {
      throw runtimeError(error);
    }
  }

  readSync(buffer: DeviceBuffer, bytes: number): ArrayBuffer {
    return withRuntimeErrors(() => this.#memory.readSync(buffer, hostMemory(bytes)));
  }

  release(buffer: DeviceBuffer): void {
    this.#memory.release(buffer);
  }

  async sync(): Promise<void> {
    // Ops that wait for their kernels are queued when the turn of their caller ends.
    await undefined;
    try {
      await this.#memory.sync();
    } catch (error) {
      throw runtimeError(error);
    }
  }

  memory(): MemoryUse {
    const [bytesLive, bytesPeak, bytesCached] = this.#memory.memory();
    return { bytesLive, bytesPeak, bytesCached };
  }

  trim(): void {
    this.#memory.trim();
  }
}

/** The plan that the addon makes of a program; `code` is where its kernels are from. Throws PackageError. */
export function preparedPlan(program: Program, code: string, make: () => NativePlan): PreparedPlan {
  let native: NativePlan;
  try {
    native = make();
  } catch (error) {
    const known = runtimeError(error);
    if (known !== error || !(error instanceof Error)) throw known;
    throw new PackageError(`the program ${program.name} does not fit its kernels in ${code}: ${error.message}; build it again`, { cause: error });
  }
  return { run: (inputs) => withRuntimeErrors(() => native.run(inputs)) };
}

function withRuntimeErrors<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw runtimeError(error);
  }
}

function hostMemory(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new OutOfMemoryError(`out of memory: an ArrayBuffer of ${bytes} bytes to read into cannot be had`, { cause: error });
  }
}

/** The addon's errors, told apart by their codes. */
export function runtimeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, leaves } = error as Error & { code?: unknown; leaves?: unknown };
  if (code === "TSDLC_OUT_OF_MEMORY") return new OutOfMemoryError(error.message, { cause: error });
  if (code === "TSDLC_DEVICE_LOST") return new DeviceError(error.message, { cause: error });
  if (code === "TSDLC_RUN_FAILED") return new RunError(error.message, { cause: error });
  if (Array.isArray(leaves)) return new SharedDonation(Number(leaves[0]), Number(leaves[1]));
  return error;
}
