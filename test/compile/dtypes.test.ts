/**
 * The dtypes that samples of the op table do not use, and their casts: on everything there is to run on,
 * compared with `evaluate`.
 */

import assert from "node:assert/strict";
import type { DType } from "../../ir/type.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest } from "./run-compiled.ts";
import { checkCase, hasOnly, standInCases, standIns } from "./sample-cases.ts";
import { toleranceOn } from "./tolerances.ts";

for (const machine of await testMachines()) {
  const { limits } = machine;
  const { onlyFor } = limits;
  const dtypes = (Object.keys(standIns) as (keyof typeof standIns)[]).filter((dtype: DType) => (onlyFor === undefined ? limits.dtypes.includes(dtype) : dtype === onlyFor));

  describe(`dtypes on ${machine.title}`, function () {
    this.timeout(240_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());
    for (const dtype of dtypes) {
      const cases = standInCases(dtype).filter((entry) => hasOnly(entry, limits.dtypes));
      it(`${dtype}, in ${cases.length} samples`, async () => {
        assert.ok(cases.length > 20);
        const run = await compileForTest({ functions: cases.map(({ func }) => func) }, machine);
        for (const entry of cases) await checkCase(entry, run, toleranceOn(limits, entry));
      });
    }
  });
}
