/**
 * How many kernels programs become, from their TypeScript. What fusion is for is in these numbers, so they are exact:
 * a change that lowers one is an improvement to write down here, and one that raises it has to say why.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { findFunction, type Region } from "../../ir/module.ts";
import { compileModule } from "../../lib/compile.ts";
import type { PassReport } from "../../passes/pipeline.ts";
import type { Program } from "tsdlc-runtime/program";

interface Counted {
  readonly programs: readonly Program[];
  /** Kernels of a function as fusion leaves them, before schedule adds those that only rearrange memory. */
  fusedKernels(name: string): number;
}

function count(file: string): Counted {
  const { module, signatures } = compileSource([fileURLToPath(new URL(file, import.meta.url))]);
  const reports: PassReport[] = [];
  const { tiers: [tier] } = compileModule(module, signatures, { tiers: ["cpu-x86-64-v3"], observe: { now: () => 0, passed: (report) => reports.push(report) } });
  const fused = reports.find(({ pass }) => pass === "fuse")?.after;
  assert.ok(tier !== undefined && fused !== undefined);
  return { programs: tier.programs, fusedKernels: (name) => groupsIn(findFunction(fused, name).body) };
}

function groupsIn(region: Region): number {
  return region.ops.reduce((sum, op) => sum + (op.name === "group" ? 1 : op.regions.reduce((inner, each) => inner + groupsIn(each), 0)), 0);
}

function programOf({ programs }: Counted, name: string): Program {
  const program = programs.find((candidate) => candidate.name === name);
  assert.ok(program, `there is no program ${name}`);
  return program;
}

function listOf({ name, kernels }: Program): string {
  return `${name} has ${kernels.length} kernels:\n${kernels.map(({ summary, sources }) => `  ${summary} (${sources[0] ?? "?"})`).join("\n")}`;
}

describe("kernel counts", function () {
  this.timeout(120_000);
  let models: Counted;
  before(() => {
    models = count("kernel-count-models.ts");
  });

  const functions: Readonly<Record<string, number>> = {
    softmax: 1, softmaxOfColumns: 1, logSoftmax: 1, crossEntropy: 1, variance: 1, norm: 1, rootMeanSquareNorm: 1, gelu: 1, geluTanh: 1, denseLayer: 1,
    softmaxGradient: 1, logSoftmaxGradient: 1, geluGradient: 1,
    // The gradient by x is a kernel of rows; those by gain and bias are sums of columns.
    normGradient: 3,
  };
  for (const [name, expected] of Object.entries(functions)) {
    it(`${name}: ${expected}`, () => {
      const program = programOf(models, name);
      assert.equal(program.kernels.length, expected, listOf(program));
      assert.equal(models.fusedKernels(name), expected);
    });
  }

  for (const name of ["sgd", "momentum", "nesterov", "adam", "adamW", "decayed"]) {
    it(`${name}: one for each of the 4 tensors`, () => {
      const program = programOf(models, name);
      assert.equal(program.kernels.length, 4, listOf(program));
    });
  }

  it("a step of examples/mnist: 9 by fusion, and at most 3 that pack an operand", () => {
    const mnist = count("../../examples/mnist/model.ts");
    const program = programOf(mnist, "step");
    assert.equal(mnist.fusedKernels("step"), 9, listOf(program));
    assert.ok(program.kernels.length <= 12, listOf(program));
  });
});
