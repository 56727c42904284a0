/**
 * dce: drops ops whose results nobody uses, and functions that nobody reaches.
 *
 * Needs: any module. Ensures: each op that is left has an effect or a used result, at every depth of regions. Ops are
 * visited last to first, so that one visit of a region is enough: a use that goes frees what it used.
 */

import { type Func, type Module, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import { mapModule } from "../ir/rewrite.ts";
import { hasEffect } from "./effects.ts";
import type { Pass } from "./pass.ts";

export const dce: Pass = {
  name: "dce",
  run: (module, context) => mapModule(reachable(module, context.entries), (func) => ({ ...func, body: liveRegion(func.body, new Set()) })),
};

/** The region with only its live ops; adds what they use to `used`. Values are kept, so nothing is renamed. */
function liveRegion(region: Region, used: Set<Value>): Region {
  region.yields.forEach((value) => used.add(value));
  const kept: Op[] = [];
  for (const op of region.ops.toReversed()) {
    if (!op.results.some((result) => used.has(result)) && !hasEffect(op)) continue;
    op.operands.forEach((operand) => used.add(operand));
    const regions = op.regions.map((inner) => liveRegion(inner, used));
    kept.push({ ...op, regions });
  }
  return { ...region, ops: kept.reverse() };
}

/** Without the functions that no entry leads to; all of them when the entries are not known. */
function reachable(module: Module, entries: readonly string[] | undefined): Module {
  if (entries === undefined) return module;
  const byName = new Map(module.functions.map((func): [string, Func] => [func.name, func]));
  const found = new Set<Func>();
  const reach = (name: string): void => {
    const func = byName.get(name);
    if (func === undefined || found.has(func)) return;
    found.add(func);
    visitOps(func.body, ({ attrs }) => {
      if (typeof attrs["callee"] === "string") reach(attrs["callee"]);
    });
  };
  entries.forEach(reach);
  return { ...module, functions: module.functions.filter((func) => found.has(func)) };
}
