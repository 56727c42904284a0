/**
 * A kernel with a body of its own (scatter), as the phases of one block: a space that may run in any order is shared by
 * its threads, and the rest is done by the first of them.
 */

import { type Builder, buildFunction } from "../../../ir/builder.ts";
import { type Dim, mulDims } from "../../../ir/dim.ts";
import { at } from "../../../ir/expect.ts";
import type { Func, Op } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { createRewriter, inlineRegion, withOuter } from "../../../ir/rewrite.ts";
import { hasEffect } from "../../effects.ts";
import type { Limits } from "../../limits.ts";
import { serialLoop, when } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { workOf } from "../work.ts";
import { blocks, phase } from "./block.ts";

export function schedulePhases(func: Func, { threads }: Limits): Func {
  const parameters = func.body.parameters.map(({ type }, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type }));
  return buildFunction(func.name, parameters, (b, buffers) => {
    blocks(b, 1, threads, workOf(func.body), () => {
      inlineRegion(b, func.body, buffers, (_b, op, _operands, rewriter) => {
        if (!hasEffect(op)) return undefined;
        phaseOf(b, { ...op, operands: op.operands.map(rewriter.value), regions: op.regions.map((region) => withOuter(region, rewriter.value)) }, threads);
        return [];
      });
    });
    return [];
  });
}

function phaseOf(b: Builder, op: Op, threads: number): void {
  phase(b, threads, (thread) => {
    if (op.name === "parallel") {
      const extents = op.attrs["extents"] as readonly Dim[];
      serialLoop(b, thread, b.index(mulDims(1, ...extents)), threads, [], (point) =>
        (inlineRegion(b, at(op.regions, 0), delinearize(b, point, extents), expandSerially), []));
      return;
    }
    when(b, b.eq(thread, b.index(0)), () => {
      const rewriter = createRewriter(b, expandSerially);
      rewriter.inline({ parameters: [], ops: [op], yields: [] }, []);
    });
  });
}
