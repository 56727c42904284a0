/** The operations of the webgpu table in plain JavaScript and f64: what every contender must agree with before it is timed. */

import type { HostInput } from "./machine.ts";
import type { Operation } from "./peers/webgpu-peer.ts";

/** Rows of a product that are compared: a whole one of 1024 would take plain JavaScript seconds. */
const comparedRowEvery = 37;
/** Relative to the larger of 1 and the value. */
const tolerance = 1e-4;

/** Throws when `result` is not what the operation gives. */
export function requirePlainResult(who: string, operation: Operation, inputs: readonly HostInput[], result: Float32Array): void {
  const [first, second] = inputs;
  if (first === undefined) throw new RangeError(`${operation} got no input`);
  const expect = (index: number, expected: number): void => {
    const actual = result[index] ?? Number.NaN;
    if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)))) {
      throw new Error(`${who}, ${operation}: element ${index} is ${actual}, plain JavaScript has ${expected}`);
    }
  };
  const [rows = 0, columns = 1] = first.shape;
  switch (operation) {
    case "matmul": {
      const width = second?.shape[1] ?? 0;
      requireLength(who, operation, result, rows * width);
      for (let row = 0; row < rows; row += comparedRowEvery) {
        productRow(first, second, row, columns, width).forEach((value, column) => expect(row * width + column, value));
      }
      return;
    }
    case "chain":
      requireLength(who, operation, result, first.data.length);
      first.data.forEach((x, i) => expect(i, Math.tanh(2 * x + 1) * x));
      return;
    case "softmax":
      requireLength(who, operation, result, first.data.length);
      for (let row = 0; row < rows; row++) {
        const values = first.data.subarray(row * columns, (row + 1) * columns);
        const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
        // Shares of 1024 are small: in units that the tolerance can tell apart.
        values.forEach((value, column) => {
          const index = row * columns + column;
          const [share, expected] = [(result[index] ?? Number.NaN) * columns, (Math.exp(value) / total) * columns];
          if (!(Math.abs(share - expected) <= tolerance * Math.max(1, expected))) throw new Error(`${who}, softmax: element ${index} is ${share / columns}, plain JavaScript has ${expected / columns}`);
        });
      }
  }
}

function productRow(a: HostInput, b: HostInput | undefined, row: number, inner: number, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (let k = 0; k < inner; k++) {
    const factor = a.data[row * inner + k] ?? Number.NaN;
    for (let column = 0; column < width; column++) sums[column] = (sums[column] ?? 0) + factor * (b?.data[k * width + column] ?? Number.NaN);
  }
  return sums;
}

function requireLength(who: string, operation: string, result: Float32Array, length: number): void {
  if (result.length !== length) throw new Error(`${who}, ${operation}: ${result.length} elements instead of ${length}`);
}
