/**
 * Schedule: kernels get an order, threads and lanes, from the limits of the tier they are for.
 *
 * A kernel may become several: one that prepares memory which the main one reads (a packed operand), or one that goes on
 * where the main one ends, over the same results; a launch then becomes several launches. Inputs that a kernel does not read in the end are no inputs any more.
 */

import { type Func, isKernel, type Module, type Value } from "../../ir/module.ts";
import { functionsOf, rewriteFunction } from "../../ir/rewrite.ts";
import type { Limits } from "../limits.ts";
import type { Pass } from "../pass.ts";
import { scheduleCpu } from "./cpu.ts";
import { pruneInputs, type PrunedKernel } from "./prune.ts";
import { scheduleBlocks } from "./simt/blocks.ts";
import type { ScheduledKernel } from "./tiles.ts";

export const schedule: Pass = {
  name: "schedule",
  run(module, { limits }) {
    if (limits === undefined) throw new Error("a schedule needs the limits of a tier");
    const scheduled = new Map(module.functions.filter(isKernel).map((func) => [func.name, pruneAll(scheduleKernel(func, limits))]));
    const kernels = [...scheduled.values()].flatMap(({ preparations, main, continuations }) => [...preparations, main, ...continuations].map(({ kernel }) => kernel));
    const others = module.functions.filter((func) => !isKernel(func));
    const find = functionsOf({ functions: [...others, ...kernels] } satisfies Module);
    return { functions: [...others.map((func) => relaunch(func, scheduled, find)), ...kernels] };
  },
};

function scheduleKernel(func: Func, limits: Limits): ScheduledKernel {
  return limits.target === "cpu" ? scheduleCpu(func, limits) : scheduleBlocks(func, limits);
}

interface PrunedKernels {
  readonly preparations: readonly PrunedKernel[];
  readonly main: PrunedKernel;
  readonly continuations: readonly PrunedKernel[];
}

function pruneAll({ preparations, main, continuations = [] }: ScheduledKernel): PrunedKernels {
  return { preparations: preparations.map(pruneInputs), main: pruneInputs(main), continuations: continuations.map(pruneInputs) };
}

function relaunch(func: Func, scheduled: ReadonlyMap<string, PrunedKernels>, find: (name: string) => Func | undefined): Func {
  return rewriteFunction(func, (b, op, operands) => {
    const kernels = op.name === "launch" ? scheduled.get(String(op.attrs["callee"])) : undefined;
    if (kernels === undefined) return undefined;
    const launch = ({ kernel, inputs }: PrunedKernel, given: readonly Value[], prefix: string, before: readonly Value[] = []): readonly Value[] => {
      const { summary } = op.attrs;
      const attrs = {
        callee: kernel.name,
        ...(summary === undefined ? {} : { summary: `${prefix}${String(summary)}` }),
        ...(before.length === 0 ? {} : { continues: before.length }),
      };
      return b.launch([...inputs.map((input) => given[input] ?? missing(kernel, input)), ...before], attrs);
    };
    const prepared = kernels.preparations.flatMap((preparation) => launch(preparation, operands, "prepare "));
    const results = launch(kernels.main, [...operands, ...prepared], "");
    return kernels.continuations.reduce((before, kernel) => launch(kernel, operands, "", before), results);
  }, find);
}

function missing(kernel: Func, input: number): never {
  throw new Error(`@${kernel.name} has no input ${input}`);
}
