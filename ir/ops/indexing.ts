/**
 * Index arithmetic for `compute` rules, on `index` values that are never negative (WGSL's index is unsigned). What
 * changes nothing is not built, so that index maps stay simple enough to vectorise.
 */

import type { Builder } from "../builder.ts";
import { type Dim, elementCount, mulDims, sameDim, subDims } from "../dim.ts";
import type { Value } from "../module.ts";
import { scalarType, type TensorType } from "../type.ts";

/** The row-major position of an index in a shape. */
export function linearize(b: Builder, index: readonly Value[], shape: readonly Dim[]): Value {
  let linear: Value | undefined;
  shape.forEach((dim, axis) => {
    const position = index[axis];
    if (position === undefined || dim === 1) return;
    linear = linear === undefined ? position : b.add(multiply(b, linear, dim), position);
  });
  return linear ?? b.index(0);
}

/** The index at a row-major position. */
export function delinearize(b: Builder, linear: Value, shape: readonly Dim[]): readonly Value[] {
  const outermost = shape.findIndex((dim) => dim !== 1);
  return shape.map((dim, axis) => {
    if (dim === 1) return b.index(0);
    const stride = mulDims(1, ...shape.slice(axis + 1));
    const quotient = stride === 1 ? linear : b.div(linear, b.index(stride));
    return axis === outermost ? quotient : b.rem(quotient, b.index(dim));
  });
}

/**
 * The index into `from` of the element that is at `index` of `to`, a reshape of it. Only runs of axes that really
 * differ are linearised: [N,28,28] from [N,784] keeps N as it is.
 */
export function reshapeIndex(b: Builder, index: readonly Value[], from: readonly Dim[], to: readonly Dim[]): readonly Value[] {
  const result: Value[] = [];
  for (const group of alignedGroups(from, to)) {
    const fromDims = from.slice(group.fromStart, group.fromEnd);
    const toDims = to.slice(group.toStart, group.toEnd);
    const positions = index.slice(group.toStart, group.toEnd);
    const [wide] = fromDims.filter((dim) => dim !== 1);
    const wides = toDims.filter((dim) => dim !== 1);
    const isSameAxis = wide !== undefined && wides.length === 1 && fromDims.filter((dim) => dim !== 1).length === 1 && sameDim(wide, wides[0] ?? 0);
    if (isSameAxis) {
      const position = positions[toDims.findIndex((dim) => dim !== 1)];
      result.push(...fromDims.map((dim) => (dim === 1 || position === undefined ? b.index(0) : position)));
    } else {
      result.push(...delinearize(b, linearize(b, positions, toDims), fromDims));
    }
  }
  return result;
}

/** Cuts two shapes of equal size into the shortest groups of axes with equal products. */
function alignedGroups(from: readonly Dim[], to: readonly Dim[]): readonly { fromStart: number; fromEnd: number; toStart: number; toEnd: number }[] {
  const groups = [];
  let [fromStart, toStart] = [0, 0];
  for (let fromEnd = 1; fromEnd <= from.length; fromEnd++) {
    const product = elementCount(from.slice(fromStart, fromEnd));
    let toEnd = toStart + 1;
    while (toEnd <= to.length && !sameDim(elementCount(to.slice(toStart, toEnd)), product)) toEnd++;
    if (toEnd > to.length) continue;
    groups.push({ fromStart, fromEnd, toStart, toEnd });
    [fromStart, toStart] = [fromEnd, toEnd];
  }
  if (fromStart < from.length || toStart < to.length) groups.push({ fromStart, fromEnd: from.length, toStart, toEnd: to.length });
  return groups;
}

/** value + dim */
export function addOffset(b: Builder, value: Value, offset: Dim): Value {
  return offset === 0 ? value : b.add(value, b.index(offset));
}

/** max(value - dim, 0), without passing below zero on the way. */
export function subtractOffset(b: Builder, value: Value, offset: Dim): Value {
  if (offset === 0) return value;
  const low = b.index(offset);
  return b.sub(b.max(value, low), low);
}

export function multiply(b: Builder, value: Value, factor: Dim): Value {
  return factor === 1 ? value : b.mul(value, b.index(factor));
}

/**
 * Loads where `position` may be beyond the end of an axis of size `size`: the position is clamped. An axis that may
 * turn out to be empty has nothing to clamp to; then the load happens only if there is an element, else `absent`.
 */
export function loadClamped(
  b: Builder,
  type: TensorType,
  position: Value,
  size: Dim,
  load: (position: Value) => Value,
  absent = 0,
): Value {
  const element = scalarType(type.dtype);
  if (size === 0) return b.constantOf(element, absent);
  if (size === 1) return load(b.index(0));
  if (typeof size === "number") return load(b.min(position, b.index(size - 1)));
  const then = b.region([], () => [load(b.min(position, b.index(subDims(size, 1))))]);
  const otherwise = b.region([], () => [b.constantOf(element, absent)]);
  const [value] = b.if(b.gt(b.index(size), b.index(0)), {}, [then, otherwise]);
  if (value === undefined) throw new RangeError("an if with one yield has one result");
  return value;
}
