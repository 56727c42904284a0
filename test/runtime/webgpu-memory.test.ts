/** Memory of the webgpu device: slots of temporaries, size classes, reuse, release, finalizers; and how processes end. */

import assert from "node:assert/strict";
import type { SpawnSyncReturns } from "node:child_process";
import fc from "fast-check";
import { tensor } from "../../runtime/tensor.ts";
import { sizeClass } from "../../runtime/webgpu-memory.ts";
import { assignSlots } from "../../runtime/webgpu-slots.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { chainProgram } from "./machine.ts";
import { runScript, workersScript } from "./run-script.ts";
import { addOnGpu, anyFunction, bindWgsl, stepOnGpu, wgslKernel } from "./webgpu-machine.ts";

const run = (script: string): SpawnSyncReturns<string> => runScript(script, { nodeOptions: ["--expose-gc"] });

const opening = `
  import { setImmediate as turn } from "node:timers/promises";
  import { tensor } from "./runtime/tensor.ts";
  import { webgpuForTest } from "./test/webgpu-adapter.ts";
  import { addOnGpu, anyFunction, bindWgsl } from "./test/runtime/webgpu-machine.ts";
  const device = await webgpuForTest();
  const add = anyFunction(await bindWgsl(device, [addOnGpu]), "add");
  const x = tensor(new Float32Array(2 ** 16).fill(1));
`;

