/**
 * The webgpu device: the Device interface on a GPU object, a browser's `navigator.gpu` or Dawn's in Node.
 *
 * There is one for each process or page, shared by all copies of this package. Nothing here imports Node: what differs
 * between a browser and Node is the host (`navigator.gpu` below, webgpu-node.ts). A device that is lost is forgotten, so
 * that it can be opened again; everything that was on it answers with a DeviceError.
 */

import { registerConsoleFormatter } from "./console-formatter.ts";
import type { Device, DeviceBuffer, DeviceModule, MemoryUse, ProgramSource, ProgramText } from "./device.ts";
import { type MakeEndings, registryEndings } from "./endings.ts";
import { DeviceError, OutOfMemoryError, PackageError, RunError } from "./errors.ts";
import type { DTypeName } from "./program.ts";
import { deviceBytes, toDevice, toHost } from "./webgpu-elements.ts";
import { Faults, wordsOf } from "./webgpu-faults.ts";
import { bufferUsage, failureOf, mapForReading, type Storage, WebGpuMemory } from "./webgpu-memory.ts";
import { compilePipelines, compilePipelinesNow, type Pipelines } from "./webgpu-module.ts";
import { prepareRun } from "./webgpu-prepare.ts";
import { RunQueue } from "./webgpu-queue.ts";
import { subgroupObstacle } from "./webgpu-subgroups.ts";

/** Where WebGPU comes from. */
export interface WebGpuHost {
  readonly gpu: GPU;
  /** What to do when there is no adapter, for the error. */
  readonly advice: string;
  /** Where the text of a kernel can be looked at, given where it came from. */
  readonly keepSource: (text: string, path: string) => string;
  /** How it is known that a handle is gone; else by FinalizationRegistry. */
  readonly endings?: MakeEndings;
}

export interface WebGpuOptions {
  /** Bytes of released buffers kept for reuse; else one GiB. */
  readonly cacheBytes?: number;
}

/** What `Tier.requires` may ask for, as WebGPU spells it; a device has those that its adapter has, and `subgroups` only where they are as kernels want them. */
const optionalFeatures = ["shader-f16", "subgroups", "timestamp-query"] as const;

const preference: GPURequestAdapterOptions = { powerPreference: "high-performance" };

/** The number is raised when the interface between copies of this package changes. */
const registry = Symbol.for("tsdlc.webgpu-device.1");

/** The host of a page or worker in a browser. Throws DeviceError where the browser has no WebGPU. */
export function browserHost(): WebGpuHost {
  const { gpu } = (globalThis as { navigator?: { gpu?: GPU } }).navigator ?? {};
  if (gpu === undefined) {
    throw new DeviceError("the device webgpu is not there: this browser has no navigator.gpu: use Chrome or Edge 113, Safari 26, Firefox 141 or a later one, and load the page over https or from localhost");
  }
  // Who opens a device here has a console to look at tensors in.
  registerConsoleFormatter();
  return {
    gpu,
    advice: "the browser has WebGPU, but its graphics driver is missing or blocked: see chrome://gpu or about:support, and update the driver",
    keepSource: (_text, path) => path,
  };
}

/** The webgpu device of this process or page. Rejects with DeviceError when there is none. */
export async function webgpuDevice(host: WebGpuHost): Promise<Device> {
  const shared = globalThis as { [registry]?: Promise<WebGpuDevice> };
  const present = shared[registry];
  if (present !== undefined) return present;
  const opened = createWebGpuDevice(host);
  shared[registry] = opened;
  const forget = (): void => {
    if (shared[registry] === opened) delete shared[registry];
  };
  opened.then((device) => device.loss.then(forget), forget);
  return opened;
}

/** Whether the adapter that would be used is a GPU, and not software on the processor. */
export async function hasHardware({ gpu }: WebGpuHost): Promise<boolean> {
  const adapter = await gpu.requestAdapter(preference);
  return adapter !== null && !isSoftware(adapter);
}

