/** Shape functions in the DSL, in terms of the primitives reshape, permute, narrow and concat. */

import { arange } from "./create.ts";
import type { DTypeName, Shape } from "./shape.ts";
import { times } from "./size.ts";
import type { Integer, Tensor } from "./tensor.ts";

type Any<D extends DTypeName> = Tensor<Shape, D>;

export function elementCount(x: Any<DTypeName>): number {
  return x.shape.reduce((product: number, size: number) => times(product, size), 1);
}

/** The size of an axis, which may count from the end; throws when there is no such axis. */
export function sizeAt(x: Any<DTypeName>, axis: number): number {
  return x.shape[axisFromFront(x, axis)];
}

/** The axis counted from the front; throws when the tensor has no such axis. */
function axisFromFront(x: Any<DTypeName>, axis: number): number {
  return axisBelow(x.shape.length, axis);
}

function axisBelow(rank: number, axis: number): number {
  if (axis < -rank || axis >= rank) throw new Error(`axis ${axis} is out of range for a tensor of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

export function flatten<D extends DTypeName>(x: Any<D>, start: number, end: number): Any<D> {
  if (x.shape.length === 0) return x.reshape([1]);
  const first = axisFromFront(x, start);
  const last = axisFromFront(x, end);
  if (first > last) throw new Error(`flatten from axis ${first} to axis ${last}: the first must not come after the last`);
  const joined = x.shape.slice(first, last + 1).reduce((product: number, one: number) => times(product, one), 1);
  return x.reshape([...x.shape.slice(0, first), joined, ...x.shape.slice(last + 1)]);
}

export function transpose<D extends DTypeName>(x: Any<D>, first: number, second: number): Any<D> {
  const a = axisFromFront(x, first);
  const b = axisFromFront(x, second);
  return x.permute(x.shape.map((_: number, axis: number) => (axis === a ? b : axis === b ? a : axis)));
}

export function unsqueeze<D extends DTypeName>(x: Any<D>, axis: number): Any<D> {
  const at = axisBelow(x.shape.length + 1, axis);
  return x.reshape([...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

export function squeeze<D extends DTypeName>(x: Any<D>, axis: number): Any<D> {
  const at = axisFromFront(x, axis);
  if (x.shape[at] !== 1) throw new Error(`squeeze takes away an axis of size 1; axis ${axis} has size ${x.shape[at]}`);
  return x.reshape([...x.shape.slice(0, at), ...x.shape.slice(at + 1)]);
}

export function select<D extends DTypeName>(x: Any<D>, axis: number, index: number): Any<D> {
  return squeeze(x.narrow(axis, index, 1), axis);
}

export function split<D extends DTypeName>(x: Any<D>, sizes: number | readonly number[], axis = 0): Any<D>[] {
  const total = sizeAt(x, axis);
  const pieces: Any<D>[] = [];
  if (typeof sizes === "number") {
    if (!(sizes > 0)) throw new Error(`split needs pieces of at least one element; the size is ${sizes}`);
    for (let start = 0; start < total; start += sizes) pieces.push(x.narrow(axis, start, Math.min(sizes, total - start)));
    return pieces;
  }
  const given = sizes.reduce((sum, one) => sum + one, 0);
  if (given !== total) throw new Error(`split into sizes that add up to ${given}, but axis ${axis} has size ${total}`);
  let start = 0;
  for (const length of sizes) {
    pieces.push(x.narrow(axis, start, length));
    start = start + length;
  }
  return pieces;
}

export function chunk<D extends DTypeName>(x: Any<D>, count: number, axis = 0): Any<D>[] {
  if (!(count > 0)) throw new Error(`chunk needs at least one piece; the count is ${count}`);
  const pieces = split(x, Math.ceil(sizeAt(x, axis) / count), axis);
  if (pieces.length !== count) throw new Error(`axis ${axis} of size ${sizeAt(x, axis)} cannot be cut into ${count} pieces of equal length`);
  return pieces;
}

export function oneHot(indices: Any<Integer>, classes: number): Any<"f32"> {
  return indices.unsqueeze(-1).eq(arange(classes, indices.dtype)).to("f32");
}
