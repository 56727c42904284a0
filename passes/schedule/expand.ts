/**
 * Expands what is left inside grid items: rows, reductions and scans become loops, with lanes along the last axis where
 * memory is consecutive there and the item is not in lanes already.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import { type Op, type Region, type Value, visitOps } from "../../ir/module.ts";
import { inlineRegion, type RewriteRule, withOuter } from "../../ir/rewrite.ts";
import type { Limits } from "../limits.ts";
import { localityAlong } from "./locality.ts";
import { hasRest, lanesFor, mostLanes } from "./lanes.ts";
import { nestedLoops, stripLoops } from "./loops.ts";
import { reduceInLanes } from "./reduce-in-lanes.ts";
import { expandSerially } from "./serial.ts";
import { uniform, vectorize } from "./vectorize.ts";

export function expandRule(limits: Limits): RewriteRule {
  const rule: RewriteRule = (b, op, operands, rewriter) => {
    switch (op.name) {
      case "reduce": return expandReduce(b, op, operands, rewriter.value, limits) ?? expandSerially(b, op, operands, rewriter);
      case "parallel": return expandParallel(b, op, rewriter.value, rule, limits);
      case "scan": return expandSerially(b, op, operands, rewriter);
      default: return undefined;
    }
  };
  return rule;
}

type Mapping = (value: Value) => Value;

function expandParallel(b: Builder, op: Op, outer: Mapping, rule: RewriteRule, limits: Limits): readonly Value[] {
  const [body] = op.regions;
  if (body === undefined) throw new Error("a parallel has a body");
  const region = withOuter(body, outer);
  const extents = op.attrs["extents"] as readonly Dim[];
  const lastExtent = extents.at(-1);
  if (lastExtent === undefined || hasVectors(region) || !isFlat(region) || hasAdditions(region)) {
    nestedLoops(b, extents, [], (indices) => (inlineRegion(b, region, indices, rule), []));
    return [];
  }
  const lanes = lanesFor(lastExtent, mostLanes(region, limits));
  nestedLoops(b, extents.slice(0, -1), [], (indices) => {
    stripLoops(b, b.index(0), b.index(lastExtent), lanes, hasRest(lastExtent, lanes),
      (base) => vectorize(b, region, [...uniform(indices), { kind: "ramp", base }], lanes),
      (index) => inlineRegion(b, region, [...indices, index], rule));
    return [];
  });
  return [];
}

/** Undefined when lanes are of no use: the axis is short, the elements are apart, or the totals are vectors already. */
function expandReduce(b: Builder, op: Op, identities: readonly Value[], outer: Mapping, limits: Limits): readonly Value[] | undefined {
  const [element, combine] = op.regions.map((region) => withOuter(region, outer));
  if (element === undefined || combine === undefined) throw new Error("a reduce has two regions");
  const extents = op.attrs["extents"] as readonly Dim[];
  const lastExtent = extents.at(-1);
  const lastAxis = element.parameters.at(-1);
  if (lastExtent === undefined || lastAxis === undefined || !isFlat(element) || hasVectors(combine)) return undefined;
  const lanes = lanesFor(lastExtent, mostLanes(element, limits));
  if (lanes === 1 || localityAlong(element, lastAxis) <= 0) return undefined;
  return reduceInLanes(b, { identities, extents, lastExtent, element, combine, lanes });
}

function hasVectors(region: Region): boolean {
  let found = region.parameters.some(({ type }) => type.kind === "scalar" && type.lanes > 1);
  visitOps(region, (op) => {
    for (const { type } of op.results) found ||= type.kind === "scalar" && type.lanes > 1;
  });
  return found;
}

/** Iterations that add to one element cannot be lanes of one addition. */
function hasAdditions(region: Region): boolean {
  let found = false;
  visitOps(region, (op) => (found ||= op.name === "atomic_add"));
  return found;
}

/** Without loops inside. A branch is no obstacle: its condition is about sizes, and the same in all lanes. */
function isFlat(region: Region): boolean {
  return region.ops.every((op) => op.regions.length === 0 || op.name === "if");
}
