/**
 * Schedule for targets whose lanes are threads: a kernel becomes a grid of blocks of threads.
 *
 * By what a kernel is: a long sum of few results in two kernels; a contraction in tiles that a block holds in shared memory; rows by the lanes of a block;
 * anything else that is one space by a thread for each point; and a kernel with a body of its own as several.
 *
 * Needs: kernels as lower leaves them. Ensures: every kernel is one `for` of kind grid with its count of threads; in it
 * are phases (`for` of kind thread) and serial loops around them.
 */

import type { Func } from "../../../ir/module.ts";
import type { ContractAttrs } from "../../../ir/ops/kernel.ts";
import { rewriteFunction, withOuter } from "../../../ir/rewrite.ts";
import type { Limits } from "../../limits.ts";
import { outerSpace, partsOf } from "../contract.ts";
import { withoutUnitAxes } from "../distribute.ts";
import { isOneSpace } from "../serial.ts";
import type { ScheduledKernel } from "../tiles.ts";
import { chooseBlockTile } from "./block-tile.ts";
import { layoutRows } from "./layout.ts";
import { chooseMatrixTile, tileByMatrix } from "./matrix-tile.ts";
import { scheduleMap } from "./map.ts";
import { schedulePhases } from "./phases.ts";
import { isStaged, scheduleRows } from "./rows.ts";
import { splitSum } from "./split.ts";
import { tileInBlocks } from "./tile-in-blocks.ts";

export function scheduleBlocks(func: Func, limits: Limits): ScheduledKernel {
  if (!isOneSpace(func)) return schedulePhases(func, limits);
  const split = splitSum(func);
  if (split === undefined) return { preparations: [], main: scheduleSpace(func, limits) };
  return { preparations: [scheduleSpace(split.preparation, limits)], main: scheduleSpace(split.main, limits) };
}

function scheduleSpace(func: Func, limits: Limits): Func {
  return rewriteFunction(func, (b, op, _operands, rewriter) => {
    if (op.name === "contract") {
      const parts = partsOf(op.attrs as ContractAttrs, op.regions.map((region) => withOuter(region, rewriter.value)));
      const matrixTile = chooseMatrixTile(parts, limits);
      if (matrixTile !== undefined) return (tileByMatrix(b, parts, matrixTile), []);
      const tile = chooseBlockTile(parts, limits);
      if (tile !== undefined) return (tileInBlocks(b, parts, tile), []);
    }
    const whole = outerSpace(b, op, rewriter.value);
    if (whole === undefined) return undefined;
    const space = withoutUnitAxes(b, whole.extents, whole.body);
    const layout = layoutRows(space, limits);
    if (layout !== undefined && isStaged(space, layout, limits)) scheduleRows(b, space, layout, limits);
    else scheduleMap(b, space, limits);
    return [];
  });
}
