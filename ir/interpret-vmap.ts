/**
 * What vmap means: the function runs once for each example, and its results are laid side by side. Slow and obvious;
 * the passes that do all examples at once are held to it.
 */

import { at } from "./expect.ts";
import { type HostArray, forEachIndex, hostArray, offsetOf } from "./host.ts";
import type { Op } from "./module.ts";
import type { VmapAttrs } from "./ops/vmap.ts";
import type { TensorType } from "./type.ts";

/** `runExample` runs the callee; `types` are those of the op's results. */
export function runVmap(op: Op, operands: readonly HostArray[], types: readonly TensorType[], runExample: (inputs: readonly HostArray[]) => readonly HostArray[]): readonly HostArray[] {
  const { axes, outAxes } = op.attrs as VmapAttrs;
  const position = axes.findIndex((axis) => axis >= 0);
  const size = at(operands, position).shape[at(axes, position)] ?? 0;
  const examples = Array.from({ length: size }, (_, example) => runExample(operands.map((operand, i) => exampleAt(operand, at(axes, i), example))));
  return types.map((type, i) => {
    if (at(outAxes, i) >= 0) return sideBySide(type, at(outAxes, i), examples.map((results) => at(results, i)));
    // The same for all, and there even if there are no examples.
    const [any = runExample(operands.map((operand, j) => (at(axes, j) < 0 ? operand : emptyExample(operand, at(axes, j)))))] = examples;
    return at(any, i);
  });
}

function exampleAt(array: HostArray, axis: number, example: number): HostArray {
  if (axis < 0) return array;
  const result = hostArray(array.dtype, array.shape.toSpliced(axis, 1));
  forEachIndex(result.shape, (index, offset) => {
    result.data[offset] = array.data[offsetOf(array.shape, index.toSpliced(axis, 0, example))] ?? NaN;
  });
  return result;
}

function emptyExample({ dtype, shape }: HostArray, axis: number): HostArray {
  return hostArray(dtype, shape.toSpliced(axis, 1));
}

function sideBySide({ dtype, shape }: TensorType, axis: number, examples: readonly HostArray[]): HostArray {
  const result = hostArray(dtype, shape.map(Number));
  examples.forEach((example, position) => forEachIndex(example.shape, (index, offset) => {
    result.data[offsetOf(result.shape, index.toSpliced(axis, 0, position))] = example.data[offset] ?? NaN;
  }));
  return result;
}
