/**
 * What `infer` rules check, each in one call: that an operand is a tensor, that an attr is there and has the right
 * form. Attrs come from text as well as from code, so their form is never taken for granted. Every check throws a
 * TypeFault with the facts.
 */

import { type Dim, isDim } from "../dim.ts";
import type { Attrs } from "../module.ts";
import { TypeFault } from "../op.ts";
import { type DType, dtypes, printType, type ScalarDType, type TensorType, type Type } from "../type.ts";

/** `left is f32[N,784]` */
export function fact(name: string, type: Type | undefined): string {
  return `${name} is ${type === undefined ? "missing" : printType(type)}`;
}

/** An operand that the op cannot do without. */
export function given(type: Type | undefined): Type {
  if (type === undefined) throw new TypeFault("an operand is missing");
  return type;
}

export function tensorAt(operands: readonly Type[], position: number, name: string): TensorType {
  const type = operands[position];
  if (type?.kind !== "tensor") throw new TypeFault(`${name} must be a tensor`, [fact(name, type)]);
  return type;
}

export function expectOperandCount(operands: readonly Type[], count: number): void {
  if (operands.length !== count) throw new TypeFault(`it takes ${count} operands`, [`${operands.length} are given`]);
}

export function isDType(value: unknown): value is DType {
  return (dtypes as readonly unknown[]).includes(value);
}

/** The attr `dtype`; `index` is one at kernel level only. */
export function scalarDTypeAttr(attrs: Attrs): ScalarDType {
  const dtype = attrs["dtype"];
  if (isDType(dtype) || dtype === "index") return dtype;
  throw new TypeFault("attr dtype must be a dtype", [`it is ${show(dtype)}`], `one of ${dtypes.join(", ")}`);
}

export function dtypeAttr(attrs: Attrs): DType {
  const dtype = scalarDTypeAttr(attrs);
  if (dtype === "index") throw new TypeFault("a tensor has no dtype index", [], "use i32 or i64");
  return dtype;
}

export function integersAttr(attrs: Attrs, name: string): readonly number[] {
  const list: unknown = attrs[name];
  if (!Array.isArray(list) || !list.every((item) => Number.isInteger(item))) {
    throw new TypeFault(`attr ${name} must be a list of integers`, [`it is ${show(list)}`]);
  }
  return list as readonly number[];
}

export function dimsAttr(attrs: Attrs, name: string): readonly Dim[] {
  const list: unknown = attrs[name];
  if (!Array.isArray(list) || !list.every((item) => isDim(item) && (typeof item !== "number" || (Number.isInteger(item) && item >= 0)))) {
    throw new TypeFault(`attr ${name} must be a list of dims, each 0 or more`, [`it is ${show(list)}`]);
  }
  return list as readonly Dim[];
}

/** Distinct axes of a tensor, in increasing order. */
export function axesAttr(attrs: Attrs, rank: number, name = "axes"): readonly number[] {
  const axes = integersAttr(attrs, name);
  axes.forEach((axis, position) => {
    expectAxis(axis, rank, name);
    if (position > 0 && axis <= (axes[position - 1] ?? 0)) {
      throw new TypeFault(`attr ${name} must be increasing`, [`it is [${axes.join(",")}]`]);
    }
  });
  return axes;
}

export function axisAttr(attrs: Attrs, rank: number): number {
  const axis = attrs["axis"];
  if (typeof axis !== "number" || !Number.isInteger(axis)) throw new TypeFault("attr axis must be an integer", [`it is ${show(axis)}`]);
  expectAxis(axis, rank, "axis");
  return axis;
}

/** One entry for each axis. */
export function expectLength(name: string, list: readonly unknown[], rank: number): void {
  if (list.length !== rank) throw new TypeFault(`attr ${name} must have one entry for each axis`, [`it has ${list.length}, for ${rank} axes`]);
}

export function expectAxis(axis: number, rank: number, name: string): void {
  if (axis < 0 || axis >= rank) {
    throw new TypeFault(`attr ${name} must name axes of the operand`, [`axis ${axis} of a tensor with ${rank} axes`]);
  }
}

function show(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
