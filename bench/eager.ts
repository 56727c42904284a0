/**
 * What small ops cost when they run one by one, and a call of a jitted function: nothing but the way to the kernel. All
 * on one thread, against PyTorch, JAX, jax-js and tfjs-wasm.
 */

import { jit, type Tensor, tensor, valueAndGrad, withDevice } from "tsdlc";
import { alternate, type Contender } from "./alternate.ts";
import type { Machine } from "./machine.ts";
import { type DispatchPeer, openJaxDispatch, openTorchDispatch } from "./peers/dispatch.ts";
import { type JaxJsDispatch, openJaxJsDispatch } from "./peers/jax-js-dispatch.ts";
import { openTfjsWasm, type Tfjs } from "./peers/tfjs.ts";
import { digits, printTable, times } from "./print-table.ts";

interface Work {
  readonly name: string;
  readonly title: string;
  /** Repetitions that are timed as one call. */
  readonly count: number;
  ours(count: number): void;
  readonly tfjs?: (tf: Tfjs, count: number) => void;
}

const [x, y] = [tensor(Float32Array.from({ length: 16 }, (_, i) => i)), tensor(new Float32Array(16).fill(1))];
const fast = jit((a: Tensor<[16]>, b: Tensor<[16]>) => a.add(b));

interface Weights {
  readonly w1: Tensor<[16, 32]>;
  readonly b1: Tensor<[32]>;
  readonly w2: Tensor<[32, 4]>;
  readonly b2: Tensor<[4]>;
}

const inputs = tensor(new Float32Array(8 * 16).fill(0.1), [8, 16] as const);
const targets = tensor(new Float32Array(8 * 4).fill(1), [8, 4] as const);

function loss({ w1, b1, w2, b2 }: Weights): Tensor<[]> {
  const error = inputs.matmul(w1).add(b1).relu().matmul(w2).add(b2).sub(targets);
  return error.mul(error).mean();
}

function train(count: number): void {
  let weights: Weights = {
    w1: tensor(new Float32Array(16 * 32).fill(0.01), [16, 32] as const), b1: tensor(new Float32Array(32), [32] as const),
    w2: tensor(new Float32Array(32 * 4).fill(0.01), [32, 4] as const), b2: tensor(new Float32Array(4), [4] as const),
  };
  for (let i = 0; i < count; i++) {
    const [, g] = valueAndGrad(loss)(weights);
    weights = { w1: weights.w1.sub(g.w1.mul(0.01)), b1: weights.b1.sub(g.b1.mul(0.01)), w2: weights.w2.sub(g.w2.mul(0.01)), b2: weights.b2.sub(g.b2.mul(0.01)) };
  }
  weights.b2.dataSync();
}

function repeat(add: () => { dataSync(): unknown }, count: number): void {
  for (let i = 1; i < count; i++) add();
  add().dataSync();
}

const works: readonly Work[] = [
  {
    name: "add", title: "x + y of 16 elements (us per op)", count: 1000,
    ours: (count) => repeat(() => (x as Tensor<[16]>).add(y as Tensor<[16]>), count),
    tfjs: (tf, count) => tf.tidy(() => {
      const [a, b] = [tf.tensor(new Float32Array(16), [16]), tf.tensor(new Float32Array(16), [16])];
      for (let i = 0; i < count; i++) tf.add(a, b);
      return a;
    }).dispose(),
  },
  { name: "train", title: "a step of a 2-layer network, batch of 8, with its gradient (us per step)", count: 20, ours: train },
  { name: "jit", title: "a call of a jitted x + y of 16 elements (us per call)", count: 1000, ours: (count) => repeat(() => fast(x as Tensor<[16]>, y as Tensor<[16]>), count) },
];

export async function benchEager(machine: Machine): Promise<string> {
  const [torch, jax, jaxJs, tfjs] = [await openTorchDispatch(), await openJaxDispatch(), await openJaxJsDispatch(), await openTfjsWasm()];
  const processes = [torch, jax].filter((peer): peer is DispatchPeer => typeof peer !== "string");
  const peers = [...processes, ...(typeof jaxJs === "string" ? [] : [jaxJs])];
  try {
    const tables: string[] = [];
    for (const work of works) tables.push(await benchWork(work, peers, typeof tfjs === "string" ? undefined : tfjs.tf, machine, describe(torch, jax, jaxJs, tfjs)));
    return tables.join("");
  } finally {
    for (const peer of processes) await peer.close();
  }
}

async function benchWork({ name, title, count, ours, tfjs: theirs }: Work, peers: readonly (DispatchPeer | JaxJsDispatch)[], tfjs: Tfjs | undefined, machine: Machine, versions: readonly string[]): Promise<string> {
  const contenders: Contender[] = [
    { name: "tsdlc", run: () => withDevice(machine.devices[1], () => ours(count)) },
    ...peers.flatMap((peer) => peer.contender(name, count) ?? []),
    ...(tfjs === undefined || theirs === undefined ? [] : [{ name: "tfjs-wasm", run: () => theirs(tfjs, count) }]),
  ];
  const timings = await alternate(contenders, { rounds: machine.quick ? 5 : 21 });
  const microseconds = (milliseconds: number): string => digits((1000 * milliseconds) / count);
  return printTable({
    title,
    columns: ["", "best", "median", "tsdlc against it"],
    rows: contenders.map((contender) => [
      contender.name, microseconds(timings.best(contender.name)), microseconds(timings.median(contender.name)),
      contender.name === "tsdlc" ? "" : times(timings.speedup("tsdlc", contender.name)),
    ]),
    notes: [...versions, name === "jit" ? "aim: under 10 us" : "aim: at most half of PyTorch"],
  });
}

function describe(torch: DispatchPeer | string, jax: DispatchPeer | string, jaxJs: JaxJsDispatch | string, tfjs: { readonly version: string } | string): readonly string[] {
  const of = (peer: { readonly version: string } | string, name: string): string => (typeof peer === "string" ? peer : `${name} ${peer.version}`);
  return [of(torch, "PyTorch"), of(jax, "JAX"), of(jaxJs, "jax-js"), of(tfjs, "tfjs-wasm")];
}
