/**
 * The cpu device: the Device interface on the native addon. Node only.
 *
 * There is one for each process, shared by all copies of this package that npm may have installed, so that a tensor
 * made by one built package can be an argument of another's function.
 */

import { loadAddon, type NativeDevice, type NativeLibrary, type PlanDescription, type Addon } from "./addon.ts";
import { type Device, type DeviceBuffer, type DeviceModule, type MemoryUse, type PreparedPlan, type ProgramSource, SharedDonation } from "./device.ts";
import { OutOfMemoryError, PackageError, RunError } from "./errors.ts";
import { threadsOption } from "./options.ts";
import type { Plan } from "./plan.ts";
import type { Program } from "./program.ts";
import { checkSharedObject } from "./shared-object.ts";

export interface CpuOptions {
  /** Threads that run kernels; else TSDLC_THREADS, else all cores. */
  readonly threads?: number;
  /** Bytes of released buffers kept for reuse; else a quarter of the machine's memory. */
  readonly cacheBytes?: number;
  /** Bytes of buffers beyond which an allocation fails; else the machine's memory. */
  readonly limitBytes?: number;
}

/** The number is raised when the interface between copies of this package changes. */
const registry = Symbol.for("tsdlc.cpu-device.1");

/** The cpu device of this process. Throws AddonError when the addon can be neither loaded nor compiled. */
export function cpuDevice(): Device {
  const shared = globalThis as { [registry]?: Device };
  return (shared[registry] ??= createCpuDevice());
}

/** A device with a queue, threads and memory of its own; tests and benchmarks want several. */
export function createCpuDevice(options: CpuOptions = {}): Device {
  const addon = loadAddon();
  const threads = options.threads ?? threadsOption();
  return new CpuDevice(addon, new addon.Device(threads === undefined ? options : { ...options, threads }));
}

class CpuDevice implements Device {
  readonly name = "cpu";
  readonly kind = "cpu";
  readonly alignment = 64;
  readonly features: ReadonlySet<string>;
  readonly #addon: Addon;
  readonly #native: NativeDevice;

  constructor(addon: Addon, native: NativeDevice) {
    this.#addon = addon;
    this.#native = native;
    this.features = new Set(addon.cpuFeatures());
  }

  write(bytes: Uint8Array): DeviceBuffer {
    try {
      return this.#native.write(bytes);
    } catch (error) {
      throw runtimeError(error);
    }
  }

  async read(buffer: DeviceBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      return await this.#native.read(buffer, hostMemory(bytes));
    } catch (error) {
      throw runtimeError(error);
    }
  }

  readSync(buffer: DeviceBuffer, bytes: number): ArrayBuffer {
    try {
      return this.#native.readSync(buffer, hostMemory(bytes));
    } catch (error) {
      throw runtimeError(error);
    }
  }

  release(buffer: DeviceBuffer): void {
    this.#native.release(buffer);
  }

  async load({ code: { path: code }, constants }: ProgramSource): Promise<DeviceModule> {
    checkSharedObject(code);
    let library: NativeLibrary;
    try {
      library = this.#native.openLibrary(code);
    } catch (error) {
      throw new PackageError(`the kernels ${code} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    const uploaded = constants === undefined ? undefined : this.write(constants);
    return { prepare: (program, plan) => this.#prepare(library, code, uploaded, program, plan) };
  }

  #prepare(library: NativeLibrary, code: string, constants: DeviceBuffer | undefined, program: Program, plan: Plan): PreparedPlan {
    try {
      const native = new this.#addon.Plan(this.#native, library, describe(program, plan), constants);
      return {
        run: (inputs) => {
          try {
            return native.run(inputs);
          } catch (error) {
            throw runtimeError(error);
          }
        },
      };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new PackageError(`the program ${program.name} does not fit its kernels in ${code}: ${error.message}; build it again`, { cause: error });
    }
  }

  sync(): Promise<void> {
    return this.#native.sync();
  }

  memory(): MemoryUse {
    const [bytesLive, bytesPeak, bytesCached] = this.#native.memory();
    return { bytesLive, bytesPeak, bytesCached };
  }

  trim(): void {
    this.#native.trim();
  }
}

function describe(program: Program, plan: Plan): PlanDescription {
  const { buffers } = plan;
  return {
    name: program.name,
    dims: Float64Array.from(plan.sizes),
    kernels: program.kernels.map(({ entry }) => entry),
    grids: Float64Array.from(plan.kernels, ({ grid }) => grid),
    works: Float64Array.from(plan.kernels, ({ work }) => work),
    bufferKinds: Int32Array.from(buffers, ({ kind }) => kind),
    bufferPositions: Float64Array.from(buffers, ({ position }) => position),
    bufferBytes: Float64Array.from(buffers, ({ bytes }) => bytes),
    resultBytes: Float64Array.from(plan.allocations, ({ bytes }) => bytes),
    resultReuses: Int32Array.from(plan.allocations, ({ reuses }) => reuses),
    parameterBytes: Float64Array.from(plan.parameters, ({ bytes }) => bytes),
    donated: Uint8Array.from(plan.parameterDonated, (donated) => (donated ? 1 : 0)),
    outputs: Int32Array.from(program.resultBuffers),
    code: Int32Array.from(plan.code),
    arenaBytes: plan.arenaBytes,
    work: plan.work,
  };
}

function hostMemory(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new OutOfMemoryError(`out of memory: an ArrayBuffer of ${bytes} bytes to read into cannot be had`, { cause: error });
  }
}

/** The addon's errors, told apart by their codes. */
function runtimeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, leaves } = error as Error & { code?: unknown; leaves?: unknown };
  if (code === "TSDLC_OUT_OF_MEMORY") return new OutOfMemoryError(error.message, { cause: error });
  if (code === "TSDLC_RUN_FAILED") return new RunError(error.message, { cause: error });
  if (Array.isArray(leaves)) return new SharedDonation(Number(leaves[0]), Number(leaves[1]));
  return error;
}
