/**
 * WebGPU on whatever adapter there is: ours against tfjs-webgpu, jax-js and onnxruntime-web. It gates nothing: a
 * software adapter runs on the processor, and ranks kernels otherwise than a GPU does.
 */

import { join } from "node:path";
import { device, DeviceError, type Device, type Functions, loadPackage, tensor, type Tensor } from "tsdlc-runtime";
import { alternate, type Contender } from "./alternate.ts";
import { buildPackage, mnistModel, withBuildFolder } from "./build.ts";
import { hostInput, type HostInput, type Machine } from "./machine.ts";
import { drawWeights, ourTrainer } from "./our-trainer.ts";
import { installNodePeers } from "./peers/install.ts";
import { openJaxJs } from "./peers/jax-js.ts";
import { openOnnxRuntimeWeb } from "./peers/onnxruntime-web.ts";
import { openTfjsWebGpu } from "./peers/tfjs-webgpu.ts";
import { openWebGpuAdapter, type WebGpuAdapter } from "./peers/webgpu-adapter.ts";
import type { Operation, WebGpuContender, WebGpuPeer } from "./peers/webgpu-peer.ts";
import { digits, printTable, times } from "./print-table.ts";
import { requireSameLessons, trainingTask, type Weights } from "./training.ts";
import { requirePlainResult } from "./webgpu-plain.ts";

interface Workload {
  readonly title: string;
  readonly operation: Operation;
  /** In models/webgpu.ts. */
  readonly model: string;
  readonly inputs: readonly HostInput[];
}

const workloads: readonly Workload[] = [
  { title: "matmul [512,512] x [512,512]", operation: "matmul", model: "matmul512", inputs: [hostInput([512, 512]), hostInput([512, 512])] },
  { title: "matmul [1024,1024] x [1024,1024]", operation: "matmul", model: "matmul1024", inputs: [hostInput([1024, 1024]), hostInput([1024, 1024])] },
  { title: "chain over 4M elements: tanh(x * 2 + 1) * x", operation: "chain", model: "chain", inputs: [hostInput([1 << 22])] },
  { title: "softmax [1024,1024]", operation: "softmax", model: "softmax", inputs: [hostInput([1024, 1024])] },
];

const trainingBatch = 64;

/** Ours on the same adapter: models/webgpu.ts and examples/mnist, built for WGSL. */
interface Ours {
  readonly device: Device;
  readonly models: Functions;
  readonly mnist: Functions;
}

export async function benchWebGpu(machine: Machine): Promise<string> {
  const adapter = await openWebGpuAdapter();
  if (typeof adapter === "string") return `WebGPU: ${adapter}\n\n`;
  return withBuildFolder(async (folder) => {
    const ours = await openOurs(folder);
    const opened = await openPeers();
    const peers = opened.filter((peer) => typeof peer !== "string");
    const open = { adapter, ours: typeof ours === "string" ? undefined : ours, peers, rounds: machine.quick ? 3 : 11 };
    const tables = [[
      `WebGPU on ${adapter.description}`,
      ...(adapter.isSoftware ? ["A software adapter is no measure of speed: it runs on the processor, and ranks kernels otherwise than a GPU does."] : []),
      ...(typeof ours === "string" ? [`tsdlc takes no part: ${ours}`] : []),
      `Peers: ${opened.map((peer) => (typeof peer === "string" ? peer : `${peer.name} ${peer.version}`)).join(", ")}`,
      "", "",
    ].join("\n")];
    for (const workload of workloads) tables.push(await benchWorkload(workload, open));
    tables.push(await benchTraining(folder, open));
    return tables.join("");
  });
}

async function openPeers(): Promise<readonly (WebGpuPeer | string)[]> {
  const problem = installNodePeers();
  if (problem !== undefined) return [problem];
  return [await openTfjsWebGpu(), await openJaxJs(), await openOnnxRuntimeWeb()];
}

