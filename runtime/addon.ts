/**
 * The native addon: its types, and the only place that loads it.
 *
 * npm may have been told not to run install scripts; then the addon is compiled here, once, at the first use. Two
 * processes that start at the same time must not compile into one folder at once: the first takes a lock folder, the
 * second waits for it to go.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { DeviceBuffer } from "./device.ts";
import { AddonError } from "./errors.ts";

/** What the devices of the addon have in common. */
export interface NativeMemory {
  write(bytes: Uint8Array): DeviceBuffer;
  read(buffer: DeviceBuffer, into: ArrayBuffer): Promise<ArrayBuffer>;
  readSync(buffer: DeviceBuffer, into: ArrayBuffer): ArrayBuffer;
  release(buffer: DeviceBuffer): void;
  sync(): Promise<void>;
  memory(): readonly [live: number, peak: number, cached: number];
  trim(): void;
}

export interface NativeDevice extends NativeMemory {
  readonly threads: number;
  /** Where memory is, for runAt; it counts as live as long as the token is referred to. */
  adopt(memory: ArrayBuffer): readonly [address: number, token: object];
  openLibrary(path: string): NativeLibrary;
  prepare(library: NativeLibrary, description: PlanDescription, constants?: DeviceBuffer): NativePlan;
}

declare const libraryBrand: unique symbol;

export interface NativeLibrary {
  readonly [libraryBrand]: true;
}

export interface NativeCudaDevice extends NativeMemory {
  readonly properties: CudaProperties;
  /** Machine code or PTX; rejects with the code TSDLC_IMAGE_REFUSED or TSDLC_PTX_TOO_NEW when the driver refuses it. */
  loadModule(image: Uint8Array): Promise<NativeModule>;
  /** The same, blocking. */
  loadModule(image: Uint8Array, now: true): NativeModule;
  prepare(module: NativeModule, description: PlanDescription, constants?: DeviceBuffer): NativePlan;
  statistics(): CudaStatistics;
}

export interface CudaProperties {
  readonly name: string;
  /** The compute capability. */
  readonly major: number;
  readonly minor: number;
  readonly multiprocessors: number;
  readonly threadsPerBlock: number;
  readonly sharedBytesPerBlock: number;
  readonly memoryBytes: number;
  /** The newest CUDA that the driver is for: "12.4". */
  readonly driverVersion: string;
}

/** Counts since the device was opened. */
export interface CudaStatistics {
  readonly launches: number;
  readonly graphHits: number;
  readonly graphMisses: number;
  readonly graphCaptures: number;
  /** Copies of arguments and results into and out of places that a graph has for them. */
  readonly graphCopies: number;
}

declare const moduleBrand: unique symbol;

export interface NativeModule {
  readonly [moduleBrand]: true;
}

export interface CudaOptions {
  /** Path of the driver's library; else the system's. */
  readonly driver?: string;
  readonly ordinal: number;
  readonly limitBytes?: number;
  readonly graphs?: boolean;
}

export interface CudaCompilation {
  /** Path of NVRTC; else the system's. */
  readonly nvrtc?: string;
  readonly source: string;
  /** Stands for the source in the log. */
  readonly name: string;
  /** "sm_90" for machine code, "compute_80" for PTX. */
  readonly architecture: string;
  readonly options: readonly string[];
}

export interface CudaOutcome {
  readonly image?: Uint8Array;
  readonly log: string;
}

/** A plan in the form the addon reads; see native/src/plan.h for the meaning of the fields. */
export interface PlanDescription {
  readonly name: string;
  readonly dims: Float64Array;
  readonly kernels: readonly string[];
  readonly labels: readonly string[];
  readonly grids: Float64Array;
  readonly works: Float64Array;
  readonly threads: Uint32Array;
  readonly inputs: Uint32Array;
  readonly bufferKinds: Int32Array;
  readonly bufferPositions: Float64Array;
  readonly bufferBytes: Float64Array;
  readonly resultBytes: Float64Array;
  readonly resultReuses: Int32Array;
  readonly parameterBytes: Float64Array;
  readonly donated: Uint8Array;
  readonly outputs: Int32Array;
  readonly stackBytes: Float64Array;
  readonly code: Int32Array;
  readonly arenaBytes: number;
  readonly work: number;
}

/** Which objects were collected, told at once and not at the next turn of the event loop. */
export interface NativeEndings {
  /** A token: when it is collected, `take` gives the number. V8 is told that the bytes hang on it. */
  watch(number: number, bytes: number): object;
  /** What the token stood for was released by hand. */
  forget(token: object): void;
  /** Numbers of tokens that were collected since the last time. */
  take(): Float64Array | undefined;
}

