/**
 * How many lanes an axis is covered with, what they leave over, and how the totals of lanes become one.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import { type Region, type Value, visitOps } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { bytesOf } from "../../ir/type.ts";
import { scalarTypeOf } from "../../ir/type-of.ts";
import type { Limits } from "../limits.ts";
import { inVectors, vectorize } from "./vectorize.ts";

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

/** As many lanes as the widest element that the region computes with leaves room for. */
export function mostLanes(region: Region, limits: Limits): number {
  let widest = 4;
  visitOps(region, (op) => {
    for (const { type } of op.results) {
      if (type.kind === "scalar" && type.dtype !== "index") widest = Math.max(widest, bytesOf(type.dtype));
    }
  });
  return Math.max(1, limits.vectorBytes / widest);
}

export function hasRest(extent: Dim, lanes: number): boolean {
  return lanes > 1 && !(typeof extent === "number" && extent % lanes === 0);
}

/** Vectors of fewer lanes than this are folded one lane at a time. */
const fewLanes = 4;

/** Folds the lanes of a tuple of vectors by a monoid: halves onto halves, and then the last few. */
export function foldLanes(b: Builder, vectors: readonly Value[], combine: Region): readonly Value[] {
  let folded = vectors;
  let lanes = scalarTypeOf(at(vectors, 0)).lanes;
  while (lanes > fewLanes) {
    lanes /= 2;
    const half = (start: number): readonly number[] => Array.from({ length: lanes }, (_, lane) => start + lane);
    const halves = [half(0), half(lanes)].flatMap((part) => folded.map((vector) => b.shuffle(vector, vector, { lanes: part })));
    folded = vectorize(b, combine, inVectors(halves), lanes);
  }
  const tuples = Array.from({ length: lanes }, (_, lane) => folded.map((vector) => b.extract(vector, { lane })));
  return tuples.reduce((left, right) => [...inlineRegion(b, combine, [...left, ...right])]);
}

/**
 * As many vectors as lanes, with row and column exchanged: lane j of result i is lane i of operand j. In each round
 * blocks of half the size trade places across the diagonal (Eklundh, A fast computer method for matrix transposing).
 */
export function transposeLanes(b: Builder, vectors: readonly Value[]): readonly Value[] {
  const lanes = vectors.length;
  let rows = [...vectors];
  for (let distance = lanes / 2; distance >= 1; distance /= 2) {
    const low = Array.from({ length: lanes }, (_, lane) => (lane & distance ? lanes + lane - distance : lane));
    const high = Array.from({ length: lanes }, (_, lane) => (lane & distance ? lanes + lane : lane + distance));
    rows = rows.map((_, position) => {
      const first = at(rows, position & ~distance);
      const second = at(rows, position | distance);
      return position & distance ? b.shuffle(first, second, { lanes: high }) : b.shuffle(first, second, { lanes: low });
    });
  }
  return rows;
}
