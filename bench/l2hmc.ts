/**
 * One step of training L2HMC (examples/l2hmc): a Metropolis move of ten leapfrog steps with its gradient, and Adam. The
 * number of leapfrog steps is an argument of ours, and a constant of every peer. All start from the same weights, chains and noise, on
 * one thread, and must have the same losses before they are timed.
 */

import { join } from "node:path";
import { bindPrograms, type Functions, tensor, type Tensor } from "tsdlc-runtime";
import { alternate, type Contender } from "./alternate.ts";
import { compileModels, hostInput, type Machine } from "./machine.ts";
import { installPythonPeers, peersFolder } from "./peers/install.ts";
import { PythonProcess } from "./peers/python-process.ts";
import { digits, printTable, times } from "./print-table.ts";

const sampleCounts = [10, 100, 1000] as const;
const leapfrogSteps = 10;
const stepsPerCall = 5;

/** Losses of so many steps are compared, relative: f32 in another order, through ten steps of a stiff system. */
const [lessonSteps, lessonRate, tolerance] = [3, 1e-3, 2e-3];
/** Next to nothing, so that every timed step does the same work. */
const timedRate = 1e-6;

interface Task {
  readonly count: number;
  readonly weights: readonly { readonly shape: readonly number[]; readonly data: Float32Array }[];
  readonly chains: Float32Array;
  /** Fresh points, momenta, directions and what decides acceptance. */
  readonly fixed: readonly [Float32Array, Float32Array, Float32Array, Float32Array];
}

interface Peer {
  readonly contender: Contender;
  learn(): Promise<readonly number[]>;
  close(): Promise<void> | void;
}

const pythons = [
  { name: "PyTorch eager", backend: "torch", environment: "PyTorch" },
  { name: "torch.compile", backend: "torch-compile", environment: "PyTorch" },
  { name: "tf.function", backend: "tensorflow", environment: "TensorFlow" },
  { name: "JAX", backend: "jax", environment: "JAX" },
] as const;

export async function benchL2hmc(machine: Machine): Promise<string> {
  const functions = await bindPrograms(await compileModels("l2hmc.ts", machine), machine.devices[1]);
  const tables: string[] = [];
  for (const count of sampleCounts) tables.push(await benchCount(functions, count, machine.quick));
  return tables.join("");
}

async function benchCount(functions: Functions, count: number, quick: boolean): Promise<string> {
  const task = await makeTask(functions, count);
  const ours = ourSampler(functions, task);
  const peers: Peer[] = [];
  const notes: string[] = [];
  try {
    const wanted = await ours.learn();
    for (const { name, backend, environment } of pythons) {
      const python = installPythonPeers(environment);
      if ("problem" in python) {
        notes.push(python.problem);
        continue;
      }
      const { peer, version } = await openPython(name, backend, python.executable, task);
      peers.push(peer);
      requireSameLosses(name, await peer.learn(), wanted);
      notes.push(`${name} ${version}`);
    }
    const timings = await alternate([ours.contender, ...peers.map(({ contender }) => contender)], { rounds: quick ? 5 : 15, turnMilliseconds: 100 });
    return printTable({
      title: `L2HMC training, ${count} samples, ${leapfrogSteps} leapfrog steps, one thread`,
      columns: ["", "best ms/step", "median ms/step", "tsdlc against it"],
      rows: [ours, ...peers].map(({ contender: { name } }) => [
        name, digits(timings.best(name) / stepsPerCall), digits(timings.median(name) / stepsPerCall), name === "tsdlc" ? "" : times(timings.speedup("tsdlc", name)),
      ]),
      notes: [...notes, "the leapfrog loop is a while of run time in tsdlc, a scan in JAX, Python's in PyTorch (torch.compile has its body), unrolled in tf.function", "a step moves the samples and as many fresh points", "aim: ahead of every one"],
    });
  } finally {
    for (const peer of [ours, ...peers]) await peer.close();
  }
}

