/**
 * What the environment says: the only place that reads it. A browser has no environment and gets the defaults.
 *
 * | variable       | meaning                                                        |
 * |----------------|----------------------------------------------------------------|
 * | TSDLC_DEVICE   | the device to use where a program does not name one            |
 * | TSDLC_THREADS  | threads of the cpu device, the calling one included            |
 * | TSDLC_CACHE    | folder of compiled kernels, else tsdlc in XDG_CACHE_HOME or ~/.cache |
 * | CC             | the C compiler, with flags if any, else cc                     |
 * | TSDLC_CUDA_DRIVER | the CUDA driver's library, else libcuda.so.1                |
 * | TSDLC_NVRTC    | NVIDIA's compiler library, else libnvrtc.so                    |
 * | CUDA_HOME      | the CUDA toolkit: NVRTC in its lib64, nvcc in its bin          |
 * | CUDA_LAUNCH_BLOCKING | 1: the driver waits for each kernel; then no graphs, so that an error names its kernel |
 */

import { TsdlcError } from "./errors.ts";

/** Whether there is Node around; what needs it is imported only then. */
export function isNode(): boolean {
  return (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
}

function variable(name: string): string | undefined {
  const host = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process;
  const value = host?.env?.[name];
  return value === undefined || value === "" ? undefined : value;
}

export function deviceOption(): string | undefined {
  return variable("TSDLC_DEVICE");
}

/** The number of threads asked for; throws when it is not a number of threads. */
export function threadsOption(): number | undefined {
  const text = variable("TSDLC_THREADS");
  if (text === undefined) return undefined;
  const threads = Number(text);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new TsdlcError(`TSDLC_THREADS is "${text}": it must be a whole number from 1 to 1024`);
  }
  return threads;
}

/** The folder for compiled kernels, or undefined when not even a home folder is known. */
export function cacheOption(): string | undefined {
  const cache = variable("TSDLC_CACHE");
  if (cache !== undefined) return cache;
  const shared = variable("XDG_CACHE_HOME");
  if (shared !== undefined) return `${shared}/tsdlc`;
  const home = variable("HOME");
  return home === undefined ? undefined : `${home}/.cache/tsdlc`;
}

/** The folders in which commands are looked for. */
export function commandFolders(): readonly string[] {
  return (variable("PATH") ?? "").split(":").filter((folder) => folder !== "");
}

/** The C compiler as a command and its first arguments. */
export function compilerOption(): readonly [command: string, ...flags: string[]] {
  const [command, ...flags] = (variable("CC") ?? "cc").trim().split(/\s+/);
  return [command ?? "cc", ...flags];
}

/** The path of the CUDA driver's library, or undefined for the system's. */
export function cudaDriverOption(): string | undefined {
  return variable("TSDLC_CUDA_DRIVER");
}

/** The path of NVRTC, or undefined for wherever it is found. */
export function nvrtcOption(): string | undefined {
  return variable("TSDLC_NVRTC");
}

/** The folder of the CUDA toolkit. */
export function cudaHomeOption(): string | undefined {
  return variable("CUDA_HOME");
}

/** Whether the CUDA driver was told to wait for each kernel. */
export function cudaBlockingOption(): boolean {
  return variable("CUDA_LAUNCH_BLOCKING") === "1";
}
