/**
 * The cpu device: the Device interface on the native addon. Node only.
 *
 * There is one for each process, shared by all copies of this package that npm may have installed, so that a tensor
 * made by one built package can be an argument of another's function.
 */

import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { loadAddon, type NativeDevice, type NativeLibrary, type NativePlan } from "./addon.ts";
import type { Device, DeviceBuffer, DeviceModule, PreparedPlan, ProgramSource, ProgramText } from "./device.ts";
import { PackageError } from "./errors.ts";
import { AddonMemory, preparedPlan } from "./addon-device.ts";
import { threadsOption } from "./options.ts";
import { bufferKinds, type Plan } from "./plan.ts";
import { describePlan } from "./plan-description.ts";
import type { Program } from "./program.ts";
import { checkSharedObject } from "./shared-object.ts";
import { Piece, smallBytes, SmallMemory } from "./small-memory.ts";
import { compileTextsSync, compileTextSync } from "./toolchain.ts";

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

/** More at once only share the time that the disk and the loader take. */
const mostCompilers = 8;

class CpuDevice extends AddonMemory implements Device {
  readonly name = "cpu";
  readonly kind = "cpu";
  readonly alignment = 64;
  readonly compilers = Math.min(mostCompilers, availableParallelism());
  readonly facts: Device["facts"];
  readonly features: ReadonlySet<string>;
  readonly #native: NativeDevice;
  readonly #small: SmallMemory;

  constructor(native: NativeDevice, features: ReadonlySet<string>) {
    super(native);
    this.#native = native;
    this.#small = new SmallMemory((memory) => native.adopt(memory));
    this.features = features;
    this.facts = [["threads", String(native.threads)]];
  }

  async load({ code, constants }: ProgramSource): Promise<DeviceModule> {
    return this.#open(code.path, constants);
  }

  compileSync({ text, flags, constants }: ProgramText): DeviceModule {
    const code = compileTextSync(text, flags);
    try {
      return this.#open(code, constants);
    } catch (error) {
      if (!(error instanceof PackageError)) throw error;
      // What lies in the cache was cut short or changed: it is made again.
      rmSync(code, { force: true });
      return this.#open(compileTextSync(text, flags), constants);
    }
  }

  compileAhead(sources: readonly ProgramText[]): void {
    for (const flags of new Set(sources.map((source) => source.flags))) {
      compileTextsSync(sources.filter((source) => source.flags === flags).map(({ text }) => text), flags);
    }
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

  writeSmall(bytes: Uint8Array): DeviceBuffer | undefined {
    if (bytes.length > smallBytes) return undefined;
    const piece = this.#small.allocate(bytes.length);
    piece.view().set(bytes);
    return asBuffer(piece);
  }

  override async read(buffer: DeviceBuffer, bytes: number): Promise<ArrayBuffer> {
    return isPiece(buffer) ? copyOf(buffer) : super.read(buffer, bytes);
  }

  override readSync(buffer: DeviceBuffer, bytes: number): ArrayBuffer {
    return isPiece(buffer) ? copyOf(buffer) : super.readSync(buffer, bytes);
  }

  override release(buffer: DeviceBuffer): void {
    if (!isPiece(buffer)) return super.release(buffer);
    const { native } = buffer;
    if (native === undefined) return;
    // Another handle of the piece that needs one copies it again.
    buffer.native = undefined;
    super.release(native);
  }

  #prepare(library: NativeLibrary, code: string, constants: DeviceBuffer | undefined, program: Program, plan: Plan): PreparedPlan {
    let native: NativePlan | undefined;
    const prepared = preparedPlan(program, code, () => (native = this.#native.prepare(library, describePlan(program, plan), constants)));
    const run = (inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[] =>
      prepared.run(inputs.some(isPiece) ? inputs.map((input, leaf) => this.#inQueue(input, plan.parameterDonated[leaf] === true)) : inputs);
    if (native === undefined || !isSmall(plan)) return { run };
    return { run, runSmall: this.#runSmall(native, program, plan) };
  }

  /** A piece as a buffer of the addon, which has a copy of it; a copy that a run consumes is of no use to others. */
  #inQueue(buffer: DeviceBuffer, isDonated: boolean): DeviceBuffer {
    if (!isPiece(buffer)) return buffer;
    return isDonated ? this.write(buffer.view()) : (buffer.native ??= this.write(buffer.view()));
  }

  #runSmall(native: NativePlan, { resultBuffers }: Program, { parameters, allocations, buffers }: Plan): NonNullable<PreparedPlan["runSmall"]> {
    const addresses = new Float64Array(parameters.length + allocations.length);
    const sizes = allocations.map(({ bytes }) => bytes);
    // An output is a result, or a parameter that is passed through: pieces never change, so it is the same piece.
    const outputs = resultBuffers.map((index) => buffers[index]).map((buffer) => ({ isResult: buffer?.kind === bufferKinds.result, position: buffer?.position ?? 0 }));
    const [only] = sizes.length === 1 && outputs.length === 1 && outputs[0]?.isResult === true ? sizes : [];
    return (inputs) => {
      let next = 0;
      for (const input of inputs) {
        if (!isPiece(input)) return undefined;
        addresses[next++] = input.address;
      }
      if (only !== undefined) {
        const piece = this.#small.allocate(only);
        addresses[next] = piece.address;
        native.runAt(addresses);
        return [asBuffer(piece)];
      }
      const results: Piece[] = [];
      for (const bytes of sizes) {
        const piece = this.#small.allocate(bytes);
        addresses[next++] = piece.address;
        results.push(piece);
      }
      native.runAt(addresses);
      const handed: DeviceBuffer[] = [];
      for (const { isResult, position } of outputs) handed.push((isResult ? asBuffer(results[position]) : inputs[position]) as DeviceBuffer);
      return handed;
    };
  }
}

/** Operations and bytes of temporaries up to which a run is not worth a queue; the first is the addon's smallLaunch. */
const [smallWork, smallArena] = [30_000, 64 * 1024];

function isSmall({ work, arenaBytes, parameters, parameterDonated, allocations, buffers }: Plan): boolean {
  return work < smallWork && arenaBytes <= smallArena && !parameterDonated.includes(true)
    && [...parameters, ...allocations].every(({ bytes }) => bytes <= smallBytes) && buffers.every(({ kind }) => kind !== bufferKinds.constant);
}

function isPiece(buffer: unknown): buffer is Piece {
  return buffer instanceof Piece;
}

/** Buffers are opaque outside of their device. */
function asBuffer(piece: Piece | undefined): DeviceBuffer {
  return piece as unknown as DeviceBuffer;
}

function copyOf(piece: Piece): ArrayBuffer {
  return piece.slab.memory.slice(piece.offset, piece.offset + piece.bytes);
}
