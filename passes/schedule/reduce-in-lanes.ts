/**
 * A reduction with lanes along its last axis: several vectors of partial totals, folded at the end.
 *
 * The last axis is covered by three loops: whole steps of all partial totals, whole vectors of what is left into the
 * first of them, and single elements into totals of their own. Loops over the other axes go around and carry all.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Region, Value } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { foldLanes, hasRest, restOf } from "./lanes.ts";
import { nestedLoops, serialLoop } from "./loops.ts";
import { inVectors, uniform, vectorize } from "./vectorize.ts";
import { workOf } from "./work.ts";

export interface LaneReduction {
  readonly identities: readonly Value[];
  readonly extents: readonly Dim[];
  readonly lastExtent: Dim;
  readonly element: Region;
  readonly combine: Region;
  readonly lanes: number;
}

type Tuple = readonly Value[];

export function reduceInLanes(b: Builder, { identities, extents, lastExtent, element, combine, lanes }: LaneReduction): Tuple {
  const partials = partialTotals(element);
  const step = lanes * partials;
  const hasSingles = hasRest(lastExtent, lanes);
  const zero = b.index(0);
  const end = b.index(lastExtent);
  const wholeEnd = partials > 1 ? restOf(b, zero, end, step, hasRest(lastExtent, step)) : zero;
  const vectorEnd = restOf(b, zero, end, lanes, hasSingles);

  const combineVectors = (left: Tuple, right: Tuple): Tuple =>
    vectorize(b, combine, inVectors([...left, ...right]), lanes);
  const addVector = (outer: Tuple, base: Value, total: Tuple): Tuple =>
    combineVectors(total, vectorize(b, element, [...uniform(outer), { kind: "ramp", base }], lanes));
  const addSingle = (index: Tuple, total: Tuple): Tuple => inlineRegion(b, combine, [...total, ...inlineRegion(b, element, index)]);

  const vectorIdentities = identities.map((identity) => b.splat(identity, { lanes }));
  const start = [...new Array<Tuple>(partials).fill(vectorIdentities).flat(), ...identities];
  const carried = nestedLoops(b, extents.slice(0, -1), start, (outer, carries) => {
    const { vectors, singles } = splitCarries(carries, partials, identities.length);
    const afterSteps = partials === 1 ? vectors : splitCarries(
      serialLoop(b, zero, wholeEnd, step, vectors.flat(), (base, totals) =>
        splitCarries(totals, partials, identities.length).vectors.flatMap((total, part) => addVector(outer, b.add(base, part * lanes), total))),
      partials, identities.length).vectors;
    const [first = [], ...others] = afterSteps;
    const needsVectors = partials === 1 || hasRest(lastExtent, step);
    const firstAfter = needsVectors ? serialLoop(b, wholeEnd, vectorEnd, lanes, first, (base, total) => addVector(outer, base, total)) : first;
    const singlesAfter = hasSingles ? serialLoop(b, vectorEnd, end, 1, singles, (index, total) => addSingle([...outer, index], total)) : singles;
    return [...firstAfter, ...others.flat(), ...singlesAfter];
  });
  const { vectors, singles } = splitCarries(carried, partials, identities.length);
  const total = foldLanes(b, vectors.reduce(combineVectors), combine);
  return hasSingles ? inlineRegion(b, combine, [...singles, ...total]) : total;
}

function splitCarries(carries: Tuple, partials: number, slots: number): { readonly vectors: readonly Tuple[]; readonly singles: Tuple } {
  const vectors = Array.from({ length: partials }, (_, part) => carries.slice(part * slots, (part + 1) * slots));
  return { vectors, singles: carries.slice(partials * slots) };
}

/** Independent partial totals hide the latency of a cheap fold; an expensive element hides it by itself. */
function partialTotals(element: Region): number {
  const work = workOf(element);
  return typeof work === "number" && work <= 6 ? 4 : 1;
}
