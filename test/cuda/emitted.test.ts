/**
 * Emitted CUDA through NVIDIA's own compilers: the kernels of every sample of the op table, in the dtypes of the table and
 * in those that it does not use, for the oldest and the newest architecture that packages are built for. What this cannot
 * show is a wrong number; for that the same kernels run on the emulator.
 */

import assert from "node:assert/strict";
import type { Module } from "../../ir/module.ts";
import { compileModule } from "../../lib/compile.ts";
import { type SampleCase, sampleCases, standInCases, standIns } from "../compile/sample-cases.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { allowances, type Finding, lint, unallowed, unneeded } from "./lint.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";
import { compileForArchitecture } from "./real-compiler.ts";

const architectures = ["sm_80", "sm_90a"];

describe("cuda: emitted kernels and NVIDIA's compilers", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
    needsToolkit(this);
  });

  const findings: Finding[] = [];
  let checks = 0;

  async function check(cases: readonly SampleCase[], architecture: string): Promise<void> {
    const module: Module = { functions: cases.map(({ func }) => func) };
    const { tiers: [cuda] } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: ["cuda"] });
    assert.ok(cuda);
    const outcome = await compileForArchitecture(cuda.source, { architecture });
    assert.ok(outcome.ok, outcome.log);
    // Programs may share a kernel.
    const entries = new Set(cuda.programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry)));
    assert.deepEqual(outcome.kernels.map(({ name }) => name).toSorted(), [...entries].toSorted());
    const found = lint(outcome);
    findings.push(...found);
    checks++;
    assert.deepEqual(unallowed(found, await allowances()), []);
  }

  for (const architecture of architectures) {
    it(`all samples for ${architecture}`, () => check(sampleCases, architecture));
  }

  for (const dtype of Object.keys(standIns) as readonly (keyof typeof standIns)[]) {
    it(`all samples that take ${dtype} for sm_80`, () => check(standInCases(dtype), "sm_80"));
  }

  it("need every exception that is made", async function () {
    // Where only some of the tests were asked for, nothing can be said.
    if (checks < architectures.length + Object.keys(standIns).length) this.skip();
    assert.deepEqual(unneeded(findings, await allowances()), []);
  });
});
