/**
 * The kernels of machine.ts in CUDA, and devices on the stand-in driver that run them: the whole path of the runtime, with
 * host code where the GPU would be.
 */

import { readFile } from "node:fs/promises";
import type { CudaOptions } from "../../runtime/addon.ts";
import { createCudaDevice, type CudaDevice } from "../../runtime/cuda-device.ts";
import type { CodeFile, CodeImage } from "../../runtime/device.ts";
import { bindPrograms, type Functions } from "../../runtime/package.ts";
import type { Program } from "../../runtime/program.ts";
import { buildStandIn, compileEmulated } from "../cuda/build-stand-in.ts";
import { isRealCuda } from "../require-device.ts";

/** One block for each grid item of the CPU's kernels; a kernel that needs the named dims takes them last. */
export const cudaText = `
typedef unsigned char u8;
extern "C" __global__ void add(const float *x, const float *y, float *z) { unsigned i = blockIdx.x; z[i] = x[i] + y[i]; }
extern "C" __global__ void twice(const float *x, float *y) { unsigned i = blockIdx.x; y[i] = 2 * x[i]; }
extern "C" __global__ void fill_dims(int *y, unsigned a, unsigned b) { y[blockIdx.x] = a * 1000 + b; }
extern "C" __global__ void nothing() {}
extern "C" __global__ void increment(int *y) { y[0] += 1; }
extern "C" __global__ void below_limit(const int *n, const int *limit, u8 *result) { *result = *n < *limit; }
extern "C" __global__ void slow(const float *x, float *y) {
  float v = x[0];
  for (int k = 0; k < 20000000; k++) v = v * 0.999f + 0.001f;
  y[blockIdx.x] = v;
}
extern "C" __global__ void __launch_bounds__(64) add_blocks(const float *x, const float *y, float *z, unsigned n) {
  unsigned i = blockIdx.x * 64 + threadIdx.x;
  if (i < n) z[i] = x[i] + y[i];
}
extern "C" __global__ void out_of_bounds(const float *x, float *y) { y[1u << 28] = x[0]; }
`;

/** How many of the buffers are only read. */
const inputs: Readonly<Record<string, number>> = { add: 2, twice: 1, below_limit: 2, slow: 1, add_blocks: 2, out_of_bounds: 1 };

/** A program for the CPU's kernels as one for these: its grid items are blocks of one thread. */
export function onCuda(program: Program): Program {
  return { ...program, kernels: program.kernels.map((kernel) => ({ threads: 1, inputs: inputs[kernel.entry] ?? 0, ...kernel })) };
}

export function textFile(text: string): CodeFile {
  return { path: "kernels.cu", read: async () => new TextEncoder().encode(text) };
}

export async function imageOf(text: string, architecture: string): Promise<CodeImage> {
  const path = await compileEmulated(text, { architecture });
  return { architecture, path, read: () => readFile(path) };
}

export async function openStandIn(options: Partial<CudaOptions> = {}): Promise<CudaDevice> {
  return createCudaDevice({ driver: (await buildStandIn()).libcuda, ...options });
}

export interface BoundOnCuda {
  readonly functions: Functions;
  readonly device: CudaDevice;
}

/** Programs of machine.ts on a device of their own, or on the one given. */
export async function bindCuda(programs: readonly Program[], options: Partial<CudaOptions> & { device?: CudaDevice; constants?: Uint8Array } = {}): Promise<BoundOnCuda> {
  const { device: given, constants, ...rest } = options;
  // A GPU has its own NVRTC for the text.
  const device = given ?? (isRealCuda() ? await createCudaDevice(rest) : await openStandIn(rest));
  const source = { programs: programs.map(onCuda), code: textFile(cudaText), images: isRealCuda() ? [] : [await imageOf(cudaText, "sm_90")] };
  return { functions: await bindPrograms(constants === undefined ? source : { ...source, constants }, device), device };
}
