/**
 * Schedule: kernels get an order, threads and lanes, from the limits of the tier they are for.
 */

import { type Func, visitOps } from "../../ir/module.ts";
import type { Pass } from "../pipeline.ts";
import { scheduleCpu } from "./cpu.ts";
import { scheduleThreads } from "./threads.ts";

export const schedule: Pass = {
  name: "schedule",
  run(module, { limits }) {
    if (limits === undefined) throw new Error("a schedule needs the limits of a tier");
    const kernels = new Set<string>();
    for (const func of module.functions) {
      visitOps(func.body, (op) => {
        if (op.name === "launch") kernels.add(String(op.attrs["callee"]));
      });
    }
    const scheduleKernel = (func: Func): Func => (limits.target === "cpu" ? scheduleCpu(func, limits) : scheduleThreads(func));
    return { functions: module.functions.map((func) => (kernels.has(func.name) ? scheduleKernel(func) : func)) };
  },
};
