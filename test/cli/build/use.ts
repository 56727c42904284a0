/** A user of the package that build.test.ts builds, checked by both TypeScript compilers and then run. */

import type { Tensor } from "tsdlc-runtime";
import { classify, type Params, predict, shift } from "./dist/index.js";

const weights = { w: new Float32Array(12).fill(1), b: new Float32Array([0, 1, 2]) };
const rows = new Float32Array(8).fill(0.5);

const outputs: Tensor<[number, 3]> = predict(weights, rows);
const digits: Tensor<[number], "i32"> = classify(weights, rows);
const moved: { p: Params; rate: Tensor<[]> } = shift(weights, 0.5);
const again: Tensor<[number, 3]> = predict(moved.p, rows);

const values: Float32Array = await outputs.data();
const classes: Int32Array = await digits.data();
console.log([...values].join(" "), "|", [...classes].join(" "), "|", [...(await again.data())].join(" "));

/** Never called: each line has a fault that the types must find. */
export function faults(): void {
  // @ts-expect-error a typed array of the wrong kind
  predict(weights, new Float64Array(8));
  // @ts-expect-error a field is missing
  predict({ w: weights.w }, rows);
  // @ts-expect-error a number is a tensor of rank 0 only
  predict(weights, 1);
  // @ts-expect-error the rank is wrong
  const flat: Tensor<[number]> = predict(weights, rows);
  // @ts-expect-error a literal dim is wrong
  const wide: Tensor<[number, 4]> = predict(weights, rows);
  // @ts-expect-error the dtype is wrong
  const floats: Tensor<[number], "f32"> = classify(weights, rows);
  console.log(flat, wide, floats);
}
