/**
 * The real road for a module of functions of plain tensors: passes, kernels, and the device that runs them. On the CPU by
 * the system's compiler and the native walker, on WebGPU by Dawn.
 */

import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Module } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { compileModule, type CompiledTier } from "../../lib/compile.ts";
import { cpuTiers, wgslTiers } from "../../passes/limits.ts";
import { bindPrograms, type CodeFile, type Device, device, Tensor, tensor } from "tsdlc-runtime";
import { decode } from "../../runtime/dtype.ts";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";
import type { WebGpuDevice } from "../../runtime/webgpu-device.ts";
import { absent } from "../require-device.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { signatureOf } from "./signature-of.ts";

export type RunCompiled = (name: string, inputs: readonly HostArray[]) => Promise<readonly HostArray[]>;

/** A tier and where its programs run. */
export interface TestMachine {
  readonly tier: string;
  /** Whether the device is there; if not, the reason was printed. */
  open(): Promise<boolean>;
  /** The open device. */
  device(): Device;
  close(): void;
}

/** Names of the CPU tiers that this machine can run. */
export async function runnableTiers(): Promise<readonly string[]> {
  return (await cpuMachines()).map(({ tier }) => tier);
}

/** The CPU tiers of this machine, and all of WebGPU. */
export async function testMachines(): Promise<readonly TestMachine[]> {
  return [...(await cpuMachines()), ...wgslTiers.map(({ tier, requires }) => webgpuMachine(tier, requires))];
}

async function cpuMachines(): Promise<readonly TestMachine[]> {
  const cpu = await device("cpu");
  const tiers = cpuTiers.filter(({ requires }) => requires.every((feature) => cpu.features.has(feature)));
  return tiers.map(({ tier }) => ({ tier, open: async () => true, device: () => cpu, close: () => undefined }));
}

function webgpuMachine(tier: string, requires: readonly string[]): TestMachine {
  let opened: WebGpuDevice | undefined;
  return {
    tier,
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

/** Compiles every function of a module, or those with the signatures given, for a CPU tier of this machine or for another machine. */
export async function compileForTest(module: Module, on: string | TestMachine, signatures?: readonly Signature[]): Promise<RunCompiled> {
  const tier = typeof on === "string" ? on : on.tier;
  const { tiers: [compiled], constants } = compileModule(module, signatures ?? module.functions.map((func) => signatureOf(func)), { tiers: [tier] });
  if (compiled === undefined) throw new Error(`nothing was compiled for ${tier}`);
  const source = { programs: compiled.programs, code: await codeOf(compiled), ...(constants === undefined ? {} : { constants }) };
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
