/**
 * Hoist: what a loop of a kernel computes anew each time with the same outcome moves in front of it.
 *
 * Needs: scheduled kernels. A loop may run no iteration, so only what cannot fail moves: arithmetic, but no division
 * of integers; and loads of a single value or at the counters of loops further out, which are in range whether or not
 * this loop runs. A kernel's inputs do not change while it runs: where an output takes the memory of an input
 * (plan-memory), each element is read by the iteration that writes it.
 *
 *   for %i ... { %a = load %rate  %b = exp %a  store %out, %b, %i }
 *
 * becomes  `%a = load %rate  %b = exp %a  for %i ... { store %out, %b, %i }`.
 */

import { type Func, isKernel, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import { isFloat } from "../ir/type.ts";
import { mapModule, storedBuffers } from "../ir/rewrite.ts";
import { isPure } from "./effects.ts";
import type { Pass } from "./pass.ts";

export const hoist: Pass = {
  name: "hoist",
  run: (module) => mapModule(module, (func) => (isKernel(func) ? hoistFunction(func) : func)),
};

function hoistFunction(func: Func): Func {
  const stored = storedBuffers(func);
  const counters = new Set<Value>();
  visitOps(func.body, (op) => {
    const counter = op.regions[0]?.parameters[0];
    if (op.name === "for" && counter !== undefined) counters.add(counter);
  });
  const isSafe = (op: Op): boolean => (op.name === "load" ? isSafeLoad(op, stored, counters) : isPure(op) && cannotTrap(op));
  return { ...func, body: { ...func.body, ops: hoistOps(func.body.ops, isSafe) } };
}

/** Inner loops first, so that an op leaves as many loops as it can. */
function hoistOps(ops: readonly Op[], isSafe: (op: Op) => boolean): readonly Op[] {
  return ops.flatMap((op) => {
    if (op.regions.length === 0) return [op];
    const regions = op.regions.map((region) => ({ ...region, ops: hoistOps(region.ops, isSafe) }));
    const [body] = regions;
    if (op.name !== "for" || body === undefined) return [{ ...op, regions }];
    const { before, inside } = split(body, isSafe);
    return [...before, { ...op, regions: [{ ...body, ops: inside }] }];
  });
}

function split(body: Region, isSafe: (op: Op) => boolean): { readonly before: readonly Op[]; readonly inside: readonly Op[] } {
  const varying = new Set<Value>(body.parameters);
  const before: Op[] = [];
  const inside: Op[] = [];
  for (const op of body.ops) {
    if (isSafe(op) && !op.operands.some((operand) => varying.has(operand))) {
      before.push(op);
      continue;
    }
    inside.push(op);
    for (const result of op.results) varying.add(result);
  }
  return { before, inside };
}

function cannotTrap(op: Op): boolean {
  const type = op.results[0]?.type;
  return (op.name !== "div" && op.name !== "rem") || (type?.kind === "scalar" && isFloat(type.dtype));
}

function isSafeLoad(op: Op, stored: ReadonlySet<Value>, counters: ReadonlySet<Value>): boolean {
  const [buffer, ...index] = op.operands;
  if (buffer?.type.kind !== "buffer" || buffer.type.space !== "global" || stored.has(buffer) || op.attrs["lanes"] !== undefined) return false;
  return index.every((component) => counters.has(component));
}