async function makeTask({ init }: Functions, count: number): Promise<Task> {
  if (init === undefined) throw new Error("the model has no init");
  const weights = await Promise.all(leavesOf((init(new Uint32Array([0, 1])) as State).params).map(async (leaf) => ({ shape: leaf.shape, data: (await leaf.data()) as Float32Array })));
  const data = (shape: readonly number[]): Float32Array => hostInput(shape).data;
  return {
    count,
    weights,
    // On the diagonal, where the target is.
    chains: data([count, 1]).reduce((points, value, i) => (points.fill(5 * value, 2 * i, 2 * i + 2), points), new Float32Array(2 * count)),
    fixed: [data([count, 2]), data([2 * count, 2]), data([2 * count, 1]).map((value) => (value > 0 ? 1 : -1)), data([2 * count]).map((value) => (value + 1.43) / 2.86)],
  };
}

interface State {
  readonly params: object;
  readonly moments: object;
}

function leavesOf(tree: object): readonly Tensor[] {
  return Object.values(tree).flatMap((value: object) => ("dtype" in value ? [value as Tensor] : leavesOf(value)));
}

function ourSampler({ init, step }: Functions, { count, chains, fixed: [fresh, momentum, direction, acceptance] }: Task): Peer {
  if (init === undefined || step === undefined) throw new Error("the model has no init or no step");
  const points = tensor(fresh, [count, 2]);
  const noise = { momentum: tensor(momentum, [2 * count, 2]), direction: tensor(direction, [2 * count, 1]), acceptance: tensor(acceptance, [2 * count]) };
  const start = (): Place => ({ state: init(new Uint32Array([0, 1])) as State, chains: tensor(chains, [count, 2]) });
  const advance = ({ state, chains: from }: Place, rate: Tensor): Place & { readonly loss: Tensor } => step(state, from, points, noise, rate, leapfrogSteps) as Place & { readonly loss: Tensor };
  let place = start();
  const rate = tensor(timedRate, []);
  return {
    async learn() {
      const losses: number[] = [];
      for (let i = 0, at = start(); i < lessonSteps; i++) {
        const next = advance(at, tensor(lessonRate, []));
        at = next;
        losses.push(Number(await next.loss.itemAsync()));
      }
      return losses;
    },
    contender: {
      name: "tsdlc",
      async run() {
        for (let i = 0; i < stepsPerCall; i++) {
          const next = advance(place, rate);
          place = next;
          using loss = next.loss;
          if (i === stepsPerCall - 1) await loss.itemAsync();
        }
      },
    },
    close: () => undefined,
  };
}

interface Place {
  readonly state: State;
  readonly chains: Tensor;
}

async function openPython(name: string, backend: string, executable: string, { count, weights, chains, fixed }: Task): Promise<{ peer: Peer; version: string }> {
  const process = new PythonProcess(name, executable, [join(peersFolder, "l2hmc-peer.py"), backend], {
    JAX_PLATFORMS: "cpu", NPROC: "1", PJRT_NPROC: "1", OMP_NUM_THREADS: "1", TF_CPP_MIN_LOG_LEVEL: "3",
  });
  const encode = (array: Float32Array): string => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
  const { version } = await process.ask({
    op: "open", count, steps: leapfrogSteps, stepsPerCall, timedRate,
    weights: weights.map(({ data }) => encode(data)), shapes: weights.map(({ shape }) => shape), chains: encode(chains), fixed: fixed.map(encode),
  }) as { version: string };
  const peer: Peer = {
    learn: async () => (await process.ask({ op: "learn", steps: lessonSteps, rate: lessonRate }) as { losses: number[] }).losses,
    contender: { name, timeCalls: async (milliseconds) => (await process.ask({ op: "time", milliseconds }) as { times: number[] }).times },
    close: () => process.close(),
  };
  return { peer, version };
}

function requireSameLosses(name: string, losses: readonly number[], wanted: readonly number[]): void {
  losses.forEach((loss, i) => {
    const ours = wanted[i] ?? Number.NaN;
    if (!(Math.abs(loss - ours) <= tolerance * Math.max(1, Math.abs(ours)))) throw new Error(`${name}: the loss of step ${i} is ${loss}, and ${ours} for us`);
  });
}
