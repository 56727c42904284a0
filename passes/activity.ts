/**
 * Activity: which values a derivative needs tangents of, because they depend on what is differentiated, and what is asked
 * for depends on them.
 *
 * Two walks over a region and the regions in it, forwards from the parameters and backwards from the yields, each repeated
 * until nothing is new: a carry of a loop is active in every turn if it is in one, and a stack if one push or pop is.
 */

import { type Op, type Region, type Value } from "../ir/module.ts";
import { findRecord } from "../ir/ops/table.ts";
import { isFloat, type Type } from "../ir/type.ts";

/** The active values of a region: `parameters` are those of it that have tangents, `wanted` those of its yields that are asked for. */
export function activeValues(region: Region, parameters: readonly Value[], wanted: readonly Value[]): ReadonlySet<Value> {
  const varied = grow(parameters, (found) => vary(region, found));
  const useful = grow(wanted, (found) => use(region, found));
  return new Set([...varied].filter((value) => useful.has(value)));
}

/** Whether there is a derivative with respect to values of a type. */
export function isDifferentiable(type: Type): boolean {
  return type.kind === "tensor" && isFloat(type.dtype);
}

function grow(start: readonly Value[], extend: (found: Set<Value>) => void): ReadonlySet<Value> {
  const found = new Set(start);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    extend(found);
  }
  return found;
}

/** Adds what depends on values that are there already. */
function vary(region: Region, found: Set<Value>): void {
  for (const op of region.ops) {
    for (const [from, to] of flows(op)) if (found.has(from) && isFloat(to.type.dtype)) found.add(to);
    for (const inner of op.regions) vary(inner, found);
    // Once more: what the regions yield is known now.
    for (const [from, to] of flows(op)) if (found.has(from) && isFloat(to.type.dtype)) found.add(to);
  }
}

/** Adds what values that are there already depend on. */
function use(region: Region, found: Set<Value>): void {
  for (const op of region.ops.toReversed()) {
    for (const [from, to] of flows(op)) if (found.has(to)) found.add(from);
    for (const inner of op.regions.toReversed()) use(inner, found);
    for (const [from, to] of flows(op)) if (found.has(to)) found.add(from);
  }
}

type Flow = readonly [from: Value, to: Value];

/** Where an op takes values to, tangents with them; what happens inside of its regions is not among it. */
function flows(op: Op): readonly Flow[] {
  switch (op.name) {
    case "push": return pairs([op.operands[1]], [op.operands[0]]);
    case "pop": return pairs([op.operands[0]], op.results);
    case "if": return op.regions.flatMap(({ yields }) => pairs(yields, op.results));
    case "for": return loopFlows(op, op.operands.slice(3), op.regions[0], op.regions[0]?.parameters.slice(1) ?? []);
    case "while": return loopFlows(op, op.operands, op.regions[1], op.regions[1]?.parameters ?? []);
  }
  if (findRecord(op.name).derivative === "none") return [];
  return op.operands.flatMap((operand) => op.results.map((result): Flow => [operand, result]));
}

function loopFlows({ results }: Op, initial: readonly Value[], body: Region | undefined, carries: readonly Value[]): readonly Flow[] {
  const yields = body?.yields ?? [];
  return [...pairs(initial, carries), ...pairs(initial, results), ...pairs(yields, carries), ...pairs(yields, results)];
}

function pairs(from: readonly (Value | undefined)[], to: readonly (Value | undefined)[]): readonly Flow[] {
  return from.flatMap((value, i): readonly Flow[] => {
    const target = to[i];
    return value === undefined || target === undefined ? [] : [[value, target]];
  });
}
