/** Our side of the training task: a built package of examples/mnist on one device. */

import { type Functions, tensor, type Tensor } from "tsdlc-runtime";
import { contenderName, type Trainer, type TrainingTask, type Weights, weightShapes } from "./training.ts";

interface Step {
  readonly state: State;
  readonly loss: Tensor;
}

interface State {
  readonly params: Params;
  readonly velocity: Params;
}

interface Params {
  readonly w1: Tensor;
  readonly b1: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
}

/** Weights as the package's own init draws them: every contender starts from these. */
export async function drawWeights({ init }: Functions): Promise<Weights> {
  if (init === undefined) throw new Error("the package has no init");
  return readWeights((init(new Uint32Array([0, 1])) as State).params);
}

export function ourTrainer({ step }: Functions, task: TrainingTask, name: string): Trainer {
  if (step === undefined) throw new Error("the package has no step");
  const { images, labels, stepsPerCall, timedRate } = task;
  const advance = (from: State, rate: Tensor): Step => step(from, images, labels, rate) as Step;
  const timed = tensor(timedRate, []);
  let state = startingState(task.weights);
  return {
    name,
    async learn(steps, learningRate) {
      const rate = tensor(learningRate, []);
      const losses: number[] = [];
      let from = startingState(task.weights);
      for (let i = 0; i < steps; i++) {
        const next = advance(from, rate);
        from = next.state;
        using loss = next.loss;
        losses.push(Number(await loss.itemAsync()));
      }
      return { losses, weights: await readWeights(from.params) };
    },
    contender: (readsLoss) => ({
      name: contenderName(name, readsLoss),
      async run() {
        for (let i = 0; i < stepsPerCall; i++) {
          const next = advance(state, timed);
          state = next.state;
          using loss = next.loss;
          if (readsLoss || i === stepsPerCall - 1) await loss.itemAsync();
        }
      },
    }),
    close: () => undefined,
  };
}

function startingState(weights: Weights): State {
  const [w1, b1, w2, b2] = weights;
  return { params: makeParams(w1, b1, w2, b2), velocity: makeParams(...(weights.map((weight) => new Float32Array(weight.length)) as unknown as Weights)) };
}

function makeParams(w1: Float32Array, b1: Float32Array, w2: Float32Array, b2: Float32Array): Params {
  const [shape1, bias1, shape2, bias2] = weightShapes;
  return { w1: tensor(w1, shape1), b1: tensor(b1, bias1), w2: tensor(w2, shape2), b2: tensor(b2, bias2) };
}

async function readWeights({ w1, b1, w2, b2 }: Params): Promise<Weights> {
  return await Promise.all([w1, b1, w2, b2].map((weight) => weight.data())) as unknown as Weights;
}
