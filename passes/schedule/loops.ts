/**
 * Loops that schedules are made of, as functions over a builder: the body is called with the index to build with.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Region, Value } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { indexType, printType, type ScalarType } from "../../ir/type.ts";
import { type Lanes, vectorize } from "./vectorize.ts";

/** for (i = start; i < stop; i += step) carries = body(i, carries). */
export function serialLoop(
  b: Builder,
  start: Value,
  stop: Value,
  step: number,
  carries: readonly Value[],
  body: (index: Value, carries: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const region = b.region([indexType, ...carries.map(({ type }) => type)], ([index, ...values]) => body(present(index), values));
  return b.for(start, stop, b.index(step), carries, { kind: "serial" }, [region]);
}

/** Loops over every index of the extents, the last fastest. */
export function nestedLoops(
  b: Builder,
  extents: readonly Dim[],
  carries: readonly Value[],
  body: (indices: readonly Value[], carries: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const [extent, ...others] = extents;
  if (extent === undefined) return body([], carries);
  return serialLoop(b, b.index(0), b.index(extent), 1, carries, (index, values) =>
    nestedLoops(b, others, values, (inner, innermost) => body([index, ...inner], innermost)));
}

/** One loop over [start, stop) in steps of `lanes`, and a scalar loop over what is left. */
export function stripLoops(
  b: Builder,
  start: Value,
  stop: Value,
  lanes: number,
  hasRest: boolean,
  vectorBody: (base: Value) => void,
  scalarBody: (index: Value) => void,
): void {
  if (lanes === 1) {
    serialLoop(b, start, stop, 1, [], (index) => (scalarBody(index), []));
    return;
  }
  const rest = restOf(b, start, stop, lanes, hasRest);
  serialLoop(b, start, rest, lanes, [], (base) => (vectorBody(base), []));
  if (hasRest) serialLoop(b, rest, stop, 1, [], (index) => (scalarBody(index), []));
}

/** The first index that whole steps of `lanes` from start do not reach. */
export function restOf(b: Builder, start: Value, stop: Value, lanes: number, hasRest = true): Value {
  return hasRest ? b.sub(stop, b.rem(b.sub(stop, start), lanes)) : stop;
}

/** How many lanes suit an axis: all there are, or fewer for a short axis of known size. */
export function lanesFor(extent: Dim, most: number): number {
  if (typeof extent !== "number" || extent >= most) return most;
  const lanes = 2 ** Math.floor(Math.log2(Math.max(extent, 1)));
  return lanes >= 4 ? lanes : 1;
}

export function hasRest(extent: Dim, lanes: number): boolean {
  return lanes > 1 && !(typeof extent === "number" && extent % lanes === 0);
}

/** Vectors of fewer lanes than this are folded one lane at a time. */
const fewLanes = 4;

/** Folds the lanes of a tuple of vectors by a monoid: halves onto halves, and then the last few. */
export function foldLanes(b: Builder, vectors: readonly Value[], combine: Region): readonly Value[] {
  let folded = vectors;
  let lanes = laneCount(present(vectors[0]));
  while (lanes > fewLanes) {
    lanes /= 2;
    const halves = [0, lanes].flatMap((start) => folded.map((vector) => b.laneSlice(vector, { start, lanes })));
    folded = vectorize(b, combine, halves.map((value): Lanes => ({ kind: "vector", value })), lanes);
  }
  const tuples = Array.from({ length: lanes }, (_, lane) => folded.map((vector) => b.extract(vector, { lane })));
  return tuples.reduce((left, right) => [...inlineRegion(b, combine, [...left, ...right])]);
}

export function laneCount(value: Value): number {
  return scalarTypeOf(value).lanes;
}

export function scalarTypeOf(value: Value): ScalarType {
  if (value.type.kind !== "scalar") throw new Error(`expected a scalar or vector, found ${printType(value.type)}`);
  return value.type;
}

function present<T>(item: T | undefined): T {
  if (item === undefined) throw new RangeError("an item is missing");
  return item;
}


/** The independent items of a kernel. */
export function grid(b: Builder, items: Dim, work: Dim, body: (item: Value) => void): void {
  const region = b.region([indexType], ([item]) => {
    if (item !== undefined) body(item);
    return [];
  });
  b.for(b.index(0), b.index(items), b.index(1), [], { kind: "grid", work }, [region]);
}
