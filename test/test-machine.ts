/**
 * What a test of compiled programs can run on: each CPU tier of this machine, the tiers of WebGPU, and CUDA. Without a
 * GPU, CUDA's kernels run on the CPU by way of the device of GPUs and a stand-in for its driver: that is "cuda
 * (emulated)" in titles, and shows nothing of a GPU. TSDLC_TEST_CUDA=real has the tests run on a real one, and on nothing
 * else.
 */

import type { CompiledTier } from "../lib/compile.ts";
import { cpuTiers, cuda, findLimits, type Limits, wgslTiers } from "../passes/limits.ts";
import { createCudaDevice } from "../runtime/cuda-device.ts";
import type { CodeFile, CodeImage, Device } from "../runtime/device.ts";
import type { WebGpuDevice } from "../runtime/webgpu-device.ts";
import { device } from "tsdlc-runtime";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";
import { compilerIdentity } from "./cuda/build-stand-in.ts";
import { absent, cudaTitle, isRealCuda } from "./require-device.ts";
import { imageOf, openStandIn } from "./runtime/cuda-machine.ts";
import { webgpuForTest } from "./webgpu-adapter.ts";

/** A tier and where its programs run. */
export interface TestMachine {
  readonly tier: string;
  /** For titles: "cuda (emulated)" has never seen a GPU. */
  readonly title: string;
  readonly limits: Limits;
  /** Whether the device is there; if not, the reason was printed. */
  open(): Promise<boolean>;
  /** The open device. */
  device(): Device;
  /** The kernels of a tier, compiled as far as the device wants them before it loads them. */
  code(compiled: CompiledTier): Promise<TestCode>;
  close(): void;
}

export interface TestCode {
  readonly code: CodeFile;
  readonly images?: readonly CodeImage[];
}

/** Everything that there is to run on, but the tiers that differ from others in how they fold rows alone. */
export async function testMachines(): Promise<readonly TestMachine[]> {
  if (isRealCuda()) return [realCuda()];
  return [...(await cpuMachines()), ...wgslTiers.filter(({ subgroup }) => subgroup === 0).map(webgpuMachine), emulatedCuda()];
}

/** Those tiers, for tests of what has rows: WebGPU's with subgroups. */
export function subgroupMachines(): readonly TestMachine[] {
  return isRealCuda() ? [] : wgslTiers.filter(({ subgroup }) => subgroup > 0).map(webgpuMachine);
}

/** One for each target: the widest CPU tier, WebGPU's base, and CUDA. */
export async function machineOfEachTarget(): Promise<readonly TestMachine[]> {
  const machines = (await testMachines()).filter(({ limits }) => limits.onlyFor === undefined);
  return machines.filter(({ limits }, i) => machines.findIndex((other) => other.limits.target === limits.target) === i);
}

/** The same and WebGPU's base with subgroups, for models that fold rows. */
export async function machinesForModels(): Promise<readonly TestMachine[]> {
  return [...(await machineOfEachTarget()), ...subgroupMachines().filter(({ limits }) => limits.onlyFor === undefined)];
}

/** The CPU tiers that this machine can run, widest first. */
export async function cpuMachines(): Promise<readonly TestMachine[]> {
  const cpu = await device("cpu");
  return cpuTiers.filter(({ requires }) => requires.every((feature) => cpu.features.has(feature))).map((limits): TestMachine => ({
    tier: limits.tier,
    title: limits.tier,
    limits,
    open: async () => true,
    device: () => cpu,
    code: async ({ source, flags }) => ({ code: codeFile(await compileText(source, flags)) }),
    close: () => undefined,
  }));
}

function webgpuMachine({ tier, requires }: Limits): TestMachine {
  let opened: WebGpuDevice | undefined;
  return {
    tier,
    title: tier,
    limits: findLimits(tier),
    open: async () => {
      opened = await webgpuForTest();
      const lacking = requires.filter((feature) => opened?.features.has(feature) === false);
      if (lacking.length > 0) absent("webgpu", `${opened?.description} has no ${lacking.join(", ")}`);
      return opened !== undefined && lacking.length === 0;
    },
    device: () => required(opened, tier),
    code: async (compiled) => ({ code: textOf(compiled) }),
    close: () => opened?.destroy(),
  };
}

/** g++ makes the images, before they are loaded. */
function emulatedCuda(): TestMachine {
  let opened: Device | undefined;
  return {
    tier: cuda.tier,
    title: cudaTitle(),
    limits: cuda,
    open: async () => {
      if ((await compilerIdentity()) === undefined) absent("cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
      else opened = await openStandIn();
      return opened !== undefined;
    },
    device: () => required(opened, cudaTitle()),
    code: async (compiled) => ({ code: textOf(compiled), images: [await imageOf(compiled.source, "sm_90")] }),
    close: () => (opened = undefined),
  };
}

/** There are no images: the runtime compiles the source by NVRTC for the GPU that it finds. Nothing is skipped. */
function realCuda(): TestMachine {
  let opened: Device | undefined;
  return {
    tier: cuda.tier,
    title: cudaTitle(),
    limits: cuda,
    open: async () => {
      opened = await createCudaDevice();
      return true;
    },
    device: () => required(opened, cudaTitle()),
    code: async (compiled) => ({ code: textOf(compiled) }),
    close: () => (opened = undefined),
  };
}

function required<T>(opened: T | undefined, title: string): T {
  if (opened === undefined) throw new Error(`the device of ${title} is not open`);
  return opened;
}

function textOf({ name, target, source }: CompiledTier): CodeFile {
  return { path: `${name}.${target === "cuda" ? "cu" : target}`, read: async () => new TextEncoder().encode(source) };
}
