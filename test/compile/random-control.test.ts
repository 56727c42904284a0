/**
 * Gradients of random programs with nested loops and branches (test/passes/random-control.ts), on everything there is to run
 * on, against the interpreter. TSDLC_SEED chooses others.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { functionOf } from "../passes/differentiate.ts";
import { functionFor, parametersOf, program } from "../passes/random-control.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest } from "./run-compiled.ts";

const seed = Number(process.env["TSDLC_SEED"] ?? 7);
const programs = 16;

/** The gradient of each program, with respect to x and w: value, trace, dx, dw. */
function gradients(): Module {
  const sources = fc.sample(program, { seed, numRuns: programs }).map((statements, i) => functionFor(statements, "f32", `program_${i}`));
  const mains = sources.map((f, i): Func => functionOf(`gradient_${i}`, parametersOf("f32"), (b, ...values) => b.valueAndGrad(values, { callee: f.name, wrt: [0, 1] }), [f]));
  return runPasses({ functions: [...sources, ...mains] }, tensorPipeline, { entries: mains.map(({ name }) => name) });
}

function inputsFor(n: number): readonly HostArray[] {
  return [hostArray("f32", [2], [0.37 + 0.1 * n, -0.53]), hostArray("f32", [2, 2], [0.8, -0.4, 0.3, 0.9]), hostArray("i32", [], [n])];
}

const module = gradients();

for (const machine of await testMachines()) {
  if (machine.limits.onlyFor !== undefined) continue;

  describe(`gradients of random control flow on ${machine.title}`, function () {
    this.timeout(600_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());

    // A kernel takes a driver of WebGPU 60 ms the first time.
    const count = machine.limits.target === "wgsl" ? 6 : programs;
    it(`equal the interpreter (${count} with seed ${seed})`, async () => {
      const run = await compileForTest({ functions: module.functions.slice(0, count) }, machine);
      let compared = 0;
      for (const { name } of module.functions.slice(0, count)) {
        for (const n of [0, 1, 3]) {
          const expected = interpret(module, name, inputsFor(n));
          const actual = await run(name, inputsFor(n));
          // Rounding took another branch: the two are gradients of different functions.
          if (actual[1]?.data[0] !== expected[1]?.data[0]) continue;
          compared++;
          expected.forEach((wanted, i) => wanted.data.forEach((value, element) => {
            const found = actual[i]?.data[element] ?? NaN;
            assert(Math.abs(found - value) <= 2e-3 * Math.max(1, Math.abs(value)), `${name} with n = ${n}: result ${i}, element ${element} is ${found}, expected ${value}`);
          }));
        }
      }
      assert(compared > 0.9 * 3 * count, `only ${compared} of ${3 * count} runs took the same branches`);
    });
  });
}
