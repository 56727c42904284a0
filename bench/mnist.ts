/**
 * Steps of training per second: the package that `tsdlc build` makes of examples/mnist, JAX and tfjs-wasm, on random
 * digits. All start from the same weights, and must learn the same before they are timed.
 */

import { join } from "node:path";
import { loadPackage } from "tsdlc-runtime";
import { alternate } from "./alternate.ts";
import { buildMnist, withBuildFolder } from "./build.ts";
import { type Machine, threadCounts } from "./machine.ts";
import { drawWeights, ourTrainer } from "./our-trainer.ts";
import { openJax } from "./peers/jax.ts";
import { openTfjsWasm, tfjsTrainer } from "./peers/tfjs.ts";
import { digits, printTable, times } from "./print-table.ts";
import { requireSameLessons, type Trainer, trainingTask, type TrainingTask } from "./training.ts";

const batchSizes = [64, 1024] as const;

export async function benchMnist(machine: Machine): Promise<string> {
  return withBuildFolder(async (folder) => {
    buildMnist(folder);
    const packages = await Promise.all(threadCounts.map(async (threads) =>
      ({ threads, functions: await loadPackage(join(folder, "digits"), { device: machine.devices[threads] }) })));
    const [first] = packages;
    if (first === undefined) throw new RangeError("there are no devices");
    const weights = await drawWeights(first.functions);
    const tables: string[] = [];
    for (const batch of batchSizes) {
      const task = trainingTask(batch, weights);
      tables.push(await benchTask(task, packages.map(({ threads, functions }) => ourTrainer(functions, task, `tsdlc ${threads}T`)), machine.quick));
    }
    return tables.join("");
  });
}

async function benchTask(task: TrainingTask, ours: readonly Trainer[], quick: boolean): Promise<string> {
  const { batch, stepsPerCall } = task;
  const peers = await openPeers(task);
  const trainers = [...ours, ...peers.trainers];
  try {
    await requireSameLessons(task, trainers);
    const contenders = trainers.flatMap((trainer) => [false, true].map((readsLoss) => trainer.contender(readsLoss)));
    const timings = await alternate(contenders, { rounds: quick ? 5 : 21 });
    const perSecond = (milliseconds: number): number => (1000 * stepsPerCall) / milliseconds;
    const rivals = ["jax", "tfjs-wasm"];
    return printTable({
      title: `MNIST training, batches of ${batch}`,
      columns: ["", "best us/step", "best steps/s", "median steps/s", ...rivals.map((rival) => `vs ${rival}`), "against 1T"],
      rows: contenders.map(({ name }) => [
        name,
        digits((1000 * timings.best(name)) / stepsPerCall), digits(perSecond(timings.best(name))), digits(perSecond(timings.median(name))),
        ...rivals.map((rival) => name.replace("tsdlc", rival)).map((rival) => (rival !== name && timings.has(rival) ? times(timings.speedup(name, rival)) : "")),
        times(timings.speedup(name, name.replace(/\dT/, "1T"))),
      ]),
      notes: [
        ...(await peers.describe()),
        "every step brings its batch from the host; \"loss read\" also waits for the loss of each step, as a program with a progress bar does",
        "aim: ahead of JAX on one and two threads, and of tfjs-wasm",
      ],
    });
  } finally {
    for (const trainer of trainers) await trainer.close();
  }
}

interface Peers {
  readonly trainers: readonly Trainer[];
  /** Versions and threads, or why one is missing; after the timing. */
  describe(): Promise<readonly string[]>;
}

async function openPeers(task: TrainingTask): Promise<Peers> {
  const tfjs = await openTfjsWasm();
  const jaxes = await Promise.all(threadCounts.map((threads) => openJax(task, threads)));
  const running = jaxes.filter((jax) => typeof jax !== "string");
  return {
    trainers: [...running, ...(typeof tfjs === "string" ? [] : [tfjsTrainer(tfjs.tf, task, "tfjs-wasm 1T")])],
    async describe() {
      const cores = await Promise.all(running.map(async (jax) => `${jax.name} kept ${digits(await jax.coresBusy())} cores busy`));
      return [
        ...new Set(jaxes.map((jax) => (typeof jax === "string" ? jax : `jax ${jax.version}: jit, state donated, threads by NPROC; ${cores.join(", ")}`))),
        typeof tfjs === "string" ? tfjs : `tfjs ${tfjs.version}: WebAssembly with SIMD; it has one thread in Node`,
      ];
    },
  };
}
