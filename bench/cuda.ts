/**
 * CUDA on the GPU of this machine: products in three precisions, a chain, softmax and MNIST training, against PyTorch and
 * JAX where their Python modules are there. Every contender's results are compared with plain JavaScript first.
 *
 * Calls come in groups that are waited for once, as in a program that does not read each result; the result stays on
 * the device. On a stand-in for the driver (TSDLC_CUDA_DRIVER) only `--small` comes to an end.
 */

import { join } from "node:path";
import { createCudaDevice, type CudaDevice } from "../runtime/cuda-device.ts";
import { decode, encode } from "../runtime/dtype.ts";
import { bindPrograms, DeviceError, type Functions, tensor, type Tensor } from "tsdlc-runtime";
import { alternate, type SelfTimed, type Timings } from "./alternate.ts";
import { mnistModel } from "./build.ts";
import { copyProgram, requirePlainSample, samplePositions, type Workload, workloads } from "./cuda-workloads.ts";
import { compileFor, hostInput, type Machine } from "./machine.ts";
import { drawWeights, ourTrainer } from "./our-trainer.ts";
import { type GpuPeer, openGpuPeers, openGpuTrainers } from "./peers/gpu.ts";
import { digits, percent, printTable, times } from "./print-table.ts";
import { requireSameLessons, trainingTask } from "./training.ts";

interface Open {
  readonly gpu: CudaDevice;
  readonly models: Functions;
  readonly peers: readonly GpuPeer[];
  readonly machine: Machine;
}

export async function benchCuda(machine: Machine): Promise<string> {
  const gpu = await openGpu();
  if (typeof gpu === "string") return `CUDA: ${gpu}\n\n`;
  const { name, memoryBytes, major, minor, multiprocessors, driverVersion } = gpu.properties;
  const description = `${name}, sm_${major}${minor}, ${multiprocessors} multiprocessors, ${digits(memoryBytes / 2 ** 30)} GiB, driver for CUDA ${driverVersion}`;
  const models = await bindPrograms(await compileFor("cuda", join(import.meta.dirname, "models/cuda.ts")), gpu);
  const peers = await openGpuPeers();
  machine.record({ table: "cuda", device: description, peers: peers.descriptions });
  const tables = [[`CUDA on ${description}`, ...peers.descriptions.map((line) => `* ${line}`), "", ""].join("\n")];
  const open: Open = { gpu, models, peers: peers.opened, machine };
  try {
    for (const workload of workloads(machine.small)) tables.push(await benchWorkload(workload, open));
    for (const batch of machine.small ? [8] : [64, 1024]) tables.push(await benchTraining(batch, open));
  } finally {
    for (const peer of open.peers) await peer.close();
  }
  return tables.join("");
}

async function openGpu(): Promise<CudaDevice | string> {
  try {
    return await createCudaDevice();
  } catch (error) {
    // Only "it is not there" is an answer; a device that breaks ends the run.
    if (error instanceof DeviceError) return error.message;
    throw error;
  }
}

async function benchWorkload(workload: Workload, { gpu, models, peers, machine }: Open): Promise<string> {
  const { title, kind, format, shape, amount, unit } = workload;
  const repeats = machine.small ? 2 : 10;
  const ours = ourContender(workload, gpu, models, repeats);
  const copy = kind === "matmul" ? undefined : await copyContender(shape, gpu, repeats);
  try {
    requirePlainSample(ours.name, workload, await ours.sample());
    const theirs: SelfTimed[] = [];
    for (const peer of peers) {
      if (!peer.takes(workload)) continue;
      const contender = await peer.contender({ kind, shape, format, repeats });
      requirePlainSample(peer.name, workload, await contender.sample(samplePositions(workload)));
      theirs.push(contender);
    }
    const contenders: readonly SelfTimed[] = [...(copy === undefined ? [] : [copy]), ours, ...theirs];
    const timings = await alternate(contenders, { rounds: machine.quick ? 3 : 15, turnMilliseconds: 50 });
    // cuBLAS is what PyTorch calls for a product; the others are bound by memory.
    const ceiling = kind === "matmul" ? theirs.find(({ name }) => name === "PyTorch")?.name : copy?.name;
    const rows = contenders.map(({ name }) => rowOf(name, timings, { amount, unit, ceiling }));
    machine.record({ table: "cuda", workload: title, unit, results: rows.map(({ data }) => data) });
    return printTable({
      title,
      columns: ["", "best ms", "median ms", `best ${unit}`, kind === "matmul" ? "of cuBLAS" : "of the copy", "tsdlc against it"],
      rows: rows.map(({ cells }) => cells),
      notes: ceiling === undefined ? ["without PyTorch there is no cuBLAS to compare with"] : [],
    });
  } finally {
    ours.close();
    copy?.close();
  }
}

