/** Small graphs as ONNX models, in the bytes that every onnxruntime reads. */

import { join } from "node:path";
import { peersFolder, requirePeer } from "./install.ts";

/** A graph whose values are all f32: inputs, nodes in order, one output. */
export interface OnnxGraph {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly scalars?: Readonly<Record<string, number>>;
  readonly nodes: readonly { readonly op: string; readonly inputs: readonly string[]; readonly output: string }[];
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

/** The operations that tables share with more than one peer. */
export const onnxOperations = {
  matmul: { nodes: [{ op: "MatMul", inputs: ["a", "b"], output: "y" }] },
  /** tanh(2x + 1) * x */
  chain: {
    scalars: { two: 2, one: 1 },
    nodes: [
      { op: "Mul", inputs: ["x", "two"], output: "doubled" },
      { op: "Add", inputs: ["doubled", "one"], output: "shifted" },
      { op: "Tanh", inputs: ["shifted"], output: "squashed" },
      { op: "Mul", inputs: ["squashed", "x"], output: "y" },
    ],
  },
  /** Along the last axis. */
  softmax: { nodes: [{ op: "Softmax", inputs: ["x"], output: "y" }] },
} as const;

/** An operation on inputs of these shapes: a and b of a product, x of anything else. */
export function operationGraph(operation: keyof typeof onnxOperations, [first = [], second = []]: readonly (readonly number[])[]): OnnxGraph {
  const isProduct = operation === "matmul";
  return {
    ...onnxOperations[operation],
    inputs: isProduct ? { a: first, b: second } : { x: first },
    output: { name: "y", shape: isProduct ? [first[0] ?? 0, second[1] ?? 0] : first },
  };
}

interface Protobuf {
  loadSync(path: string): { lookupType(name: string): ProtobufType };
}

interface ProtobufType {
  fromObject(value: object): object;
  encode(message: object): { finish(): Uint8Array };
}

/** ONNX's number for float32. */
const float32 = 1;

export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const modelType = (requirePeer("protobufjs") as Protobuf).loadSync(join(peersFolder, "onnx.proto")).lookupType("onnx.ModelProto");
  return modelType.encode(modelType.fromObject(describeModel(graph))).finish();
}

function describeModel({ inputs, scalars = {}, nodes, output }: OnnxGraph): object {
  const value = (name: string, shape: readonly number[]): object =>
    ({ name, type: { tensorType: { elemType: float32, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } });
  return {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "bench",
      node: nodes.map((node) => ({ opType: node.op, input: node.inputs, output: [node.output] })),
      initializer: Object.entries(scalars).map(([name, scalar]) => ({ name, dims: [], dataType: float32, floatData: [scalar] })),
      input: Object.entries(inputs).map(([name, shape]) => value(name, shape)),
      output: [value(output.name, output.shape)],
    },
  };
}
