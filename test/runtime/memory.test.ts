/** Memory: placement, release, finalizers, and running out of it. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { OutOfMemoryError } from "../../runtime/errors.ts";
import { place } from "../../runtime/placement.ts";
import { tensor } from "../../runtime/tensor.ts";
import { addProgram, anyFunction, bind, chainProgram, program, tensorTree } from "./machine.ts";
import { runScript } from "./run-script.ts";

describe("runtime: placement", () => {
  const lifetimes = fc.array(
    fc.record({ bytes: fc.nat(5000), first: fc.nat(30), length: fc.nat(10) }).map(({ bytes, first, length }) => ({ bytes, first, last: first + length })),
    { maxLength: 40 },
  );

  it("never overlaps buffers that are alive at once, aligns, and stays inside its total", () => {
    fc.assert(fc.property(lifetimes, (lives) => {
      const { offsets, total } = place(lives, 64);
      lives.forEach((a, i) => {
        const begin = offsets[i] ?? NaN;
        assert.equal(begin % 64, 0);
        assert.ok(begin + a.bytes <= total);
        lives.slice(0, i).forEach((b, j) => {
          const other = offsets[j] ?? NaN;
          const together = a.first <= b.last && b.first <= a.last;
          const overlap = begin < other + b.bytes && other < begin + a.bytes;
          assert.ok(!(together && overlap && a.bytes > 0 && b.bytes > 0));
        });
      });
    }));
  });

  it("reuses memory: a chain of temporaries needs two of them", () => {
    const chain = Array.from({ length: 50 }, (_, i) => ({ bytes: 640, first: i, last: i + 1 }));
    assert.equal(place(chain, 64).total, 1280);
  });
});

describe("runtime: memory", () => {
  it("frees by dispose and using, and counts live, peak and cached bytes", async () => {
    const { functions, device } = await bind([addProgram]);
    const add = anyFunction(functions, "add");
    {
      using x = tensor(new Float32Array(1 << 16));
      using sum = add(x, x);
      await sum.data();
      assert.equal(device.memory().bytesLive, 2 * 4 * (1 << 16));
    }
    await device.sync();
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 2 * 4 * (1 << 16), bytesCached: 2 * 4 * (1 << 16) });
    device.trim();
    assert.equal(device.memory().bytesCached, 0);
  });

  it("keeps at most the given bytes for reuse", async () => {
    const { device } = await bind([addProgram], { cacheBytes: 1 << 20 });
    const buffers = Array.from({ length: 8 }, () => device.write(new Uint8Array(1 << 18), "u8"));
    for (const buffer of buffers) device.release(buffer);
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 8 << 18, bytesCached: 1 << 20 });
  });

  it("lets go of a temporary's arena and of inputs when runs end", async () => {
    const { functions, device } = await bind([chainProgram(3, 100_000)]);
    for (let i = 0; i < 20; i++) {
      using x = tensor(new Float32Array(100_000).fill(i));
      using y = anyFunction(functions, "chain")(x);
      assert.equal((await y.data())[99_999], 8 * i);
    }
    await device.sync();
    const { bytesLive, bytesPeak } = device.memory();
    assert.equal(bytesLive, 0);
    assert.ok(bytesPeak < 5 * 400_000 * 1.25, String(bytesPeak));
  });

  it("finalizers release what nobody disposed of", function () {
    this.timeout(120_000);
    // 4,000 results of 1 MB in a process that may not hold them all; a turn of the event loop lets finalizers run.
    const script = `
      import { addProgram, anyFunction, bind } from "./test/runtime/machine.ts";
      import { tensor } from "./runtime/tensor.ts";
      const { functions, device } = await bind([addProgram]);
      const x = tensor(new Float32Array(1 << 18));
      for (let i = 0; i < 4000; i++) {
        const sum = anyFunction(functions, "add")(x, x);
        if (i % 50 === 49) { await sum.itemAsync().catch(() => {}); await new Promise((resolve) => setImmediate(resolve)); }
      }
      await device.sync();
      console.log(device.memory().bytesPeak);
    `;
    const outcome = runScript(script);
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.ok(Number(outcome.stdout) < 1e9, `peak of ${outcome.stdout.trim()} bytes of 4 GB made`);
  });

  it("running out of memory is an error of the results, and everything else goes on", async () => {
    const { functions, device } = await bind([addProgram], { limitBytes: 10 << 20 });
    const add = anyFunction(functions, "add");
    const x = tensor(new Float32Array(1 << 20).fill(1));
    const y = add(x, x);
    const tooMuch = add(y, x);
    const poisoned = add(tooMuch, x);
    await assert.rejects(tooMuch.data(), (error) => error instanceof OutOfMemoryError && /^add: out of memory: a result needs 4\.0 MiB; 8\.0 MiB of 10\.0 MiB are in use$/.test(error.message));
    await assert.rejects(poisoned.data(), OutOfMemoryError);
    assert.throws(() => tooMuch.dataSync(), OutOfMemoryError);
    assert.throws(() => device.write(new Uint8Array(5 << 20), "u8"), OutOfMemoryError);
    assert.equal((await y.data())[7], 2);
    y.dispose();
    assert.equal((await add(x, x).data())[7], 2);
  });

  it("a size beyond any machine is refused", async () => {
    const huge = program({
      name: "huge", dims: [{ name: "N", min: 0 }],
      parameters: [{ name: "x", tree: tensorTree("f32", ["N"]), donated: false }], result: tensorTree("f32", [["*", "N", 2 ** 40]]),
      buffers: [{ dtype: "f32", shape: [["*", "N", 2 ** 40]], role: { kind: "result" } }], resultBuffers: [0],
    });
    const { functions } = await bind([huge]);
    await assert.rejects(anyFunction(functions, "huge")(new Float32Array(4)).data(), OutOfMemoryError);
    assert.throws(() => anyFunction(functions, "huge")(new Float32Array(40_000)), OutOfMemoryError);
  });
});
