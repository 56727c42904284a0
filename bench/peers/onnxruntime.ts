/**
 * onnxruntime-node as a contender. It is not a dependency of the project: it is installed beside this file at its first
 * use, without install scripts (the one it has fetches GPU libraries; the one for the CPU is in the package).
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Contender } from "../alternate.ts";
import type { HostInput } from "../machine.ts";

/** A graph whose values are all f32: inputs, nodes in order, one output. */
export interface OnnxGraph {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly scalars?: Readonly<Record<string, number>>;
  readonly nodes: readonly { readonly op: string; readonly inputs: readonly string[]; readonly output: string }[];
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

export interface OnnxContender extends Contender {
  readonly result: Float32Array;
  release(): Promise<void>;
}

export interface OnnxRuntime {
  readonly version: string;
  contender(graph: OnnxGraph, inputs: Readonly<Record<string, HostInput>>, threads: number): Promise<OnnxContender>;
}

/** What is used of onnxruntime-node; its types are only there after its installation. */
interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: { intraOpNumThreads: number; interOpNumThreads: number }): Promise<OrtSession>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => unknown;
}

interface OrtSession {
  run(feeds: Readonly<Record<string, unknown>>, fetches: Readonly<Record<string, unknown>>): Promise<unknown>;
  release(): Promise<void>;
}

interface Protobuf {
  loadSync(path: string): { lookupType(name: string): ProtobufType };
}

interface ProtobufType {
  fromObject(value: object): object;
  encode(message: object): { finish(): Uint8Array };
}

const folder = import.meta.dirname;
/** ONNX's number for float32. */
const float32 = 1;

let opened: OnnxRuntime | string | undefined;

/** The peer, or the reason why it cannot take part; tried once. */
export function openOnnxRuntime(): OnnxRuntime | string {
  return (opened ??= loadOnnxRuntime());
}

function loadOnnxRuntime(): OnnxRuntime | string {
  const installed = installPeers();
  if (installed !== undefined) return installed;
  const require = createRequire(join(folder, "package.json"));
  let ort: Ort;
  try {
    ort = require("onnxruntime-node") as Ort;
  } catch (error) {
    return `onnxruntime-node cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  const modelType = (require("protobufjs") as Protobuf).loadSync(join(folder, "onnx.proto")).lookupType("onnx.ModelProto");
  return {
    version,
    async contender(graph, inputs, threads) {
      const model = modelType.encode(modelType.fromObject(describeModel(graph))).finish();
      const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1 });
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)]));
      const { name, shape } = graph.output;
      const result = new Float32Array(shape.reduce((product, size) => product * size, 1));
      // The output is allocated before, so that a run is not charged for fresh pages.
      const fetches = { [name]: new ort.Tensor("float32", result, shape) };
      return { name: `onnxruntime ${threads}T`, run: () => session.run(feeds, fetches), result, release: () => session.release() };
    },
  };
}

/** Installs what package.json beside this file names; the reason when that fails. */
function installPeers(): string | undefined {
  if (existsSync(join(folder, "node_modules/onnxruntime-node/package.json"))) return undefined;
  process.stderr.write("installing the peers of the bench (onnxruntime-node) ...\n");
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, encoding: "utf8" });
  if (npm.status === 0) return undefined;
  const lines = (npm.error?.message ?? npm.stderr).trim().split("\n");
  // Warnings come first.
  const said = lines.find((line) => line.startsWith("npm error")) ?? lines[0] ?? "";
  return `the peers cannot be installed (npm ci in bench/peers: ${said})`;
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
