/**
 * The MNIST example on real digits, at a size that a test can afford: a part of the training set, one pass over it.
 * `npm run mnist` is the whole of it.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { decode } from "fast-png";
import { loadPackage } from "tsdlc-runtime";
import { batches } from "../../lib/data/index.ts";
import { withFolder } from "../cli/run-cli.ts";
import { buildDigits, type Digits, example, readDigits } from "./digits.ts";

describe("examples/mnist", function () {
  this.timeout(120_000);
  this.slow(20_000);

  it("learns most digits from 12,000 of them", () =>
    withFolder(undefined, async (folder) => {
      const { init, predict, step } = (await loadPackage(buildDigits(folder))) as unknown as Digits;
      const { train, test } = readDigits();
      assert.equal(train.count, 60_000);
      assert.equal(test.count, 10_000);

      const some = { images: train.images.subarray(0, 12_000 * 784), labels: train.labels.subarray(0, 12_000) };
      let state = init(new Uint32Array([0, 1]));
      const losses: number[] = [];
      for (const { images, labels } of batches(some, 100, { rows: 12_000, shuffle: 1 })) {
        const next = step(state, images, labels, 0.1);
        state = next.state;
        losses.push(await next.loss.itemAsync());
      }
      const first = losses[0] ?? 0;
      assert.ok(Math.abs(first - Math.log(10)) < 0.7, `the first loss, ${first}, is not that of a guess`);
      const guesses = await predict(state.params, test.images).data();
      const right = guesses.filter((digit, i) => digit === test.labels[i]).length;
      assert.ok(right > 9_000, `${right} of 10,000 test digits are right`);
    }));

  it("gives equal weights for equal keys", () =>
    withFolder(undefined, async (folder) => {
      const { init } = (await loadPackage(buildDigits(folder))) as unknown as Digits;
      const weights = async (seed: number): Promise<Float32Array> => init(new Uint32Array([0, seed])).params.w1.data();
      assert.deepEqual(await weights(3), await weights(3));
      const [one, other] = [await weights(3), await weights(4)];
      assert.ok(one.some((value, i) => value !== other[i]));
      const bound = Math.sqrt(6 / 784);
      assert.ok(one.every((value) => Math.abs(value) <= bound), "Kaiming's bound for 784 inputs");
    }));

  it("draws a curve with axes", async () => {
    const { plotLoss } = (await import(join(example, "plot-loss.js"))) as { plotLoss(losses: readonly number[], stepsPerEpoch: number): Promise<Uint8Array> };
    const losses = Array.from({ length: 200 }, (_, i) => 2 * Math.exp(-i / 40) + 0.1);
    const { width, height, channels, data: samples } = decode(await plotLoss(losses, 50));
    const count = (red: number, green: number, blue: number): number => {
      let found = 0;
      for (let i = 0; i < samples.length; i += channels) if (samples[i] === red && samples[i + 1] === green && samples[i + 2] === blue) found++;
      return found;
    };
    assert.equal(width, 1600);
    assert.ok(count(255, 255, 255) > (width * height) / 2, "white paper");
    assert.ok(count(0x1f, 0x5a, 0x99) > 1000, "the running mean is drawn");
    assert.ok(count(0, 0, 0) > 500, "text is drawn: without a font there is none");
  });
});