/** A device with a queue and memory of its own; tests and benchmarks want several. */
export async function createWebGpuDevice({ gpu, advice, keepSource, endings = registryEndings }: WebGpuHost, options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const adapter = await gpu.requestAdapter(preference);
  if (adapter === null) throw new DeviceError(`the device webgpu is not there: WebGPU found no adapter: ${advice}`);
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const request = adapter.requestDevice({
    requiredFeatures: optionalFeatures.filter((feature) => adapter.features.has(feature)),
    // All other limits stay what every adapter has, so that a kernel that runs here runs elsewhere.
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  const device = await request.catch((error: unknown) => {
    throw new DeviceError(`the device webgpu (${describe(adapter)}) does not open: ${wordsOf(error)}`, { cause: error });
  });
  return new WebGpuDevice(device, describe(adapter), await subgroupObstacle(device, adapter.info), keepSource, options.cacheBytes ?? 2 ** 30, endings);
}

function describe({ info: { vendor, architecture, device, description } }: GPUAdapter): string {
  return [description, device, [vendor, architecture].filter((part) => part !== "").join(" ")].find((part) => part !== "") ?? "an adapter without a name";
}

/** Mesa's lavapipe, SwiftShader and Microsoft's WARP. */
function isSoftware(adapter: GPUAdapter): boolean {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  return isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|software|basic render/i.test([vendor, architecture, device, description].join(" "));
}

export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  /** Temporaries have buffers of their own; offsets in an arena are of no use. */
  readonly alignment = 4;
  readonly features: ReadonlySet<string>;
  /** The adapter, as it calls itself. */
  readonly description: string;
  readonly facts: Device["facts"];
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #memory: WebGpuMemory;
  readonly #queue = new RunQueue();
  readonly #keepSource: WebGpuHost["keepSource"];

  /** `obstacle`: why kernels do not use its subgroups, if they do not. */
  constructor(device: GPUDevice, description: string, obstacle: string | undefined, keepSource: WebGpuHost["keepSource"], cacheBytes: number, endings: MakeEndings) {
    this.#device = device;
    this.#keepSource = keepSource;
    this.description = description;
    const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxStorageBuffersPerShaderStage } = device.limits;
    this.facts = [
      ["name", description],
      ["largest buffer", `${maxBufferSize} bytes`],
      ["largest binding", `${maxStorageBufferBindingSize} bytes`],
      ["buffers of a kernel", String(maxStorageBuffersPerShaderStage)],
      ["threads of a block", String(maxComputeInvocationsPerWorkgroup)],
      ["shared memory of a block", `${maxComputeWorkgroupStorageSize} bytes`],
      ["subgroups", obstacle === undefined ? "used" : `not used: ${obstacle}`],
    ];
    this.features = new Set(optionalFeatures.filter((feature) => device.features.has(feature) && (feature !== "subgroups" || obstacle === undefined)));
    this.#faults = new Faults(device, description);
    this.#memory = new WebGpuMemory(device, this.#faults, description, cacheBytes, endings);
  }

  /** One that was lost is no longer the one that programs run on. */
  get name(): string {
    return this.#faults.isLost ? "webgpu (lost)" : "webgpu";
  }

  /** Resolves when the device is lost, with the error that everything on it answers with from then on. */
  get loss(): Promise<DeviceError> {
    return this.#faults.loss;
  }

  write(bytes: Uint8Array, dtype: DTypeName): DeviceBuffer {
    this.#faults.requireDevice();
    const elements = toDevice(bytes, dtype);
    const storage = this.#memory.allocate(elements.length);
    this.#faults.guard(
      ["validation"],
      () => this.#device.queue.writeBuffer(storage.block.buffer, 0, elements),
      ([error]) => {
        if (error !== undefined) storage.failure = storage.block.failure ?? new RunError(`${elements.length} bytes could not be written to webgpu (${this.description}): ${wordsOf(error)}`);
      },
    );
    return this.#memory.handle(storage);
  }

  async read(buffer: DeviceBuffer, bytes: number, dtype: DTypeName): Promise<ArrayBuffer> {
    const storage = this.#memory.storageOf(buffer);
    this.#faults.requireDevice();
    const host = hostMemory(bytes);
    this.#memory.retain(storage);
    // The job takes over the reference, and starts the copy when the runs before are submitted.
    await new Promise<void>((resolve) => this.#queue.add(() => void resolve(this.#fill(host, storage, dtype))));
    return host;
  }

  release(buffer: DeviceBuffer): void {
    this.#memory.releaseHandle(buffer);
  }

  async load(source: ProgramSource): Promise<DeviceModule> {
    this.#faults.requireDevice();
    const target = { device: this.#device, faults: this.#faults, description: this.description, keepSource: this.#keepSource };
    return this.#moduleOf(await compilePipelines(source, target), source.constants);
  }

  compileSync(source: ProgramText): DeviceModule {
    this.#faults.requireDevice();
    // Errors go to the runs, which are guarded: an invalid pipeline fails them.
    const pipelines = this.#faults.guard(["validation"], () => compilePipelinesNow(source, this.#device), () => undefined);
    return this.#moduleOf(pipelines, source.constants);
  }

  #moduleOf(pipelines: Pipelines, file: Uint8Array = new Uint8Array(0)): DeviceModule {
    const target = { device: this.#device, faults: this.#faults, memory: this.#memory, queue: this.#queue, description: this.description };
    // Tiers share the file of constants, which has the host's layout: each constant is a buffer of its own here.
    // Handles, so that they go when nothing can run the programs any more.
    const constants = new Map<string, DeviceBuffer>();
    const constant = (offset: number, bytes: number, dtype: DTypeName): Storage => {
      const key = `${offset} ${bytes} ${dtype}`;
      if (offset + bytes > file.length) throw new PackageError(`a program is broken: it has a constant of ${bytes} bytes at ${offset}, and there are ${file.length} bytes of constants; build it again`);
      const present = constants.get(key) ?? this.write(file.subarray(offset, offset + bytes), dtype);
      constants.set(key, present);
      return this.#memory.storageOf(present);
    };
    return { prepare: (program, plan) => prepareRun(program, plan, pipelines, { ...target, constant }) };
  }

  async sync(): Promise<void> {
    this.#faults.requireDevice();
    await new Promise<void>((resolve) => this.#queue.add(() => void resolve(this.#faults.orLost(this.#device.queue.onSubmittedWorkDone()))));
  }

  memory(): MemoryUse {
    return this.#memory.use();
  }

  trim(): void {
    this.#memory.trim();
  }

  /** Ends the device and its tensors, as a lost device does. */
  destroy(): void {
    this.#device.destroy();
  }

  async #fill(host: ArrayBuffer, storage: Storage, dtype: DTypeName): Promise<void> {
    const size = deviceBytes(host.byteLength, dtype);
    const errors: GPUError[] = [];
    // Asked for inside the guard: mapping what could not be had is an error like any other.
    const { staging, mapped } = this.#faults.guard(
      ["out-of-memory", "validation"],
      () => {
        const staging = this.#device.createBuffer({ size, usage: bufferUsage.mapRead | bufferUsage.copyDestination });
        const encoder = this.#device.createCommandEncoder();
        encoder.copyBufferToBuffer(storage.block.buffer, 0, staging, 0, size);
        this.#device.queue.submit([encoder.finish()]);
        return { staging, mapped: staging.mapAsync(mapForReading) };
      },
      (found) => errors.push(...found),
    );
    this.#memory.release(storage);
    try {
      await this.#faults.orLost(Promise.all([mapped, this.#faults.settled()]));
      const failure = failureOf(storage);
      if (failure !== undefined) throw failure;
      toHost(staging.getMappedRange(), host, dtype);
      staging.unmap();
    } catch (error) {
      throw await this.#readFailure(error, storage, errors);
    } finally {
      staging.destroy();
    }
  }

  /** Why a read failed: the loss of the device, the run that should have made the content, or the read itself. */
  async #readFailure(error: unknown, storage: Storage, errors: readonly GPUError[]): Promise<unknown> {
    // Nothing here aborts a mapping, so the device did, and is about to say so.
    if (error instanceof Error && error.name === "AbortError") return this.#faults.loss;
    await this.#faults.settled();
    const failure = failureOf(storage);
    if (failure !== undefined || error instanceof DeviceError) return failure ?? error;
    const text = `reading from webgpu (${this.description}) failed: ${wordsOf(errors[0] ?? error)}`;
    return errors.some(({ constructor: { name } }) => name === "GPUOutOfMemoryError") ? new OutOfMemoryError(`out of memory: ${text}`, { cause: error }) : new RunError(text, { cause: error });
  }
}

function hostMemory(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new OutOfMemoryError(`out of memory: an ArrayBuffer of ${bytes} bytes to read into cannot be had`, { cause: error });
  }
}
