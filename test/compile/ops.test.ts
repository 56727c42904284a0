/**
 * Every sample of the op table as a compiled program against `evaluate`, on everything there is to run on: at
 * symbolic sizes, with 0 and 1 among them, and at literal ones.
 */

import type { Module } from "../../ir/module.ts";
import { subgroupMachines, testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";
import { checkCase, exchangesOn, hasOnly, sampleCases } from "./sample-cases.ts";
import { toleranceOn } from "./tolerances.ts";

const withSubgroups = subgroupMachines();

for (const machine of [...(await testMachines()), ...withSubgroups]) {
  const { limits } = machine;
  // The table has no f16, for whose sake the tier of f16 differs from the base.
  if (limits.onlyFor !== undefined) continue;

  describe(`compiled ops on ${machine.title}`, function () {
    this.timeout(240_000);
    const possible = sampleCases.filter((entry) => hasOnly(entry, limits.dtypes));
    const cases = withSubgroups.includes(machine) ? possible.filter(exchangesOn(limits)) : possible;
    let run: RunCompiled;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      const module: Module = { functions: cases.map(({ func }) => func) };
      run = await compileForTest(module, machine);
    });
    after(() => machine.close());
    for (const op of new Set(cases.map((entry) => entry.op))) {
      it(op, async () => {
        for (const entry of cases.filter((candidate) => candidate.op === op)) await checkCase(entry, run, toleranceOn(limits, entry));
      });
    }
  });
}
