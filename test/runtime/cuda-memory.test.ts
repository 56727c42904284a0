/** Memory and order on the cuda device (emulated): release, reuse across streams, pieces, several devices, running out. */

import assert from "node:assert/strict";
import { OutOfMemoryError } from "../../runtime/errors.ts";
import { tensor } from "../../runtime/tensor.ts";
import { bindCuda, openStandIn } from "./cuda-machine.ts";
import { addProgram, anyFunction, chainProgram, kernel, launch, program, stepProgram, tensorTree } from "./machine.ts";

const numbers = (count: number, from = 0): Float32Array => Float32Array.from({ length: count }, (_, i) => i + from);

describe("runtime: memory on cuda (emulated)", () => {
  it("frees by dispose and using, and counts live, peak and cached bytes", async () => {
    const { functions, device } = await bindCuda([addProgram]);
    const add = anyFunction(functions, "add");
    const bytes = 4 * 4096;
    {
      using x = tensor(numbers(4096));
      using sum = add(x, x);
      await sum.data();
      assert.equal(device.memory().bytesLive, 2 * bytes);
    }
    await device.sync();
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 2 * bytes, bytesCached: 2 * bytes });
    device.trim();
    assert.deepEqual(device.memory(), { bytesLive: 0, bytesPeak: 2 * bytes, bytesCached: 0 });
  });

  it("copies more than one piece in and out, and any odd number of bytes", async () => {
    const device = await openStandIn();
    for (const bytes of [0, 1, 13, (4 << 20) - 1, 4 << 20, (37 << 20) + 5]) {
      const data = Uint8Array.from({ length: bytes }, (_, i) => (i * 31) >> 3);
      const buffer = device.write(data);
      data.fill(0);
      const back = new Uint8Array(await device.read(buffer, bytes));
      assert.ok(back.every((value, i) => value === (((i * 31) >> 3) & 255)), String(bytes));
      assert.deepEqual(new Uint8Array(device.readSync(buffer, bytes)), back);
      device.release(buffer);
    }
    await device.sync();
    assert.equal(device.memory().bytesLive, 0);
  });

  it("a read that is under way sees what was there when it was asked for", async () => {
    // The run after it overwrites the memory in another stream.
    const { functions } = await bindCuda([stepProgram]);
    const step = anyFunction(functions, "step");
    const x = tensor(numbers(1000));
    let p = { w: tensor(numbers(4000), [1000, 4]) };
    const reads: Promise<Float32Array>[] = [];
    for (let i = 0; i < 8; i++) {
      reads.push(p.w.data());
      p = { w: step(p, x).w };
    }
    for (const [i, read] of reads.entries()) assert.deepEqual(await read, numbers(4000).map((w) => 2 ** i * w));
  });

  it("memory that was released is not overwritten before its last use", async () => {
    // Each round releases what queued work still reads, and writes anew at once, from another stream, where it lay.
    const { functions, device } = await bindCuda([addProgram]);
    const add = anyFunction(functions, "add");
    const sums = [];
    for (let i = 0; i < 60; i++) {
      const x = tensor(new Float32Array(512).fill(i)), y = tensor(new Float32Array(512).fill(1));
      sums.push(add(x, y));
      x.dispose();
      y.dispose();
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [i, sum] of sums.entries()) {
      assert.deepEqual(await sum.data(), new Float32Array(512).fill(i + 1));
      sum.dispose();
    }
    await device.sync();
    assert.equal(device.memory().bytesLive, 0);
  });

  it("gives cached memory back while work on it is queued", async () => {
    const slow = program({
      name: "slow", parameters: [{ name: "x", tree: tensorTree("f32", [1]), donated: false }], result: tensorTree("f32", [1]),
      buffers: [{ dtype: "f32", shape: [1], role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape: [1], role: { kind: "result" } }],
      kernels: [kernel("slow", 1)], steps: [launch(0, 0, 1)], resultBuffers: [1],
    });
    const { functions, device } = await bindCuda([addProgram, slow]);
    const add = anyFunction(functions, "add");
    const one = tensor(new Float32Array(2048).fill(1));
    const two = add(one, one);
    await two.data();
    // The GPU is busy for a while with something else, so that what reads the memory only lies in a stream.
    const busy = anyFunction(functions, "slow")(tensor([1]));
    const three = add(two, one);
    const { bytesCached } = device.memory();
    two.dispose();
    while (device.memory().bytesCached === bytesCached) await new Promise((resolve) => setTimeout(resolve, 1));
    device.trim();
    assert.deepEqual(await three.data(), new Float32Array(2048).fill(3));
    busy.dispose();
  });

  it("lets go of an arena when its run ends", async () => {
    const { functions, device } = await bindCuda([chainProgram(3, 1000)], { graphs: false });
    for (let i = 0; i < 10; i++) {
      using x = tensor(new Float32Array(1000).fill(i));
      using y = anyFunction(functions, "chain")(x);
      assert.equal((await y.data())[999], 8 * i);
    }
    await device.sync();
    assert.equal(device.memory().bytesLive, 0);
    assert.ok(device.memory().bytesPeak < 6 * 4000 * 1.25, String(device.memory().bytesPeak));
  });

  it("two devices of one GPU have queues and memory of their own", async () => {
    const [first, second] = [await bindCuda([addProgram]), await bindCuda([addProgram])];
    const x = tensor(numbers(100)), y = tensor(numbers(100));
    const sums = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? anyFunction(first.functions, "add")(x, x) : anyFunction(second.functions, "add")(y, y)));
    for (const sum of sums) assert.deepEqual(await sum.data(), numbers(100).map((v) => 2 * v));
    assert.throws(() => anyFunction(second.functions, "add")(x, y), /f32\[100\] is on cuda:0, not on cuda:0|is on cuda:0/);
    assert.ok(first.device.memory().bytesLive > 0 && second.device.memory().bytesLive > 0);
  });

  it("running out of memory is an error of the results, and everything else goes on", async () => {
    const { functions, device } = await bindCuda([addProgram], { limitBytes: 10 << 10 });
    const add = anyFunction(functions, "add");
    const x = tensor(new Float32Array(1 << 10).fill(1));
    const y = add(x, x);
    const tooMuch = add(y, x);
    const poisoned = add(tooMuch, x);
    await assert.rejects(tooMuch.data(), (error) =>
      error instanceof OutOfMemoryError &&
      /^add: out of memory on cuda:0: a result needs 4\.0 KiB; 8\.0 KiB of 10\.0 KiB are in use, and of the GPU's 4\.0 GiB [34]\.\d GiB are free$/.test(error.message));
    await assert.rejects(poisoned.data(), OutOfMemoryError);
    assert.throws(() => tooMuch.dataSync(), OutOfMemoryError);
    assert.throws(() => device.write(new Uint8Array(5 << 10)), OutOfMemoryError);
    assert.equal((await y.data())[7], 2);
    y.dispose();
    assert.equal((await add(x, x).data())[7], 2);
  });
});
