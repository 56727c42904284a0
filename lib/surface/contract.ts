/** matmul and einsum, both in terms of the one contraction of the IR, dot_general. */

import type { Builder } from "../../ir/builder.ts";
import { type Dim, printDim, sameDim } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { printType } from "../../ir/type.ts";
import { readTensor, type SurfaceContext, type SurfaceFunction, type TensorValue } from "./argument.ts";
import { broadcastShapes, broadcastTo, requireSameDType } from "./broadcast.ts";
import { einsum } from "./einsum.ts";

export const contract = {
  matmul: (b, context, left, right) => matmul(b, context, readTensor(left, "the left operand"), readTensor(right, "the right operand")),
  einsum,
} satisfies Record<string, SurfaceFunction>;

/**
 * After torch.matmul (https://pytorch.org/docs/stable/generated/torch.matmul.html): the last axis of the left operand
 * is contracted with the last but one of the right; a vector counts as a row on the left and as a column on the right,
 * and its axis is gone from the result; the axes in front are batch axes and broadcast.
 */
function matmul(b: Builder, context: SurfaceContext, left: TensorValue, right: TensorValue): Value {
  const facts = [`left is ${printType(left.type)}`, `right is ${printType(right.type)}`];
  const leftRank = left.type.shape.length;
  const rightRank = right.type.shape.length;
  if (leftRank === 0 || rightRank === 0) {
    throw new TypeFault("matmul needs operands with at least one axis", facts, "multiply by a scalar with mul");
  }
  requireSameDType(left.type, right.type);
  const rightAxis = Math.max(rightRank - 2, 0);
  const inner = left.type.shape[leftRank - 1] ?? 1;
  const rightInner = right.type.shape[rightAxis] ?? 1;
  if (!sameDim(inner, rightInner)) {
    const against = `${printDim(inner)} against ${printDim(rightInner)}`;
    const rule = `matmul needs the last axis of its left operand to match the ${rightRank === 1 ? "axis" : rightRank === 2 ? "first axis" : "last but one axis"} of its right operand`;
    if (typeof inner === "number" && typeof rightInner === "number") {
      throw new TypeFault(rule, [...facts.slice(0, 1), `${facts[1]}: ${against}`]);
    }
    context.requireEqual(inner, rightInner, `${rule} (${facts.join(", ")}: ${against})`);
  }

  const leftBatch = left.type.shape.slice(0, Math.max(leftRank - 2, 0));
  const rightBatch = right.type.shape.slice(0, Math.max(rightRank - 2, 0));
  if (rightBatch.length === 0) {
    // No batch on the right: the left's batch axes are free axes of one larger contraction.
    return b.dotGeneral(left.value, right.value, {
      leftBatch: [],
      rightBatch: [],
      leftReduced: [leftRank - 1],
      rightReduced: [rightAxis],
    });
  }
  const batch = broadcastShapes(context, leftBatch, rightBatch);
  const stretchedLeft = broadcastTo(b, left, [...batch, ...left.type.shape.slice(leftBatch.length)]);
  const stretchedRight = broadcastTo(b, right, [...batch, ...right.type.shape.slice(rightBatch.length)]);
  const axes = batch.map((_: Dim, axis: number) => axis);
  return b.dotGeneral(stretchedLeft, stretchedRight, {
    leftBatch: axes,
    rightBatch: axes,
    leftReduced: [batch.length + (leftRank === 1 ? 0 : 1)],
    rightReduced: [batch.length],
  });
}
