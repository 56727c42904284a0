/** Programs run on the webgpu device, for real: sizes, dtypes, steps, order, sharing, donation. */

import assert from "node:assert/strict";
import { bindPrograms, type Functions } from "../../runtime/package.ts";
import type { Program } from "../../runtime/program.ts";
import { tensor } from "../../runtime/tensor.ts";
import type { WebGpuDevice } from "../../runtime/webgpu-device.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { anyFunction, launch, objectTree, program, tensorTree } from "./machine.ts";
import { addOnGpu, bindWgsl, controlOnGpu, stepOnGpu, text, unary, wgslKernel, wgslText } from "./webgpu-machine.ts";

const numbers = (count: number, from = 0): Float32Array => Float32Array.from({ length: count }, (_, i) => i + from);

describe("runtime: running programs on webgpu", () => {
  let device: WebGpuDevice;
  before(async function () {
    const found = await webgpuForTest();
    if (found === undefined) return this.skip();
    device = found;
  });
  after(() => device?.destroy());
  const bind = async (name: string, one: Program, parts: Parameters<typeof bindWgsl>[2] = {}): Promise<Functions[string]> => anyFunction(await bindWgsl(device, [one], parts), name);

  it("has the features of its adapter, and default limits where kernels depend on them", async () => {
    for (const feature of device.features) assert.ok(["shader-f16", "subgroups", "timestamp-query"].includes(feature), feature);
    assert.equal(device.name, "webgpu");
    assert.notEqual(device.description, "");
    // A little more than the default of 16 KiB, which the software driver would allow.
    const code = text("var<workgroup> much: array<vec4u, 1025>;\n@compute @workgroup_size(64)\nfn add() {\n  much[0] = vec4u(1u);\n}\n");
    await assert.rejects(bindWgsl(device, [addOnGpu], { code }), /\(16400 bytes\) is larger than the maximum allowed \(16384 bytes\)/);
  });

  it("adds at any size of a named dim, the empty one too", async () => {
    const add = await bind("add", addOnGpu);
    for (const size of [0, 1, 5, 1000, 300_000]) {
      const sum = add(tensor(numbers(size)), numbers(size, 1));
      assert.deepEqual(sum.shape, [size]);
      assert.deepEqual(await sum.data(), numbers(size).map((x) => 2 * x + 1));
    }
  });

  it("launches more blocks than one axis of a dispatch has", async () => {
    const marking = program({
      name: "marking", dims: [{ name: "N", min: 0 }],
      parameters: [{ name: "like", tree: tensorTree("i32", ["N"]), donated: false }], result: tensorTree("i32", ["N"]),
      buffers: [{ dtype: "i32", shape: ["N"], role: { kind: "result" } }, { dtype: "i32", shape: ["N"], role: { kind: "parameter", leaf: 0 } }],
      kernels: [{ ...wgslKernel("mark_blocks", 0, 0), grid: "N" }], steps: [{ kind: "copy", from: 1, to: 0 }, launch(0, 0)], resultBuffers: [0],
    });
    const mark = await bind("marking", marking);
    for (const blocks of [1, 65_535, 65_536, 200_000]) {
      const seen = await mark(new Int32Array(blocks)).data();
      assert.ok(seen.every((value: number, i: number) => value === i + 1), `${blocks} blocks`);
    }
  });

  it("passes dims in the program's order", async () => {
    const two = program({
      name: "two", dims: [{ name: "A", min: 0 }, { name: "B", min: 0 }],
      parameters: [{ name: "x", tree: tensorTree("f32", ["B", "A"]), donated: false }],
      result: tensorTree("i32", [1]),
      buffers: [{ dtype: "i32", shape: [1], role: { kind: "result" } }],
      kernels: [wgslKernel("fill_dims", 1, 0)], steps: [launch(0, 0)], resultBuffers: [0],
    });
    const run = await bind("two", two);
    assert.deepEqual([...(await run(tensor(numbers(6), [2, 3])).data())], [3002]);
    assert.deepEqual([...(await run(tensor(numbers(5), [5, 1])).data())], [1005]);
  });

  it("holds elements of one byte as words, and gives them back as bytes", async () => {
    const not = await bind("not", unary("not", "negate_bool", "bool"));
    const minus = await bind("minus", unary("minus", "negate_i8", "i8"));
    for (const size of [0, 1, 3, 4, 1001]) {
      const bits = Uint8Array.from({ length: size }, (_, i) => i % 3 & 1);
      assert.deepEqual(await not(tensor(bits, [size], "bool")).data(), bits.map((bit) => 1 - bit));
      const bytes = Int8Array.from({ length: size }, (_, i) => (i % 255) - 127);
      assert.deepEqual(await minus(bytes).data(), bytes.map((value) => -value));
    }
  });

  it("shows kernels whole vectors, whatever the number of elements", async () => {
    const turn = await bind("turn", unary("turn", "turn_vectors", "f32"));
    for (const size of [1, 2, 3, 4, 6, 63, 65, 1001]) assert.deepEqual([...(await turn(tensor(numbers(size))).data())], [...numbers(size).toReversed()], `${size}`);
  });

  it("writes and reads any number of bytes of every dtype that it has", async () => {
    for (const [dtype, each] of [["u8", 1], ["i8", 1], ["bool", 1], ["f16", 2], ["f32", 4], ["u32", 4]] as const) {
      for (const count of [0, 1, 2, 3, 5, 64, 257]) {
        // In the middle of a larger array, at an odd place.
        const bytes = new Uint8Array(4000).map((_, i) => (dtype === "bool" ? i & 1 : i * 7)).subarray(3, 3 + count * each);
        const buffer = device.write(bytes, dtype);
        assert.deepEqual(new Uint8Array(await device.read(buffer, bytes.length, dtype)), new Uint8Array(bytes), `${count} ${dtype}`);
        device.release(buffer);
      }
    }
    assert.throws(() => device.write(new Uint8Array(8), "f64"), { name: "DeviceError", message: "WebGPU has no f64: convert the tensor to f32 or i32, or use another device" });
  });

  it("copies memory that threads share", async () => {
    const add = await bind("add", addOnGpu);
    const shared = new Float32Array(new SharedArrayBuffer(12)).fill(4);
    assert.deepEqual([...(await add(shared, shared).data())], [8, 8, 8]);
    const buffer = device.write(new Uint8Array(shared.buffer), "f32");
    assert.deepEqual(new Float32Array(await device.read(buffer, 12, "f32")), new Float32Array([4, 4, 4]));
  });

  it("takes one tensor as two arguments", async () => {
    const add = await bind("add", addOnGpu);
    const x = tensor([1, 2, 3]);
    assert.deepEqual([...(await add(x, x).data())], [2, 4, 6]);
  });

  it("gives parameters, constants and reshapes as results, and one buffer as two", async () => {
    const bytes = new Uint8Array(75);
    new Float32Array(bytes.buffer, 64, 2).set([10, 20]);
    bytes.set([1, 0, 1], 72);
    const f32 = { dtype: "f32", shape: [3] } as const;
    const one = program({
      name: "one", parameters: [{ name: "x", tree: tensorTree("f32", [3]), donated: false }],
      result: { kind: "array", items: [tensorTree("f32", [3]), tensorTree("f32", [2]), tensorTree("bool", [3]), tensorTree("f32", [1, 3]), tensorTree("f32", [3]), tensorTree("f32", [3])] },
      buffers: [
        { ...f32, role: { kind: "parameter", leaf: 0 } },
        { dtype: "f32", shape: [2], role: { kind: "constant", offset: 64 } },
        { dtype: "bool", shape: [3], role: { kind: "constant", offset: 72 } },
        { dtype: "f32", shape: [1, 3], role: { kind: "alias", of: 0 } },
        { ...f32, role: { kind: "result" } },
      ],
      kernels: [wgslKernel("twice3", 3, 1)], steps: [launch(0, 3, 4)], resultBuffers: [0, 1, 2, 3, 4, 4],
    });
    const run = await bind("one", one, { constants: bytes });
    const x = tensor([1, 2, 3]);
    const results = run(x) as ReturnType<typeof tensor>[];
    x.dispose();
    const read = await Promise.all(results.map(async (result) => [...(await result.data())]));
    assert.deepEqual(read, [[1, 2, 3], [10, 20], [1, 0, 1], [1, 2, 3], [2, 4, 6], [2, 4, 6]]);
    results[4]?.dispose();
    assert.deepEqual([...((await results[5]?.data()) ?? [])], [2, 4, 6]);
  });

  it("writes mutations back into the arguments", async () => {
    const mutating = program({
      name: "mutating",
      parameters: [{ name: "state", tree: objectTree({ mean: tensorTree("f32", [3]) }), donated: false }], result: tensorTree("f32", [3]),
      buffers: [{ dtype: "f32", shape: [3], role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape: [3], role: { kind: "result" } }],
      kernels: [wgslKernel("twice3", 3, 1)], steps: [launch(0, 0, 1)], resultBuffers: [0, 1],
      mutations: [{ path: [0, "mean"], result: 1 }],
    });
    const state = { mean: tensor([1, 2, 3]) };
    const result = (await bind("mutating", mutating))(state);
    assert.deepEqual([[...(await state.mean.data())], [...(await result.data())]], [[2, 4, 6], [1, 2, 3]]);
  });

  it("consumes donated parameters, whose memory serves later runs", async () => {
    const step = await bind("step", stepOnGpu);
    let p = { w: tensor(numbers(40_000), [10_000, 4]) };
    const x = tensor(numbers(10_000));
    for (let i = 0; i < 10; i++) {
      const before = p;
      const { w, y } = step(p, x);
      p = { w };
      await assert.rejects(before.w.data(), /this f32\[10000,4\] was donated to step at .*webgpu\.test\.ts:\d+:\d+ and cannot be used again/);
      y.dispose();
    }
    assert.deepEqual(await p.w.data(), numbers(40_000).map((w) => 1024 * w));
    assert.deepEqual(await x.data(), numbers(10_000));
    const shared = tensor(numbers(4), [1, 4]);
    const donatesTwice = program({
      ...stepOnGpu, name: "twice", parameters: [...stepOnGpu.parameters, { name: "again", tree: tensorTree("f32", ["N", 4]), donated: false }],
    });
    const twice = await bind("twice", donatesTwice);
    assert.throws(() => twice({ w: shared }, numbers(1), shared), /arguments p\.w and again are the same memory, and p\.w is donated/);
    assert.deepEqual([...(await shared.data())], [0, 1, 2, 3]);
  });

  it("loops and branches on values, and keeps the order of calls around them", async () => {
    const functions = await bindWgsl(device, [controlOnGpu, addOnGpu]);
    const [control, add] = [anyFunction(functions, "control"), anyFunction(functions, "add")];
    const x = tensor([1, 2, 3]);
    // All calls return at once; the third waits for both loops before it.
    const taken = control(0, 100, 101, x);
    const other = control(7, 5, 7, taken.x);
    const sum = add(taken.x, other.x);
    const again = control(sum.size, 5, 7, sum);
    assert.deepEqual(await Promise.all([again.n.itemAsync(), other.n.itemAsync(), taken.n.itemAsync()]), [5, 7, 100]);
    const read = await Promise.all([taken.x, other.x, sum, again.x].map(async (one) => [...(await one.data())]));
    assert.deepEqual(read, [[2, 4, 6], [6, 12, 18], [8, 16, 24], [16, 32, 48]]);
    await device.sync();
  });

  it("keeps the order of many queued runs, read in any order", async () => {
    const add = await bind("add", addOnGpu);
    const one = tensor(new Float32Array(2000).fill(1));
    const sums = [one];
    for (let i = 0; i < 300; i++) sums.push(add(sums[i], one));
    const order = sums.map((_, i) => (i * 211) % sums.length);
    const read = await Promise.all(order.map(async (i) => [i, (await sums[i]?.data())?.[1999]]));
    for (const [i, value] of read) assert.equal(value, (i ?? 0) + 1);
  });

  it("neither blocks the event loop nor reads without waiting", async () => {
    const slow = program({
      name: "slow", parameters: [{ name: "x", tree: tensorTree("f32", [64]), donated: false }], result: tensorTree("f32", [64]),
      buffers: [{ dtype: "f32", shape: [64], role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape: [64], role: { kind: "result" } }],
      kernels: [wgslKernel("slow", 64, 1)], steps: Array.from({ length: 40 }, () => launch(0, 0, 1)), resultBuffers: [1],
    });
    const run = await bind("slow", slow);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const result = run(tensor(new Float32Array(64).fill(2)));
    assert.throws(() => result.dataSync(), { name: "DeviceError", message: /f32\[64\] is on webgpu, which cannot be read without waiting: use await data\(\)/ });
    const [value = 0] = await result.data();
    clearInterval(timer);
    assert.ok(turns >= 5, `the timer ran ${turns} times`);
    assert.ok(Math.abs(value - 1) < 0.01, String(value));
  });

  it("binds what was compiled twice, side by side", async () => {
    const source = { programs: [addOnGpu], code: text(wgslText) };
    const [a, b] = await Promise.all([bindPrograms(source, device), bindPrograms(source, device)]);
    const sum = anyFunction(a, "add")(anyFunction(b, "add")(tensor([1]), tensor([2])), tensor([3]));
    assert.deepEqual([...(await sum.data())], [6]);
  });
});
