/**
 * Loops that schedules are made of, as functions over a builder: the body is called with the index to build with.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import { present } from "../../ir/expect.ts";
import type { Value } from "../../ir/module.ts";
import { indexType } from "../../ir/type.ts";
import { restOf } from "./lanes.ts";

/** for (i = start; i < stop; i += step) carries = body(i, carries). */
export function serialLoop(
  b: Builder,
  start: Value,
  stop: Value,
  step: number,
  carries: readonly Value[],
  body: (index: Value, carries: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const region = b.region([indexType, ...carries.map(({ type }) => type)], ([index, ...values]) => body(present(index, "a loop gives its body an index"), values));
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

/** The independent items of a kernel. */
export function grid(b: Builder, items: Dim, work: Dim, body: (item: Value) => void): void {
  const region = b.region([indexType], ([item]) => {
    if (item !== undefined) body(item);
    return [];
  });
  b.for(b.index(0), b.index(items), b.index(1), [], { kind: "grid", work }, [region]);
}

/** if (condition) body. */
export function when(b: Builder, condition: Value, body: () => void): void {
  b.if(condition, {}, [b.region([], () => (body(), [])), b.region([], () => [])]);
}

/** 0, 1, ..., count - 1: what is repeated while building, not while running. */
export function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, position) => position);
}