export interface NativePlan {
  run(inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[];
  /** Runs at once on memory at these addresses: that of each parameter leaf, then that of each result. */
  runAt(addresses: Float64Array): void;
}

export interface Addon {
  readonly Device: new (options: { threads?: number; cacheBytes?: number; limitBytes?: number }) => NativeDevice;
  cpuFeatures(): string[];
  readonly Endings: new () => NativeEndings;
  openCuda(options: CudaOptions): Promise<NativeCudaDevice>;
  /** Without an image the source is wrong; rejects when there is no NVRTC. */
  compileCuda(request: CudaCompilation): Promise<CudaOutcome>;
  compileCuda(request: CudaCompilation, now: true): CudaOutcome;
  /** Rejects when there is no NVRTC at the path, or, for "", on the system. */
  nvrtcVersion(path: string): Promise<string>;
  nvrtcVersion(path: string, now: true): string;
}

const require = createRequire(import.meta.url);

/** Longer than any compilation of the addon takes; a lock that is older was left behind. */
const lockPatienceMilliseconds = 180_000;

/** Loads the addon, compiling it first if that was never done. Throws AddonError. */
export function loadAddon(): Addon {
  const folder = addonFolder();
  try {
    return require("tsdlc-native") as Addon;
  } catch (error) {
    if (codeOf(error) !== "TSDLC_NOT_BUILT") {
      throw new AddonError(
        `the native addon of tsdlc-runtime cannot be loaded: ${messageOf(error)}\nIt was probably compiled for another system: run "npm rebuild tsdlc-native".`,
        { cause: error },
      );
    }
  }
  underLock(join(folder, "build.lock"), () => {
    // Another process may have finished it while this one waited.
    if (!existsSync(join(folder, "build", "Release", "tsdlc_native.node"))) compile(folder);
  });
  return require("tsdlc-native") as Addon;
}

/** The addon if that needs no compiling; else undefined. */
export function builtAddon(): Addon | undefined {
  try {
    return require("tsdlc-native") as Addon;
  } catch {
    return undefined;
  }
}

function addonFolder(): string {
  try {
    return dirname(require.resolve("tsdlc-native/package.json"));
  } catch (error) {
    throw new AddonError(`the package tsdlc-native is not installed: run "npm install tsdlc-runtime" again`, { cause: error });
  }
}

function compile(folder: string): void {
  process.stderr.write("tsdlc-runtime: compiling the native addon, once\n");
  const cmakeJs = createRequire(join(folder, "package.json")).resolve("cmake-js/package.json");
  const outcome = spawnSync(process.execPath, [join(dirname(cmakeJs), "bin", "cmake-js"), "compile", "--silent"], { cwd: folder, encoding: "utf8" });
  if (outcome.status === 0) return;
  const missing = [["cmake", "cmake"], ["c++", "g++"]].filter(([command = ""]) => spawnSync(command, ["--version"]).error !== undefined);
  const said = `${outcome.stdout ?? ""}${outcome.stderr ?? ""}`.trim().split("\n").slice(-20).join("\n");
  const advice = missing.length > 0
    ? `${missing.map(([command]) => command).join(" and ")} cannot be found: install ${missing.map(([, name]) => name).join(" and ")} and try again (Debian and Ubuntu: apt install ${missing.map(([, name]) => name).join(" ")} make)`
    : `run "npx cmake-js compile" in ${folder} to see all of it`;
  throw new AddonError(`the native addon of tsdlc-runtime does not compile: ${advice}\n${said}`);
}

/** Runs `action` while no other process is inside; the lock is a folder because making one is atomic. */
function underLock(lock: string, action: () => void): void {
  const owner = join(lock, "pid");
  const patience = Date.now() + lockPatienceMilliseconds;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw new AddonError(`the native addon must be compiled, but ${dirname(lock)} cannot be written: ${messageOf(error)}`, { cause: error });
      if (!isHeld(owner) || Date.now() > patience) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    writeFileSync(owner, String(process.pid));
    action();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Whether the process that made the lock is still there; one that has not written its number yet is. */
function isHeld(owner: string): boolean {
  try {
    process.kill(Number(readFileSync(owner, "utf8")), 0);
    return true;
  } catch (error) {
    return codeOf(error) === "ENOENT" || codeOf(error) === "EPERM";
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
