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
import { planOf } from "../../runtime/plan.ts";
import type { Program } from "tsdlc-runtime/program";

interface Counted {
  readonly programs: readonly Program[];
  /** Kernels of a function as fusion leaves them, before schedule adds those that only rearrange memory. */
  fusedKernels(name: string): number;
}

function count(file: string, name = "cpu-x86-64-v3"): Counted {
  const { module, signatures } = compileSource([fileURLToPath(new URL(file, import.meta.url))]);
  const reports: PassReport[] = [];
  const { tiers: [tier] } = compileModule(module, signatures, { tiers: [name], observe: { now: () => 0, passed: (report) => reports.push(report) } });
  const fused = reports.find(({ pass }) => pass === "fuse")?.after;
  assert.ok(tier !== undefined && fused !== undefined);
  return { programs: tier.programs, fusedKernels: (name) => groupsIn(findFunction(fused, name).body) };
}

function groupsIn(region: Region): number {
  return region.ops.reduce((sum, op) => sum + (op.name === "group" ? 1 : op.regions.reduce((inner, each) => inner + groupsIn(each), 0)), 0);
}

/** Bytes of the buffers that each launch of a program binds, at sizes in the order of its dims: what it has to move at least. */
function bytesBound(program: Program, sizes: readonly number[]): Readonly<Record<string, number>> {
  const { buffers } = planOf(program, sizes, 256);
  return Object.fromEntries(program.steps.flatMap((step) => {
    if (step.kind !== "launch") return [];
    const bytes = [...new Set(step.buffers)].reduce((sum, buffer) => sum + (buffers[buffer]?.bytes ?? NaN), 0);
    return [[program.kernels[step.kernel]?.summary ?? "", bytes]];
  }));
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

for (const tier of ["wgsl-base", "cuda"]) {
  describe(`kernel counts of ${tier}`, function () {
    this.timeout(120_000);
    let models: Counted;
    let step: Program;
    before(() => {
      models = count("kernel-count-models.ts", tier);
      step = programOf(count("../../examples/mnist/model.ts", tier), "step");
    });

    for (const name of ["softmax", "softmaxOfColumns", "logSoftmax", "crossEntropy", "variance", "norm", "rootMeanSquareNorm", "gelu", "denseLayer"]) {
      it(`${name}: 1`, () => {
        const program = programOf(models, name);
        assert.equal(program.kernels.length, 1, listOf(program));
      });
    }

    // As many tensors share a kernel as there are buffers for: 8 on WebGPU, where a tensor with its gradient, both moments
    // and what replaces them is 7. Adam's step count, and what follows from it, are a kernel that the update waits for.
    const updates: Readonly<Record<string, number>> = tier === "cuda"
      ? { sgd: 1, momentum: 1, nesterov: 1, adam: 2, adamW: 2, decayed: 1 }
      : { sgd: 2, momentum: 4, nesterov: 4, adam: 5, adamW: 8, decayed: 1 };
    for (const [name, expected] of Object.entries(updates)) {
      it(`${name}, an update of 4 tensors: ${expected}`, () => {
        const program = programOf(models, name);
        assert.equal(program.kernels.length, expected, listOf(program));
      });
    }

    it("a step of examples/mnist: 9", () => {
      assert.equal(step.kernels.length, 9, listOf(step));
    });

    it("a step of examples/mnist moves each tensor once for each kernel that needs it", () => {
      const [pixels, hidden, digits] = [784, 128, 10];
      const moved = bytesBound(step, [64]);
      const bytes = (...elements: readonly number[]): number => elements.reduce((sum, count) => sum + 4 * count, 0);
      // Images, weights, bias; the hidden layer, and a byte for each unit that says whether it is on.
      assert.equal(moved["dot_general + add + le + select"], bytes(64 * pixels, pixels * hidden, hidden, 64 * hidden) + 64 * hidden, JSON.stringify(moved));
      // Logits and labels; a loss for each sample, and the gradient of the logits.
      assert.ok(Object.entries(moved).some(([summary, count]) => summary.startsWith("reduce_max") && count <= bytes(64 * digits, 64, 64, 64 * digits)), JSON.stringify(moved));
      // Images and the hidden gradient; weights and velocity, read and written.
      assert.ok(Object.values(moved).includes(bytes(64 * pixels, 64 * hidden, 1, 4 * pixels * hidden)), JSON.stringify(moved));
    });

    it("softmax of 1024 x 1024 reads and writes it once", () => {
      assert.deepEqual(Object.values(bytesBound(programOf(models, "softmax"), [1024, 1024])), [2 * 4 * 1024 * 1024]);
    });
  });
}
