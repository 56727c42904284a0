/** The real road for a module: passes, kernels, and the device that runs them. */

import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Module } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { compileModule } from "../../lib/compile.ts";
import { bindPrograms, type Functions, Tensor, tensor } from "tsdlc-runtime";
import { decode } from "../../runtime/dtype.ts";
import type { TestMachine } from "../test-machine.ts";
import { signatureOf } from "./signature-of.ts";

export type RunCompiled = (name: string, inputs: readonly HostArray[]) => Promise<readonly HostArray[]>;

/** The functions that signatures name, on an open machine, as a user of a package has them. */
export async function bindForTest(module: Module, machine: TestMachine, signatures: readonly Signature[]): Promise<Functions> {
  const { tiers: [compiled], constants } = compileModule(module, signatures, { tiers: [machine.tier] });
  if (compiled === undefined) throw new Error(`nothing was compiled for ${machine.tier}`);
  return bindPrograms({ programs: compiled.programs, ...(await machine.code(compiled)), ...(constants === undefined ? {} : { constants }) }, machine.device());
}

/** Functions of plain tensors: every one of a module, or those with the signatures given. */
export async function compileForTest(module: Module, machine: TestMachine, signatures?: readonly Signature[]): Promise<RunCompiled> {
  const functions = await bindForTest(module, machine, signatures ?? module.functions.map((func) => signatureOf(func)));
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
