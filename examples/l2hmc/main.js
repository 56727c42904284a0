/**
 * Trains the built sampler, and says what its draws are worth before and after: the untrained one is plain HMC.
 *
 *     npx tsdlc build examples/l2hmc/model.ts --out examples/l2hmc/dist && node examples/l2hmc/main.js
 */

import { init, sample, train } from "./dist/index.js";
import { covariance, effectiveSamples } from "./statistics.js";

const [leapfrogSteps, chainCount, measuredMoves, burnIn] = [10, 200, 400, 100];
const trainingSteps = Number(process.argv[2] ?? 3000);
const target = [[50.005, 49.995], [49.995, 50.005]];

let state = init(new Uint32Array([0, 1]));
console.log(`device: ${state.params.logStepSize.device}`);
report("plain HMC, not trained", await drawAll());

let chains = startingPoints();
const started = performance.now();
for (let step = 0; step < trainingSteps; step++) {
  // The rate falls as in the paper: by 0.96 every 1,000 steps.
  const next = train(state, chains, new Uint32Array([step, 2]), 1e-3 * 0.96 ** Math.floor(step / 1000), leapfrogSteps);
  ({ state, chains } = next);
  if (step % Math.ceil(trainingSteps / 8) === 0 || step === trainingSteps - 1) {
    const [loss, probability] = [await next.loss.itemAsync(), await next.probability.itemAsync()];
    console.log(`step ${String(step).padStart(5)}: loss ${loss.toFixed(1).padStart(8)}, ${(100 * probability).toFixed(0)} % of moves accepted`);
  }
}
console.log(`${((performance.now() - started) / trainingSteps).toFixed(2)} ms for a step of training`);
report("after training", await drawAll());

/** The places of all chains after each move, once they have forgotten where they began. */
async function drawAll() {
  let places = startingPoints();
  const draws = [];
  for (let move = 0; move < burnIn + measuredMoves; move++) {
    places = sample(state.params, places, new Uint32Array([move, 3]), leapfrogSteps);
    if (move >= burnIn) draws.push(await places.data());
  }
  return draws;
}

/** Along the long axis of the target, as far as it reaches: across it, chains settle at once. */
function startingPoints() {
  const points = new Float32Array(2 * chainCount);
  for (let i = 0; i < chainCount; i++) points.fill(10 * normalQuantile((i + 0.5) / chainCount) * Math.SQRT1_2, 2 * i, 2 * i + 2);
  return points;
}

/** Which z a normal variable is below with probability p (Tukey's lambda, right to 0.01 where 0.01 < p < 0.99). */
function normalQuantile(p) {
  return 4.91 * (p ** 0.14 - (1 - p) ** 0.14);
}

function report(title, draws) {
  const found = covariance(draws);
  const text = (matrix) => `[${matrix.map((row) => `[${row.map((value) => value.toFixed(2)).join(", ")}]`).join(", ")}]`;
  console.log(`${title}: ${effectiveSamples(draws, [target[0][0], target[1][1]]).toFixed(4)} effective samples a move; covariance ${text(found)}, of the target ${text(target)}`);
}
