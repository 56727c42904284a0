/**
 * dce: drops ops whose results nobody uses, results of branches and carries of loops that nobody needs, stacks that nobody
 * pops for a use, and functions that nobody reaches.
 *
 * Needs: any module. Ensures: each op that is left has an effect or a used result, at every depth of regions. Ops are
 * visited last to first, so that one visit of a region is enough: a use that goes frees what it used. Two things take more
 * visits: a carry is needed if the next turn needs it, and a stack keeps all its pushes and pops as soon as one pop is used.
 *
 *     %a, %b = while %x, %y { condition(%c, %d) { yield lt %c, 10 }  body(%e, %f) { yield add %e, 1, mul %f, %e } }
 *     return %a
 *
 * becomes
 *
 *     %a = while %x { condition(%c) { yield lt %c, 10 }  body(%e) { yield add %e, 1 } }
 *     return %a
 */

import { type Func, type Module, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import { mapModule } from "../ir/rewrite.ts";
import { hasEffect } from "./effects.ts";
import type { Pass } from "./pass.ts";

export const dce: Pass = {
  name: "dce",
  run: (module, context) => mapModule(reachable(module, context.entries), (func) => ({ ...func, body: liveBody(func.body) })),
};

/** What is needed below the op that is being looked at. */
interface Needs {
  readonly values: Set<Value>;
  /** Stacks that are popped for a use, wherever. */
  readonly stacks: Set<Value>;
}

function liveBody(body: Region): Region {
  const stacks = new Set<Value>();
  for (;;) {
    const before = stacks.size;
    const live = liveRegion(body, { values: new Set(), stacks });
    if (stacks.size === before) return live;
  }
}

/** The region with only its live ops, yielding what is at these positions. Values are kept, so nothing is renamed. */
function liveRegion(region: Region, needs: Needs, positions: readonly number[] = region.yields.map((_, i) => i)): Region {
  const yields = at(region.yields, positions);
  yields.forEach((value) => needs.values.add(value));
  const ops: Op[] = [];
  for (const op of region.ops.toReversed()) {
    if (!op.results.some((result) => needs.values.has(result)) && !matters(op, needs)) continue;
    const [stack] = op.operands;
    if (op.name === "pop" && stack !== undefined) needs.stacks.add(stack);
    const live = liveOp(op, needs);
    live.operands.forEach((operand) => needs.values.add(operand));
    ops.push(live);
  }
  return { ...region, ops: ops.reverse(), yields };
}

/** Whether an op without used results stays all the same. */
function matters(op: Op, needs: Needs): boolean {
  const [stack] = op.operands;
  if (op.name === "push" || op.name === "pop") return stack !== undefined && needs.stacks.has(stack);
  if (op.regions.length === 0) return hasEffect(op);
  return op.regions.some((region) => region.ops.some((inner) => matters(inner, needs)));
}

function liveOp(op: Op, needs: Needs): Op {
  const isUsed = (position: number): boolean => op.results[position] !== undefined && needs.values.has(op.results[position]);
  const used = op.results.map((_, i) => i).filter(isUsed);
  switch (op.name) {
    case "if": return { ...op, results: at(op.results, used), regions: op.regions.map((region) => liveRegion(region, needs, used)) };
    case "for": return liveLoop(op, 3, 1, used, needs);
    case "while": return liveLoop(op, 0, 0, used, needs);
    default: return { ...op, regions: op.regions.map((region) => liveRegion(region, needs)) };
  }
}

/** A loop with the carries that results or turns need. Before its carries stand `bounds` operands, and `counters` parameters of its body. */
function liveLoop(op: Op, bounds: number, counters: number, used: readonly number[], needs: Needs): Op {
  let carries = used;
  for (;;) {
    const inner: Needs = { values: new Set(needs.values), stacks: needs.stacks };
    const regions = op.regions.map((region, i) => {
      const body = i === op.regions.length - 1;
      return liveRegion(region, inner, body ? carries : undefined);
    });
    const isCarried = (region: Region, position: number): boolean => {
      const parameter = region.parameters[position + (region === op.regions.at(-1) ? counters : 0)];
      return parameter !== undefined && inner.values.has(parameter);
    };
    const needed = op.results.map((_, i) => i).filter((i) => carries.includes(i) || op.regions.some((region) => isCarried(region, i)));
    if (needed.length > carries.length) {
      carries = needed;
      continue;
    }
    inner.values.forEach((value) => needs.values.add(value));
    const kept = (offset: number): readonly number[] => [...Array(offset).keys(), ...carries.map((position) => position + offset)];
    return {
      ...op,
      operands: at(op.operands, kept(bounds)),
      results: at(op.results, carries),
      regions: regions.map((region, i) => ({ ...region, parameters: at(region.parameters, kept(i === regions.length - 1 ? counters : 0)) })),
    };
  }
}

function at(values: readonly Value[], positions: readonly number[]): readonly Value[] {
  return values.filter((_, i) => positions.includes(i));
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
