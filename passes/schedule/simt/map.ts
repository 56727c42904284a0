/**
 * Points of a space by threads.
 *
 * Where memory is consecutive along the last axis, a thread has four neighbouring points: its four loads of a buffer are
 * one, and so are its stores (widen-accesses), and the place is found once for the four. Elsewhere neighbours are done by
 * neighbouring threads, so that a warp touches neighbouring memory; of a large space each thread does several points, a
 * block's width apart, whose loads are on their way together.
 *
 * A block has its own stretch of the space, and there is no loop over stretches with a grid as large as the device. Such a
 * loop would save the start of blocks, which the hardware does while others run, and cost a test and an addition a turn;
 * and it needs to know how many blocks a device has room for, which no package knows. Blocks are handed out as others
 * end, so the last of them are spread evenly. Their number is no limit: a buffer has less than 2^32 elements (the runtime
 * refuses more), which are less than 2^24 blocks of 256 threads.
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, divisorOfDim, floorDivDims, mulDims } from "../../../ir/dim.ts";
import { at } from "../../../ir/expect.ts";
import type { Region, Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { inlineRegion } from "../../../ir/rewrite.ts";
import type { Limits } from "../../limits.ts";
import type { Space } from "../contract.ts";
import { range, serialLoop } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { workOf } from "../work.ts";
import { blocks, phase, whenBelow } from "./block.ts";
import { loadingOnce, neighbours, prefersNeighbours } from "./neighbours.ts";

/**
 * Points from which on a thread has four. Four times as many bytes are then on their way for each thread, so that half of
 * a device's multiprocessors keep its memory as busy as all of them would; the largest devices have some 130, and there
 * are 64 blocks. With fewer, too many would have nothing to do. Named sizes are taken to be enough: where they are not,
 * starting the kernel takes longer than all its threads do.
 */
const fewestInFours = 2 ** 16;

/** Points from which on each thread does several that are apart: the device is full of threads with fewer. */
const manyPoints = 2 ** 20;

const pointsOfThread = 4;

/** One thread for each point or for several, and whatever loops the body has inside it. */
export function scheduleMap(b: Builder, space: Space, limits: Limits): void {
  const { extents, body } = space;
  const points = mulDims(1, ...extents);
  const isFew = typeof points === "number" && points < fewestInFours;
  if (!isFew && prefersNeighbours(body)) {
    if (divisorOfDim(extents.at(-1) ?? 1) % neighbours === 0) return byFours(b, space, limits);
    // Elements past the last whole four are stored alone.
    if (extents.length === 1 && limits.mixesWidths) return byFoursAndRest(b, space, limits);
  }
  const isFlat = body.ops.every((op) => op.regions.length === 0);
  byPoints(b, space, limits, isFlat && typeof points === "number" && points >= manyPoints ? pointsOfThread : 1);
}

function byPoints(b: Builder, { extents, body }: Space, { threads }: Limits, each: number): void {
  const points = mulDims(1, ...extents);
  // All the same, however few points there are: kernels of blocks of one size can become one (merge-launches).
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

/** A last axis of whole fours: neither the four nor a part of it is past the end alone. */
function byFours(b: Builder, { extents, body }: Space, { threads }: Limits): void {
  const shape = [...extents.slice(0, -1), floorDivDims(at(extents, -1), neighbours)];
  const fours = mulDims(1, ...shape);
  blocks(b, ceilDivDims(fours, threads), threads, mulDims(workOf(body), threads * neighbours), (block) => {
    phase(b, threads, (thread) => {
      const four = b.add(b.mul(block, threads), thread);
      whenBelow(b, four, fours, threads, () => {
        const index = delinearize(b, four, shape);
        inlineFour(b, body, index.slice(0, -1), b.mul(at(index, -1), neighbours));
      });
    });
  });
}

/** One axis of any length: the thread that has its end goes from point to point. */
function byFoursAndRest(b: Builder, { extents, body }: Space, { threads }: Limits): void {
  const points = at(extents, 0);
  const fours = ceilDivDims(points, neighbours);
  blocks(b, ceilDivDims(fours, threads), threads, mulDims(workOf(body), threads * neighbours), (block) => {
    phase(b, threads, (thread) => {
      const first = b.mul(b.add(b.mul(block, threads), thread), neighbours);
      b.if(b.lt(b.add(first, neighbours - 1), b.index(points)), {}, [
        b.region([], () => (inlineFour(b, body, [], first), [])),
        b.region([], () => (serialLoop(b, first, b.index(points), 1, [], (point) => (inlineRegion(b, body, [point]), [])), [])),
      ]);
    });
  });
}

/** The body at four neighbouring points. */
function inlineFour(b: Builder, body: Region, outer: readonly Value[], first: Value): void {
  const once = loadingOnce(body);
  for (const offset of range(neighbours)) inlineRegion(b, body, [...outer, offset === 0 ? first : b.add(first, offset)], once);
}
