/**
 * Values and gradients of another system: what JAX computed in doubles (reference/generate.py), against the same
 * functions written for tsdlc (reference/models.ts), compiled from their TypeScript and run on one tier of each target, and
 * called as plain JavaScript, op by op.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileSource } from "../compiler/frontend/compile-source.ts";
import { bindForTest } from "./compile/run-compiled.ts";
import { roundingFactorOn } from "./compile/tolerances.ts";
import { useStandInNvrtc } from "./cuda/build-stand-in.ts";
import { isRealCuda } from "./require-device.ts";
import { machineOfEachTarget, machinesForModels } from "./test-machine.ts";
import * as models from "./reference/models.ts";
import { withDevice } from "tsdlc";
import { type DTypeName, type Functions, isTensor, tensor } from "tsdlc-runtime";

interface StoredArray {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

type StoredTree = StoredArray | { readonly [name: string]: StoredTree };

interface Fixtures {
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: Readonly<Record<string, { readonly inputs: readonly StoredArray[]; readonly results: StoredTree }>>;
}

const fixtures = JSON.parse(readFileSync(new URL("reference/fixtures.json", import.meta.url), "utf8")) as Fixtures;

/** Rounding of f32 over the few dozen operations that lie between inputs and results, in parts of the largest element. */
const tolerance = 4e-6;

/** One tier of a target will do, and WebGPU's with subgroups: that tiers agree is for the tests of ops and of random programs to show. */
for (const machine of await machinesForModels()) {
  describe(`JAX ${fixtures.versions["jax"]} computes the same as tsdlc on ${machine.title}`, function () {
    this.timeout(120_000);
    let functions: Functions;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      const { module, signatures } = compileSource([fileURLToPath(new URL("reference/models.ts", import.meta.url))]);
      assert.deepEqual(signatures.map(({ name }) => name).toSorted(), Object.keys(fixtures.cases).toSorted(), "a model for each case of the fixtures");
      functions = await bindForTest(module, machine, signatures);
    });
    after(() => machine.close());
    for (const [name, { inputs, results }] of Object.entries(fixtures.cases)) {
      it(name, async () => {
        const run = functions[name];
        assert.ok(run);
        const compared = await compare(await run(...inputs.map(({ dtype, shape, data }) => tensor(data, shape, dtype))), results, name, tolerance * roundingFactorOn(machine.limits));
        assert.ok(compared >= 3, `${name} compares ${compared} arrays`);
      });
    }
  });
}

for (const machine of await machineOfEachTarget()) {
  describe(`JAX ${fixtures.versions["jax"]} computes the same as tsdlc one op at a time on ${machine.title}`, function () {
    this.timeout(300_000);
    let restore = (): void => undefined;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      if (machine.limits.target === "cuda" && !isRealCuda()) restore = await useStandInNvrtc();
    });
    after(() => {
      restore();
      machine.close();
    });
    for (const [name, { inputs, results }] of Object.entries(fixtures.cases)) {
      it(name, async () => {
        const run = (models as unknown as Functions)[name];
        assert.ok(run);
        const result: unknown = withDevice(machine.device(), () => run(...inputs.map(({ dtype, shape, data }) => tensor(data, shape, dtype))));
        const compared = await compare(result, results, name, tolerance * roundingFactorOn(machine.limits));
        assert.ok(compared >= 3, `${name} compares ${compared} arrays`);
      });
    }
  });
}

/** Returns how many arrays were compared. */
async function compare(actual: unknown, expected: StoredTree, path: string, tolerance: number): Promise<number> {
  if (!isStoredArray(expected)) {
    assert.ok(typeof actual === "object" && actual !== null, `${path} is an object`);
    assert.deepEqual(Object.keys(actual).toSorted(), Object.keys(expected).toSorted(), path);
    let compared = 0;
    for (const [name, item] of Object.entries(expected)) compared += await compare((actual as Record<string, unknown>)[name], item, `${path}.${name}`, tolerance);
    return compared;
  }
  assert.ok(isTensor(actual), `${path} is a tensor`);
  assert.deepEqual(actual.shape, expected.shape, path);
  assert.equal(actual.dtype, expected.dtype, path);
  const got = await actual.data() as ArrayLike<number>;
  const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expected.data.forEach((wanted, i) => {
    const difference = Math.abs((got[i] ?? NaN) - wanted);
    assert.ok(difference <= tolerance * largest, `${path}: element ${i} is ${got[i]}, and JAX has ${wanted}: ${difference / largest} of the largest apart`);
  });
  return 1;
}

function isStoredArray(tree: StoredTree): tree is StoredArray {
  return "data" in tree;
}
