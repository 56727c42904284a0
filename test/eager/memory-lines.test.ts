/** What memory() tells: small tensors count, and each line has the bytes of the tensors that it made. */

import assert from "node:assert/strict";
import { type LineMemory, memory, scope, type Tensor, tensor, withDevice } from "tsdlc";
import { device } from "tsdlc-runtime";
import { createCpuDevice } from "tsdlc-runtime/cpu";
import { runScript } from "../runtime/run-script.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
const any = (value: unknown): any => value;

/** The line that this is called from. */
function here(): string {
  return /(\/[^()]+:\d+):\d+\)?$/.exec(new Error().stack?.split("\n")[2] ?? "")?.[1] ?? "";
}

describe("memory()", () => {
  before(() => device("cpu"));
  afterEach(() => memory.stop());

  it("counts small tensors, by the slabs that they lie in", () => {
    const own = createCpuDevice({ threads: 1 });
    const kept = withDevice(own, () => {
      const one = any(tensor([1, 2])).add(1);
      return Array.from({ length: 1000 }, (_, i) => one.add(i));
    });
    const { bytesLive, bytesPeak } = own.memory();
    assert.ok(bytesLive >= 1000 * 64 && bytesLive < 200_000, `${bytesLive} bytes for 1000 tensors of 8, each in 64`);
    assert.ok(bytesPeak >= bytesLive);
    assert.equal(kept[7].sum().item(), 5 + 14);
  });

  it("tells nothing of lines until it was asked to, and nothing after", async () => {
    assert.equal("byLine" in (await memory()), false);
    memory.record();
    any(tensor([1, 2])).add(1);
    assert.ok(((await memory()).byLine ?? []).length > 0);
    memory.stop();
    assert.equal("byLine" in (await memory()), false);
  });

  it("tells the bytes, peaks and counts of each line, the largest first", async () => {
    const lineOf = async (line: string): Promise<LineMemory | undefined> => ((await memory()).byLine ?? []).find((one) => one.line === line);
    const x = any(tensor(new Float32Array(1000)));
    memory.record();
    const kept: Tensor[] = [];
    let line = "";
    for (let i = 0; i < 5; i++) { kept.push(x.neg()); line = here(); }
    const small = [any(tensor(1)).add(2), here()];
    assert.deepEqual(await lineOf(line), { line, bytesLive: 20_000, bytesPeak: 20_000, tensors: 5 });
    kept[0]?.dispose();
    kept[0]?.dispose();
    kept[1]?.dispose();
    assert.deepEqual(await lineOf(line), { line, bytesLive: 12_000, bytesPeak: 20_000, tensors: 3 });
    assert.ok(((await lineOf(small[1]))?.bytesLive ?? 0) >= 4);
    assert.equal((await memory()).byLine?.[0]?.line, line);
    let inner = "";
    scope(() => { x.sqrt(); inner = here(); return undefined; });
    assert.deepEqual(await lineOf(inner), { line: inner, bytesLive: 0, bytesPeak: 4000, tensors: 0 });
  });

  it("names the line of the program, not of the library, through gradients and jit; and forgets what was collected", () => {
    const { stdout, stderr } = runScript(`
      import { jit, grad, memory, tensor } from "tsdlc";
      const loss = (w) => w.square().sum();
      memory.record();
      let w = tensor(new Float32Array(1000).fill(1));
      const fast = jit(loss);
      for (let i = 0; i < 50; i++) {
        w = w.sub(grad(loss)(w).mul(0.1));
        fast(w);
      }
      w.dataSync();
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
      for (const { line, bytesLive, tensors } of (await memory()).byLine) console.log(line.replace(/.*[/]/, ""), bytesLive, tensors);
    `, { nodeOptions: ["--expose-gc"] });
    const lines = stdout.trim().split("\n");
    assert.ok(lines.length >= 4 && lines.length <= 8, stdout + stderr);
    for (const line of lines) {
      const [, name, bytes, count] = /^(\[?eval\d*\]?:\d+) (\d+) (\d+)$/.exec(line) ?? [];
      assert.ok(name !== undefined, `${line}: not a line of the script\n${stderr}`);
      assert.ok(Number(bytes) <= 20_000 && Number(count) <= 12, `${line}: more than the last step or two of fifty, of 4000 bytes a tensor`);
    }
  });
});
