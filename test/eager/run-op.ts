/** One op as eager execution runs it, and its gradient over a tape; in Node and in the page of browser.test.ts. */

import { evaluateDim, namesOfDim } from "../../ir/dim.ts";
import type { HostArray } from "../../ir/host.ts";
import type { Func } from "../../ir/module.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { computationOf } from "../../lib/eager/computation.ts";
import { execute } from "../../lib/eager/execute.ts";
import { grad } from "../../lib/grad.ts";
import type { Tensor } from "../../lib/tensor.ts";
import { type AnyTensor, toHost, toTensor } from "./host-tensors.ts";

/** What eager execution makes of one op: its computation, and the shapes of this call. */
export function runOp(func: Func, inputs: readonly AnyTensor[]): readonly AnyTensor[] {
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

/** The gradient of sum(op(inputs) * weights) by the inputs at these positions. */
export async function gradientOfOp(func: Func, inputs: readonly HostArray[], weights: HostArray, wrt: readonly number[]): Promise<readonly HostArray[]> {
  const weight = toTensor(weights);
  const loss = (...tensors: AnyTensor[]): Tensor<[]> => {
    const [result] = runOp(func, tensors) as readonly [Tensor];
    return result.mul(weight as unknown as Tensor).sum() as Tensor<[]>;
  };
  const gradients = grad(loss as never, { wrt })(...(inputs.map(toTensor) as never)) as unknown as readonly AnyTensor[];
  return Promise.all(gradients.map(toHost));
}
