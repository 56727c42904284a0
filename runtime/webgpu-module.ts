/**
 * The kernels of a package on WebGPU: one shader module, and a pipeline for each entry point, made in parallel.
 *
 * Layouts are explicit, because a kernel may leave a binding unused, which "auto" would drop: the buffers of a launch
 * in order, the inputs read-only, then the dims if the program has any. What does not compile is reported with the
 * kernel, its lines of TypeScript, and the compiler's message at the line of the text.
 */

import type { CodeFile, ProgramSource, ProgramText } from "./device.ts";
import { CompileError, PackageError } from "./errors.ts";
import type { KernelSpec, Program, Step } from "./program.ts";
import { type Faults, wordsOf } from "./webgpu-faults.ts";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** By kernel, in the order of `Program.kernels`; a kernel that no step launches has none. */
export type Pipelines = ReadonlyMap<KernelSpec, Pipeline>;

export interface CompileTarget {
  readonly device: GPUDevice;
  readonly faults: Faults;
  readonly description: string;
  /** Where a text can be looked at: the file it came from, or one that it is put into. */
  readonly keepSource: (text: string, path: string) => string;
}

/** Rejects with CompileError, or PackageError when the programs do not fit the device. */
export async function compilePipelines({ programs, code }: ProgramSource, target: CompileTarget): Promise<Pipelines> {
  const { device, faults } = target;
  const text = new TextDecoder().decode(await code.read());
  const launched = programs.flatMap((program) => launchedKernels(program));
  const module = faults.guard(["validation"], () => device.createShaderModule({ label: code.path, code: text }), () => undefined);
  const { messages } = await faults.orLost(module.getCompilationInfo());
  const refused = messages.find(({ type }) => type === "error");
  if (refused !== undefined) throw moduleRefused(refused, text, launched.map(({ kernel }) => kernel), code, target);

  const layoutOf = layoutsOf(device);
  const limit = device.limits.maxStorageBuffersPerShaderStage;
  const pipelines = new Map<KernelSpec, Pipeline>();
  await Promise.all(launched.map(async (one) => {
    const { kernel, buffers } = one;
    if (buffers > limit) {
      throw new PackageError(`${nameOf(kernel)} needs ${buffers} buffers, and webgpu (${target.description}) gives a kernel ${limit}: build the package again with this version of tsdlc`);
    }
    const layout = layoutOf(one);
    const made = device.createComputePipelineAsync(describePipeline(device, module, kernel, layout));
    try {
      pipelines.set(kernel, { pipeline: await faults.orLost(made), layout });
    } catch (error) {
      faults.requireDevice();
      const kept = target.keepSource(text, code.path);
      throw new CompileError(`${nameOf(kernel)} does not compile on webgpu (${target.description}): ${wordsOf(error)}\nits text is in ${kept}`, kept, { cause: error });
    }
  }));
  return pipelines;
}

/** The same at once, of text that this process has made. What is wrong with it shows where its results are read. */
export function compilePipelinesNow({ programs, text }: ProgramText, device: GPUDevice): Pipelines {
  const module = device.createShaderModule({ code: text });
  const layoutOf = layoutsOf(device);
  return new Map(programs.flatMap(launchedKernels).map((one) => {
    const layout = layoutOf(one);
    return [one.kernel, { pipeline: device.createComputePipeline(describePipeline(device, module, one.kernel, layout)), layout }];
  }));
}

function describePipeline(device: GPUDevice, module: GPUShaderModule, { entry }: KernelSpec, layout: GPUBindGroupLayout): GPUComputePipelineDescriptor {
  return { label: entry, layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }), compute: { module, entryPoint: entry } };
}

/** Kernels that bind alike share a layout. */
function layoutsOf(device: GPUDevice): (launched: Launched) => GPUBindGroupLayout {
  const layouts = new Map<string, GPUBindGroupLayout>();
  return ({ kernel: { inputs = 0 }, buffers, hasDims }) => {
    const key = `${inputs} ${buffers} ${hasDims}`;
    const layout = layouts.get(key) ?? device.createBindGroupLayout({ label: key, entries: bindings(inputs, buffers, hasDims) });
    layouts.set(key, layout);
    return layout;
  };
}

interface Launched {
  readonly kernel: KernelSpec;
  /** How many a launch of it has. */
  readonly buffers: number;
  readonly hasDims: boolean;
}

function launchedKernels({ steps, kernels, dims }: Program): readonly Launched[] {
  const counts = new Map<KernelSpec, number>();
  const visit = (step: Step): void => {
    switch (step.kind) {
      case "launch": {
        const kernel = kernels[step.kernel];
        if (kernel !== undefined) counts.set(kernel, step.buffers.length);
        break;
      }
      case "copy":
      case "push":
      case "pop":
      case "clear":
        break;
      case "if": return [...step.then, ...step.otherwise].forEach(visit);
      case "repeat": return step.body.forEach(visit);
      case "loop": return [...step.head, ...step.body].forEach(visit);
      default: step satisfies never;
    }
  };
  steps.forEach(visit);
  return [...counts].map(([kernel, buffers]) => ({ kernel, buffers, hasDims: dims.length > 0 }));
}

function bindings(inputs: number, buffers: number, hasDims: boolean): GPUBindGroupLayoutEntry[] {
  // The bit of GPUShaderStage: the global is missing in Node.
  const visibility = 0x4;
  const entries = Array.from({ length: buffers }, (_, binding): GPUBindGroupLayoutEntry => ({
    binding, visibility, buffer: { type: binding < inputs ? "read-only-storage" : "storage" },
  }));
  return hasDims ? [...entries, { binding: buffers, visibility, buffer: { type: "uniform" } }] : entries;
}

function nameOf({ entry, summary, sources }: KernelSpec): string {
  return `the kernel ${entry} (${[summary, sources.length === 0 ? "" : `from ${sources.join(", ")}`].filter((part) => part !== "").join(", ")})`;
}

function moduleRefused(refused: GPUCompilationMessage, text: string, kernels: readonly KernelSpec[], code: CodeFile, target: CompileTarget): CompileError {
  const { lineNum, linePos, message } = refused;
  const kept = target.keepSource(text, code.path);
  const lines = text.split("\n");
  const kernel = kernelAt(lines, lineNum, kernels);
  const who = kernel === undefined ? "a kernel" : nameOf(kernel);
  const line = lines[lineNum - 1];
  const shown = line === undefined ? "" : `\n  ${line}\n  ${line.slice(0, Math.max(0, linePos - 1)).replace(/[^\t]/g, " ")}^`;
  return new CompileError(`${who} does not compile on webgpu (${target.description}): ${kept}:${lineNum}:${linePos}: ${message.trim()}${shown}`, kept);
}

/** The kernel that a line belongs to: the first whose function ends at the line or after it. */
function kernelAt(lines: readonly string[], lineNum: number, kernels: readonly KernelSpec[]): KernelSpec | undefined {
  const ends = kernels.flatMap((kernel) => {
    const start = lines.findIndex((line) => new RegExp(`\\bfn\\s+${kernel.entry}\\s*\\(`).test(line));
    const length = start < 0 ? -1 : lines.slice(start).findIndex((line) => line.startsWith("}"));
    return length < 0 ? [] : [{ kernel, end: start + length + 1 }];
  });
  ends.sort((a, b) => a.end - b.end);
  return ends.find(({ end }) => end >= lineNum)?.kernel;
}
