/**
 * The training loop. A call of the package returns at once and the GPU works through the queue; the page waits only
 * where it reads a loss, every few steps, so that it stays as responsive as one that does nothing.
 */

import { batches } from "tsdlc/data";
import { tensor } from "tsdlc-runtime";

export const epochs = 5;
export const batchSize = 64;
const peakRate = 0.1;

/** Milliseconds between two readings of the loss: often enough for a smooth curve, seldom enough to keep the GPU busy. */
const betweenReadings = 60;

/** Milliseconds of training between two tests. */
const betweenTests = 1500;

export class Training {
  /** Steps done. */
  steps = 0;
  /** The weights as they are now; a step takes them over, so ask for them anew each time. */
  get params() {
    return this.#state.params;
  }

  #model;
  #data;
  #state;
  #paused = Promise.resolve();
  #resume = () => {};
  #isPaused = false;
  #isStopped = false;
  #milliseconds = 0;
  #tested = { images: undefined, count: 0 };

  /**
   * @param model what the built package exports
   * @param {{ train: import("tsdlc/data").LabelledImages, test: import("tsdlc/data").LabelledImages }} data
   * @param {{ seed: number, testCount: number }} options `testCount` digits are tested while training goes on
   */
  constructor(model, data, { seed, testCount }) {
    this.#model = model;
    this.#data = data;
    this.seed = seed;
    this.#state = model.init(new Uint32Array([0, seed]));
    this.#tested = { images: tensor(data.test.images.subarray(0, testCount * 784), [testCount, 784]), count: testCount };
  }

  get lastStep() {
    return epochs * Math.ceil(this.#data.train.count / batchSize);
  }

  get isPaused() {
    return this.#isPaused;
  }

  pause() {
    this.#isPaused = true;
    this.#paused = new Promise((resolve) => (this.#resume = resolve));
  }

  resume() {
    this.#isPaused = false;
    this.#resume();
  }

  /** Ends `run` after the step it is at. */
  stop() {
    this.#isStopped = true;
    this.resume();
  }

  /**
   * Trains to the end, or until it is stopped.
   *
   * @param {{ onLoss(loss: number, samplesPerSecond: number): void, onTest(guesses: Int32Array, count: number): void }} watcher
   */
  async run({ onLoss, onTest }) {
    const { train } = this.#data;
    let inGroup = 1;
    let untilReading = inGroup;
    let untilTest = 0;
    let samples = 0;
    let started = performance.now();
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const { images, labels } of batches({ images: train.images, labels: train.labels }, batchSize, { rows: train.count, shuffle: this.seed + epoch })) {
        const { state, loss } = this.#model.step(this.#state, images, labels, this.#rate());
        this.#state = state;
        this.steps++;
        samples += labels.length;
        if (--untilReading > 0 && this.steps < this.lastStep) {
          loss.dispose();
          continue;
        }
        const value = await loss.itemAsync();
        const took = performance.now() - started;
        this.#milliseconds += took;
        onLoss(value, (1000 * samples) / took);
        untilTest -= took;
        // Growth is bounded, because the first steps are slow: a machine warms up.
        inGroup = Math.max(1, Math.min(128, 2 * inGroup, Math.round((inGroup * betweenReadings) / took)));
        if (untilTest <= 0 || this.steps === this.lastStep) {
          onTest(await this.#model.predict(this.#state.params, this.#tested.images).data(), this.#tested.count);
          untilTest = betweenTests;
        }
        await this.#paused;
        if (this.#isStopped) return;
        untilReading = inGroup;
        samples = 0;
        started = performance.now();
      }
    }
  }

  /** Falls from the peak to zero along half a cosine, so that the weights settle. */
  #rate() {
    return peakRate * 0.5 * (1 + Math.cos((Math.PI * this.steps) / this.lastStep));
  }
}
