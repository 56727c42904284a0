/** Primitives that fold axes. Each takes an axis, a list of axes or none for all, and whether to keep them as 1. */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { elementCount } from "../../ir/dim.ts";
import { printType, type TensorType } from "../../ir/type.ts";
import { readAxes, readAxis, readTensor, requireAtMost, type SurfaceArgument, type SurfaceFunction } from "./argument.ts";

export const reduce = {
  sum: folding("reduceSum"),
  prod: folding("reduceProd"),
  max: folding("reduceMax"),
  min: folding("reduceMin"),
  argmax: choosing("argmax"),
  argmin: choosing("argmin"),

  cumsum: (b, _context, x, axis, reverse) => {
    const { value, type } = readTensor(x);
    refuseBool("cumsum", type);
    return b.cumsum(value, { axis: readAxis(axis, type.shape.length), reverse: reverse === true });
  },
} satisfies Record<string, SurfaceFunction>;

function folding(op: "reduceSum" | "reduceProd" | "reduceMax" | "reduceMin"): SurfaceFunction {
  return (b, _context, x, axis, keepdim) => {
    const { value, type } = readTensor(x);
    refuseBool(op.slice("reduce".length).toLowerCase(), type);
    const axes = readAxes(axis, type.shape.length);
    const folded = axes.length === 0 ? value : b[op](value, { axes });
    return keepAxes(b, folded, type, axes, keepdim);
  };
}

/** Without an axis, the position in the flattened tensor, as in NumPy and PyTorch. */
function choosing(op: "argmax" | "argmin"): SurfaceFunction {
  return (b, context, x, axis, keepdim) => {
    const { value, type } = readTensor(x);
    const axes = readAxes(axis, type.shape.length);
    const [only, ...others] = axes;
    const count = elementCount(only !== undefined && others.length === 0 ? [type.shape[only] ?? 1] : type.shape);
    requireAtMost(context, 1, count, `${op} needs at least one element to choose from`, `it is ${printType(type)}`);
    if (only !== undefined && others.length === 0) return keepAxes(b, b[op](value, { axis: only }), type, axes, keepdim);
    if (axis !== undefined) throw new TypeFault(`${op} takes one axis, or none for the flattened tensor`, [`it is given ${axes.length}`]);
    const flat = b.reshape(value, { shape: [elementCount(type.shape)] });
    return keepAxes(b, b[op](flat, { axis: 0 }), type, axes, keepdim);
  };
}

function keepAxes(b: Builder, folded: Value, type: TensorType, axes: readonly number[], keepdim: SurfaceArgument): Value {
  if (keepdim !== true) return folded;
  return b.reshape(folded, { shape: type.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) });
}

function refuseBool(name: string, type: TensorType): void {
  if (type.dtype !== "bool") return;
  throw new TypeFault(`${name} needs a tensor of numbers`, [`it is ${printType(type)}`], `convert it first, with .to("i32"), or use any() or all()`);
}
