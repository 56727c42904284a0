/**
 * A kernel with a body of its own (scatter), as kernels that run one after the other over the same results: nothing but
 * the end of a kernel makes all blocks wait. A space that may run in any order is shared by threads; anything else is
 * done by one.
 */

import { type Builder, buildFunction } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import { at } from "../../../ir/expect.ts";
import { type Func, type Op, visitOps } from "../../../ir/module.ts";
import { createRewriter, inlineRegion, withOuter } from "../../../ir/rewrite.ts";
import { hasEffect } from "../../effects.ts";
import type { Limits } from "../../limits.ts";
import { expandSerially } from "../serial.ts";
import type { ScheduledKernel } from "../tiles.ts";
import { workOf } from "../work.ts";
import { blocks, phase } from "./block.ts";
import { scheduleMap } from "./map.ts";

export function schedulePhases(func: Func, limits: Limits): ScheduledKernel {
  const effects = func.body.ops.filter(hasEffect);
  const [main, ...continuations] = effects.map((effect, i) => kernelOf(func, effect, i === 0 ? func.name : `${func.name}_${i}`, limits));
  if (main === undefined) throw new Error(`@${func.name} stores nothing`);
  return { preparations: [], main, continuations };
}

/** The kernel that does one of the things that a body does, with all that is computed around them. */
function kernelOf(func: Func, effect: Op, name: string, limits: Limits): Func {
  const parameters = func.body.parameters.map(({ type }, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type }));
  return buildFunction(name, parameters, (b, buffers) => {
    const ops = func.body.ops.filter((op) => op === effect || !hasEffect(op));
    return inlineRegion(b, { ...func.body, ops }, buffers, (_b, op, operands, rewriter) => {
      if (op !== effect) return undefined;
      schedule(b, { ...op, operands, regions: op.regions.map((region) => withOuter(region, rewriter.value)) }, limits);
      return [];
    });
  });
}

/** Whether it adds to elements that threads may not add to at once. */
function addsToOther(op: Op, { atomics }: Limits): boolean {
  let found = false;
  visitOps(at(op.regions, 0), ({ name, operands }) => void (found ||= name === "atomic_add" && !atomics.some((dtype) => dtype === operands[0]?.type.dtype)));
  return found;
}

function schedule(b: Builder, op: Op, limits: Limits): void {
  if (op.name === "parallel" && !addsToOther(op, limits)) return scheduleMap(b, { extents: op.attrs["extents"] as readonly Dim[], body: at(op.regions, 0) }, limits);
  blocks(b, 1, 1, workOf({ parameters: [], ops: [op], yields: [] }), () => {
    phase(b, 1, () => createRewriter(b, expandSerially).inline({ parameters: [], ops: [op], yields: [] }, []));
  });
}
