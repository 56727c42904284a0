/**
 * Memory without ceremony: a loop of training steps that never waits and never releases anything holds no more after
 * thousands of steps than after a few, with and without a collector that can be called.
 */

import assert from "node:assert/strict";
import { runScript } from "../runtime/run-script.ts";

/** A step allocates about 1.2 MB; what the collector has not come to yet is some tens of them. */
const script = `
  import { device, grad, tensor } from "tsdlc";
  const cpu = await device("cpu");
  const loss = (p, x) => x.matmul(p.w).relu().matmul(p.v).square().mean();
  let params = { w: tensor(new Float32Array(64 * 256).fill(0.01), [64, 256]), v: tensor(new Float32Array(256).fill(0.01), [256, 1]) };
  const x = tensor(new Float32Array(256 * 64).fill(0.5), [256, 64]);
  const seen = [];
  for (let i = 1; i <= 4000; i++) {
    const g = grad(loss)(params, x);
    params = { w: params.w.sub(g.w.mul(0.01)), v: params.v.sub(g.v.mul(0.01)) };
    if (i % 1000 === 0) seen.push(cpu.memory().bytesPeak);
  }
  console.log(JSON.stringify({ seen, loss: loss(params, x).item() }));
`;

describe("memory of ops one by one", function () {
  this.timeout(120_000);
  for (const nodeOptions of [[], ["--expose-gc"]]) {
    it(`is flat in a loop that never waits${nodeOptions.length > 0 ? ", with --expose-gc" : ""}`, () => {
      const { status, stdout, stderr } = runScript(script, { nodeOptions });
      assert.equal(status, 0, stderr);
      const { seen, loss } = JSON.parse(stdout) as { seen: readonly number[]; loss: number };
      const megabytes = `${seen.map((bytes) => Math.round(bytes / 1e6)).join(", ")} MB`;
      assert.ok((seen.at(-1) ?? Infinity) < 400e6, `the peak after each thousand steps, which allocate 1,200 MB, is ${megabytes}`);
      assert.ok(loss < 0.01, `it trained: the loss is ${loss}`);
    });
  }
});
