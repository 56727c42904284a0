/**
 * One package of examples/mnist, built for every target at once, on each device: it trains there, the losses are those of
 * the CPU, and a step is as few kernels as it should be.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { batches } from "../../lib/data/index.ts";
import { compilerOption } from "../../runtime/options.ts";
import type { PackageManifest, Program } from "../../runtime/program.ts";
import { device, type Device, loadPackage } from "tsdlc-runtime";
import { withFolder } from "../cli/run-cli.ts";
import { buildStandIn, compilerIdentity } from "../cuda/build-stand-in.ts";
import { buildTimeout } from "../cuda/present.ts";
import { isRealCuda } from "../require-device.ts";
import { machineOfEachTarget } from "../test-machine.ts";
import { buildDigits, type Digits, readDigits } from "./digits.ts";

const [steps, batchSize, tested] = [40, 64, 400];
/** The last batch is smaller than the others. */
const rows = steps * batchSize - 24;

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
      const reference = await train(digits, await device("cpu"));
      assert.ok(reference.before < tested / 4 && reference.after > (tested * 2) / 3, `${reference.before} digits of ${tested} are right before and ${reference.after} after`);
      for (const machine of await machineOfEachTarget()) {
        if (machine.limits.target === "cpu" || !(await machine.open())) continue;
        const { losses, before, after } = await train(digits, machine.device());
        machine.close();
        losses.forEach((loss, step) => {
          const wanted = reference.losses[step] ?? NaN;
          assert.ok(Math.abs(loss - wanted) <= tolerance * wanted, `on ${machine.title} the loss of step ${step} is ${loss}, and ${wanted} on the cpu`);
        });
        assert.equal(before, reference.before, machine.title);
        assert.ok(Math.abs(after - reference.after) <= tested / 50, `on ${machine.title} ${after} digits of ${tested} are right, and ${reference.after} on the cpu`);
      }
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

async function train(folder: string, on: Device): Promise<Training> {
  const { init, predict, step } = (await loadPackage(folder, { device: on })) as unknown as Digits;
  const { train: { images, labels }, test } = readDigits();
  const some = { images: test.images.subarray(0, tested * 784), labels: test.labels.subarray(0, tested) };
  let state = init(new Uint32Array([0, 1]));
  assert.equal(state.params.w1.device, on.name);
  const countRight = async (): Promise<number> => (await predict(state.params, some.images).data()).filter((digit, i) => digit === some.labels[i]).length;
  const before = await countRight();
  const losses: number[] = [];
  for (const batch of batches({ images: images.subarray(0, rows * 784), labels: labels.subarray(0, rows) }, batchSize, { rows, shuffle: 1 })) {
    const next = step(state, batch.images, batch.labels, 0.1);
    state = next.state;
    losses.push(await next.loss.itemAsync());
  }
  assert.equal(losses.length, steps);
  return { losses, before, after: await countRight() };
}
