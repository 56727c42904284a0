/** jax-js on WebGPU: functions under its jit. A call consumes its arguments, unless they are passed as `.ref`. */

import { contenderName, layers, momentum, type Trainer, type TrainingTask, type Weights, weightShapes } from "../training.ts";
import { installedVersion, requirePeer } from "./install.ts";
import type { Operation, WebGpuPeer } from "./webgpu-peer.ts";

/** What is used of @jax-js/jax; its types are only there after its installation. */
interface JaxJs {
  init(device: "webgpu"): Promise<readonly string[]>;
  defaultDevice(device: "webgpu"): string;
  jit<A extends readonly unknown[], R>(body: (...inputs: A) => R): (...inputs: A) => R;
  valueAndGrad<A extends readonly unknown[]>(body: (weights: JaxArray[], ...rest: A) => JaxArray): (weights: JaxArray[], ...rest: A) => [JaxArray, JaxArray[]];
  readonly numpy: {
    readonly int32: unknown;
    array(data: Float32Array | Int32Array | number, options?: { dtype: unknown }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    tanh(x: JaxArray): JaxArray;
    negative(x: JaxArray): JaxArray;
    mean(x: JaxArray): JaxArray;
    sum(x: JaxArray, axis: number): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
  };
  readonly nn: {
    relu(x: JaxArray): JaxArray;
    softmax(x: JaxArray, axis: number): JaxArray;
    logSoftmax(x: JaxArray, axis: number): JaxArray;
    oneHot(labels: JaxArray, classes: number): JaxArray;
  };
}

interface JaxArray {
  readonly ref: JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  blockUntilReady(): Promise<JaxArray>;
  dispose(): void;
}

/** To be called when navigator.gpu is in place. */
export async function openJaxJs(): Promise<WebGpuPeer | string> {
  const jax = requirePeer("@jax-js/jax") as JaxJs;
  if (!(await jax.init("webgpu")).includes("webgpu")) return "jax-js does not start on this adapter";
  jax.defaultDevice("webgpu");
  return {
    name: "jax-js",
    version: installedVersion("@jax-js/jax") ?? "",
    async contender(operation, inputs) {
      const arrays = await Promise.all(inputs.map(({ data, shape }) => jax.numpy.array(data).reshape(shape).blockUntilReady()));
      const compiled = jax.jit((...parts: JaxArray[]) => operations[operation](jax, parts));
      const call = (): JaxArray => compiled(...arrays.map((array) => array.ref));
      return {
        name: "jax-js",
        async run() {
          const result = await call().blockUntilReady();
          result.dispose();
        },
        result: () => call().data(),
        close: () => arrays.forEach((array) => array.dispose()),
      };
    },
    trainer: (task) => jaxJsTrainer(jax, task),
  };
}

const operations: Readonly<Record<Operation, (jax: JaxJs, inputs: readonly JaxArray[]) => JaxArray>> = {
  matmul: ({ numpy }, [a, b]) => numpy.matmul(present(a), present(b)),
  chain: ({ numpy }, [x]) => numpy.tanh(present(x).ref.mul(2).add(1)).mul(present(x)),
  softmax: ({ nn }, [x]) => nn.softmax(present(x), -1),
};

function jaxJsTrainer(jax: JaxJs, task: TrainingTask): Trainer {
  const { numpy, nn } = jax;
  const { batch, images, labels, weights, stepsPerCall, timedRate } = task;

  const meanLoss = ([w1, b1, w2, b2]: JaxArray[], x: JaxArray, digits: JaxArray): JaxArray => {
    const hidden = nn.relu(numpy.matmul(x, present(w1)).add(present(b1)));
    const logits = numpy.matmul(hidden, present(w2)).add(present(b2));
    const chosen = nn.logSoftmax(logits, -1).mul(nn.oneHot(digits, layers.digits));
    return numpy.negative(numpy.mean(numpy.sum(chosen, -1)));
  };
  const compiled = jax.jit((from: JaxArray[], velocities: JaxArray[], x: JaxArray, digits: JaxArray, rate: JaxArray): [JaxArray[], JaxArray[], JaxArray] => {
    const [loss, gradients] = jax.valueAndGrad(meanLoss)(from.map((weight) => weight.ref), x, digits);
    const moved = velocities.map((velocity, i) => velocity.mul(momentum).add(present(gradients[i])));
    const updated = from.map((weight, i) => weight.sub(present(moved[i]).ref.mul(rate.ref)));
    rate.dispose();
    return [updated, moved, loss];
  });

  interface State {
    readonly weights: JaxArray[];
    readonly velocities: JaxArray[];
  }
  const start = (): State => ({
    weights: weights.map((weight, i) => numpy.array(weight).reshape(weightShapes[i] ?? [])),
    velocities: weightShapes.map((shape) => numpy.zeros(shape)),
  });
  const step = (state: State, rate: number): { readonly state: State; readonly loss: JaxArray } => {
    const x = numpy.array(images).reshape([batch, layers.pixels]);
    const [updated, moved, loss] = compiled(state.weights, state.velocities, x, numpy.array(labels, { dtype: numpy.int32 }), numpy.array(rate));
    return { state: { weights: updated, velocities: moved }, loss };
  };
  const read = async (loss: JaxArray): Promise<number> => (await loss.data())[0] ?? Number.NaN;

  let timed = start();
  return {
    name: "jax-js",
    async learn(steps, rate) {
      const losses: number[] = [];
      let state = start();
      for (let i = 0; i < steps; i++) {
        const next = step(state, rate);
        state = next.state;
        losses.push(await read(next.loss));
      }
      for (const velocity of state.velocities) velocity.dispose();
      return { losses, weights: await Promise.all(state.weights.map((weight) => weight.data())) as unknown as Weights };
    },
    contender: (readsLoss) => ({
      name: contenderName("jax-js", readsLoss),
      async run() {
        for (let i = 0; i < stepsPerCall; i++) {
          const next = step(timed, timedRate);
          timed = next.state;
          if (readsLoss || i === stepsPerCall - 1) await read(next.loss);
          else next.loss.dispose();
        }
      },
    }),
    close() {
      for (const array of [...timed.weights, ...timed.velocities]) array.dispose();
    },
  };
}

function present<T>(input: T | undefined): T {
  if (input === undefined) throw new RangeError("an operation got too few inputs");
  return input;
}
