/**
 * Devices: where buffers live and programs run. The interface that every device implements, and how one is chosen.
 *
 * The one idea: everything queues. `run` returns handles of buffers that will be filled in the order of the calls;
 * only reading waits. openers.ts knows the implementations.
 */

import { DeviceError, isDeviceError, TsdlcError } from "./errors.ts";
import { openers } from "./openers.ts";
import { deviceOption, isNode } from "./options.ts";
import type { Plan } from "./plan.ts";
import type { DTypeName, Program } from "./program.ts";

declare const bufferBrand: unique symbol;

/** An opaque reference to memory of one device; released by `Device.release` or when it is collected. */
export interface DeviceBuffer {
  readonly [bufferBrand]: true;
}

export interface MemoryUse {
  /** Bytes in buffers that something still refers to. */
  readonly bytesLive: number;
  /** The most that `bytesLive` has been. */
  readonly bytesPeak: number;
  /** Bytes kept for the next buffers of their sizes. */
  readonly bytesCached: number;
}

export interface Device {
  /** Unique among open devices: "cpu", "cuda:0". */
  readonly name: string;
  readonly kind: "cpu" | "cuda" | "webgpu";
  /** What `Tier.requires` may ask for: "avx2", "avx512f", "neon"; architectures of CUDA. */
  readonly features: ReadonlySet<string>;
  /** What people want to know of it, `tsdlc devices` prints: name, memory, limits. */
  readonly facts: readonly (readonly [what: string, value: string])[];
  /** Offsets of temporaries in an arena are multiples of this many bytes: on CUDA, at least of the 16 that a kernel loads at once. */
  readonly alignment: number;
  /** A buffer that holds a copy of elements as the host lays them out (dtype.ts). Throws OutOfMemoryError. */
  write(bytes: Uint8Array, dtype: DTypeName): DeviceBuffer;
  /** The same as a small buffer, which costs less where many come and go; undefined for what is not small. */
  writeSmall?(bytes: Uint8Array): DeviceBuffer | undefined;
  /** The elements, `bytes` on the host, when the runs queued before have ended; rejects with the error of the run that should have made them. */
  read(buffer: DeviceBuffer, bytes: number, dtype: DTypeName): Promise<ArrayBuffer>;
  /** The same, blocking; absent where a device cannot. */
  readSync?(buffer: DeviceBuffer, bytes: number, dtype: DTypeName): ArrayBuffer;
  release(buffer: DeviceBuffer): void;
  /** Opens the code of programs and copies their constants to the device. Rejects with a PackageError, or a CompileError. */
  load(source: ProgramSource): Promise<DeviceModule>;
  /** Compiles the text of programs made in this process and opens it, blocking; absent where a device cannot. Throws CompileError or CompilerMissingError. */
  compileSync?(source: ProgramText): DeviceModule;
  /** How many compilers can work at once for compileSync; absent where compiling takes too little time to put it off. */
  readonly compilers?: number;
  /** Runs these compilers on several texts at once, blocking, so that compileSync finds them compiled. Throws CompilerMissingError. */
  compileAhead?(sources: readonly ProgramText[]): void;
  /** Resolves when everything queued so far has ended. */
  sync(): Promise<void>;
  memory(): MemoryUse;
  /** Gives cached memory back to the system. */
  trim(): void;
}

/** Programs with the code that holds their kernels. */
export interface ProgramSource {
  readonly programs: readonly Program[];
  readonly code: CodeFile;
  /** Compiled forms of the code; only CUDA has them. */
  readonly images?: readonly CodeImage[];
  readonly constants?: Uint8Array;
}

/** Programs whose kernels are text still. */
export interface ProgramText {
  readonly programs: readonly Program[];
  readonly text: string;
  /** What the compiler is given besides the text. */
  readonly flags: readonly string[];
  readonly constants?: Uint8Array;
}

/** A file of a package, or text that was made in this process. */
export interface CodeFile {
  /** Where it is: for messages, and for loaders that open files themselves. */
  readonly path: string;
  read(): Promise<Uint8Array>;
}

export interface CodeImage extends CodeFile {
  /** "sm_90a" for machine code, "compute_80" for PTX. */
  readonly architecture: string;
}

export interface DeviceModule {
  prepare(program: Program, plan: Plan): PreparedPlan;
}