describe("runtime: memory on webgpu", () => {
  before(async function () {
    const device = await webgpuForTest();
    if (device === undefined) this.skip();
    device.destroy();
  });

  it("keeps temporaries that are alive at once in slots of their own, each as large as it must be", () => {
    const lifetimes = fc.array(
      fc.record({ bytes: fc.integer({ min: 4, max: 5000 }), first: fc.nat(30), length: fc.nat(10) }).map(({ bytes, first, length }) => ({ bytes, first, last: first + length })),
      { maxLength: 40 },
    );
    fc.assert(fc.property(lifetimes, (lives) => {
      const { slotOf, bytes } = assignSlots(lives);
      assert.equal(slotOf.length, lives.length);
      lives.forEach((a, i) => {
        const slot = slotOf[i] ?? -1;
        assert.ok(a.bytes <= (bytes[slot] ?? 0));
        lives.slice(0, i).forEach((b, j) => assert.ok(slotOf[j] !== slot || a.last < b.first || b.last < a.first));
      });
      for (let slot = 0; slot < bytes.length; slot++) {
        assert.equal(bytes[slot], Math.max(...lives.filter((_, i) => slotOf[i] === slot).map((life) => life.bytes)), "a slot is as large as its largest");
      }
    }));
    const chain = Array.from({ length: 50 }, (_, i) => ({ bytes: 640, first: i, last: i + 1 }));
    assert.deepEqual(assignSlots(chain).bytes, [640, 640]);
  });

  it("rounds sizes up to classes that waste an eighth at most", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 33 }), (bytes) => {
      const size = sizeClass(bytes);
      assert.ok(size >= bytes && size % 16 === 0 && sizeClass(size) === size);
      assert.ok(size <= Math.max(256, bytes * 1.125), `${bytes} in ${size}`);
    }));
  });

  it("frees by dispose and using, counts live, peak and cached bytes, and takes kept buffers again", async () => {
    const device = await webgpuForTest();
    assert.ok(device);
    const add = anyFunction(await bindWgsl(device, [addOnGpu]), "add");
    const bytes = 4 << 16;
    for (let i = 0; i < 10; i++) {
      using x = tensor(new Float32Array(1 << 16).fill(i));
      using sum = add(x, x);
      assert.equal((await sum.data())[(1 << 16) - 1], 2 * i);
      assert.equal(device.memory().bytesLive, 2 * bytes);
    }
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 2 * bytes, bytesCached: 2 * bytes });
    device.trim();
    assert.equal(device.memory().bytesCached, 0);
    device.destroy();
  });

  it("keeps at most the given bytes for reuse, and refuses what was released", async () => {
    const device = await webgpuForTest({ cacheBytes: 1 << 20 });
    assert.ok(device);
    const buffers = Array.from({ length: 8 }, () => device.write(new Uint8Array(1 << 18), "f32"));
    for (const buffer of buffers) device.release(buffer);
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 8 << 18, bytesCached: 1 << 20 });
    const [first] = buffers;
    assert.ok(first);
    device.release(first);
    assert.equal(device.memory().bytesCached, 1 << 20);
    await assert.rejects(device.read(first, 4, "f32"), { name: "HandleError", message: "this buffer of the device webgpu was released and cannot be used again" });
    device.destroy();
  });

  it("shares slots among a run's temporaries, and lets go of them when it is submitted", async () => {
    const links = 12;
    const chain = { ...chainProgram(links, "N"), kernels: [wgslKernel("twice", "N", 1)] };
    const device = await webgpuForTest();
    assert.ok(device);
    const run = anyFunction(await bindWgsl(device, [chain]), "chain");
    for (let i = 0; i < 20; i++) {
      using x = tensor(new Float32Array(1 << 16).fill(i));
      using y = run(x);
      assert.equal((await y.data())[99], 2 ** links * i);
    }
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 4 * (4 << 16), bytesCached: 4 * (4 << 16) });
    device.destroy();
  });

  it("takes turns with two buffers where a parameter is donated from step to step", async () => {
    const device = await webgpuForTest();
    assert.ok(device);
    const step = anyFunction(await bindWgsl(device, [stepOnGpu]), "step");
    const x = tensor(new Float32Array(1 << 14));
    let w = tensor(new Float32Array(1 << 16).fill(1), [1 << 14, 4]);
    for (let i = 0; i < 20; i++) {
      const after = step({ w }, x);
      after.y.dispose();
      w = after.w;
    }
    assert.equal((await w.data())[7], 2 ** 20);
    const [one, small] = [4 << 16, 4 << 14];
    assert.deepEqual(device.memory(), { bytesLive: one + small, bytesPeak: 2 * one + small, bytesCached: one });
    device.destroy();
  });

  it("finalizers release what nobody disposed of", () => {
    const outcome = run(`${opening}
      for (let i = 0; i < 100; i++) add(x, x);
      // No finalizer runs before this turn of the event loop ends.
      const before = device.memory().bytesLive;
      await device.sync();
      for (let i = 0; i < 5; i++) { gc(); await turn(); }
      console.log(before, device.memory().bytesLive);
    `);
    assert.equal(outcome.status, 0, outcome.stderr);
    const one = 4 << 16;
    assert.equal(outcome.stdout.trim(), `${101 * one} ${one}`);
  });

  it("lets a process end by itself, with its runs done or not, its device collected or not", function () {
    this.timeout(120_000);
    const ends: readonly (readonly [script: string, status: number, said: string])[] = [
      ["console.log((await add(x, x).data())[5]);", 0, "2"],
      ["for (let i = 0; i < 50; i++) add(x, x);", 0, ""],
      ["add(x, x).data().then((data) => console.log(data[5]));", 0, "2"],
      ["add(x, x).data(); process.exit(3);", 3, ""],
      ["for (let i = 0; i < 30; i++) { gc(); await turn(); }\nconsole.log((await add(x, x).data())[5]);", 0, "2"],
      ["device.destroy(); await device.loss;", 0, ""],
    ];
    for (const [script, status, said] of ends) {
      const outcome = run(opening + script);
      assert.deepEqual([outcome.status, outcome.signal, outcome.stdout.trim()], [status, null, said], `${script}\n${outcome.stderr}`);
    }
  });

  it("works in several threads of one process", () => {
    const outcome = runScript(workersScript(2, `
      const { webgpuForTest } = await load("test/webgpu-adapter.ts");
      const { addOnGpu, anyFunction, bindWgsl } = await load("test/runtime/webgpu-machine.ts");
      const add = anyFunction(await bindWgsl(await webgpuForTest(), [addOnGpu]), "add");
      let sum = new Float32Array(5000).fill(1);
      for (let i = 0; i < 10; i++) sum = add(sum, sum);
      say((await sum.data())[4999]);
    `, `
      import { useSoftwareVulkan } from "./test/webgpu-adapter.ts";
      // Drivers read the environment of the process, which a worker cannot change.
      useSoftwareVulkan();
    `));
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(outcome.stdout.trim(), "1024,1024");
  });
});
