/**
 * Schedule for the CPU: what runs in parallel, in which order, and in which lanes.
 *
 * The outer space of a kernel becomes one grid, which the runtime cuts into stretches for its threads. Lanes run
 * along the axis on which memory is consecutive: the last axis of the outer space (maps, column sums), or the reduced
 * or row axis inside one grid item (row sums, softmax). Reductions in lanes keep several partial totals and fold them
 * at the end, so the order of a sum differs from the source's; that is the one liberty taken.
 *
 * Needs: kernels as lower leaves them. Ensures: every kernel is one `for` of kind grid, after ops that do not depend
 * on it; inside there is nothing but `for`, `if`, memory, scalars and vectors.
 */

import type { Func } from "../../ir/module.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { rewriteFunction } from "../../ir/rewrite.ts";
import type { Limits } from "../limits.ts";
import { chooseTile } from "./choose-tile.ts";
import { outerSpace, partsOf } from "./contract.ts";
import { distribute } from "./distribute.ts";
import { expandRule } from "./expand.ts";
import { inGrid, isOneSpace } from "./serial.ts";
import { type ScheduledKernel, scheduleTiles } from "./tiles.ts";

export function scheduleCpu(func: Func, limits: Limits): ScheduledKernel {
  const expand = (scheduled: Func): Func => rewriteFunction(scheduled, expandRule(limits));
  if (!isOneSpace(func)) return { preparations: [], main: expand(inGrid(func)) };
  const contraction = func.body.ops.find((op) => op.name === "contract");
  if (contraction !== undefined) {
    const parts = partsOf(contraction.attrs as ContractAttrs, contraction.regions);
    const tile = chooseTile(parts, limits);
    if (tile !== undefined) return scheduleTiles(func, parts, tile, expand);
  }
  const distributed = rewriteFunction(func, (b, op, _operands, rewriter) => {
    const space = outerSpace(b, op, rewriter.value);
    if (space === undefined) return undefined;
    distribute(b, space.extents, space.body, limits);
    return [];
  });
  return { preparations: [], main: expand(distributed) };
}
