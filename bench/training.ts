/**
 * The training step of examples/mnist as a task that anyone can be given: the same weights, the same batch, the same
 * formulas. What a contender learned in a few steps is compared with plain JavaScript in f64 before it is timed.
 */

import type { Contender } from "./alternate.ts";
import { hostInput } from "./machine.ts";

export const layers = { pixels: 784, hidden: 128, digits: 10 } as const;
/** In the order of all lists of weights here. */
export const weightShapes = [[layers.pixels, layers.hidden], [layers.hidden], [layers.hidden, layers.digits], [layers.digits]] as const;
export const momentum = 0.9;

/** w1, b1, w2, b2. */
export type Weights<T = Float32Array> = readonly [T, T, T, T];

export interface TrainingTask {
  readonly batch: number;
  readonly images: Float32Array;
  readonly labels: Int32Array;
  /** The weights that training starts from; velocities start at 0. */
  readonly weights: Weights;
  /** Steps of one timed call. */
  readonly stepsPerCall: number;
  /** Of timed steps: next to nothing, because random digits cannot be learned and weights must stay finite. */
  readonly timedRate: number;
}

export interface Lesson {
  /** Of each step, before it. */
  readonly losses: readonly number[];
  readonly weights: Weights<Float32Array | Float64Array>;
}

export interface Trainer {
  /** "jax 2T" */
  readonly name: string;
  /** What so many steps from the task's weights make of them. */
  learn(steps: number, rate: number): Promise<Lesson>;
  /**
   * A call is `stepsPerCall` steps, each with its batch from the host and the weights of the one before; it ends when
   * the last loss is on the host. `readsLoss`: each step also waits for its loss, as a program with a progress bar does.
   */
  contender(readsLoss: boolean): Contender;
  close(): Promise<void> | void;
}

export function trainingTask(batch: number, weights: Weights): TrainingTask {
  return {
    batch,
    images: hostInput([batch, layers.pixels]).data,
    labels: Int32Array.from({ length: batch }, (_, i) => i % layers.digits),
    weights,
    stepsPerCall: batch > 256 ? 5 : 20,
    timedRate: 1e-6,
  };
}

export function contenderName(name: string, readsLoss: boolean): string {
  return readsLoss ? `${name}, loss read` : name;
}

/** Enough steps for momentum to matter, at a rate that moves every weight by much more than the tolerance. */
const [lessonSteps, lessonRate] = [3, 0.1];
/** Relative to the larger of 1 and the value: sums of f32 in another order differ by less. */
const tolerance = 1e-4;

/** Throws unless every trainer learns what plain JavaScript does. */
export async function requireSameLessons(task: TrainingTask, trainers: readonly Trainer[]): Promise<void> {
  const truth = learnPlainly(task, lessonSteps, lessonRate);
  requireMovement(task, truth);
  for (const trainer of trainers) {
    const lesson = await trainer.learn(lessonSteps, lessonRate);
    requireClose(`${trainer.name}, losses of ${lessonSteps} steps`, lesson.losses, truth.losses);
    lesson.weights.forEach((weight, i) => requireClose(`${trainer.name}, ${["w1", "b1", "w2", "b2"][i]} after ${lessonSteps} steps`, weight, truth.weights[i] ?? []));
  }
}

/** Else an agreement would show nothing. */
function requireMovement({ weights }: TrainingTask, truth: Lesson): void {
  weights.forEach((start, i) => {
    const most = start.reduce((largest, value, k) => Math.max(largest, Math.abs(value - (truth.weights[i]?.[k] ?? Number.NaN))), 0);
    if (!(most > 20 * tolerance)) throw new Error(`training moved weight ${i} by ${most} at most: too little to compare with a tolerance of ${tolerance}`);
  });
}

function requireClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} numbers instead of ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, e = Number.NaN] = [actual[i], expected[i]];
    if (!(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)))) throw new Error(`${what}: element ${i} is ${a}, plain JavaScript has ${e}`);
  }
}

/** The step in f64 and loops: relu(x w1 + b1) w2 + b2, mean cross entropy of its softmax, v = 0.9 v + g, w = w - rate v. */
export function learnPlainly(task: TrainingTask, steps: number, rate: number): Lesson {
  const { batch, images, labels } = task;
  const { pixels, hidden, digits } = layers;
  const weights = task.weights.map((weight) => Float64Array.from(weight)) as unknown as Weights<Float64Array>;
  const velocities = weights.map((weight) => new Float64Array(weight.length)) as unknown as Weights<Float64Array>;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [w1, b1, w2, b2] = weights;
    const activations = affine(images, w1, b1, batch, pixels, hidden).map((value) => Math.max(0, value));
    const slopes = affine(activations, w2, b2, batch, hidden, digits);
    let loss = 0;
    for (let row = 0; row < batch; row++) {
      const logits = slopes.subarray(row * digits, (row + 1) * digits);
      const label = labels[row] ?? 0;
      const largest = Math.max(...logits);
      const total = logits.reduce((sum, value) => sum + Math.exp(value - largest), 0);
      loss += largest + Math.log(total) - (logits[label] ?? Number.NaN);
      // The derivative of the mean loss by the logits takes their place.
      logits.forEach((value, digit) => void (logits[digit] = (Math.exp(value - largest) / total - (digit === label ? 1 : 0)) / batch));
    }
    losses.push(loss / batch);
    const back = new Float64Array(batch * hidden);
    for (let row = 0; row < batch; row++) {
      for (let unit = 0; unit < hidden; unit++) {
        if ((activations[row * hidden + unit] ?? 0) <= 0) continue;
        let sum = 0;
        for (let digit = 0; digit < digits; digit++) sum += (slopes[row * digits + digit] ?? 0) * (w2[unit * digits + digit] ?? 0);
        back[row * hidden + unit] = sum;
      }
    }
    const gradients: Weights<Float64Array> = [
      outer(images, back, batch, pixels, hidden), columnSums(back, batch, hidden),
      outer(activations, slopes, batch, hidden, digits), columnSums(slopes, batch, digits),
    ];
    weights.forEach((weight, i) => {
      const [velocity, gradient] = [velocities[i], gradients[i]];
      if (velocity === undefined || gradient === undefined) return;
      for (let k = 0; k < weight.length; k++) {
        velocity[k] = momentum * (velocity[k] ?? 0) + (gradient[k] ?? 0);
        weight[k] = (weight[k] ?? 0) - rate * (velocity[k] ?? 0);
      }
    });
  }
  return { losses, weights };
}

/** x[rows,inner] w[inner,columns] + b[columns] */
function affine(x: ArrayLike<number>, w: Float64Array, b: Float64Array, rows: number, inner: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const target = result.subarray(row * columns, (row + 1) * columns);
    target.set(b);
    for (let k = 0; k < inner; k++) {
      const factor = x[row * inner + k] ?? 0;
      for (let column = 0; column < columns; column++) target[column] = (target[column] ?? 0) + factor * (w[k * columns + column] ?? 0);
    }
  }
  return result;
}

/** The transpose of x[rows,m] times y[rows,n]. */
function outer(x: ArrayLike<number>, y: Float64Array, rows: number, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < m; i++) {
      const factor = x[row * m + i] ?? 0;
      for (let j = 0; j < n; j++) result[i * n + j] = (result[i * n + j] ?? 0) + factor * (y[row * n + j] ?? 0);
    }
  }
  return result;
}

function columnSums(x: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(columns);
  for (let i = 0; i < rows * columns; i++) result[i % columns] = (result[i % columns] ?? 0) + (x[i] ?? 0);
  return result;
}
