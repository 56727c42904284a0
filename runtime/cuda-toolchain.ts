/**
 * The CUDA compiler: NVRTC where that library can be opened, else nvcc, else none; and what it made in the cache. Node only.
 *
 * An architecture says what is wanted: "sm_90a" is machine code for one kind of GPU, "compute_80" is PTX, which the
 * driver of any later GPU compiles when it loads it.
 */

import { execFile } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";
import { loadAddon } from "./addon.ts";
import type { CodeImage } from "./device.ts";
import { CompileError, CompilerMissingError } from "./errors.ts";
import { cachedFile, cachePaths, type CachePaths, keepSource, shortened } from "./kernel-cache.ts";
import { cudaHomeOption, nvrtcOption } from "./options.ts";
import { dropLater, isKept } from "./text-cache.ts";

const execute = promisify(execFile);

/** No fused multiply-add where the IR does not say so; C++17; source lines for profilers. */
const common = ["--fmad=false", "--std=c++17", "-lineinfo"];
/** Functions without __device__ are the device's: NVRTC compiles for no other. */
const nvrtcFlags = [...common, "-default-device"];

/**
 * Compilers write the PTX version that they were made with, and a driver older than the compiler refuses it although it
 * knows every instruction in it. So the version is lowered to the one of CUDA 12.0, which knows all GPUs up to sm_90.
 */
const ptxVersion = "8.0";
const newestOfPtxVersion = 90;

/** The text's name in messages and in what profilers read. Absolute, or NVRTC would put the current folder in front. */
const textName = "/kernels.cu";

interface CudaCompiler {
  /** With its version: part of the name of what it makes. */
  readonly identity: string;
  /** Compiles `text`, which is or will be at `paths.source`; throws CompileError. */
  compile(text: string, architecture: string, paths: CachePaths): Promise<Uint8Array>;
}

/**
 * Compiles CUDA C++ into an image in the cache. Undefined when this machine has no CUDA compiler. Throws CompileError,
 * with the text kept where the error says.
 */
export async function compileCuda(text: string, architecture: string): Promise<CodeImage | undefined> {
  const compiler = await findCompiler();
  if (compiler === undefined) return undefined;
  const paths = pathsFor(compiler.identity, text, architecture);
  const path = await cachedFile(paths, async () => {
    const image = await compiler.compile(text, architecture, paths);
    await writeFile(paths.aside, architecture.startsWith("compute_") ? lowerPtxVersion(image, architecture) : image);
  });
  return { architecture, path, read: () => readFile(path) };
}

/**
 * Compiles CUDA C++ into machine code, blocking, by NVRTC alone; undefined when this machine does not have it. Shares the
 * cache with compileCuda. Throws CompileError.
 */
export function compileCudaSync(text: string, architecture: `sm_${string}`): { readonly path: string; readonly image: Uint8Array } | undefined {
  const addon = loadAddon();
  const found = nvrtcPaths().map((path) => ({ path, version: versionNow(path) })).find(({ version }) => version !== undefined);
  if (found === undefined) return undefined;
  const identity = `NVRTC ${found.version}`;
  const paths = pathsFor(identity, text, architecture);
  const { output, aside } = paths;
  if (isKept(output)) return { path: output, image: readFileSync(output) };
  const { image, log } = addon.compileCuda({ nvrtc: found.path, source: text, name: textName, architecture, options: nvrtcFlags }, true);
  if (image === undefined) throw compileFailed(identity, architecture, log, keepSource(paths, text));
  writeFileSync(aside, image);
  renameSync(aside, output);
  dropLater();
  return { path: output, image };

  function versionNow(path: string): string | undefined {
    try {
      return addon.nvrtcVersion(path, true);
    } catch (error) {
      if (nvrtcOption() !== undefined) throw namedMissing(path, error);
      return undefined;
    }
  }
}

/** Where NVRTC may be; "" is wherever the loader looks. */
function nvrtcPaths(): readonly string[] {
  const [named, toolkit] = [nvrtcOption(), cudaHomeOption()];
  if (named !== undefined) return [named];
  return toolkit === undefined ? [""] : [`${toolkit}/lib64/libnvrtc.so`, ""];
}

