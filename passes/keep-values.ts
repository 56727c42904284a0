/**
 * Which values of a row kernel are kept in scratch memory from one stage of a row to the next.
 *
 * A row is computed in stages: one for each reduction, and one for the results. A map that several stages need is
 * computed in each of them, which for an expensive one (the exp of a softmax, summed first and then divided by the
 * sum) is dearer than storing a row of it.
 */

import type { Builder } from "../ir/builder.ts";
import { elementCount } from "../ir/dim.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { bytesOf } from "../ir/type.ts";
import { computeOf, rankOf } from "./access.ts";
import type { RowAxes } from "./axes.ts";
import { isExpensive } from "./cost.ts";

export interface KeptValues {
  /** Counts the stages; the value of the first stage that computes a kept value is what later ones load. */
  stage: number;
  find(value: Value): KeptValue | undefined;
}

export interface KeptValue {
  readonly buffer: Value;
  /** The stage that computes and stores it. */
  readonly stage: number;
  /** The place in the buffer of the element at an index of the value. */
  indexIn(index: readonly Value[]): readonly Value[];
}

/** Makes the scratch memory where `b` stands: at the start of a row. */
export function keepValues(b: Builder, region: Region, axes: RowAxes, scratchBytes: number): KeptValues {
  const kept = new Map<Value, KeptValue>();
  const extents = axes.inner.map(({ extent }) => extent);
  const stages = stagesOf(region);
  for (const op of region.ops) {
    const [value] = op.results;
    if (value === undefined || !isExpensive(op) || computeOf(op).form !== "map") continue;
    const needing = stages.flatMap((needed, stage) => (needed.has(op) ? [stage] : []));
    const [first, second] = needing;
    const positions = axes.inner.map((axis) => range(rankOf(value)).find((position) => axes.classOf(value, position) === axis));
    const { dtype } = tensorTypeOf(value);
    const elements = elementCount(extents);
    const fits = typeof elements === "number" && elements * bytesOf(dtype) <= scratchBytes;
    if (first === undefined || second === undefined || !fits || positions.includes(undefined)) continue;
    kept.set(value, {
      buffer: b.alloc({ dtype, shape: extents }),
      stage: first + 1,
      indexIn: (index) => positions.map((position) => index[position ?? -1] ?? missing()),
    });
  }
  return { stage: 0, find: (value) => kept.get(value) };
}

/** The maps that each stage computes elements of: what its root reads, up to the totals of earlier stages. */
function stagesOf(region: Region): readonly ReadonlySet<Op>[] {
  const definition = new Map<Value, Op>(region.ops.flatMap((op) => op.results.map((result) => [result, op] as const)));
  const reach = (roots: readonly Value[]): ReadonlySet<Op> => {
    const reached = new Set<Op>();
    const pending = [...roots];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const op = definition.get(value);
      if (op === undefined || reached.has(op) || computeOf(op).form !== "map") continue;
      reached.add(op);
      pending.push(...op.operands);
    }
    return reached;
  };
  const reductions = region.ops.filter((op) => computeOf(op).form === "reduce");
  return [...reductions.map((op) => reach(op.operands)), reach(region.yields)];
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, position) => position);
}

function missing(): never {
  throw new RangeError("a kept value is at an index of its own rank");
}
