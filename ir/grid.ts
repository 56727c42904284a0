/** The grid of a scheduled kernel: the one loop whose iterations a launch distributes. */

import type { Dim } from "./dim.ts";
import { at } from "./expect.ts";
import type { Func, Op } from "./module.ts";

export function findGrid(func: Func): Op {
  const [grid, ...others] = func.body.ops.filter((op) => op.name === "for" && op.attrs["kind"] === "grid");
  if (grid === undefined || others.length > 0) throw new Error(`@${func.name} must have one grid, it has ${others.length + (grid === undefined ? 0 : 1)}`);
  return grid;
}

/** How many items the grid has. */
export function itemsOf(func: Func): Dim {
  const stop = at(findGrid(func).operands, 1);
  const items = func.body.ops.find((op) => op.results[0] === stop);
  if (items?.name === "dim") return items.attrs["size"] as Dim;
  if (items?.name === "constant") return Number(items.attrs["value"]);
  throw new Error(`the grid of @${func.name} must have a size that is known before a launch`);
}
