/** A machine without a C compiler: ops run in the interpreter, which says so once. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runScript } from "../runtime/run-script.ts";

const script = `
  import { grad, jit, random, tensor } from "tsdlc";
  const x = tensor([[1, 2], [3, 4]]);
  const loss = (w) => x.matmul(w).square().sum();
  const w = tensor([[1], [2]]);
  const bools = x.gt(2);
  const named = jit((p, y) => p.mul(2).add(y.mean(0)), { dims: [["N"], ["M", null]], donate: [0] });
  const sums = [1, 2000].map((n) => named(tensor(new Float32Array(n).fill(n)), tensor(new Float32Array(n).fill(1), [1, n]).sum(1, { keepdim: true })).slice(0, 0, 1));
  console.log(JSON.stringify([
    [...grad(loss)(w).dataSync()], [...jit(grad(loss))(w).dataSync()], [...x.sum(0).dataSync()], [...bools.dataSync()],
    [...x.to("f16").add(1).to("f32").dataSync()], [...x.to("i64").dataSync()].map(Number), [...random.randomBits(random.key(1), [2]).dataSync()],
    ...sums.map((sum) => [...sum.dataSync()]), jit.explain(named).compilations,
  ]));
`;

describe("ops without a C compiler", function () {
  this.timeout(60_000);
  it("run in the interpreter, with one warning, and give the same", () => {
    const cache = mkdtempSync(join(tmpdir(), "tsdlc-no-compiler-"));
    try {
      const without = runScript(script, { environment: { CC: "/nowhere/cc", TSDLC_CACHE: cache } });
      const within = runScript(script);
      assert.equal(without.status, 0, without.stderr);
      assert.equal(without.stdout, within.stdout);
      assert.equal(within.stderr, "");
      assert.match(without.stderr, /^tsdlc: ops run in the reference interpreter, which is slow: there is no C compiler: "\/nowhere\/cc" cannot be run\. Install gcc or clang .*\n$/);
    } finally {
      rmSync(cache, { recursive: true });
    }
  });
});
