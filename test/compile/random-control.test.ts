/**
 * Gradients of random programs with nested loops and branches (test/passes/random-control.ts), on everything there is to run
 * on, against the interpreter; some of them for three examples at once, which leave loops at different turns. TSDLC_SEED
 * chooses others.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { print } from "../../ir/print.ts";
import { runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { withExamples } from "../passes/batch-examples.ts";
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

/** The same for three examples with an x and an n of their own, of the first programs whose examples part. */
function gradientsOfExamples(count: number): Module {
  const sources = fc.sample(program, { seed, numRuns: 6 * programs }).map((statements, i) => functionFor(statements, "f32", `program_${i}`));
  const axes = [0, -1, 0];
  const functions = sources.map((f, i): readonly Func[] => {
    const gradient = functionOf(`gradient_${i}`, parametersOf("f32"), (b, ...values) => b.valueAndGrad(values, { callee: f.name, wrt: [0, 1] }), [f]);
    const types = parametersOf("f32").map((type, position) => withExamples(type, axes[position] ?? -1, 3));
    return [f, gradient, functionOf(`examples_${i}`, types, (b, ...values) => b.vmap(values, { callee: gradient.name, axes, outAxes: [0, 0, 0, 0] }), [gradient])];
  });
  const compiled = functions.map((all) => runPasses({ functions: all }, tensorPipeline, { entries: [all[2]?.name ?? ""] }));
  // A loop that walks back for the longest of the examples.
  const parting = compiled.filter((module) => print(module).includes("pop ") && print(module).includes("reduce_max"));
  assert(parting.length >= count, `only ${parting.length} programs have examples that part`);
  return { functions: parting.slice(0, count).flatMap(({ functions }) => functions) };
}

function examplesFor(n: number): readonly HostArray[] {
  return [
    hostArray("f32", [3, 2], [0.37 + 0.1 * n, -0.53, 1.2, 0.4, -0.8, 0.1 * n]), hostArray("f32", [2, 2], [0.8, -0.4, 0.3, 0.9]),
    hostArray("i32", [3], [n, (n + 3) % 5, 1]),
  ];
}

const module = gradients();
const many = gradientsOfExamples(6);

for (const machine of await testMachines()) {
  if (machine.limits.onlyFor !== undefined) continue;

  describe(`gradients of random control flow on ${machine.title}`, function () {
    this.timeout(600_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());

    // A kernel takes a driver of WebGPU 60 ms the first time.
    const isSlow = machine.limits.target === "wgsl";

    async function check(module: Module, inputsFor: (n: number) => readonly HostArray[]): Promise<void> {
      const run = await compileForTest(module, machine);
      let compared = 0;
      for (const { name } of module.functions) {
        for (const n of [0, 1, 3]) {
          const expected = interpret(module, name, inputsFor(n));
          const actual = await run(name, inputsFor(n));
          // Rounding took another branch: the two are gradients of different functions.
          if (actual[1]?.data.join() !== expected[1]?.data.join()) continue;
          compared++;
          expected.forEach((wanted, i) => wanted.data.forEach((value, element) => {
            const found = actual[i]?.data[element] ?? NaN;
            assert(Math.abs(found - value) <= 2e-3 * Math.max(1, Math.abs(value)), `${name} with n = ${n}: result ${i}, element ${element} is ${found}, expected ${value}`);
          }));
        }
      }
      const all = 3 * module.functions.length;
      assert(compared > 0.9 * all, `only ${compared} of ${all} runs took the same branches`);
    }

    const count = isSlow ? 6 : programs;
    it(`equal the interpreter (${count} with seed ${seed})`, () => check({ functions: module.functions.slice(0, count) }, inputsFor));

    const few = isSlow ? 2 : many.functions.length;
    it(`equal it for three examples at once (${few})`, () => check({ functions: many.functions.slice(0, few) }, examplesFor));
  });
}