interface Measure {
  readonly amount: number;
  readonly unit: Workload["unit"];
  readonly ceiling: string | undefined;
}

interface Row {
  readonly cells: readonly string[];
  readonly data: object;
}

function rowOf(name: string, timings: Timings, { amount, unit, ceiling }: Measure): Row {
  const rate = amount / timings.best(name) / (unit === "TFLOP/s" ? 1e9 : 1e6);
  const share = ceiling === undefined ? undefined : timings.speedup(name, ceiling);
  const ratio = name === "tsdlc" ? undefined : timings.speedup("tsdlc", name);
  return {
    cells: [
      name, digits(timings.best(name)), digits(timings.median(name)), digits(rate),
      share === undefined ? "" : percent(share), ratio === undefined ? "" : times(ratio),
    ],
    data: { name, bestMilliseconds: timings.best(name), medianMilliseconds: timings.median(name), rate, ofCeiling: share, tsdlcAgainstIt: ratio },
  };
}

interface OurContender extends SelfTimed {
  sample(): Promise<readonly number[]>;
  close(): void;
}

function ourContender(workload: Workload, gpu: CudaDevice, models: Functions, repeats: number): OurContender {
  const { model, kind, format, shape } = workload;
  const call = models[model];
  if (call === undefined) throw new RangeError(`models/cuda.ts has no ${model}`);
  const { data } = hostInput(shape);
  const make = (): Tensor => (format === "bf16" ? tensor(encode("bf16", data) as Uint16Array, shape, "bf16") : tensor(data, shape)) as Tensor;
  const inputs = kind === "matmul" ? [make(), make()] : [make()];
  return {
    name: "tsdlc",
    timeCalls: groupsOf(repeats, () => (call(...inputs) as Tensor).dispose(), () => gpu.sync()),
    async sample() {
      using result = call(...inputs) as Tensor;
      const values = await result.data();
      return samplePositions(workload).map((position) => decode(result.dtype, values, position));
    },
    close: () => inputs.forEach((input) => input.dispose()),
  };
}

/** As many bytes read and written as by the workload. */
async function copyContender(shape: readonly number[], gpu: CudaDevice, repeats: number): Promise<SelfTimed & { close(): void }> {
  const noKernels = { path: "copy.cu", read: async () => new TextEncoder().encode("extern \"C\" __global__ void nothing() {}\n") };
  const { copy } = await bindPrograms({ programs: [copyProgram(shape)], code: noKernels }, gpu);
  if (copy === undefined) throw new Error("there is no program copy");
  const input = tensor(hostInput(shape).data, shape);
  return {
    name: "copy by the driver",
    timeCalls: groupsOf(repeats, () => (copy(input) as Tensor).dispose(), () => gpu.sync()),
    close: () => input.dispose(),
  };
}

/** One group to warm up; then milliseconds of a call, of a group that was waited for as a whole. */
function groupsOf(repeats: number, call: () => void, wait: () => Promise<void>): SelfTimed["timeCalls"] {
  const group = async (): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) call();
    await wait();
    return (performance.now() - start) / repeats;
  };
  return async (milliseconds) => {
    await group();
    const found: number[] = [];
    const end = performance.now() + milliseconds;
    while (found.length < 2 || performance.now() < end) found.push(await group());
    return found;
  };
}

async function benchTraining(batch: number, { gpu, peers, machine }: Open): Promise<string> {
  const functions = await bindPrograms(await compileFor("cuda", mnistModel), gpu);
  const task = trainingTask(batch, await drawWeights(functions));
  const trainers = [ourTrainer(functions, task, "tsdlc"), ...(await openGpuTrainers(peers, task))];
  try {
    await requireSameLessons(task, trainers);
    const contenders = trainers.flatMap((trainer) => [false, true].map((readsLoss) => trainer.contender(readsLoss)));
    const timings = await alternate(contenders, { rounds: machine.quick ? 3 : 15, turnMilliseconds: 50 });
    const rivalOf = (name: string): string => name.replace(/^[^,]+/, "tsdlc");
    const perStep = (milliseconds: number): number => (1000 * milliseconds) / task.stepsPerCall;
    const title = `a step of MNIST training, batches of ${batch}`;
    machine.record({
      table: "cuda", workload: title, unit: "us a step",
      results: contenders.map(({ name }) => ({ name, best: perStep(timings.best(name)), median: perStep(timings.median(name)) })),
    });
    return printTable({
      title,
      columns: ["", "best us", "median us", "tsdlc against it"],
      rows: contenders.map(({ name }) => [
        name, digits(perStep(timings.best(name))), digits(perStep(timings.median(name))), rivalOf(name) === name ? "" : times(timings.speedup(rivalOf(name), name)),
      ]),
      notes: ["f32; every step brings its batch from the host; \"loss read\" also waits for the loss of each step"],
    });
  } finally {
    for (const trainer of trainers) await trainer.close();
  }
}
