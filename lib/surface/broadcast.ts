/**
 * Implicit broadcasting, after NumPy (https://numpy.org/doc/stable/user/basics.broadcasting.html): shapes are aligned
 * at their last axes, a missing axis and an axis of literal size 1 stretch. A named dim never stretches, even when it
 * turns out to be 1, because a program must mean the same for every size.
 */

import type { Builder } from "../../ir/builder.ts";
import { type Dim, isDim, printDim, sameDim, sameShape } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { type DType, isFloat, printShape, printType, type TensorType, tensorType } from "../../ir/type.ts";
import {
  checkNumber,
  readTensor,
  type SurfaceArgument,
  type SurfaceContext,
  type TensorValue,
  TracedNumber,
} from "./argument.ts";

/** The shape that both shapes stretch to. */
export function broadcastShapes(context: SurfaceContext, left: readonly Dim[], right: readonly Dim[]): readonly Dim[] {
  const rank = Math.max(left.length, right.length);
  return Array.from({ length: rank }, (_, axis) => {
    const l = left[axis - rank + left.length] ?? 1;
    const r = right[axis - rank + right.length] ?? 1;
    if (sameDim(l, r)) return l;
    if (l === 1) return r;
    if (r === 1) return l;
    const fact = `${printShape(left)} with ${printShape(right)}: ${printDim(l)} against ${printDim(r)}`;
    if (typeof l === "number" && typeof r === "number") {
      throw new TypeFault("operands must have shapes that broadcast together", [fact]);
    }
    context.requireEqual(l, r, `operands must have shapes that broadcast together (${fact})`);
    return l;
  });
}

/** A tensor stretched to a shape: literal 1s are reshaped away, then the IR's explicit `broadcast` puts axes in. */
export function broadcastTo(b: Builder, tensor: TensorValue, shape: readonly Dim[]): Value {
  const { value, type } = tensor;
  if (sameShape(type.shape, shape)) return value;
  const offset = shape.length - type.shape.length;
  const kept = type.shape.map((_, axis) => axis).filter((axis) => sameDim(type.shape[axis] ?? 1, shape[axis + offset] ?? 1));
  const squeezed = kept.map((axis) => type.shape[axis] ?? 1);
  const source = kept.length === type.shape.length ? value : b.reshape(value, { shape: squeezed });
  return b.broadcast(source, { shape, axes: kept.map((axis) => axis + offset) });
}

/** The operands of an elementwise op, of one dtype and shape (at least `least`); numbers stay numbers for the builder. */
export function broadcastOperands(
  b: Builder,
  context: SurfaceContext,
  args: readonly SurfaceArgument[],
  least: readonly Dim[] = [],
): readonly (Value | number)[] {
  const tensors = args.filter((argument) => !isNumberLike(argument)).map((argument, i) => readTensor(argument, `operand ${i + 1}`));
  const first = tensors[0];
  if (first === undefined) throw new TypeFault("one of the operands must be a tensor", [], "write full([], value) for a tensor of rank 0");
  const dtype = first.type.dtype;
  for (const { type } of tensors) requireSameDType(first.type, type);
  const shape = tensors.reduce<readonly Dim[]>((sofar, { type }) => broadcastShapes(context, sofar, type.shape), least);
  return args.map((argument) =>
    typeof argument === "number"
      ? checkNumber(argument, dtype)
      : broadcastTo(b, isNumberLike(argument) ? numberLike(b, argument, dtype) : readTensor(argument), shape),
  );
}

export function requireSameDType(left: TensorType, right: TensorType): void {
  if (left.dtype === right.dtype) return;
  throw new TypeFault(
    "operands must have the same dtype; tensors are never promoted",
    [`left is ${printType(left)}`, `right is ${printType(right)}`],
    isFloat(left.dtype) || !isFloat(right.dtype)
      ? `convert the right one, with .to("${left.dtype}")`
      : `convert the left one, with .to("${right.dtype}")`,
  );
}

/** A number as a tensor of rank 0: a constant, the size of a named dim, or a number that is traced. */
export function numberLike(b: Builder, argument: number | Dim | TracedNumber, dtype: DType): TensorValue {
  const type = tensorType(dtype, []);
  if (typeof argument === "number") return { value: b.constantOf(type, checkNumber(argument, dtype)), type };
  if (!(argument instanceof TracedNumber)) return { value: b.size({ size: argument, dtype }), type };
  const traced = readTensor(argument.value);
  if (traced.type.dtype === dtype) return traced;
  if (!isFloat(dtype) && isFloat(traced.type.dtype)) {
    throw new TypeFault(
      `a number that is known only at run time may have a fraction and does not fit a tensor of ${dtype}`,
      [],
      `convert the tensor first, with .to("f32")`,
    );
  }
  return { value: b.cast(traced.value, { dtype }), type };
}

export function isNumberLike(argument: SurfaceArgument): argument is Dim | TracedNumber {
  return argument instanceof TracedNumber || isDim(argument);
}
