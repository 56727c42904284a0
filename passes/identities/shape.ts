/**
 * Identities of ops that rearrange elements: what changes nothing goes, two in a row become one, and a splat constant
 * stays one under another shape. All are exact, since no element is computed with.
 */

import { addDims, type Dim, mulDims, sameShape } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { type Candidate, constantValue, type Identities, madeBy, numbersOf, operand, type Simplifier, splatValue } from "./identity.ts";

export const shapeIdentities: Identities = {
  reshape: [
    // a reshape to the shape it has
    unlessShapeChanges,
    // reshape(reshape(x)) = reshape(x)
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "reshape");
      return inner === undefined ? undefined : s.make("reshape", [operand(inner, 0)], op.attrs);
    },
    // a reshape of a constant is the constant in that shape
    (op, s) => {
      const held = constantValue(s, operand(op, 0));
      return held === undefined ? undefined : s.constant(op.type, held);
    },
  ],
  broadcast: [
    // A broadcast without new axes; axes increase, so none is moved.
    unlessShapeChanges,
    // broadcast(broadcast(x)) = broadcast(x)
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "broadcast");
      if (inner === undefined) return undefined;
      const outerAxes = numbersOf(op.attrs, "axes");
      const axes = numbersOf(inner.attrs, "axes").map((axis) => outerAxes[axis] ?? 0);
      return s.make("broadcast", [operand(inner, 0)], { ...op.attrs, axes });
    },
    ofSplat,
  ],
  transpose: [
    // a transpose that keeps the order of axes
    (op) => (isIdentity(numbersOf(op.attrs, "permutation")) ? operand(op, 0) : undefined),
    // transpose(transpose(x)) = transpose(x)
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "transpose");
      if (inner === undefined) return undefined;
      const innerPermutation = numbersOf(inner.attrs, "permutation");
      const permutation = numbersOf(op.attrs, "permutation").map((axis) => innerPermutation[axis] ?? 0);
      return s.make("transpose", [operand(inner, 0)], { permutation });
    },
    // transpose(broadcast(x)) = broadcast(transpose(x)), on fewer elements
    transposeBeforeBroadcast,
    ofSplat,
  ],
  reverse: [
    // a reverse of no axes
    (op) => (numbersOf(op.attrs, "axes").length === 0 ? operand(op, 0) : undefined),
    // reverse(reverse(x)) = x, for the same axes
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "reverse");
      const isSame = inner !== undefined && numbersOf(inner.attrs, "axes").join() === numbersOf(op.attrs, "axes").join();
      return isSame ? operand(inner, 0) : undefined;
    },
    ofSplat,
  ],
  slice: [
    // A slice of as many elements as there are; it must start at 0 and have stride 1 to lie inside.
    unlessShapeChanges,
    // slice(slice(x)) = slice(x)
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), "slice");
      if (inner === undefined) return undefined;
      const innerStrides = numbersOf(inner.attrs, "strides");
      const innerStarts = dimsOf(inner, "starts");
      const starts = dimsOf(op, "starts").map((start, axis) => addDims(innerStarts[axis] ?? 0, mulDims(innerStrides[axis] ?? 1, start)));
      const strides = numbersOf(op.attrs, "strides").map((stride, axis) => stride * (innerStrides[axis] ?? 1));
      return s.make("slice", [operand(inner, 0)], { ...op.attrs, starts, strides });
    },
    // a slice that takes what was padded out of its padding again
    (op, s) => {
      const padded = madeBy(s, operand(op, 0), "pad");
      if (padded === undefined || numbersOf(op.attrs, "strides").some((stride) => stride !== 1)) return undefined;
      const isWhole = sameShape(dimsOf(op, "starts"), dimsOf(padded, "low")) && sameShape(tensorTypeOf(op).shape, shapeOf(operand(padded, 0)));
      return isWhole && numbersOf(padded.attrs, "interior").every((count) => count === 0) ? operand(padded, 0) : undefined;
    },
    // a slice that takes one of the parts of a concat
    slicedPart,
    ofSplat,
  ],
  pad: [
    // padding by nothing
    unlessShapeChanges,
    // padding a constant with the value it holds
    (op, s) => (Object.is(splatValue(s, operand(op, 0)), op.attrs["value"]) ? ofSplat(op, s) : undefined),
  ],
  // a concat of one part
  concat: [(op) => (op.operands.length === 1 ? operand(op, 0) : undefined)],
  cumsum: [
    // a running sum along an axis of size 1
    (op) => (tensorTypeOf(op).shape[Number(op.attrs["axis"])] === 1 ? operand(op, 0) : undefined),
  ],
};

/** The op, when it gives back the shape of its operand: for ops that then move no element. */
function unlessShapeChanges(op: Candidate): Value | undefined {
  return sameShape(shapeOf(operand(op, 0)), tensorTypeOf(op).shape) ? operand(op, 0) : undefined;
}

/** Rearranging equal elements gives equal elements. */
function ofSplat(op: Candidate, s: Simplifier): Value | undefined {
  const splat = splatValue(s, operand(op, 0));
  return splat === undefined ? undefined : s.constant(op.type, splat);
}

function transposeBeforeBroadcast(op: Candidate, s: Simplifier): Value | undefined {
  const inner = madeBy(s, operand(op, 0), "broadcast");
  if (inner === undefined) return undefined;
  const permutation = numbersOf(op.attrs, "permutation");
  const moved = numbersOf(inner.attrs, "axes").map((axis) => permutation.indexOf(axis));
  const order = moved.map((_, axis) => axis).sort((left, right) => (moved[left] ?? 0) - (moved[right] ?? 0));
  const x = s.make("transpose", [operand(inner, 0)], { permutation: order });
  return s.make("broadcast", [x], { shape: tensorTypeOf(op).shape, axes: order.map((axis) => moved[axis] ?? 0) });
}

function slicedPart(op: Candidate, s: Simplifier): Value | undefined {
  const joined = madeBy(s, operand(op, 0), "concat");
  if (joined === undefined || numbersOf(op.attrs, "strides").some((stride) => stride !== 1)) return undefined;
  const axis = Number(joined.attrs["axis"]);
  const [starts, sizes] = [dimsOf(op, "starts"), tensorTypeOf(op).shape];
  let start: Dim = 0;
  for (const part of joined.operands) {
    const shape = shapeOf(part);
    const partStarts = shape.map((_, i) => (i === axis ? start : 0));
    if (sameShape(starts, partStarts) && sameShape(sizes, shape)) return part;
    start = addDims(start, shape[axis] ?? 0);
  }
  return undefined;
}

function isIdentity(permutation: readonly number[]): boolean {
  return permutation.every((axis, position) => axis === position);
}

function dimsOf(op: Candidate, attr: string): readonly Dim[] {
  return op.attrs[attr] as readonly Dim[];
}

export function shapeOf(value: Value): readonly Dim[] {
  return tensorTypeOf(value).shape;
}