export interface PreparedPlan {
  /**
   * Queues one run. Takes a buffer for each parameter leaf and returns one for each result leaf; donated buffers are
   * consumed. Throws SharedDonation, and consumes nothing, when a donated buffer is passed twice.
   */
  run(inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[];
  /**
   * The same at once, on the calling thread, where the run is small and all inputs are small buffers (writeSmall, and
   * results of this); else undefined, and nothing has happened. Absent where there is no such way.
   */
  runSmall?(inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[] | undefined;
}

/** Thrown by `run`: the memory of a donated leaf is also passed as another leaf. */
export class SharedDonation extends Error {
  readonly donatedLeaf: number;
  readonly otherLeaf: number;

  constructor(donatedLeaf: number, otherLeaf: number) {
    super("one storage is donated and passed twice");
    this.donatedLeaf = donatedLeaf;
    this.otherLeaf = otherLeaf;
  }
}

/** Devices are shared by copies of this package, and each copy has its own class: the fields decide. */
export function isSharedDonation(error: unknown): error is SharedDonation {
  return error instanceof Error && "donatedLeaf" in error && "otherLeaf" in error;
}

export type DeviceKind = Device["kind"];

/** How a device of one kind is opened. */
export interface Opener {
  /** Rejects with DeviceError when there is none; only of cuda can there be more than the first. */
  open(ordinal: number): Promise<Device>;
  /** Undefined where there is none, or one that nobody would choose: WebGPU in software. */
  openIfWorthwhile(): Promise<Device | undefined>;
}

/** In the order in which they are preferred. */
const preferred: readonly DeviceKind[] = ["cuda", "webgpu", "cpu"];

let inUse: Device | undefined;

/**
 * Opens a device: the one named, else the one TSDLC_DEVICE names, else the first of cuda, webgpu and cpu that is
 * there; in Node, webgpu counts when the npm package `webgpu` is installed and finds a GPU. "cuda:1" is the second GPU
 * of the driver. Throws DeviceError when the named one is not there; there is no fallback from a name.
 */
export async function device(name: string | undefined = deviceOption()): Promise<Device> {
  if (name === undefined) return (inUse = await firstDevice());
  const [, kind = name, ordinal = "0"] = /^(cuda)(?::(\d{1,4}))?$/.exec(name) ?? [];
  if (!isKind(kind)) throw new DeviceError(`there is no device "${name}": the names are cpu, cuda (or cuda:1 and so on) and webgpu`);
  return (inUse = await openerOf(kind).open(Number(ordinal)));
}

export interface DeviceList {
  /** The cpu first. Those that are listed are open. */
  readonly present: readonly Device[];
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
}

/** More GPUs than any machine has: the driver says when there are no more. */
const mostGpus = 64;

/** Everything that programs can run on here, and why what is missing is missing. Does not change which device is used. */
export async function devices(): Promise<DeviceList> {
  const present: Device[] = [];
  const absent: { name: string; reason: string }[] = [];
  const open = async (kind: DeviceKind, ordinal: number): Promise<string | undefined> => {
    try {
      present.push(await openerOf(kind).open(ordinal));
      return undefined;
    } catch (error) {
      if (isDeviceError(error) || (error instanceof TsdlcError)) return error.message;
      throw error;
    }
  };
  for (const kind of (["cpu", "cuda", "webgpu"] as const).filter(isThinkable)) {
    const reason = await open(kind, 0);
    if (reason !== undefined) absent.push({ name: kind, reason });
    else if (kind === "cuda") for (let ordinal = 1; ordinal < mostGpus && (await open(kind, ordinal)) === undefined; ordinal++);
  }
  return { present, absent };
}

/** The device that TSDLC_DEVICE names, else the first of these kinds that is worth using; others are not opened. */
export async function deviceAmong(kinds: readonly DeviceKind[]): Promise<Device> {
  const named = deviceOption();
  return named === undefined ? (inUse = await firstDevice(kinds)) : device(named);
}

async function firstDevice(kinds: readonly DeviceKind[] = preferred): Promise<Device> {
  const candidates = preferred.filter((kind) => kinds.includes(kind) && isThinkable(kind));
  // The last is opened as if it were named: nothing better is left, and it says what it misses.
  const last = candidates.pop();
  if (last === undefined) throw new DeviceError("a browser runs programs on webgpu alone");
  for (const kind of candidates) {
    const found = await openerOf(kind).openIfWorthwhile();
    if (found !== undefined) return found;
  }
  return openerOf(last).open(0);
}

function openerOf(kind: DeviceKind): Opener {
  const opener = isThinkable(kind) ? openers[kind] : undefined;
  if (opener === undefined) throw new DeviceError(`the device ${kind} is not there: it needs Node; in a browser ask for "webgpu"`);
  return opener;
}

function isThinkable(kind: DeviceKind): boolean {
  return isNode() || kind === "webgpu";
}

function isKind(name: string): name is DeviceKind {
  return (preferred as readonly string[]).includes(name);
}

/** The device that was opened last, by name or by loading a package; undefined before the first. */
export function deviceInUse(): Device | undefined {
  return inUse;
}
