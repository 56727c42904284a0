/**
 * How an op reads its operands: the index map of each load, found by running the op's compute rule on symbolic
 * indices and looking at what it asks for.
 *
 * A component of a map is the position of the loop axis it is equal to, or "other" for anything computed. The loop
 * axes are the axes of the result and then, for a reduction, the reduced axes. Fusion and axis analysis read these
 * maps and never op names.
 */

import { type Builder, createBuilder } from "../ir/builder.ts";
import type { Op, Value } from "../ir/module.ts";
import type { Compute, ComputeContext } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { indexType, type ScalarDType, scalarType, type TensorType } from "../ir/type.ts";

export interface Access {
  readonly operand: number;
  readonly index: readonly (number | "other")[];
}

const known = new WeakMap<Op, readonly Access[]>();

/** All loads of an op with a map, reduce or scan form; a kernel form reads in ways of its own and has none. */
export function accessesOf(op: Op): readonly Access[] {
  const present = known.get(op);
  if (present !== undefined) return present;
  const found = probe(op, computeOf(op));
  known.set(op, found);
  return found;
}

/** The form of an op, or undefined for control flow and what else is no kernel. */
export function findCompute(op: Op): Compute | undefined {
  return findRecord(op.name).compute;
}

export function computeOf(op: Op): Compute {
  const compute = findCompute(op);
  if (compute === undefined) throw new Error(`${op.name} does not say how it is computed`);
  return compute;
}

export function rankOf(value: Value): number {
  return tensorTypeOf(value).shape.length;
}

export function tensorTypesOf(values: readonly Value[]): readonly TensorType[] {
  return values.map(tensorTypeOf);
}

function probe(op: Op, compute: Compute): readonly Access[] {
  if (compute.form === "kernel") return [];
  const operands = tensorTypesOf(op.operands);
  const results = tensorTypesOf(op.results);
  const rank = results[0]?.shape.length ?? 0;
  const reducedRank = compute.form === "reduce" ? compute.extents(operands, op.attrs).length : 0;
  const accesses: Access[] = [];
  const b = createBuilder();
  b.region(new Array(rank + reducedRank).fill(indexType), (axes) => {
    const context: ComputeContext = {
      operands,
      results,
      attrs: op.attrs,
      load: (operand, index) => {
        accesses.push({ operand, index: index.map((component) => (axes.includes(component) ? axes.indexOf(component) : "other")) });
        return zero(b, operands[operand]?.dtype ?? "f32");
      },
    };
    runElement(b, compute, context, axes.slice(0, rank), axes.slice(rank));
    return [];
  });
  return accesses;
}

function runElement(b: Builder, compute: Exclude<Compute, { form: "kernel" }>, context: ComputeContext, index: readonly Value[], reduced: readonly Value[]): void {
  switch (compute.form) {
    case "map": compute.at(b, context, index); return;
    case "reduce": compute.element(b, context, index, reduced); return;
    case "scan": compute.element(b, context, index); return;
  }
}

function zero(b: Builder, dtype: ScalarDType): Value {
  return b.constantOf(scalarType(dtype), 0);
}
