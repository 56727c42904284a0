/** A plan in the form that the addon reads: typed arrays in place of objects. The same for the cpu and for CUDA. */

import type { PlanDescription } from "./addon.ts";
import type { Plan } from "./plan.ts";
import type { Program } from "./program.ts";

export function describePlan(program: Program, plan: Plan): PlanDescription {
  const { buffers } = plan;
  return {
    name: program.name,
    dims: Float64Array.from(plan.sizes),
    kernels: program.kernels.map(({ entry }) => entry),
    labels: program.kernels.map(({ entry, summary, sources }) => `${entry} (${[summary, ...sources.slice(0, 1)].join(", ")})`),
    grids: Float64Array.from(plan.kernels, ({ grid }) => grid),
    works: Float64Array.from(plan.kernels, ({ work }) => work),
    threads: Uint32Array.from(program.kernels, ({ threads }) => threads ?? 0),
    inputs: Uint32Array.from(program.kernels, ({ inputs }) => inputs ?? 0),
    bufferKinds: Int32Array.from(buffers, ({ kind }) => kind),
    bufferPositions: Float64Array.from(buffers, ({ position }) => position),
    bufferBytes: Float64Array.from(buffers, ({ bytes }) => bytes),
    resultBytes: Float64Array.from(plan.allocations, ({ bytes }) => bytes),
    resultReuses: Int32Array.from(plan.allocations, ({ reuses }) => reuses),
    parameterBytes: Float64Array.from(plan.parameters, ({ bytes }) => bytes),
    donated: Uint8Array.from(plan.parameterDonated, (donated) => (donated ? 1 : 0)),
    outputs: Int32Array.from(program.resultBuffers),
    code: Int32Array.from(plan.code),
    stackBytes: Float64Array.from(plan.stackBytes),
    arenaBytes: plan.arenaBytes,
    work: plan.work,
  };
}
