/** What every device must do with the programs of machine.ts: steps, sizes, order, donation, constants. */

import assert from "node:assert/strict";
import type { Device } from "../../runtime/device.ts";
import type { Functions } from "../../runtime/package.ts";
import type { Program } from "../../runtime/program.ts";
import { tensor } from "../../runtime/tensor.ts";
import { addProgram, anyFunction, controlProgram, kernel, launch, objectTree, program, stepProgram, tensorTree } from "./machine.ts";

const numbers = (count: number, from = 0): Float32Array => Float32Array.from({ length: count }, (_, i) => i + from);

export interface BoundPrograms {
  readonly functions: Functions;
  readonly device: Device;
}

/** `bind` loads programs whose kernels are those of machine.ts, one grid item for each element. */
export function runsPrograms(bind: (programs: readonly Program[], constants?: Uint8Array) => Promise<BoundPrograms>): void {
  it("adds at any size of a named dim", async () => {
    const { functions } = await bind([addProgram]);
    const add = anyFunction(functions, "add");
    for (const size of [0, 1, 5, 1000, 300_000]) {
      const sum = add(tensor(numbers(size)), numbers(size, 1));
      assert.deepEqual(sum.shape, [size]);
      assert.deepEqual(await sum.data(), numbers(size).map((x) => 2 * x + 1));
    }
  });

  it("passes dims in the program's order", async () => {
    const two = program({
      name: "two", dims: [{ name: "A", min: 0 }, { name: "B", min: 0 }],
      parameters: [{ name: "x", tree: tensorTree("f32", ["B", "A"]), donated: false }],
      result: tensorTree("i32", [1]),
      buffers: [{ dtype: "i32", shape: [1], role: { kind: "result" } }],
      kernels: [kernel("fill_dims", 1)], steps: [launch(0, 0)], resultBuffers: [0],
    });
    const { functions } = await bind([two]);
    assert.deepEqual([...anyFunction(functions, "two")(tensor(numbers(6), [2, 3])).dataSync()], [3002]);
  });

  it("loops and branches on values", async () => {
    const { functions } = await bind([controlProgram]);
    const x = tensor([1, 2, 3]);
    const run = anyFunction(functions, "control");
    const taken = run(0, 1000, 1001, x);
    const other = run(7, 5, 7, x);
    assert.deepEqual([taken.n.item(), [...(await taken.x.data())]], [1000, [2, 4, 6]]);
    assert.deepEqual([other.n.item(), [...(await other.x.data())]], [7, [3, 6, 9]]);
  });

  it("reuses the memory of a donated parameter, and ends its handle", async () => {
    const { functions, device } = await bind([stepProgram]);
    const step = anyFunction(functions, "step");
    let p = { w: tensor(numbers(40_000), [10_000, 4]) };
    const x = tensor(numbers(10_000));
    for (let i = 0; i < 10; i++) {
      const before = p;
      const { w, y } = step(p, x);
      p = { w };
      await assert.rejects(before.w.data(), /this f32\[10000,4\] was donated to step at .*any-device\.ts:\d+:\d+ and cannot be used again/);
      y.dispose();
    }
    assert.deepEqual(await p.w.data(), numbers(40_000).map((w) => 1024 * w));
    assert.deepEqual(await x.data(), numbers(10_000));
    // One storage of 160,000 bytes and one of 40,000, in size classes.
    assert.ok(device.memory().bytesPeak < 2 * 160_000, String(device.memory().bytesPeak));
  });

  it("does not overwrite a donated parameter that another handle still shows", async () => {
    const identity = program({
      name: "identity", parameters: [{ name: "x", tree: tensorTree("f32", ["N", 4]), donated: false }], dims: [{ name: "N", min: 0 }],
      result: tensorTree("f32", ["N", 4]),
      buffers: [{ dtype: "f32", shape: ["N", 4], role: { kind: "parameter", leaf: 0 } }], resultBuffers: [0],
    });
    const { functions } = await bind([stepProgram, identity]);
    const w = tensor(numbers(8), [2, 4]);
    const shown = anyFunction(functions, "identity")(w);
    const after = anyFunction(functions, "step")({ w }, numbers(2));
    assert.deepEqual(await shown.data(), numbers(8));
    assert.deepEqual(await after.w.data(), numbers(8).map((v) => 2 * v));
  });

  it("writes mutations back into the arguments", async () => {
    const mutating = program({
      name: "mutating", dims: [],
      parameters: [{ name: "state", tree: objectTree({ running: objectTree({ mean: tensorTree("f32", [2]) }) }), donated: false }],
      result: tensorTree("f32", [2]),
      buffers: [
        { dtype: "f32", shape: [2], role: { kind: "parameter", leaf: 0 } },
        { dtype: "f32", shape: [2], role: { kind: "result" } },
      ],
      kernels: [kernel("twice", 2)], steps: [launch(0, 0, 1)], resultBuffers: [0, 1],
      mutations: [{ path: [0, "running", "mean"], result: 1 }],
    });
    const { functions } = await bind([mutating]);
    const mean = tensor([1, 2]);
    const state = { running: { mean } };
    const result = anyFunction(functions, "mutating")(state);
    assert.notEqual(state.running.mean, mean);
    assert.deepEqual([...(await state.running.mean.data())], [2, 4]);
    assert.deepEqual([...(await result.data())], [1, 2]);

    const frozen = { running: Object.freeze({ mean: tensor([1, 2]) }) };
    assert.throws(() => anyFunction(functions, "mutating")(frozen), {
      name: "ArgumentError",
      message: "mutating: argument state.running.mean cannot be assigned, and mutating assigns it: its object is frozen or read-only; pass a copy, as in { ...object }",
    });
  });

  it("reads constants of the package, also as results", async () => {
    const shape = [2];
    const constant = program({
      name: "constant", parameters: [{ name: "x", tree: tensorTree("f32", shape), donated: false }],
      result: { kind: "array", items: [tensorTree("f32", shape), tensorTree("f32", shape)] },
      buffers: [
        { dtype: "f32", shape, role: { kind: "parameter", leaf: 0 } },
        { dtype: "f32", shape, role: { kind: "constant", offset: 64 } },
        { dtype: "f32", shape, role: { kind: "result" } },
      ],
      kernels: [kernel("add", 2)], steps: [launch(0, 0, 1, 2)], resultBuffers: [2, 1],
    });
    const bytes = new Uint8Array(72);
    new Float32Array(bytes.buffer, 64).set([10, 20]);
    const { functions } = await bind([constant], bytes);
    const [sum, itself] = anyFunction(functions, "constant")(tensor([1, 2]));
    assert.deepEqual([[...(await sum.data())], [...(await itself.data())]], [[11, 22], [10, 20]]);
  });

  it("keeps the order of many queued runs, read in any order", async () => {
    const { functions } = await bind([addProgram]);
    const add = anyFunction(functions, "add");
    const one = tensor(new Float32Array(20_000).fill(1));
    const sums = [one];
    for (let i = 0; i < 500; i++) sums.push(add(sums[i], one));
    const order = sums.map((_, i) => (i * 211) % sums.length);
    const read = await Promise.all(order.map(async (i) => [i, (await sums[i]?.data())?.[19_999]]));
    for (const [i, value] of read) assert.equal(value, (i ?? 0) + 1);
  });

  it("does not block the event loop while a run is long", async () => {
    const shape = [1];
    const slow = program({
      name: "slow", parameters: [{ name: "x", tree: tensorTree("f32", shape), donated: false }], result: tensorTree("f32", shape),
      buffers: [{ dtype: "f32", shape, role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape, role: { kind: "result" } }],
      kernels: [kernel("slow", 1, 40_000_000)], steps: [launch(0, 0, 1)], resultBuffers: [1],
    });
    const { functions } = await bind([slow]);
    const x = tensor([2]);
    anyFunction(functions, "slow")(x);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const before = performance.now();
    const result = anyFunction(functions, "slow")(x);
    const queued = performance.now() - before;
    await result.data();
    const whole = performance.now() - before;
    clearInterval(timer);
    assert.ok(turns >= 5, `the timer ran ${turns} times`);
    assert.ok(queued < whole / 4, `queueing took ${queued} of ${whole} ms`);
  });
}
