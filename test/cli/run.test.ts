/** `tsdlc run`: arguments that are not given. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dtypes } from "../../ir/type.ts";
import { runCli, withFolder } from "./run-cli.ts";

describe("tsdlc run", function () {
  this.slow(10_000);

  it("takes zeros of every dtype for what is not given", () =>
    withFolder(undefined, (folder) => {
      const parameters = dtypes.map((dtype) => `%${dtype}: ${dtype}[N,2]`).join(", ");
      const lines = dtypes.map((dtype, i) => `  %${i}: bool[N,2] = eq %${dtype}, %${dtype}`);
      writeFileSync(join(folder, "zeros.ir"), `func @zeros(${parameters}) {\n${lines.join("\n")}\n  return ${dtypes.map((dtype) => `%${dtype}`).join(", ")}, %0\n}\n`);
      const { exitCode, stdout, stderr } = runCli(["run", "zeros.ir", "--dims", "N=1"], { folder });
      assert.equal(exitCode, 0, stderr);
      const expected = dtypes.map((dtype, i) => `[${i}]: ${dtype}[1,2] [[0, 0]]`);
      assert.equal(stdout.trimEnd(), [...expected, `[${dtypes.length}]: bool[1,2] [[1, 1]]`].join("\n"));
    }));
});
