/** `tsdlc run`: arguments that are not given, and arguments by name from a file. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dtypes } from "../../ir/type.ts";
import { toNpz, toSafetensors } from "../../lib/files/index.ts";
import { tensor } from "tsdlc";
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

  it("takes tensors by name from safetensors and .npz, and zeros for the others", () =>
    withFolder(undefined, async (folder) => {
      writeFileSync(join(folder, "sum.ir"), "func @sum(%x: f32[N], %y: f32[N]) {\n  %0: f32[N] = add %x, %y\n  return %0\n}\n");
      writeFileSync(join(folder, "both.npz"), await toNpz({ x: tensor([1, 2]), y: tensor([10, 20]) }));
      writeFileSync(join(folder, "one.safetensors"), await toSafetensors({ y: tensor([10]) }));
      writeFileSync(join(folder, "other.npz"), await toNpz({ x: tensor([1, 2]), z: tensor([1]) }));
      const run = (...more: readonly string[]) => runCli(["run", "sum.ir", ...more], { folder });
      assert.equal(run("--inputs", "both.npz").stdout, "f32[2] [11, 22]\n");
      assert.equal(run("--inputs", "one.safetensors").stdout, "f32[1] [10]\n");
      const { exitCode, stderr } = run("--inputs", "other.npz");
      assert.equal(exitCode, 2);
      assert.match(stderr, /error: other.npz does not fit the arguments of sum: 1 missing, 1 not expected, 0 of another type\n {2}missing:\n {4}y: f32\[2\] \(is it z, f32\[1\], in the file\?\)\n/);
    }));
});
