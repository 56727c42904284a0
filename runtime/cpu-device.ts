/**
 * The cpu device: the Device interface on the native addon. Node only.
 *
 * There is one for each process, shared by all copies of this package that npm may have installed, so that a tensor
 * made by one built package can be an argument of another's function.
 */

import { loadAddon, type NativeDevice, type NativeLibrary } from "./addon.ts";
import type { Device, DeviceBuffer, DeviceModule, PreparedPlan, ProgramSource, ProgramText } from "./device.ts";
import { PackageError } from "./errors.ts";
import { AddonMemory, preparedPlan } from "./addon-device.ts";
import { threadsOption } from "./options.ts";
import type { Plan } from "./plan.ts";
import { describePlan } from "./plan-description.ts";
import type { Program } from "./program.ts";
import { checkSharedObject } from "./shared-object.ts";
import { compileTextSync } from "./toolchain.ts";

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
  return new CpuDevice(new addon.Device(threads === undefined ? options : { ...options, threads }), new Set(addon.cpuFeatures()));
}

class CpuDevice extends AddonMemory implements Device {
  readonly name = "cpu";
  readonly kind = "cpu";
  readonly alignment = 64;
  readonly facts: Device["facts"];
  readonly features: ReadonlySet<string>;
  readonly #native: NativeDevice;

  constructor(native: NativeDevice, features: ReadonlySet<string>) {
    super(native);
    this.#native = native;
    this.features = features;
    this.facts = [["threads", String(native.threads)]];
  }

  async load({ code, constants }: ProgramSource): Promise<DeviceModule> {
    return this.#open(code.path, constants);
  }

  compileSync({ text, flags, constants }: ProgramText): DeviceModule {
    return this.#open(compileTextSync(text, flags), constants);
  }

  #open(code: string, constants: Uint8Array | undefined): DeviceModule {
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
    return preparedPlan(program, code, () => this.#native.prepare(library, describePlan(program, plan), constants));
  }
}
