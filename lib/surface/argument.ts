/**
 * Reading a primitive's arguments. They come from the user's source without types, so each reader checks what it is
 * given and says in the user's words what it wanted. Faults are TypeFaults; the frontend adds the place.
 */

import type { Builder } from "../../ir/builder.ts";
import { type Dim, isDim, isNeverNegative, printDim, sameDim, subDims } from "../../ir/dim.ts";
import { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { highestOf, lowestOf } from "../../ir/ops/dtype-ranges.ts";
import { type DType, dtypes, isFloat, printType, type TensorType } from "../../ir/type.ts";

export type SurfaceArgument =
  | Value
  | TracedNumber
  | Dim
  | string
  | boolean
  | undefined
  | readonly SurfaceArgument[]
  | { readonly [key: string]: SurfaceArgument };

/** A JavaScript number that is known only when the program runs: a tensor of rank 0 that takes any tensor's dtype. */
export class TracedNumber {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

export interface SurfaceContext {
  /**
   * Two dims must be equal and are not the same expression. Throws a TypeFault, or returns when the caller has made
   * it so (by a guard, with one name put for the other).
   */
  requireEqual(left: Dim, right: Dim, reason: string): void;
  /** The first dim must be no larger than the second, which depends on sizes. Throws, or returns when a guard sees to it. */
  requireAtMost(smaller: Dim, larger: Dim, reason: string): void;
}

/** The context that accepts only what can be proved. */
export const onlyProven: SurfaceContext = {
  requireEqual(left, right, reason) {
    if (!sameDim(left, right)) throw new TypeFault(reason, [`${printDim(left)} against ${printDim(right)}`]);
  },
  requireAtMost(smaller, larger, reason) {
    throw new TypeFault(reason, [`${printDim(smaller)} against ${printDim(larger)}`]);
  },
};

/** smaller <= larger: settled here where it can be, and else by the context. */
export function requireAtMost(context: SurfaceContext, smaller: Dim, larger: Dim, rule: string, fact: string): void {
  const room = subDims(larger, smaller);
  if (isNeverNegative(room)) return;
  if (typeof room === "number") throw new TypeFault(rule, [fact]);
  context.requireAtMost(smaller, larger, `${rule} (${fact})`);
}

export type SurfaceFunction = (
  b: Builder,
  context: SurfaceContext,
  ...args: readonly SurfaceArgument[]
) => Value | readonly Value[];

/** A tensor with its type, which a Value alone does not promise. */
export interface TensorValue {
  readonly value: Value;
  readonly type: TensorType;
}

/** `role` is what the user calls the argument: "the left operand", "labels". */
export function readTensor(argument: SurfaceArgument, role = "the operand"): TensorValue {
  if (argument instanceof Value && argument.type.kind === "tensor") return { value: argument, type: argument.type };
  throw new TypeFault(`${role} must be a tensor`, [`it is ${describe(argument)}`]);
}

export function readTensors(argument: SurfaceArgument, role: string): readonly TensorValue[] {
  if (!isList(argument) || argument.length === 0) {
    throw new TypeFault(`${role} must be a list of at least one tensor`, [`it is ${describe(argument)}`]);
  }
  return argument.map((item, position) => readTensor(item, `item ${position} of ${role}`));
}

/** A static integer. A traced number or a named dim where an axis belongs is told apart from a plain mistake. */
export function readInteger(argument: SurfaceArgument, role: string): number {
  if (typeof argument === "number" && Number.isInteger(argument)) return argument;
  if (argument instanceof TracedNumber) {
    throw new TypeFault(`${role} must be known when the program is built`, ["it is a number that is known only at run time"]);
  }
  throw new TypeFault(`${role} must be an integer`, [`it is ${describe(argument)}`]);
}

export function readDim(argument: SurfaceArgument, role: string): Dim {
  if (argument instanceof TracedNumber) {
    throw new TypeFault(
      `${role} must be known when the program is built`,
      ["it is a number that is known only at run time"],
      "take it from the shape of a tensor, or write a constant",
    );
  }
  if (!isDim(argument)) throw new TypeFault(`${role} must be a size`, [`it is ${describe(argument)}`]);
  if (typeof argument === "number" && !Number.isInteger(argument)) {
    throw new TypeFault(`${role} must be a whole number`, [`it is ${argument}`]);
  }
  return argument;
}

export function readDims(argument: SurfaceArgument, role: string): readonly Dim[] {
  if (!isList(argument)) throw new TypeFault(`${role} must be a list of sizes`, [`it is ${describe(argument)}`]);
  return argument.map((item, position) => readDim(item, `size ${position} of ${role}`));
}

/** An axis counted from the front; negative ones count from the end. */
export function readAxis(argument: SurfaceArgument, rank: number, role = "the axis"): number {
  const axis = readInteger(argument, role);
  if (axis < -rank || axis >= rank) {
    throw new TypeFault(`${role} must be ${axisRange(rank)}`, [`it is ${axis}`, `the tensor has rank ${rank}`]);
  }
  return axis < 0 ? axis + rank : axis;
}

/** One axis, a list of axes, or all of them when undefined; ascending. */
export function readAxes(argument: SurfaceArgument, rank: number): readonly number[] {
  if (argument === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const axes = (isList(argument) ? argument : [argument]).map((item) => readAxis(item, rank));
  if (new Set(axes).size < axes.length) throw new TypeFault("an axis is named twice", [`axes are ${axes.join(", ")}`]);
  return axes.sort((left, right) => left - right);
}

export function readNumber(argument: SurfaceArgument, role: string): number {
  if (typeof argument === "number") return argument;
  throw new TypeFault(`${role} must be a number that is known when the program is built`, [`it is ${describe(argument)}`]);
}

export function readDType(argument: SurfaceArgument): DType {
  const dtype = dtypes.find((candidate) => candidate === argument);
  if (dtype === undefined) throw new TypeFault("there is no such dtype", [`it is ${describe(argument)}`], `dtypes are ${dtypes.join(", ")}`);
  return dtype;
}

/** The number itself, after checking that a tensor of this dtype can hold it. */
export function checkNumber(value: number, dtype: DType): number {
  if (!isFloat(dtype) && !Number.isInteger(value)) {
    throw new TypeFault(
      `the number ${value} does not fit a tensor of ${dtype}`,
      [`${dtype} holds whole numbers`],
      `convert the tensor first, with .to("f32")`,
    );
  }
  const [low, high] = [lowestOf(dtype), highestOf(dtype)];
  if (value < low || value > high) {
    throw new TypeFault(`the number ${value} does not fit a tensor of ${dtype}`, [`${dtype} holds ${low} to ${high}`], `convert the tensor first, with .to("f32")`);
  }
  return value;
}

export function isList(argument: SurfaceArgument): argument is readonly SurfaceArgument[] {
  return Array.isArray(argument);
}

export function describe(argument: SurfaceArgument): string {
  if (argument === undefined) return "missing";
  if (argument instanceof Value) return printType(argument.type);
  if (argument instanceof TracedNumber) return "a number that is known only at run time";
  if (isDim(argument)) return printDim(argument);
  if (isList(argument)) return `a list of ${argument.length}`;
  if (typeof argument === "object") return `an object with ${Object.keys(argument).join(", ") || "no fields"}`;
  return JSON.stringify(argument);
}

function axisRange(rank: number): string {
  return rank === 0 ? "absent, since a scalar has no axes" : `from ${-rank} to ${rank - 1}`;
}