function pathsFor(identity: string, text: string, architecture: string): CachePaths {
  return cachePaths([identity, architecture, nvrtcFlags, ptxVersion, text], ".cu", architecture.startsWith("compute_") ? ".ptx" : ".cubin");
}

/** What compiles CUDA on this machine: "NVRTC 12.9", "nvcc 12.4", or undefined. */
export async function cudaCompilerIdentity(): Promise<string | undefined> {
  return (await findCompiler())?.identity;
}

/** By the options that choose it: a compiler is looked for once. */
const found = new Map<string, Promise<CudaCompiler | undefined>>();

function findCompiler(): Promise<CudaCompiler | undefined> {
  const [named, toolkit] = [nvrtcOption(), cudaHomeOption()];
  const key = JSON.stringify([named, toolkit]);
  const present = found.get(key);
  if (present !== undefined) return present;
  const search = named === undefined ? findAnyCompiler(toolkit) : openNamedNvrtc(named);
  found.set(key, search);
  return search;
}

async function openNamedNvrtc(path: string): Promise<CudaCompiler> {
  try {
    return await openNvrtc(path);
  } catch (error) {
    throw namedMissing(path, error);
  }
}

function namedMissing(path: string, error: unknown): CompilerMissingError {
  return new CompilerMissingError(`TSDLC_NVRTC is "${path}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

async function findAnyCompiler(toolkit: string | undefined): Promise<CudaCompiler | undefined> {
  for (const path of nvrtcPaths()) {
    const nvrtc = await openNvrtc(path).catch(() => undefined);
    if (nvrtc !== undefined) return nvrtc;
  }
  return findNvcc(toolkit === undefined ? ["nvcc"] : [`${toolkit}/bin/nvcc`, "nvcc"]);
}

/** `path` is "" for wherever the loader looks. Rejects when there is none. */
async function openNvrtc(path: string): Promise<CudaCompiler> {
  const addon = loadAddon();
  const identity = `NVRTC ${await addon.nvrtcVersion(path)}`;
  return {
    identity,
    async compile(text, architecture, paths) {
      const { image, log } = await addon.compileCuda({ nvrtc: path, source: text, name: textName, architecture, options: nvrtcFlags });
      if (image !== undefined) return image;
      throw compileFailed(identity, architecture, log, keepSource(paths, text));
    },
  };
}

async function findNvcc(commands: readonly string[]): Promise<CudaCompiler | undefined> {
  for (const command of commands) {
    const said = await execute(command, ["--version"]).catch(() => undefined);
    const version = said?.stdout.match(/release (\d+\.\d+)/)?.[1];
    if (version === undefined) continue;
    return {
      identity: `nvcc ${version}`,
      async compile(text, architecture, paths) {
        const source = keepSource(paths, text);
        // By its name alone, which goes into the image.
        const place = { cwd: dirname(source), maxBuffer: 1 << 24 };
        const virtual = architecture.replace(/^sm_/, "compute_");
        const kind = architecture === virtual ? "--ptx" : "--cubin";
        try {
          await execute(command, [...common, `-gencode=arch=${virtual},code=${architecture}`, kind, basename(source), "-o", paths.aside], place);
          return await readFile(paths.aside);
        } catch (error) {
          throw compileFailed(`nvcc ${version}`, architecture, (error as { stderr?: string }).stderr ?? String(error), source);
        }
      },
    };
  }
  return undefined;
}

/** PTX with the version lowered, if its architecture is not newer than that version. */
function lowerPtxVersion(image: Uint8Array, architecture: string): string {
  const text = new TextDecoder().decode(image);
  if (Number.parseInt(architecture.slice("compute_".length), 10) > newestOfPtxVersion) return text;
  return text.replace(/^(\s*\.version\s+)(\d+\.\d+)/m, (line, start: string, version: string) => (Number(version) > Number(ptxVersion) ? start + ptxVersion : line));
}

/** The version that PTX says it is of, if it is PTX. */
export function ptxVersionOf(image: Uint8Array): string | undefined {
  return new TextDecoder().decode(image.subarray(0, 4096)).match(/^\s*\.version\s+(\d+\.\d+)/m)?.[1];
}

function compileFailed(compiler: string, architecture: string, said: string, source: string): CompileError {
  return new CompileError(`${compiler} refused ${source} for ${architecture}:\n${shortened(said)}`, source);
}
