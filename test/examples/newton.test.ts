/**
 * examples/newton on each device: orbits are made from their answers, so that values and derivatives are known. The
 * gradient goes through a loop whose turns run time counts. And the same functions called as plain JavaScript.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import * as example from "../../examples/newton/model.ts";
import { device, type Tensor } from "tsdlc-runtime";
import { tensor, withDevice } from "tsdlc";
import { bindForTest } from "../compile/run-compiled.ts";
import { buildTimeout } from "../cuda/present.ts";
import { machineOfEachTarget } from "../test-machine.ts";

const path = join(import.meta.dirname, "../../examples/newton/model.ts");

/** Eccentric anomalies all around, at eccentricities from a circle to a comet's. */
const orbits = [0, 0.1, 0.5, 0.9].flatMap((e) => [-3, -1.4, -0.3, 0.2, 0.8, 1.9, 3.1].map((anomaly) => ({ e, anomaly, mean: anomaly - e * Math.sin(anomaly) })));
const eccentricity = Float32Array.from(orbits, ({ e }) => e);
const mean = Float32Array.from(orbits, ({ mean }) => mean);
/** What a step may be at the end, with which the gradient through the loop is wrong to the first order. */
const stop = 1e-5;
/** Of f32, with the tenfold of an eccentricity of 0.9. */
const tolerance = 1e-4;

const slope = ({ e, anomaly }: (typeof orbits)[number]): number => 1 - e * Math.cos(anomaly);
const expected = {
  anomaly: orbits.map(({ anomaly }) => anomaly),
  byEccentricity: orbits.map((orbit) => Math.sin(orbit.anomaly) / slope(orbit)),
  byMean: orbits.map((orbit) => 1 / slope(orbit)),
};

interface Solved { readonly anomaly: Tensor; readonly turns: Tensor }
interface Sensitivity { readonly byEccentricity: Tensor; readonly byMean: Tensor }

describe("examples/newton", function () {
  this.timeout(buildTimeout);
  this.slow(20_000);

  it("solves Kepler's equation and differentiates through the loop on each device", async () => {
    const { module, signatures } = compileSource([path]);
    for (const machine of await machineOfEachTarget()) {
      if (!(await machine.open())) continue;
      const { solve, sensitivity, implicitSensitivity } = await bindForTest(module, machine, signatures);
      assert.ok(solve !== undefined && sensitivity !== undefined && implicitSensitivity !== undefined);
      const { anomaly, turns } = solve(eccentricity, mean, stop) as Solved;
      await requireClose(`${machine.title}, anomaly`, anomaly, expected.anomaly);
      const count = Number(await turns.itemAsync());
      assert.ok(count >= 3 && count <= 12, `${machine.title}: ${count} turns`);
      assert.equal(await (solve(eccentricity, mean, 10) as Solved).turns.itemAsync(), 1, "the first step is below 10");
      await requireDerivatives(`${machine.title}, through the loop`, sensitivity(eccentricity, mean, stop) as Sensitivity);
      await requireDerivatives(`${machine.title}, implicit`, implicitSensitivity(eccentricity, mean, stop) as Sensitivity);
      machine.close();
    }
  });

  it("is the same as plain JavaScript, op by op", async () => {
    const [e, m] = [tensor(eccentricity, [orbits.length]), tensor(mean, [orbits.length])];
    await withDevice(await device("cpu"), async () => {
      const { anomaly, turns } = example.solve(e, m, stop);
      await requireClose("anomaly", anomaly, expected.anomaly);
      const count = turns.item();
      assert.ok(count >= 3 && count <= 12, `${count} turns`);
      await requireDerivatives("through the loop", example.sensitivity(e, m, stop));
    });
  });
});

async function requireDerivatives(what: string, { byEccentricity, byMean }: Sensitivity): Promise<void> {
  await requireClose(`${what}, dE/de`, byEccentricity, expected.byEccentricity);
  await requireClose(`${what}, dE/dM`, byMean, expected.byMean);
}

async function requireClose(what: string, actual: Tensor, wanted: readonly number[]): Promise<void> {
  const values = await actual.data();
  assert.equal(values.length, wanted.length, what);
  wanted.forEach((value, i) => assert.ok(Math.abs(Number(values[i]) - value) <= tolerance * Math.max(1, Math.abs(value)), `${what} of orbit ${i} (e = ${orbits[i]?.e}) is ${values[i]}, and ${value} by the formula`));
}