async function openOurs(folder: string): Promise<Ours | string> {
  let webgpu: Device;
  try {
    webgpu = await device("webgpu");
  } catch (error) {
    // Only "it is not there" is an answer; a device that breaks ends the run.
    if (error instanceof DeviceError) return error.message;
    throw error;
  }
  const load = async (model: string, name: string): Promise<Functions> => {
    buildPackage(model, join(folder, name), "wgsl", join(folder, "cache"));
    return loadPackage(join(folder, name), { device: webgpu });
  };
  return { device: webgpu, models: await load(join(import.meta.dirname, "models/webgpu.ts"), "models"), mnist: await load(mnistModel, "digits-wgsl") };
}

interface Open {
  readonly adapter: WebGpuAdapter;
  readonly ours: Ours | undefined;
  readonly peers: readonly WebGpuPeer[];
  readonly rounds: number;
}

async function benchWorkload({ title, operation, model, inputs }: Workload, { adapter, ours, peers, rounds }: Open): Promise<string> {
  const contenders: WebGpuContender[] = [
    ...(ours === undefined ? [] : [ourContender(ours, model, inputs)]),
    ...(await Promise.all(peers.map((peer) => peer.contender(operation, inputs)))),
  ];
  for (const contender of contenders) requirePlainResult(contender.name, operation, inputs, await contender.result());
  const table = await timeAll(title, contenders, rounds, 1, ["the result stays on the device; a call ends when the device's queue has"]);
  for (const contender of contenders) await contender.close();
  adapter.requireNoErrors();
  return table;
}

async function benchTraining(folder: string, { adapter, ours, peers, rounds }: Open): Promise<string> {
  const task = trainingTask(trainingBatch, await startingWeights(folder));
  const trainers = [
    ...(ours === undefined ? [] : [ourTrainer(ours.mnist, task, "tsdlc")]),
    ...peers.flatMap((peer) => (peer.trainer === undefined ? [] : [peer.trainer(task)])),
  ];
  await requireSameLessons(task, trainers);
  const contenders = trainers.flatMap((trainer) => [false, true].map((readsLoss) => trainer.contender(readsLoss)));
  const table = await timeAll(`a step of MNIST training, batches of ${trainingBatch}`, contenders, rounds, task.stepsPerCall, [
    "every step brings its batch from the host; \"loss read\" also waits for the loss of each step", "onnxruntime-web does not train",
  ]);
  for (const trainer of trainers) await trainer.close();
  adapter.requireNoErrors();
  return table;
}

/** The weights that the cpu draws: they are the same everywhere. */
async function startingWeights(folder: string): Promise<Weights> {
  buildPackage(mnistModel, join(folder, "digits"), "cpu", join(folder, "cache"));
  return drawWeights(await loadPackage(join(folder, "digits"), { device: await device("cpu") }));
}

async function timeAll(title: string, contenders: readonly Contender[], rounds: number, parts: number, notes: readonly string[]): Promise<string> {
  const timings = await alternate(contenders, { rounds });
  const rivalOf = (name: string): string => name.replace(/^[^,]+/, "tsdlc");
  return printTable({
    title,
    columns: ["", "best ms", "median ms", "tsdlc against it"],
    rows: contenders.map(({ name }) => [
      name, digits(timings.best(name) / parts), digits(timings.median(name) / parts),
      timings.has(rivalOf(name)) && rivalOf(name) !== name ? times(timings.speedup(rivalOf(name), name)) : "",
    ]),
    notes,
  });
}

function ourContender({ device: webgpu, models }: Ours, model: string, inputs: readonly HostInput[]): WebGpuContender {
  const call = models[model];
  if (call === undefined) throw new RangeError(`models/webgpu.ts has no ${model}`);
  const handles = inputs.map(({ data, shape }) => tensor(data, shape));
  return {
    name: "tsdlc",
    async run() {
      const result = call(...handles) as Tensor;
      await webgpu.sync();
      result.dispose();
    },
    async result() {
      using result = call(...handles) as Tensor;
      return (await result.data()) as Float32Array;
    },
    close: () => handles.forEach((handle) => handle.dispose()),
  };
}
