/** Primitives that read and write rows chosen by a tensor of indices. */

import { printDim, sameDim } from "../../ir/dim.ts";
import { TypeFault } from "../../ir/op.ts";
import { isInteger, printType } from "../../ir/type.ts";
import { readAxis, readTensor, type SurfaceArgument, type SurfaceFunction, type TensorValue } from "./argument.ts";
import { requireSameDType } from "./broadcast.ts";

export const indexing = {
  /** Rows of x along an axis, one for each index; the axis is replaced by the shape of the indices. */
  indexSelect: (b, _context, x, axis, indices) => {
    const { value, type } = readTensor(x);
    return b.gather(value, readIndices(indices).value, { axis: readAxis(axis, type.shape.length) });
  },

  /** x plus updates at rows along an axis; an index that appears twice adds twice. */
  indexAdd: (b, context, x, axis, indices, updates) => {
    const { value, type } = readTensor(x);
    const along = readAxis(axis, type.shape.length);
    const rows = readIndices(indices);
    const added = readTensor(updates, "the updates");
    requireSameDType(type, added.type);
    const expected = [...type.shape.slice(0, along), ...rows.type.shape, ...type.shape.slice(along + 1)];
    const rule = `the updates of indexAdd must have the shape of x with axis ${along} replaced by the shape of the indices`;
    const facts = [`x is ${printType(type)}`, `indices are ${printType(rows.type)}`, `updates are ${printType(added.type)}`];
    if (added.type.shape.length !== expected.length) throw new TypeFault(rule, facts);
    expected.forEach((size, i) => {
      const given = added.type.shape[i] ?? 1;
      if (sameDim(size, given)) return;
      if (typeof size === "number" && typeof given === "number") throw new TypeFault(rule, facts);
      context.requireEqual(size, given, `${rule} (${facts.join(", ")}: ${printDim(size)} against ${printDim(given)})`);
    });
    return b.scatterAdd(value, rows.value, added.value, { axis: along });
  },
} satisfies Record<string, SurfaceFunction>;

function readIndices(argument: SurfaceArgument): TensorValue {
  const indices = readTensor(argument, "the indices");
  if (!isInteger(indices.type.dtype)) {
    throw new TypeFault("the indices must be whole numbers", [`they are ${printType(indices.type)}`], `convert them, with .to("i32")`);
  }
  return indices;
}
