/**
 * Distributes the outer space of a kernel: which of its axes are the items of the grid, and which the lanes run along.
 */

import type { Builder } from "../../ir/builder.ts";
import { ceilDivDims, type Dim, minDims, mulDims } from "../../ir/dim.ts";
import type { Op, Region, Value } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { indexType } from "../../ir/type.ts";
import type { Limits } from "../limits.ts";
import { localityAlong } from "./locality.ts";
import { hasRest, lanesFor, mostLanes } from "./lanes.ts";
import { grid, stripLoops } from "./loops.ts";
import { uniform, vectorize } from "./vectorize.ts";
import { workOf } from "./work.ts";

/** Elements of the last axis that one grid item covers at most: enough that taking an item costs nothing beside it. */
const mapElements = 32768;

/** The same where each element is a sum of its own: few columns, since there may be no other axis to spread. */
const reducingElements = 256;

/** The outer space of a kernel as a grid, with lanes along its last axis when memory is consecutive there. */
export function distribute(b: Builder, allExtents: readonly Dim[], wholeBody: Region, limits: Limits): void {
  const { extents, body } = withoutUnitAxes(b, allExtents, wholeBody);
  const lastAxis = body.parameters.at(-1);
  const lastExtent = extents.at(-1);
  if (lastAxis === undefined || lastExtent === undefined || !prefersOuterLanes(body, lastAxis, lastExtent)) {
    grid(b, mulDims(1, ...extents), workOf(body), (item) => inlineRegion(b, body, delinearize(b, item, extents)));
    return;
  }
  const lanes = lanesFor(lastExtent, mostLanes(body, limits));
  const outer = extents.slice(0, -1);
  const stripElements = body.ops.some((op) => op.name === "reduce") ? reducingElements : mapElements;
  const isStripped = typeof lastExtent !== "number" || lastExtent > stripElements;
  const strips = isStripped ? ceilDivDims(lastExtent, stripElements) : 1;
  // A size that is not known may be small, and a run that does little is not worth another thread.
  const work = mulDims(workOf(body), isStripped ? minDims(lastExtent, stripElements) : lastExtent);
  grid(b, mulDims(strips, ...outer), work, (item) => {
    const indices = delinearize(b, item, isStripped ? [...outer, strips] : outer);
    const outerIndices = indices.slice(0, outer.length);
    const strip = indices[outer.length];
    const start = strip === undefined ? b.index(0) : b.mul(strip, stripElements);
    const stop = strip === undefined ? b.index(lastExtent) : b.min(b.add(start, stripElements), b.index(lastExtent));
    stripLoops(b, start, stop, lanes, hasRest(lastExtent, lanes),
      (base) => vectorize(b, body, [...uniform(outerIndices), { kind: "ramp", base }], lanes),
      (index) => inlineRegion(b, body, [...outerIndices, index]));
  });
}

/** Lanes go outside when memory is more consecutive there, or when the inner axes are too short to fill any. */
export function prefersOuterLanes(body: Region, lastAxis: Value, lastExtent: Dim): boolean {
  const inner = body.ops.filter((op) => op.name === "reduce" || op.name === "parallel" || op.name === "scan");
  if (inner.length === 0) return true;
  if (inner.some((op) => op.name === "scan")) return false;
  const isShort = (extent: Dim | undefined): boolean => extent === undefined || (typeof extent === "number" && extent < 16);
  const innerExtent = (op: Op): Dim | undefined => (op.attrs["extents"] as readonly Dim[]).at(-1);
  if (inner.every((op) => isShort(innerExtent(op)))) return !isShort(lastExtent);
  return isConsecutiveOutside(body, lastAxis);
}

/** Whether memory is more consecutive along the last outer axis than along the inner ones. */
export function isConsecutiveOutside(body: Region, lastAxis: Value): boolean {
  const innerLocality = body.ops.filter((op) => op.name === "reduce" || op.name === "parallel").reduce((sum, op) => {
    const [region] = op.regions;
    const axis = region?.parameters.at(-1);
    return axis === undefined || region === undefined ? sum : sum + localityAlong(region, axis);
  }, 0);
  return localityAlong(body, lastAxis) > innerLocality;
}

/** A space without its axes of size 1, so that the last axis is one that lanes can run along. */
export function withoutUnitAxes(b: Builder, extents: readonly Dim[], body: Region): { readonly extents: readonly Dim[]; readonly body: Region } {
  const long = extents.filter((extent) => extent !== 1);
  if (long.length === extents.length) return { extents, body };
  const inner = b.region(long.map(() => indexType), (indices) => {
    const rest = [...indices];
    inlineRegion(b, body, extents.map((extent) => (extent === 1 ? undefined : rest.shift()) ?? b.index(0)));
    return [];
  });
  return { extents: long, body: inner };
}
