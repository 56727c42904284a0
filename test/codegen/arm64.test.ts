/** The C of the ARM64 tier compiles for ARM64: every sample of the op table, and the whole MNIST example. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import type { Func } from "../../ir/module.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { type CompiledTier, compileModule } from "../../lib/compile.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { functionOf, sizesOfSample, withSizes } from "../run-sample.ts";

const compiler = "aarch64-linux-gnu-gcc";
const isInstalled = spawnSync(compiler, ["--version"]).status === 0;
const title = isInstalled ? "C for ARM64" : `C for ARM64 (skipped: there is no ${compiler}; on Debian, apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross)`;

(isInstalled ? describe : describe.skip)(title, function () {
  this.timeout(300_000);

  it("compiles for every op of the table", () => {
    const functions = Object.entries(opTable).flatMap(([key, record]) => {
      const samples = "samples" in record ? record.samples ?? [] : [];
      return samples.map((sample, position): Func => {
        const op = textName(key);
        return { ...functionOf(op, withSizes(sample, sizesOfSample(sample)[1] ?? {})), name: `${op}_${position}` };
      });
    });
    const { tiers: [tier] } = compileModule({ functions }, functions.map((func) => signatureOf(func)), { tiers: ["cpu-arm64"] });
    crossCompile(tier);
  });

  it("compiles for a step of examples/mnist, to fused multiply-adds of vectors", () => {
    const { module, signatures } = compileSource([fileURLToPath(new URL("../../examples/mnist/model.ts", import.meta.url))]);
    const { tiers: [tier] } = compileModule(module, signatures, { tiers: ["cpu-arm64"] });
    assert.match(crossCompile(tier), /\bfmla\s+v\d+\.4s/);
  });
});

/** The assembly; the compiler's messages are the failure. */
function crossCompile(tier: CompiledTier | undefined): string {
  assert.ok(tier);
  const { status, stdout, stderr } = spawnSync(compiler, [...tier.flags, "-Wall", "-Werror=implicit-function-declaration", "-Wno-unused", "-S", "-x", "c", "-o", "-", "-"], { input: tier.source, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr.slice(0, 4000));
  return stdout;
}
