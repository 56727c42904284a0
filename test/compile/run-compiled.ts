/**
 * The real road for a module of functions of plain tensors: passes, C, the system's compiler, the native walker.
 */

import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Module } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { compileModule } from "../../lib/compile.ts";
import { cpuTiers } from "../../passes/limits.ts";
import { device, loadPrograms, Tensor, tensor } from "tsdlc-runtime";
import { decode } from "../../runtime/dtype.ts";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";
import { signatureOf } from "./signature-of.ts";

export type RunCompiled = (name: string, inputs: readonly HostArray[]) => Promise<readonly HostArray[]>;

/** Names of the CPU tiers that this machine can run. */
export async function runnableTiers(): Promise<readonly string[]> {
  const { features } = await device("cpu");
  return cpuTiers.filter(({ requires }) => requires.every((feature) => features.has(feature))).map(({ tier }) => tier);
}

/** Compiles every function of a module, or those with the signatures given, for a tier of this machine. */
export async function compileForTest(module: Module, tier: string, signatures?: readonly Signature[]): Promise<RunCompiled> {
  const { tiers: [compiled], constants } = compileModule(module, signatures ?? module.functions.map((func) => signatureOf(func)), { tiers: [tier] });
  if (compiled === undefined) throw new Error(`nothing was compiled for ${tier}`);
  const code = codeFile(await compileText(compiled.source, compiled.flags));
  const functions = await loadPrograms({ programs: compiled.programs, code, ...(constants === undefined ? {} : { constants }) });
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
