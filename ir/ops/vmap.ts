/**
 * vmap: a function of one example, for many examples at once. The meaning is a loop over the examples; the transform
 * pass replaces the op by ops that have one more axis (passes/batch.ts).
 */

import { type Dim, printDim, sameDim } from "../dim.ts";
import type { Attrs, Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import { printType, type TensorType, tensorType, type Type } from "../type.ts";
import { fact, integersAttr, tensorAt } from "./check.ts";
import { call, type CallAttrs } from "./control.ts";

export interface VmapAttrs extends CallAttrs {
  /** For each operand the axis that its examples are along; -1 where it is the same for all. At least one is not -1. */
  readonly axes: readonly number[];
  /** For each result the axis that its examples are along; -1 where it must not depend on the example, and is there once. */
  readonly outAxes: readonly number[];
}

export const vmap: OpRecord<(operands: readonly Value[], attrs: VmapAttrs) => readonly Value[]> = {
  doc: "results = callee for each example: operand i has them along axis axes[i], result i along outAxes[i]; -1: what is the same for all",
  operands: ["...operands"],
  results: ["...results"],
  infer: (operands, attrs, regions, callee) => {
    const axes = axesAttr(attrs, "axes", operands.length, "operand");
    const size = examplesAlong(operands, axes);
    const results = call.infer(operands.map((operand, i) => exampleOf(operand, axes[i] ?? -1)), attrs, regions, callee);
    const outAxes = axesAttr(attrs, "outAxes", results.length, "result");
    return results.map((_, i) => {
      const [result, axis] = [tensorAt(results, i, `result ${i}`), outAxes[i] ?? -1];
      if (axis < 0) return result;
      if (axis > result.shape.length) {
        throw new TypeFault("attr outAxes must name axes of the results", [`result ${i} of one example is ${printType(result)}, and axis is ${axis}`]);
      }
      return tensorType(result.dtype, result.shape.toSpliced(axis, 0, size));
    });
  },
  derivative: "none",
};

/** How many examples the operands have. Throws a TypeFault where they do not agree. */
export function examplesAlong(operands: readonly Type[], axes: readonly number[]): Dim {
  let found: { readonly position: number; readonly size: Dim } | undefined;
  axes.forEach((axis, position) => {
    if (axis < 0) return;
    const operand = tensorAt(operands, position, `operand ${position}`);
    const size = operand.shape[axis];
    if (size === undefined) throw new TypeFault("attr axes must name axes of the operands", [fact(`operand ${position}`, operand), `axis is ${axis}`]);
    found ??= { position, size };
    if (!sameDim(found.size, size)) {
      throw new TypeFault("all mapped axes must have one size", [
        `axis ${axes[found.position] ?? -1} of operand ${found.position} is ${printDim(found.size)}`,
        `axis ${axis} of operand ${position} is ${printDim(size)}`,
      ]);
    }
  });
  if (found === undefined) throw new TypeFault("an operand of a vmap must be mapped", [`axes is [${axes.join(",")}]`]);
  return found.size;
}

/** The type of one example of an operand. */
function exampleOf(operand: Type, axis: number): Type {
  if (axis < 0) return operand;
  const { dtype, shape }: TensorType = tensorAt([operand], 0, "a mapped operand");
  return tensorType(dtype, shape.toSpliced(axis, 1));
}

function axesAttr(attrs: Attrs, name: string, count: number, what: string): readonly number[] {
  const axes = integersAttr(attrs, name);
  if (axes.length !== count) throw new TypeFault(`attr ${name} must have one entry for each ${what}`, [`it has ${axes.length}, for ${count} ${what}s`]);
  const low = axes.find((axis) => axis < -1);
  if (low !== undefined) throw new TypeFault(`attr ${name} counts axes from 0, and -1 is none`, [`it has ${low}`]);
  return axes;
}
