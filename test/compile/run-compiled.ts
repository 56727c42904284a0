/**
 * The real road for a module of functions of plain tensors: passes, kernels, and the device that runs them. On the CPU by
 * the system's compiler and the native walker, on WebGPU by Dawn; CUDA's kernels run on the CPU, by way of the device of
 * GPUs and a stand-in for its driver.
 */

import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Module } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { compileModule, type CompiledTier } from "../../lib/compile.ts";
import { cpuTiers, cuda, wgslTiers } from "../../passes/limits.ts";
import { bindPrograms, type CodeFile, type CodeImage, type Device, device, Tensor, tensor } from "tsdlc-runtime";
import { decode } from "../../runtime/dtype.ts";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";
import type { WebGpuDevice } from "../../runtime/webgpu-device.ts";
import { compilerIdentity } from "../cuda/build-stand-in.ts";
import { absent } from "../require-device.ts";
import { imageOf, openStandIn } from "../runtime/cuda-machine.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { signatureOf } from "./signature-of.ts";

export type RunCompiled = (name: string, inputs: readonly HostArray[]) => Promise<readonly HostArray[]>;

/** A tier and where its programs run. */
export interface TestMachine {
  readonly tier: string;
  /** For titles: "cuda (emulated)" has never seen a GPU. */
  readonly title: string;
  /** Whether the device is there; if not, the reason was printed. */
  open(): Promise<boolean>;
  /** The open device. */
  device(): Device;
  /** What is there beside the source, compiled before. */
  images?(source: string): Promise<readonly CodeImage[]>;
  close(): void;
}

/** Names of the CPU tiers that this machine can run. */
export async function runnableTiers(): Promise<readonly string[]> {
  return (await cpuMachines()).map(({ tier }) => tier);
}

/** The CPU tiers of this machine, all of WebGPU, and CUDA emulated. */
export async function testMachines(): Promise<readonly TestMachine[]> {
  return [...(await cpuMachines()), ...wgslTiers.map(({ tier, requires }) => webgpuMachine(tier, requires)), cudaMachine()];
}

async function cpuMachines(): Promise<readonly TestMachine[]> {
  const cpu = await device("cpu");
  const tiers = cpuTiers.filter(({ requires }) => requires.every((feature) => cpu.features.has(feature)));
  return tiers.map(({ tier }) => ({ tier, title: tier, open: async () => true, device: () => cpu, close: () => undefined }));
}

function webgpuMachine(tier: string, requires: readonly string[]): TestMachine {
  let opened: WebGpuDevice | undefined;
  return {
    tier,
    title: tier,
    open: async () => {
      opened = await webgpuForTest();
      const lacking = requires.filter((feature) => opened?.features.has(feature) === false);
      if (lacking.length > 0) absent("webgpu", `${opened?.description} has no ${lacking.join(", ")}`);
      return opened !== undefined && lacking.length === 0;
    },
    device: () => {
      if (opened === undefined) throw new Error(`the device of ${tier} is not open`);
      return opened;
    },
    close: () => opened?.destroy(),
  };
}

function cudaMachine(): TestMachine {
  let opened: Device | undefined;
  return {
    tier: cuda.tier,
    title: "cuda (emulated)",
    open: async () => {
      if ((await compilerIdentity()) === undefined) absent("cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
      else opened = await openStandIn();
      return opened !== undefined;
    },
    device: () => {
      if (opened === undefined) throw new Error("the emulated device is not open");
      return opened;
    },
    images: async (source) => [await imageOf(source, "sm_90")],
    close: () => (opened = undefined),
  };
}

/** Compiles every function of a module, or those with the signatures given, for a CPU tier of this machine or for another machine. */
export async function compileForTest(module: Module, on: string | TestMachine, signatures?: readonly Signature[]): Promise<RunCompiled> {
  const tier = typeof on === "string" ? on : on.tier;
  const { tiers: [compiled], constants } = compileModule(module, signatures ?? module.functions.map((func) => signatureOf(func)), { tiers: [tier] });
  if (compiled === undefined) throw new Error(`nothing was compiled for ${tier}`);
  const images = typeof on === "string" ? undefined : await on.images?.(compiled.source);
  const source = { programs: compiled.programs, code: await codeOf(compiled), ...(images === undefined ? {} : { images }), ...(constants === undefined ? {} : { constants }) };
  const functions = await bindPrograms(source, typeof on === "string" ? await device("cpu") : on.device());
  return async (name, inputs) => {
    const run = functions[name];
    if (run === undefined) throw new Error(`there is no function ${name}`);
    // As numbers, because a HostArray holds some dtypes in another array than a tensor does.
    const results = run(...inputs.map(({ dtype, shape, data }) => tensor(Array.from(data), shape, dtype))) as readonly Tensor[];
    return Promise.all(results.map(async (result) => {
      const data = await result.data();
      return hostArray(result.dtype, result.shape, Array.from(data, (_, position) => decode(result.dtype, data, position)));
    }));
  };
}

async function codeOf({ target, source, flags, name }: CompiledTier): Promise<CodeFile> {
  if (target === "cpu") return codeFile(await compileText(source, flags));
  return { path: `${name}.${target}`, read: async () => new TextEncoder().encode(source) };
}
