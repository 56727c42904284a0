/**
 * TensorFlow.js as a peer: on WebAssembly for the CPU, on WebGPU for what adapter there is. One engine per process holds
 * both, so a table uses one of them. Its WebAssembly threads need a browser's workers: in Node it has one thread.
 */

import { dirname, join } from "node:path";
import { contenderName, layers, momentum, type Trainer, type TrainingTask, type Weights, weightShapes } from "../training.ts";
import { installedVersion, installNodePeers, requirePeer } from "./install.ts";

/** What is used of tfjs-core; its types are only there after its installation. */
export interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  backend(): unknown;
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  tensor1d(data: Int32Array, dtype: "int32"): TfTensor;
  zeros(shape: readonly number[]): TfTensor;
  variable(initial: TfTensor): TfVariable;
  tidy<T>(body: () => T): T;
  dispose(tensors: readonly TfTensor[]): void;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  add(a: TfTensor, b: TfTensor | number): TfTensor;
  mul(a: TfTensor, b: TfTensor | number): TfTensor;
  relu(x: TfTensor): TfTensor;
  tanh(x: TfTensor): TfTensor;
  softmax(x: TfTensor): TfTensor;
  oneHot(labels: TfTensor, depth: number): TfTensor;
  readonly losses: { softmaxCrossEntropy(labels: TfTensor, logits: TfTensor, weights?: undefined, smoothing?: number, reduction?: number): TfTensor };
  readonly Reduction: { readonly MEAN: number };
  readonly train: { momentum(rate: number, momentum: number): TfOptimizer };
}

export interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface TfVariable extends TfTensor {
  assign(value: TfTensor): void;
}

interface TfOptimizer {
  minimize(loss: () => TfTensor, returnCost: true, variables: readonly TfVariable[]): TfTensor | null;
  dispose(): void;
}

interface WasmBackend {
  setWasmPaths(folder: string): void;
  getThreadsCount(): number;
}

export interface TfjsOnWasm {
  readonly tf: Tfjs;
  readonly version: string;
}

/** tfjs with its WebAssembly backend, or the reason why it cannot take part. */
export async function openTfjsWasm(): Promise<TfjsOnWasm | string> {
  const problem = installNodePeers();
  if (problem !== undefined) return problem;
  const name = "@tensorflow/tfjs-backend-wasm";
  const tf = requirePeer("@tensorflow/tfjs") as Tfjs;
  const wasm = requirePeer(name) as WasmBackend;
  wasm.setWasmPaths(join(dirname(requirePeer.resolve(name)), "/"));
  if (!(await tf.setBackend("wasm"))) return "tfjs-wasm does not start here";
  if (wasm.getThreadsCount() !== 1) throw new Error(`tfjs-wasm has ${wasm.getThreadsCount()} threads; it is named as one of one thread`);
  return { tf, version: installedVersion(name) ?? "" };
}

/**
 * Training as a user of tfjs writes it: variables, and an optimizer that minimizes a function. `name` is the contender's.
 */
export function tfjsTrainer(tf: Tfjs, task: TrainingTask, name: string): Trainer {
  const { batch, images, labels, weights, stepsPerCall, timedRate } = task;
  const variables = weights.map((weight, i) => {
    const start = tf.tensor(weight, weightShapes[i] ?? []);
    const variable = tf.variable(start);
    start.dispose();
    return variable;
  }) as unknown as Weights<TfVariable>;
  const [w1, b1, w2, b2] = variables;
  const timed = tf.train.momentum(timedRate, momentum);

  const step = (optimizer: TfOptimizer): TfTensor => tf.tidy(() => {
    const x = tf.tensor(images, [batch, layers.pixels]);
    const truth = tf.oneHot(tf.tensor1d(labels, "int32"), layers.digits);
    const loss = optimizer.minimize(() => {
      const hidden = tf.relu(tf.add(tf.matMul(x, w1), b1));
      return tf.losses.softmaxCrossEntropy(truth, tf.add(tf.matMul(hidden, w2), b2), undefined, 0, tf.Reduction.MEAN);
    }, true, variables);
    if (loss === null) throw new Error("tfjs returned no loss");
    return loss;
  });
  const read = async (loss: TfTensor): Promise<number> => {
    const [value = Number.NaN] = await loss.data();
    loss.dispose();
    return value;
  };

  return {
    name,
    async learn(steps, rate) {
      weights.forEach((weight, i) => tf.tidy(() => variables[i]?.assign(tf.tensor(weight, weightShapes[i] ?? []))));
      const optimizer = tf.train.momentum(rate, momentum);
      const losses: number[] = [];
      for (let i = 0; i < steps; i++) losses.push(await read(step(optimizer)));
      optimizer.dispose();
      return { losses, weights: await Promise.all(variables.map((variable) => variable.data())) as unknown as Weights };
    },
    contender: (readsLoss) => ({
      name: contenderName(name, readsLoss),
      async run() {
        for (let i = 0; i < stepsPerCall; i++) {
          const loss = step(timed);
          if (readsLoss || i === stepsPerCall - 1) await read(loss);
          else loss.dispose();
        }
      },
    }),
    close() {
      timed.dispose();
      tf.dispose(variables);
    },
  };
}
