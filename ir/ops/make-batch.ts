/**
 * Makes batch rules: what families of ops do when their operands have examples along a new axis 0 (op.ts).
 *
 * Most ops do it by their own name: operands that are the same for every example are repeated, and attrs that name axes
 * or sizes are moved by one. The rules of those that can do better stand beside their records.
 */

import type { Builder } from "../builder.ts";
import type { Dim } from "../dim.ts";
import type { Attrs, Value } from "../module.ts";
import type { BatchContext, BatchRule } from "../op.ts";
import { tensorTypeOf } from "../type-of.ts";

/** The op itself on operands that all have the examples, with attrs for one more axis. */
export function sameOp(attrsOf: (attrs: Attrs, context: BatchContext) => Attrs = (attrs) => attrs): BatchRule {
  return (b, operands, context) => b.op(context.name, allMapped(b, operands, context), attrsOf(context.attrs, context));
}

/** All operands with the examples along axis 0. */
export function allMapped(b: Builder, operands: readonly Value[], { isMapped, size }: BatchContext): readonly Value[] {
  return operands.map((operand, i) => (isMapped[i] === true ? operand : repeat(b, operand, size)));
}

/** A value that is the same for every example, once for each of them. */
export function repeat(b: Builder, value: Value, size: Dim): Value {
  const { shape } = tensorTypeOf(value);
  return b.broadcast(value, { shape: [size, ...shape], axes: shape.map((_, axis) => axis + 1) });
}

/** A value with one of its axes at another place. */
export function moveAxis(b: Builder, value: Value, from: number, to: number): Value {
  if (from === to) return value;
  const others = tensorTypeOf(value).shape.map((_, axis) => axis).filter((axis) => axis !== from);
  return b.transpose(value, { permutation: others.toSpliced(to, 0, from) });
}

/** Attr `name`, a list of axes, for operands with one more axis at the front. */
export function shiftedAxes(attrs: Attrs, name: string): readonly number[] {
  return (attrs[name] as readonly number[]).map((axis) => axis + 1);
}

/** Attr `axis`, for operands with one more axis at the front. */
export function shiftedAxis(attrs: Attrs): Attrs {
  return { ...attrs, axis: Number(attrs["axis"]) + 1 };
}

/** Attr `shape` with the examples in front. */
export function longerShape(attrs: Attrs, { size }: BatchContext): Attrs {
  return { ...attrs, shape: [size, ...(attrs["shape"] as readonly Dim[])] };
}
