/**
 * Every sample of the op table run as eager execution runs it: one op at a time with its own kernels, at several sizes by
 * the same kernels, against `evaluate`; and its gradient over a tape against the one of a whole program.
 */

import assert from "node:assert/strict";
import { buildFunction } from "../../ir/builder.ts";
import { evaluateDim, namesOfDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { isFloat, type TensorType, tensorType } from "../../ir/type.ts";
import { findRecord } from "../../ir/ops/table.ts";
import { computationOf } from "../../lib/eager/computation.ts";
import { execute } from "../../lib/eager/execute.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { grad, type Tensor } from "tsdlc";
import { device } from "tsdlc-runtime";
import { checkCase, sampleCases, type SampleCase } from "../compile/sample-cases.ts";
import { inputsOf } from "../run-sample.ts";
import { type AnyTensor, toHost, toTensor } from "./host-tensors.ts";

const float = (type: TensorType): boolean => isFloat(type.dtype);

/** What eager execution makes of one op: its computation, and the shapes of this call. */
function run(func: Func, inputs: readonly AnyTensor[]): readonly AnyTensor[] {
  const types = [...func.body.parameters, ...func.body.yields].map(({ type }) => type as TensorType);
  const dims = [...new Set(types.flatMap(({ shape }) => shape.flatMap(namesOfDim)))];
  const sizes: Record<string, number> = {};
  func.body.parameters.forEach(({ type }, i) => (type as TensorType).shape.forEach((dim, axis) => {
    const [name] = namesOfDim(dim);
    if (name !== undefined) sizes[name] ??= inputs[i]?.shape[axis] ?? 0;
  }));
  const results = types.slice(func.body.parameters.length).map(({ dtype, shape }) => tensorType(dtype, shape.map((dim) => evaluateDim(dim, sizes))) as { dtype: TensorType["dtype"]; shape: readonly number[] });
  return execute({ computation: computationOf(func, dims), sizes: dims.map((dim) => sizes[dim] ?? 0), results }, inputs, func.name);
}

describe("ops one by one", function () {
  this.timeout(240_000);
  before(() => device("cpu"));

  for (const op of new Set(sampleCases.map((entry) => entry.op))) {
    it(op, async () => {
      for (const entry of sampleCases.filter((candidate) => candidate.op === op)) {
        await checkCase(entry, async (_name, inputs) => Promise.all(run(entry.func, inputs.map(toTensor)).map(toHost)), { ulps: entry.sample.ulp ?? 2, absolute: 0 });
      }
    });
  }
});

/** The gradient of sum(op(inputs) * weights) by every float among the inputs. */
describe("gradients of ops one by one", function () {
  this.timeout(240_000);
  before(() => device("cpu"));

  const differentiable = sampleCases.filter(({ op, func }) => findRecord(op).derivative !== "none"
    && func.body.parameters.some(({ type }) => float(type as TensorType)) && func.body.yields.length === 1 && func.body.yields.every(({ type }) => float(type as TensorType)));

  for (const op of new Set(differentiable.map((entry) => entry.op))) {
    it(op, async () => {
      for (const entry of differentiable.filter((candidate) => candidate.op === op)) await checkGradient(entry);
    });
  }
});

async function checkGradient({ func, sample, sizes }: SampleCase): Promise<void> {
  for (const [seed, size] of sizes.entries()) {
    const inputs = inputsOf(sample, size, seed + 1);
    const wrt = inputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
    const [expected, weights] = gradientOfWhole(func, inputs, wrt, size);
    const weight = toTensor(weights);
    const loss = (...tensors: AnyTensor[]): Tensor<[]> => {
      const [result] = run(func, tensors) as readonly [Tensor];
      return result.mul(weight as unknown as Tensor).sum() as Tensor<[]>;
    };
    const gradients = grad(loss as never, { wrt })(...(inputs.map(toTensor) as never)) as unknown as readonly AnyTensor[];
    (await Promise.all(gradients.map(toHost))).forEach((gradient, i) => {
      const whole = expected[i]?.data ?? [];
      const largest = Math.max(1e-3, ...Array.from(whole, Math.abs));
      gradient.data.forEach((value, at) => {
        const wanted = whole[at] ?? NaN;
        assert.ok(Object.is(value, wanted) || Math.abs(value - wanted) <= 4e-6 * largest, `${func.name} ${JSON.stringify(sample.attrs ?? {})} at ${JSON.stringify(size)}: gradient ${i}[${at}] is ${value}, and ${wanted} in a whole program`);
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
