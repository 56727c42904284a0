/** f32 matrix products as a share of the processor's peak, and against onnxruntime. */

import { compare } from "./against-peer.ts";
import { compileCeilings } from "./ceilings.ts";
import { compileModels, hostInput, type Machine } from "./machine.ts";
import { onnxOperations } from "./peers/onnx-model.ts";

/** m x k by k x n, and the model function of that size. */
const products = [
  { name: "square", m: 1024, k: 1024, n: 1024 },
  { name: "narrow", m: 4096, k: 1024, n: 64 },
  { name: "shallow", m: 4096, k: 64, n: 1024 },
] as const;

export async function benchMatmul(machine: Machine): Promise<string> {
  const ceilings = await compileCeilings(machine);
  const source = await compileModels("matmul.ts", machine);
  const tables: string[] = [];
  for (const { name, m, k, n } of products) {
    tables.push(await compare({
      title: `f32 matmul [${m},${k}] x [${k},${n}]`,
      source,
      name,
      inputs: { a: hostInput([m, k]), b: hostInput([k, n]) },
      onnx: { ...onnxOperations.matmul, output: { name: "y", shape: [m, n] } },
      rate: { unit: "GFLOP/s", amount: 2 * m * k * n },
      ceiling: { label: "of peak", amount: ceilings.operations, contenders: (threads) => [ceilings.peak(threads)] },
      tolerance: 1e-3,
      aims: ["aims: 85 % of peak on one thread, ahead of onnxruntime on one and two, 92 % of the peak's scaling"],
    }, machine));
  }
  return tables.join("");
}
