/**
 * What the tests of derivatives share: a function of f64 tensors, its gradient by the transform pass, and the same
 * gradient by central differences. Both are run by the interpreter.
 */

import { strict as assert } from "node:assert";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { type HostArray, hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module, Value } from "../../ir/module.ts";
import { functionsOf } from "../../ir/rewrite.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { runPasses, tensorPipeline } from "../../passes/pipeline.ts";

/** The results from the parameters. */
export type Body = (b: Builder, ...parameters: readonly Value[]) => readonly Value[];

export function functionOf(name: string, types: readonly TensorType[], body: Body, others: readonly Func[] = []): Func {
  const parameters = types.map((type, i) => ({ name: `x${i}`, type }));
  return buildFunction(name, parameters, (b, values) => body(b, ...values), functionsOf({ functions: others }));
}

/** The module of `f`, and of `main`: its value and gradient with respect to its float parameters. */
export function withGradient(f: Func, wrt: readonly number[]): Module {
  const types = f.body.parameters.map(({ type }) => type as TensorType);
  const main = functionOf("main", types, (b, ...parameters) => b.valueAndGrad(parameters, { callee: f.name, wrt }), [f]);
  return { functions: [f, main] };
}

/** main's results after the whole tensor pipeline. */
export function runCompiled(module: Module, inputs: readonly HostArray[], sizes: Readonly<Record<string, number>> = {}): readonly HostArray[] {
  return interpret(runPasses(module, tensorPipeline, { entries: ["main"] }), "main", inputs, sizes);
}

/** d f / d inputs[position] by central differences; `f` has one f64 of rank 0 as its first result. */
export function finiteDifference(f: Func, inputs: readonly HostArray[], position: number, step = 1e-5): HostArray {
  const x = inputs[position];
  assert(x !== undefined);
  const at = (element: number, offset: number): number => {
    const moved = hostArray(x.dtype, x.shape, x.data);
    moved.data[element] = (moved.data[element] ?? 0) + offset;
    return interpret({ functions: [f] }, f.name, inputs.with(position, moved))[0]?.data[0] ?? NaN;
  };
  return hostArray(x.dtype, x.shape, Array.from(x.data, (_, i) => (at(i, step) - at(i, -step)) / (2 * step)));
}

/** The gradient of `body` with respect to each f64 input, checked against central differences. */
export function checkGradient(body: Body, inputs: readonly HostArray[], tolerance = 1e-6): void {
  const f = functionOf("f", inputs.map(({ dtype, shape }) => tensorType(dtype, shape)), body);
  const wrt = inputs.flatMap(({ dtype }, i) => (dtype === "f64" ? [i] : []));
  const [value, ...gradients] = runCompiled(withGradient(f, wrt), inputs);
  assertClose(value, interpret({ functions: [f] }, "f", inputs)[0], 1e-12);
  gradients.forEach((gradient, i) => assertClose(gradient, finiteDifference(f, inputs, wrt[i] ?? 0), tolerance));
}

export function assertClose(actual: HostArray | undefined, expected: HostArray | undefined, tolerance: number): void {
  assert(actual !== undefined && expected !== undefined);
  assert.deepEqual(actual.shape, expected.shape);
  actual.data.forEach((value, i) => {
    const wanted = expected.data[i] ?? NaN;
    const difference = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
    assert(difference <= tolerance || Object.is(value, wanted), `element ${i} is ${value}, expected ${wanted}`);
  });
}

export function f64(shape: readonly number[], values: readonly number[]): HostArray {
  return hostArray("f64", shape, values);
}

/** Values that no two elements share and that lie between -1.5 and 1.5: a fixed sequence, not noise. */
export function spread(shape: readonly number[], phase = 0): HostArray {
  const count = shape.reduce((product, size) => product * size, 1);
  return f64(shape, Array.from({ length: count }, (_, i) => 1.5 * Math.sin(1.7 * i + 0.3 + phase)));
}
