/**
 * Points of a space by threads: neighbours are done by neighbouring threads, so that a warp touches neighbouring memory.
 * Of a large space each thread does several points, a block's width apart, whose loads are on their way together.
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, mulDims } from "../../../ir/dim.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { inlineRegion } from "../../../ir/rewrite.ts";
import type { Limits } from "../../limits.ts";
import type { Space } from "../contract.ts";
import { range } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { workOf } from "../work.ts";
import { blocks, phase, whenBelow } from "./block.ts";

/** Points from which on each thread does several: the device is full of threads with fewer. */
const manyPoints = 2 ** 20;

const pointsOfThread = 4;

/** One thread for each point, and whatever loops the body has inside it. */
export function scheduleMap(b: Builder, { extents, body }: Space, limits: Limits): void {
  const points = mulDims(1, ...extents);
  // All the same, however few points there are: kernels of blocks of one size can become one (merge-launches).
  const { threads } = limits;
  const isFlat = body.ops.every((op) => op.regions.length === 0);
  const each = isFlat && typeof points === "number" && points >= manyPoints ? pointsOfThread : 1;
  const perBlock = threads * each;
  blocks(b, ceilDivDims(points, perBlock), threads, mulDims(workOf(body), perBlock), (block) => {
    phase(b, threads, (thread) => {
      const first = b.add(b.mul(block, perBlock), thread);
      for (const turn of range(each)) {
        const point = turn === 0 ? first : b.add(first, turn * threads);
        whenBelow(b, point, points, perBlock, () => inlineRegion(b, body, delinearize(b, point, extents), expandSerially));
      }
    });
  });
}
