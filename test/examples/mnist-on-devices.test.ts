/**
 * One package of examples/mnist, built for every target at once, on each device: it trains there, the losses are those of
 * the CPU, and a step is as few kernels as it should be. And the example's own functions, called in each of the ways that
 * README.md names: its table of ways is the outcome.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { batches } from "../../lib/data/index.ts";
import { compilerOption } from "../../runtime/options.ts";
import type { PackageManifest, Program } from "../../runtime/program.ts";
import * as example from "../../examples/mnist/model.ts";
import { jit, tensor, withDevice } from "tsdlc";
import { device, type Device, loadPackage } from "tsdlc-runtime";
import { withFolder } from "../cli/run-cli.ts";
import { buildStandIn, compilerIdentity, useStandInNvrtc } from "../cuda/build-stand-in.ts";
import { buildTimeout } from "../cuda/present.ts";
import { isRealCuda } from "../require-device.ts";
import { machineOfEachTarget } from "../test-machine.ts";
import { buildDigits, type Digits, readDigits } from "./digits.ts";

/** The last batch is smaller than the others by 24. */
const [steps, batchSize, tested] = [40, 64, 400];
/** Where each op has a kernel of its own to compile. */
const fewSteps = 4;

/** Relative, after 40 steps in which the rounding of each is carried into the next. */
const tolerance = 1e-3;

/** Kernels of one step of training: what fusion leaves, and at most what a schedule adds. */
const kernelsOfStep = {
  // The packing of an operand is a kernel of its own.
  cpu: { fused: 9, added: 3 },
  wgsl: { fused: 9, added: 0 },
  cuda: { fused: 9, added: 0 },
} as const;

interface Training {
  readonly losses: readonly number[];
  /** Digits that are told right. */
  readonly before: number;
  readonly after: number;
}

describe("one package of examples/mnist", function () {
  this.timeout(buildTimeout);
  this.slow(30_000);

  before(function () {
    if (!isRealCuda() || hasCCompiler()) return;
    console.warn("MNIST on devices is skipped: its losses are compared with the cpu's, and this machine has no C compiler");
    this.skip();
  });

  it("trains alike on each device", () =>
    withFolder(undefined, async (folder) => {
      const digits = buildDigits(folder, ["--target", "cpu,wgsl,cuda", ...(isRealCuda() ? [] : ["--arch", "sm_90"])], await compilerForCuda());
      const reference = await train(await built(digits, await device("cpu")), (await device("cpu")).name);
      assert.ok(reference.before < tested / 4 && reference.after > (tested * 2) / 3, `${reference.before} digits of ${tested} are right before and ${reference.after} after`);
      for (const machine of await machineOfEachTarget()) {
        if (machine.limits.target === "cpu" || !(await machine.open())) continue;
        const { losses, before, after } = await train(await built(digits, machine.device()), machine.device().name);
        machine.close();
        losses.forEach((loss, step) => {
          const wanted = reference.losses[step] ?? NaN;
          assert.ok(Math.abs(loss - wanted) <= tolerance * wanted, `on ${machine.title} the loss of step ${step} is ${loss}, and ${wanted} on the cpu`);
        });
        assert.equal(before, reference.before, machine.title);
        assert.ok(Math.abs(after - reference.after) <= tested / 50, `on ${machine.title} ${after} digits of ${tested} are right, and ${reference.after} on the cpu`);
      }
    }));

  it("is what its functions are when they are called, op by op and by jit", () =>
    withFolder(undefined, async (folder) => {
      const digits = buildDigits(folder);
      const reference = await train(await built(digits, await device("cpu")), "cpu", fewSteps);
      const cells: string[][] = [];
      for (const machine of await machineOfEachTarget()) {
        if (!(await machine.open())) continue;
        const on = machine.device();
        const restore = machine.limits.target === "cuda" && !isRealCuda() ? await useStandInNvrtc() : () => undefined;
        for (const [way, functions] of [["eager", called((fn) => fn, on)], ["jit", called((fn) => jit(fn), on)]] as const) {
          cells.push([way, on.kind, await outcomeOf(() => train(functions, on.name, fewSteps), reference)]);
        }
        restore();
        machine.close();
      }
      assert.deepEqual(cells, cells.map(([way, kind]) => [way, kind, "equal"]));
      const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
      for (const way of ["eager", "jit"]) assert.match(readme, new RegExp(`^\\| ${way} \\|.*\\| works \\|$`, "m"));
    }));

  it("has few kernels in a step for each target", () =>
    withFolder(undefined, async (folder) => {
      const digits = buildDigits(folder, ["--target", "cpu,wgsl,cuda"], await compilerForCuda());
      const { tiers } = JSON.parse(readFileSync(join(digits, "program.json"), "utf8")) as PackageManifest;
      assert.deepEqual([...new Set(tiers.map(({ target }) => target))].toSorted(), Object.keys(kernelsOfStep).toSorted());
      for (const { name, target, programs } of tiers) {
        const step = (JSON.parse(readFileSync(join(digits, programs), "utf8")) as readonly Program[]).find((program) => program.name === "step");
        assert.ok(step);
        const { fused, added } = kernelsOfStep[target];
        const list = `${name}:\n${step.kernels.map(({ summary }) => `  ${summary}`).join("\n")}`;
        assert.ok(step.kernels.length >= fused && step.kernels.length <= fused + added, `${step.kernels.length} kernels for ${list}`);
        assert.deepEqual(step.steps.map(({ kind }) => kind), step.kernels.map(() => "launch"), list);
      }
    }));
});

