/**
 * The hand-written programs of test/programs with loops and branches, on everything there is to run
 * on, against the interpreter.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { evaluateDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { isFloat } from "../../ir/type.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { createRandom, present } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";

const folder = new URL("../programs/", import.meta.url);
const modules = readdirSync(folder).filter((name) => name.endsWith(".ir")).map((file) => [file, parse(readFileSync(new URL(file, folder), "utf8"))] as const);

/** Values of every integer of rank 0, a count of steps in these programs, with the sizes of dims. */
const cases = [
  { count: 0, sizes: { N: 3, M: 4 } }, { count: 1, sizes: { N: 17, M: 1 } }, { count: 2, sizes: { N: 1, M: 33 } },
  { count: 5, sizes: { N: 16, M: 7 } }, { count: 27, sizes: { N: 4, M: 100 } }, { count: 3, sizes: { N: 5, M: 0 } },
];

for (const machine of await testMachines()) {
  if (machine.limits.onlyFor !== undefined) continue;

  describe(`programs with control flow on ${machine.title}`, function () {
    this.timeout(240_000);
    const runs = new Map<string, RunCompiled>();
    before(async function () {
      if (!(await machine.open())) return this.skip();
      for (const [file, module] of modules) runs.set(file, await compileForTest(module, machine));
    });
    after(() => machine.close());
    for (const [file, module] of modules) {
      for (const func of module.functions) {
        it(`${file}: ${func.name}`, async () => {
          for (const { count, sizes } of cases) {
            if ((func.name === "collatz" || func.name === "steps") && count === 0) continue; // the sequence of 0 never reaches 1
            const inputs = inputsOf(func, count, sizes);
            const expected = interpret(module, func.name, inputs, sizes);
            const actual = await present(runs.get(file))(func.name, inputs);
            assert.equal(actual.length, expected.length);
            expected.forEach((wanted, result) => assertClose(actual[result], wanted, `result ${result} with ${count} steps at ${JSON.stringify(sizes)}`));
          }
        });
      }
    }
  });
}

function inputsOf(func: Func, count: number, sizes: Readonly<Record<string, number>>): readonly HostArray[] {
  const random = createRandom(count + 1);
  return func.body.parameters.map((parameter) => {
    const { dtype, shape } = tensorTypeOf(parameter);
    const extents = shape.map((dim) => evaluateDim(dim, sizes));
    const elements = extents.reduce((product, extent) => product * extent, 1);
    return hostArray(dtype, extents, Array.from({ length: elements }, () => (isFloat(dtype) ? random() * 2 : dtype === "bool" ? Math.round(random()) : count)));
  });
}

/** Sums in lanes come in another order, and 27 steps repeat what that changes. */
function assertClose(actual: HostArray | undefined, expected: HostArray, what: string): void {
  assert.ok(actual);
  assert.deepEqual(actual.shape, expected.shape, what);
  const largest = Math.max(1, ...Array.from(expected.data, Math.abs));
  expected.data.forEach((wanted, i) => {
    const got = actual.data[i] ?? NaN;
    const isClose = isFloat(expected.dtype) ? Object.is(got, wanted) || Math.abs(got - wanted) <= 1e-5 * largest : got === wanted;
    assert.ok(isClose, `${what}: element ${i} is ${got}, expected ${wanted}`);
  });
}
