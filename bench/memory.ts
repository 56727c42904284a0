/** What is bound by memory, or would be if the arithmetic were fast enough: a fused chain, and softmax. */

import { compare } from "./against-peer.ts";
import { compileCeilings, copiedBytes, copiedElements } from "./ceilings.ts";
import { compileModels, hostInput, type Machine } from "./machine.ts";
import { onnxOperations } from "./peers/onnx-model.ts";

export async function benchChain(machine: Machine): Promise<string> {
  const ceilings = await compileCeilings(machine);
  return compare({
    title: "Fused chain over 16M elements: tanh(x * 2 + 1) * x",
    source: await compileModels("memory.ts", machine),
    name: "chain",
    inputs: { x: hostInput([copiedElements]) },
    onnx: { ...onnxOperations.chain, output: { name: "y", shape: [copiedElements] } },
    rate: { unit: "GB/s", amount: copiedBytes },
    ceiling: { label: "of plain copy", amount: copiedBytes, contenders: (threads) => [ceilings.copy("plain", threads), ceilings.copy("streaming", threads)] },
    tolerance: 1e-5,
    aims: ["aims: 80 % of the copy on two threads, ahead of onnxruntime on one and two"],
  }, machine);
}

export async function benchSoftmax(machine: Machine): Promise<string> {
  const shape = [1024, 1024];
  return compare({
    title: "softmax [1024,1024]",
    source: await compileModels("memory.ts", machine),
    name: "rows",
    inputs: { x: hostInput(shape) },
    onnx: { ...onnxOperations.softmax, output: { name: "y", shape } },
    rate: { unit: "GB/s", amount: 2 * 4 * 1024 * 1024 },
    ceiling: undefined,
    tolerance: 1e-5,
    aims: ["aim: ahead of onnxruntime on one and two threads"],
  }, machine);
}