/** On a machine that has a GPU there may be little else. */
function hasCCompiler(): boolean {
  const [command, ...flags] = compilerOption();
  return spawnSync(command, [...flags, "--version"]).status === 0;
}

/** The stand-in for NVRTC makes images that the stand-in for the driver runs; a GPU takes what the machine's own makes. */
async function compilerForCuda(): Promise<Readonly<Record<string, string>>> {
  return isRealCuda() || (await compilerIdentity()) === undefined ? {} : { TSDLC_NVRTC: (await buildStandIn()).libnvrtc };
}

async function built(folder: string, on: Device): Promise<Digits> {
  return (await loadPackage(folder, { device: on })) as unknown as Digits;
}

/** The example's functions, each as `way` makes it; tensors in place of arrays, because types are gone. */
function called(way: <F extends (...args: never[]) => unknown>(fn: F) => F, on: Device): Digits {
  const [init, predict, step] = [way(example.init), way(example.predict), way(example.step)];
  const images = (pixels: Float32Array) => tensor(pixels, [pixels.length / 784, 784]);
  return {
    init: (key) => withDevice(on, () => init(tensor(key, [2]))),
    predict: (params, pixels) => withDevice(on, () => predict(params as never, images(pixels))),
    step: (state, pixels, labels, rate) => withDevice(on, () => step(state as never, images(pixels), tensor(labels, [labels.length]), tensor(rate))),
  } as Digits;
}

/** "equal", what differs, or the name of the error. */
async function outcomeOf(run: () => Promise<Training>, reference: Training): Promise<string> {
  try {
    const { losses, after } = await run();
    const different = losses.findIndex((loss, step) => !(Math.abs(loss - (reference.losses[step] ?? NaN)) <= tolerance * loss));
    if (different >= 0) return `the loss of step ${different} is ${losses[different]}, and ${reference.losses[different]} in a built package`;
    return Math.abs(after - reference.after) <= tested / 50 ? "equal" : `${after} digits are right, and ${reference.after} in a built package`;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

/** Trains for some steps. */
async function train({ init, predict, step }: Digits, on: string, count = steps): Promise<Training> {
  const rows = count * batchSize - 24;
  const { train: { images, labels }, test } = readDigits();
  const some = { images: test.images.subarray(0, tested * 784), labels: test.labels.subarray(0, tested) };
  let state = init(new Uint32Array([0, 1]));
  assert.equal(state.params.w1.device, on);
  const countRight = async (): Promise<number> => (await predict(state.params, some.images).data()).filter((digit, i) => digit === some.labels[i]).length;
  const before = await countRight();
  const losses: number[] = [];
  for (const batch of batches({ images: images.subarray(0, rows * 784), labels: labels.subarray(0, rows) }, batchSize, { rows, shuffle: 1 })) {
    const next = step(state, batch.images, batch.labels, 0.1);
    state = next.state;
    losses.push(await next.loss.itemAsync());
  }
  assert.equal(losses.length, count);
  return { losses, before, after: await countRight() };
}
