/** Gradients of the op table's samples against the one of a whole program, in the interpreter. */

import assert from "node:assert/strict";
import { buildFunction } from "../../ir/builder.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import { findRecord } from "../../ir/ops/table.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { isFloat, type TensorType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { sampleCases, type SampleCase } from "../compile/sample-cases.ts";
import { inputsOf } from "../run-sample.ts";

const float = (type: TensorType): boolean => isFloat(type.dtype);

export const differentiableCases: readonly SampleCase[] = sampleCases.filter(({ op, func }) => findRecord(op).derivative !== "none"
  && func.body.parameters.some(({ type }) => float(type as TensorType)) && func.body.yields.length === 1 && func.body.yields.every(({ type }) => float(type as TensorType)));

export type RunGradient = (func: Func, inputs: readonly HostArray[], weights: HostArray, wrt: readonly number[]) => Promise<readonly HostArray[]>;

/** The gradient of sum(op(inputs) * weights) by every float among the inputs; `tolerance` is of the largest element. */
export async function checkGradient({ func, sample, sizes }: SampleCase, run: RunGradient, tolerance: number): Promise<void> {
  for (const [seed, size] of sizes.entries()) {
    const inputs = inputsOf(sample, size, seed + 1);
    const wrt = inputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
    const [expected, weights] = gradientOfWhole(func, inputs, wrt, size);
    (await run(func, inputs, weights, wrt)).forEach((gradient, i) => {
      const whole = expected[i]?.data ?? [];
      const largest = Math.max(1e-3, ...Array.from(whole, Math.abs));
      assert.equal(gradient.data.length, whole.length);
      gradient.data.forEach((value, at) => {
        const wanted = whole[at] ?? NaN;
        assert.ok(Object.is(value, wanted) || Math.abs(value - wanted) <= tolerance * largest, `${func.name} ${JSON.stringify(sample.attrs ?? {})} at ${JSON.stringify(size)}: gradient ${i}[${at}] is ${value}, and ${wanted} in a whole program`);
      });
    });
  }
}

/** By the passes alone, in the interpreter; and the weights, which differ from element to element. */
function gradientOfWhole(func: Func, inputs: readonly HostArray[], wrt: readonly number[], sizes: Readonly<Record<string, number>>): readonly [readonly HostArray[], HostArray] {
  const types = [...func.body.parameters, ...func.body.yields].map(({ type }) => type as TensorType);
  const parameters = types.map((type, i) => ({ name: `x${i}`, type }));
  const loss = buildFunction("loss", parameters, (b, values) => {
    const [result] = inlineRegion(b, func.body, values.slice(0, -1));
    const [weight] = values.slice(-1);
    if (result === undefined || weight === undefined) throw new Error("an op has a result");
    const product = b.mul(result, weight);
    const axes = (product.type as TensorType).shape.map((_, axis) => axis);
    return [axes.length === 0 ? product : b.reduceSum(product, { axes })];
  });
  const main = buildFunction("main", parameters, (b, values) => b.valueAndGrad(values, { callee: "loss", wrt }).slice(1), () => loss);
  const [result] = interpret({ functions: [func] }, func.name, inputs, sizes);
  if (result === undefined) throw new Error("an op has a result");
  const weights = hostArray(result.dtype, result.shape, Array.from(result.data, (_, i) => 0.5 + (i % 7) / 4));
  const module = runPasses({ functions: [loss, main] }, ["transform"], { entries: ["main"] });
  return [interpret(module, "main", [...inputs, weights], sizes), weights];
}
