/** What one op gives by itself: a kernel of its own on the CPU, as eager execution has it. */

import type { Device, DTypeName } from "tsdlc-runtime";
import { decode, encode } from "tsdlc-runtime/library";
import { printDim } from "../../ir/dim.ts";
import { numericType } from "../../ir/interpret.ts";
import type { Func, Value } from "../../ir/module.ts";
import type { TensorType } from "../../ir/type.ts";
import { computationOf } from "../../lib/eager/computation.ts";
import { execute, withDevice } from "../../lib/eager/execute.ts";
import { Tensor } from "../../lib/tensor.ts";
import { UsageError } from "../usage-error.ts";
import type { Unit } from "./watched.ts";

/** Elements as numbers, whatever the dtype. */
export interface Numbers {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly elements: Float64Array;
}

export type Sizes = Readonly<Record<string, number>>;

/** Runs one unit on these inputs; results in the order of its outputs. */
export function runUnit({ ops, inputs, outputs }: Unit, given: readonly Numbers[], sizes: Sizes, on: Device): readonly Numbers[] {
  const name = ops.at(-1)?.name ?? "nothing";
  const func: Func = { name: "alone", parameterNames: inputs.map((_, i) => `x${i}`), body: { parameters: inputs, ops, yields: outputs } };
  const dims = Object.keys(sizes);
  const results = outputs.map((value) => numericType(tensorTypeOf(value), sizes)).map(({ dtype, shape }) => ({ dtype, shape: shape.map(Number) }));
  const application = { computation: computationOf(func, dims), sizes: Object.values(sizes), results };
  const tensors = inputs.map((value, i) => toTensor(given[i], tensorTypeOf(value)));
  return withDevice(on, () => execute(application, tensors, name)).map((result) => toNumbers(result.dtype, result.shape, result.dataSync()));
}

export function toNumbers(dtype: DTypeName, shape: readonly number[], data: Parameters<typeof decode>[1]): Numbers {
  return { dtype, shape, elements: Float64Array.from({ length: data.length }, (_, i) => decode(dtype, data, i)) };
}

/** Numbers of a tier without f64 come as f32, and are taken as what the op wants. */
function toTensor(numbers: Numbers | undefined, { dtype }: TensorType): Tensor<readonly never[], DTypeName> {
  if (numbers === undefined) throw new Error("a value is used before it is there");
  return new Tensor(dtype, numbers.shape, { kind: "host", data: encode(dtype, numbers.elements) });
}

export function tensorTypeOf({ type }: Value): TensorType {
  if (type.kind !== "tensor") throw new Error("an op takes and gives tensors");
  return type;
}

/** The sizes of named dims, read off the shapes that are passed for the parameters. */
export function sizesFrom({ body }: Func, given: readonly Numbers[], names: readonly string[]): Sizes {
  const sizes: Record<string, number> = {};
  body.parameters.forEach((parameter, i) => tensorTypeOf(parameter).shape.forEach((dim, axis) => {
    if (names.includes(printDim(dim))) sizes[printDim(dim)] ??= given[i]?.shape[axis] ?? 0;
  }));
  const unknown = names.find((name) => sizes[name] === undefined);
  if (unknown !== undefined) throw new UsageError(`no argument has an axis whose size is ${unknown} alone, so its size cannot be read off`);
  return sizes;
}
