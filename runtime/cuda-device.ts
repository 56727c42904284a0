/**
 * The cuda devices: the Device interface on the addon's GPUs. Node only.
 *
 * There is one for each GPU and process, shared by all copies of this package that npm may have installed. The driver is
 * opened when a device is asked for, so a machine without one needs nothing.
 */

import { rmSync } from "node:fs";
import { AddonMemory, preparedPlan, runtimeError } from "./addon-device.ts";
import { type CudaOptions, type CudaProperties, type CudaStatistics, loadAddon, type NativeCudaDevice, type NativeModule } from "./addon.ts";
import { checkImage, runnableImages } from "./cuda-image.ts";
import { compileCuda, compileCudaSync, ptxVersionOf } from "./cuda-toolchain.ts";
import type { CodeImage, Device, DeviceBuffer, DeviceModule, PreparedPlan, ProgramSource, ProgramText } from "./device.ts";
import { bytesPerElement } from "./dtype.ts";
import { ArgumentError, DeviceError, PackageError, PackageForeignError } from "./errors.ts";
import { cudaBlockingOption, cudaDriverOption } from "./options.ts";
import { describePlan } from "./plan-description.ts";
import type { Plan } from "./plan.ts";
import type { Program } from "./program.ts";

/** The number is raised when the interface between copies of this package changes. */
const registry = Symbol.for("tsdlc.cuda-devices.1");

/** A GPU of this process; `ordinal` counts as the driver does. Rejects with a DeviceError when it is not there. */
export function cudaDevice(ordinal = 0): Promise<Device> {
  const shared = globalThis as { [registry]?: Map<number, Promise<Device>> };
  const devices = (shared[registry] ??= new Map());
  const present = devices.get(ordinal);
  if (present !== undefined) return present;
  const opening = createCudaDevice({ ordinal });
  devices.set(ordinal, opening);
  // What was not there may be there later: a driver can be installed, a variable set.
  opening.catch(() => devices.delete(ordinal));
  return opening;
}

/** A device with a queue, streams and memory of its own; tests and benchmarks want several. */
export async function createCudaDevice(options: Partial<CudaOptions> = {}): Promise<CudaDevice> {
  const driver = options.driver ?? cudaDriverOption();
  const graphs = options.graphs ?? !cudaBlockingOption();
  try {
    return new CudaDevice(options.ordinal ?? 0, await loadAddon().openCuda({ ordinal: 0, ...options, graphs, ...(driver === undefined ? {} : { driver }) }));
  } catch (error) {
    const known = runtimeError(error);
    throw known instanceof Error ? new DeviceError(known.message, { cause: error }) : known;
  }
}

export class CudaDevice extends AddonMemory implements Device {
  readonly name: string;
  readonly kind = "cuda";
  readonly alignment = 256;
  /** NVRTC works on the calling thread. */
  readonly compilers = 1;
  /** The architectures whose code it runs: "sm_90", "sm_90a", "compute_80". */
  readonly features: ReadonlySet<string>;
  readonly properties: CudaProperties;
  readonly facts: Device["facts"];
  readonly #native: NativeCudaDevice;

  constructor(ordinal: number, native: NativeCudaDevice) {
    super(native);
    this.#native = native;
    this.name = `cuda:${ordinal}`;
    this.properties = native.properties;
    this.facts = factsOf(native.properties);
    this.features = new Set(architecturesOf(native.properties));
  }

  statistics(): CudaStatistics {
    return this.#native.statistics();
  }

  async load(source: ProgramSource): Promise<DeviceModule> {
    const { module, path } = await this.#loadCode(source);
    const constants = source.constants === undefined ? undefined : this.write(source.constants);
    return { prepare: (program, plan) => this.#prepare(module, path, constants, program, plan) };
  }

  compileSync({ text, constants }: ProgramText): DeviceModule {
    const { major, minor } = this.properties;
    const architecture = `sm_${major}${minor}` as const;
    const compiled = this.#compileNow(text, architecture);
    const uploaded = constants === undefined ? undefined : this.write(constants);
    return { prepare: (program, plan) => this.#prepare(compiled.module, compiled.path, uploaded, program, plan) };
  }

  #compileNow(text: string, architecture: `sm_${string}`, isLast = false): { readonly module: NativeModule; readonly path: string } {
    const compiled = compileCudaSync(text, architecture);
    if (compiled === undefined) {
      throw new DeviceError(`ops that run one by one on ${this.name} are compiled by NVRTC, which cannot be found: install it, as part of the CUDA toolkit, and name it in TSDLC_NVRTC if it is not found`);
    }
    const { path, image } = compiled;
    try {
      checkImage(image, path);
      return { module: this.#loadNow({ path, architecture }, image), path };
    } catch (error) {
      if (isLast || !(error instanceof PackageError)) throw error;
      // What lies in the cache was cut short or changed: it is made again.
      rmSync(path, { force: true });
      return this.#compileNow(text, architecture, true);
    }
  }

  /** The best image that the package has for this GPU, else its source, compiled here. */
  async #loadCode({ code, images = [] }: ProgramSource): Promise<{ module: NativeModule; path: string }> {
    const { major, minor } = this.properties;
    const [best] = runnableImages(images, major, minor);
    if (best !== undefined) return { module: await this.#loadImage(best), path: best.path };
    const architecture = `sm_${major}${minor}`;
    const compiled = await compileCuda(new TextDecoder().decode(await code.read()), architecture);
    if (compiled !== undefined) return { module: await this.#loadImage(compiled), path: code.path };
    const there = images.length === 0 ? "only its source" : `code for ${images.map((image) => image.architecture).join(", ")} and its source`;
    throw new PackageForeignError(
      `the kernels ${code.path} cannot run on ${this.name} (${this.properties.name}, ${architecture}): the package has ${there}, and this machine has no CUDA compiler: ` +
        `build the package with --arch ${architecture}, or install NVRTC, which is part of the CUDA toolkit, and name it in TSDLC_NVRTC if it is not found`,
    );
  }

  async #loadImage(image: CodeImage): Promise<NativeModule> {
    const bytes = await image.read();
    checkImage(bytes, image.path);
    return this.#native.loadModule(bytes).catch((error: unknown) => {
      throw this.#refusal(image, bytes, error);
    });
  }

