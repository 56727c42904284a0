/** onnxruntime-node as a contender, on the CPU. */

import type { Runner } from "../alternate.ts";
import type { HostInput } from "../machine.ts";
import { installNodePeers, requirePeer } from "./install.ts";
import { encodeOnnx, type OnnxGraph } from "./onnx-model.ts";

export interface OnnxContender extends Runner {
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

let opened: OnnxRuntime | string | undefined;

/** The peer, or the reason why it cannot take part; tried once. */
export function openOnnxRuntime(): OnnxRuntime | string {
  return (opened ??= loadOnnxRuntime());
}

function loadOnnxRuntime(): OnnxRuntime | string {
  const problem = installNodePeers();
  if (problem !== undefined) return problem;
  let ort: Ort;
  try {
    ort = requirePeer("onnxruntime-node") as Ort;
  } catch (error) {
    return `onnxruntime-node cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { version } = requirePeer("onnxruntime-node/package.json") as { version: string };
  return {
    version,
    async contender(graph, inputs, threads) {
      const session = await ort.InferenceSession.create(encodeOnnx(graph), { intraOpNumThreads: threads, interOpNumThreads: 1 });
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)]));
      const { name, shape } = graph.output;
      const result = new Float32Array(shape.reduce((product, size) => product * size, 1));
      // The output is allocated before, so that a run is not charged for fresh pages.
      const fetches = { [name]: new ort.Tensor("float32", result, shape) };
      return { name: `onnxruntime ${threads}T`, run: () => session.run(feeds, fetches), result, release: () => session.release() };
    },
  };
}
