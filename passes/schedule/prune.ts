/**
 * Prunes the inputs of a kernel: what its body does not read is no parameter, and so keeps no memory alive.
 */

import { buildFunction } from "../../ir/builder.ts";
import { at } from "../../ir/expect.ts";
import { type Func, type Value, visitOps } from "../../ir/module.ts";
import { inlineRegion, storedBuffers } from "../../ir/rewrite.ts";

export interface PrunedKernel {
  readonly kernel: Func;
  /** Positions of the inputs that are left, among those there were. */
  readonly inputs: readonly number[];
}

export function pruneInputs(func: Func): PrunedKernel {
  const used = new Set<Value>();
  const written = storedBuffers(func);
  visitOps(func.body, (op) => {
    for (const operand of op.operands) used.add(operand);
  });
  const { parameters } = func.body;
  const kept = parameters.flatMap((parameter, position) => (used.has(parameter) || written.has(parameter) ? [position] : []));
  const inputs = kept.filter((position) => !written.has(at(parameters, position)));
  if (kept.length === parameters.length) return { kernel: func, inputs };
  const specs = kept.map((position) => ({ name: func.parameterNames[position] ?? `buffer${position}`, type: at(parameters, position).type }));
  const kernel = buildFunction(func.name, specs, (b, buffers) =>
    // A parameter that nothing reads stands for itself: no op of the new body refers to it.
    inlineRegion(b, func.body, parameters.map((parameter, position) => buffers[kept.indexOf(position)] ?? parameter)));
  return { kernel, inputs };
}