  #loadNow(image: Pick<CodeImage, "path" | "architecture">, bytes: Uint8Array): NativeModule {
    try {
      return this.#native.loadModule(bytes, true);
    } catch (error) {
      throw this.#refusal(image, bytes, error);
    }
  }

  /** What the driver says of an image that it does not take. */
  #refusal(image: Pick<CodeImage, "path" | "architecture">, bytes: Uint8Array, error: unknown): unknown {
    const known = runtimeError(error);
    if (known !== error || !(error instanceof Error)) return known;
    const { driverVersion } = this.properties;
    if ((error as { code?: unknown }).code === "TSDLC_PTX_TOO_NEW") {
      return new PackageForeignError(
        `the driver of ${this.name} is for CUDA ${driverVersion} and does not know PTX of version ${ptxVersionOf(bytes) ?? "unknown"}, which ${image.path} is: update the NVIDIA driver, or build the package with --arch sm_${this.properties.major}${this.properties.minor}`,
        { cause: error },
      );
    }
    return new PackageError(`the driver of ${this.name} refuses the kernels ${image.path} for ${image.architecture}: ${error.message}\nBuild the package again`, { cause: error });
  }

  #prepare(module: NativeModule, path: string, constants: DeviceBuffer | undefined, program: Program, plan: Plan): PreparedPlan {
    this.#requireLaunchable(program, plan);
    return preparedPlan(program, path, () => this.#native.prepare(module, describePlan(program, plan), constants));
  }

  /** Kernels count elements, blocks and sizes in 32 bits. */
  #requireLaunchable(program: Program, plan: Plan): void {
    const given = program.dims.map(({ name }, i) => `${name} = ${plan.sizes[i]}`).join(", ");
    const where = `${program.name}: ${given === "" ? "" : `with ${given} `}`;
    plan.sizes.forEach((size, i) => {
      if (size > mostElements) throw new ArgumentError(`${program.name}: ${program.dims[i]?.name} is ${size}: on ${this.name} it must be below 2^32`);
    });
    program.buffers.forEach(({ dtype }, i) => {
      const elements = (plan.buffers[i]?.bytes ?? 0) / bytesPerElement(dtype);
      if (elements > mostElements) throw new ArgumentError(`${where}a buffer of ${dtype} has ${elements} elements: on ${this.name} it must have fewer than 2^32`);
    });
    program.kernels.forEach(({ entry, threads }, i) => {
      const grid = plan.kernels[i]?.grid ?? 0;
      if (grid > mostBlocks) throw new ArgumentError(`${where}the kernel ${entry} has ${grid} blocks: on ${this.name} there may be fewer than 2^31`);
      if (threads === undefined || threads < 1 || threads > this.properties.threadsPerBlock) {
        throw new PackageError(`the program ${program.name} is broken: its kernel ${entry} has ${threads ?? "no"} threads a block, and ${this.name} runs 1 to ${this.properties.threadsPerBlock}; build it again`);
      }
    });
  }
}

const mostElements = 2 ** 32 - 1;
const mostBlocks = 2 ** 31 - 1;

/** The architectures that PTX was made for since Maxwell; a GPU runs that of every one that is not newer. */
const ptxArchitectures = [50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121];

function architecturesOf({ major, minor }: CudaProperties): readonly string[] {
  const own = 10 * major + minor;
  const older = Array.from({ length: minor + 1 }, (_, i) => `sm_${major}${i}`);
  // Code for one kind of GPU alone exists since Hopper.
  const exact = major >= 9 ? [`sm_${own}a`] : [];
  return [...older, ...exact, ...ptxArchitectures.filter((architecture) => architecture <= own).map((architecture) => `compute_${architecture}`)];
}

function factsOf({ name, major, minor, multiprocessors, threadsPerBlock, sharedBytesPerBlock, memoryBytes, driverVersion }: CudaProperties): Device["facts"] {
  return [
    ["name", name],
    ["compute capability", `${major}.${minor}`],
    ["memory", `${memoryBytes} bytes`],
    ["multiprocessors", String(multiprocessors)],
    ["threads of a block", String(threadsPerBlock)],
    ["shared memory of a block", `${sharedBytesPerBlock} bytes`],
    ["driver", `CUDA ${driverVersion}`],
  ];
}
