/**
 * What `evaluate` rules are written with: a host array from a function of the index, and reading one at an index.
 * Slow and obvious on purpose; nothing here is shared with `compute`.
 */

import { type HostArray, forEachIndex, hostArray, offsetOf, roundTo } from "../host.ts";
import type { TensorType } from "../type.ts";

/** The array of a type whose element at each index is given; the index array is reused between calls. */
export function tabulate(type: TensorType | undefined, at: (index: readonly number[]) => number): HostArray {
  if (type === undefined) throw new RangeError("the op has no such result");
  const result = hostArray(type.dtype, sizesOf(type));
  forEachIndex(result.shape, (index, offset) => {
    result.data[offset] = roundTo(result.dtype, at(index));
  });
  return result;
}

export function sizesOf(type: TensorType): readonly number[] {
  return type.shape.map((dim) => {
    if (typeof dim !== "number") throw new RangeError(`the size of dim ${dim.key} is not known here`);
    return dim;
  });
}

export function elementAt(array: HostArray, index: readonly number[]): number {
  const inRange = index.length === array.shape.length && index.every((position, axis) => position >= 0 && position < (array.shape[axis] ?? 0));
  const value = array.data[offsetOf(array.shape, index)];
  if (!inRange || value === undefined) throw new RangeError(`[${index.join(",")}] is outside of ${array.dtype}[${array.shape.join(",")}]`);
  return value;
}

export function operandAt(operands: readonly HostArray[], position: number): HostArray {
  const operand = operands[position];
  if (operand === undefined) throw new RangeError(`operand ${position} is missing`);
  return operand;
}
