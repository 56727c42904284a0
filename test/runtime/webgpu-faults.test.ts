/** What can go wrong on the webgpu device: kernels that do not compile, sizes, failed runs, no memory, loss. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { create } from "webgpu";
import type { Program } from "../../runtime/program.ts";
import { tensor } from "../../runtime/tensor.ts";
import { createWebGpuDevice, type WebGpuDevice, webgpuDevice } from "../../runtime/webgpu-device.ts";
import { nodeHost } from "../../runtime/webgpu-node.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { anyFunction, launch, program, tensorTree } from "./machine.ts";
import { addOnGpu, bindWgsl, controlOnGpu, failingAfter, stepOnGpu, text, unary, wgslKernel, wgslText } from "./webgpu-machine.ts";

describe("runtime: faults on webgpu", () => {
  let device: WebGpuDevice;
  before(async function () {
    const found = await webgpuForTest();
    if (found === undefined) return this.skip();
    device = found;
  });
  after(() => device?.destroy());
  const refused = async (promise: Promise<unknown>): Promise<Error & { sourcePath?: string }> => promise.then(() => assert.fail("it was accepted"), (error: Error) => error);

  it("says which kernel does not compile, its TypeScript, the compiler's words and the line", async () => {
    const wrong = wgslText.replace("y[i] = -x[i];", "y[i] = -x[i] + 1.5u;");
    const line = wrong.split("\n").findIndex((one) => one.includes("1.5u")) + 1;
    const error = await refused(bindWgsl(device, [addOnGpu, unary("minus", "negate_i8", "i8")], { code: text(wrong) }));
    assert.equal(error.name, "CompileError");
    const [first, second, third] = error.message.split("\n");
    assert.match(first ?? "", new RegExp(`^the kernel negate_i8 \\(negate_i8, from model\\.ts:3:5, model\\.ts:9:1\\) does not compile on webgpu \\(.+\\): /.+\\.wgsl:${line}:\\d+: `));
    assert.equal(second, `  ${wrong.split("\n")[line - 1]}`);
    assert.equal(third?.indexOf("^"), Number(/:(\d+): /.exec(first ?? "")?.[1]) + 1);
    assert.equal(await readFile(error.sourcePath ?? "", "utf8"), wrong);
  });

  it("names the file of a package where the text lies in one", async () => {
    const path = import.meta.filename;
    const error = await refused(bindWgsl(device, [addOnGpu], { code: text("fn add() { oops", path) }));
    assert.equal(error.sourcePath, path);
    assert.match(error.message, new RegExp(`^a kernel does not compile on webgpu \\(.+\\): ${path}:1:\\d+: `));
  });

  it("says which kernel makes no pipeline", async () => {
    const one = { ...addOnGpu, kernels: [wgslKernel("missing", "N", 2)] };
    await assert.rejects(bindWgsl(device, [one]), /^CompileError: the kernel missing \(missing, from model\.ts:3:5, model\.ts:9:1\) does not compile on webgpu \(.+\): Entry point .*missing.* doesn't exist/);
    // A kernel that writes what its record says it reads.
    await assert.rejects(bindWgsl(device, [{ ...addOnGpu, kernels: [wgslKernel("add", "N", 3)] }]), /^CompileError: the kernel add /);
  });

  it("refuses kernels with more buffers than every device has, and programs that write what they bind twice", async () => {
    const many = { ...addOnGpu, steps: [launch(0, 0, 1, 0, 1, 0, 1, 0, 1, 2)] };
    await assert.rejects(bindWgsl(device, [many]), /^PackageError: the kernel add .* needs 9 buffers, and webgpu \(.+\) gives a kernel 8/);
    const functions = await bindWgsl(device, [{ ...addOnGpu, steps: [launch(0, 2, 1, 2)] }]);
    assert.throws(() => anyFunction(functions, "add")(tensor([1]), tensor([2])), /^PackageError: add: the kernel add \(.+\) is broken: its buffer 2 is written and is the same memory as its buffer 0; build it again/);
  });

  it("refuses grids and sizes that no dispatch has", async () => {
    const huge = { ...addOnGpu, kernels: [{ ...wgslKernel("add", 1, 2), grid: ["*", "N", 65_535 ** 2] as const }] };
    const add = anyFunction(await bindWgsl(device, [huge]), "add");
    assert.throws(() => add(tensor([1, 2]), tensor([1, 2])), /^DeviceError: add: the kernel add \(model\.ts:3:5, model\.ts:9:1\) has 8589672450 blocks, and webgpu runs at most 4294836225 in one launch: call it with smaller sizes/);
    const empty = { ...addOnGpu, steps: [], buffers: addOnGpu.buffers.map((one) => ({ ...one, shape: ["N", 0] })), result: tensorTree("f32", ["N", 0]), parameters: addOnGpu.parameters.map((one) => ({ ...one, tree: tensorTree("f32", ["N", 0]) })) };
    const none = tensor(new Float32Array(0), [2 ** 32, 0]);
    const addEmpty = anyFunction(await bindWgsl(device, [empty]), "add");
    assert.throws(() => addEmpty(none, none), /^DeviceError: add: N is 4294967296: on webgpu a size is less than 2 \*\* 32/);
  });

  it("refuses buffers larger than the device allows, and goes on", async () => {
    // A result of N GiB: one that is bound to a kernel, one that is only copied to.
    const large = (steps: Program["steps"]): Program => program({
      name: "large", dims: [{ name: "N", min: 0 }],
      parameters: [{ name: "x", tree: tensorTree("f32", ["N"]), donated: true }], result: tensorTree("f32", ["N", 2 ** 28]),
      buffers: [{ dtype: "f32", shape: ["N"], role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape: ["N", 2 ** 28], role: { kind: "result" } }],
      kernels: [wgslKernel("twice", 1, 1)], steps, resultBuffers: [1],
    });
    const bound = anyFunction(await bindWgsl(device, [large([launch(0, 0, 1)])]), "large");
    const x = tensor(new Float32Array(64));
    assert.throws(() => bound(x), /^OutOfMemoryError: large: the kernel twice \(.+\): out of memory: a buffer of 68719476736 bytes is larger than \d+ bytes, the most that a kernel can use on webgpu \(.+\)/);
    const unbound = anyFunction(await bindWgsl(device, [large([])]), "large");
    assert.throws(() => unbound(x), /^OutOfMemoryError: out of memory: a buffer of 68719476736 bytes is larger than \d+ bytes, the most that one buffer of webgpu \(.+\) can have/);
    assert.deepEqual(await x.data(), new Float32Array(64));
  });

  it("tells the results of a failed run, those made from them, and nobody else", async () => {
    const functions = await bindWgsl(device, [addOnGpu, failingAfter("failing", []), failingAfter("later", [launch(1, 0, 1)])]);
    const [add, failing, later] = ["add", "failing", "later"].map((name) => anyFunction(functions, name));
    assert.ok(add && failing && later);
    const x = tensor([1, 2, 3]);
    const good = add(x, x);
    const failed = failing(x);
    const made = add(failed, x);
    const after = add(good, x);
    const message = /^RunError: failing: the run failed on webgpu \(.+\): (.+) is too small/;
    await assert.rejects(made.data(), message);
    await assert.rejects(failed.data(), message);
    await assert.rejects(later(x).data(), /^RunError: later: the run failed/);
    assert.deepEqual([[...(await good.data())], [...(await after.data())], [...(await x.data())]], [[2, 4, 6], [3, 6, 9], [1, 2, 3]]);
    // The memory of a failed run is as good as any.
    failed.dispose();
    made.dispose();
    assert.deepEqual([...(await add(x, after).data())], [4, 8, 12]);
  });

  it("does not loop on the condition of a run that failed", async () => {
    const functions = await bindWgsl(device, [failingAfter("failing", []), controlOnGpu]);
    const failed = anyFunction(functions, "failing")(tensor([1, 2, 3]));
    const { n, x } = anyFunction(functions, "control")(0, 3, 1, failed);
    await assert.rejects(x.data(), /^RunError: failing: the run failed/);
    await assert.rejects(n.data(), /^RunError: failing: the run failed/);
  });

  it("is out of memory when the device is, says so where it matters, and goes on", async () => {
    // Dawn's null device allocates and runs nothing, but counts bytes and has 512 MiB; software drivers have no end.
    const gpu = create(["backend=null"]);
    const small = await createWebGpuDevice({ ...(await nodeHost()), gpu });
    const add = anyFunction(await bindWgsl(small, [addOnGpu]), "add");
    const [x, few] = [tensor(new Float32Array(2 ** 25)), tensor(new Float32Array(4))];
    const message = /^OutOfMemoryError: out of memory: a buffer of 134217728 bytes cannot be had on webgpu \(null-backend\), where 671088640 bytes are in use and 0 kept for reuse: Out of memory\.\n - While calling/;
    const sums = Array.from({ length: 4 }, () => add(x, x));
    await assert.rejects(sums[3].data(), message);
    await assert.rejects(add(sums[3], x).data(), message);
    assert.equal((await add(few, few).data()).length, 4);
    for (const sum of sums) sum.dispose();
    small.trim();
    assert.equal(small.memory().bytesCached, 0);
    assert.equal((await add(x, x).data()).length, 2 ** 25);
    small.destroy();
    await small.loss;
    assert.ok(gpu);
  });

  it("is lost in the middle of runs and reads: all of them say so, and a new one can be opened", async () => {
    const lost = await createWebGpuDevice(await nodeHost());
    const functions = await bindWgsl(lost, [addOnGpu, stepOnGpu, endless]);
    const add = anyFunction(functions, "add");
    const x = tensor([1, 2]);
    const sum = add(x, x);
    // Reads queue too: all three wait for the loop.
    const never = anyFunction(functions, "endless")(1);
    const waiting = add(sum, x);
    const pending = [sum, never, waiting].map((one) => refused(one.data()));
    const syncing = refused(lost.sync());
    await new Promise((resolve) => setTimeout(resolve, 20));
    lost.destroy();
    const message = /^the device webgpu \(.+\) was lost: it was destroyed: .*; its tensors are gone: open it again with device\("webgpu"\), and load packages again$/;
    for (const error of [await lost.loss, ...(await Promise.all([...pending, syncing]))]) assert.deepEqual([error.name, message.test(error.message)], ["DeviceError", true], error.message);
    await assert.rejects(sum.data(), { name: "DeviceError", message });
    await assert.rejects(lost.sync(), { name: "DeviceError", message });
    await assert.rejects(bindWgsl(lost, [addOnGpu]), { name: "DeviceError", message });
    assert.throws(() => add(sum, sum), { name: "DeviceError", message });
    assert.throws(() => add(new Float32Array(2), new Float32Array(2)), { name: "DeviceError", message });
    for (const one of [sum, never, waiting, x]) one.dispose();
    lost.trim();
    assert.equal(lost.memory().bytesLive, 0);

    const next = await createWebGpuDevice(await nodeHost());
    assert.deepEqual([...(await anyFunction(await bindWgsl(next, [addOnGpu]), "add")(tensor([1]), tensor([2])).data())], [3]);
    next.destroy();
  });

  it("is lost while a kernel runs", async () => {
    const lost = await createWebGpuDevice(await nodeHost());
    const f32 = { dtype: "f32", shape: [64] } as const;
    const slow = program({
      name: "slow", parameters: [{ name: "x", tree: tensorTree("f32", [64]), donated: false }], result: tensorTree("f32", [64]),
      buffers: [{ ...f32, role: { kind: "parameter", leaf: 0 } }, { ...f32, role: { kind: "result" } }],
      kernels: [wgslKernel("slow", 64, 1)], steps: Array.from({ length: 20 }, () => launch(0, 0, 1)), resultBuffers: [1],
    });
    const result = anyFunction(await bindWgsl(lost, [slow]), "slow")(tensor(new Float32Array(64)));
    const read = refused(result.data());
    lost.destroy();
    assert.match(String(await read), /^DeviceError: the device webgpu \(.+\) was lost/);
  });

  it("is one for the process until it is lost", async () => {
    const host = await nodeHost();
    const [one, same] = await Promise.all([webgpuDevice(host), webgpuDevice(host)]);
    assert.equal(one, same);
    (one as WebGpuDevice).destroy();
    await (one as WebGpuDevice).loss;
    const next = await webgpuDevice(host);
    assert.notEqual(next, one);
    const sum = anyFunction(await bindWgsl(next as WebGpuDevice, [addOnGpu]), "add")(tensor([1]), tensor([2]));
    (next as WebGpuDevice).destroy();
    await (next as WebGpuDevice).loss;
    const other = anyFunction(await bindWgsl(device, [addOnGpu]), "add");
    assert.throws(() => other(sum, sum), /^ArgumentError: add: argument x is on webgpu \(lost\), but add runs on webgpu/);
  });

  /** A loop that never ends. */
  const endless = program({
    name: "endless", parameters: [{ name: "go", tree: tensorTree("bool", []), donated: false }], result: tensorTree("bool", []),
    buffers: [{ dtype: "bool", shape: [], role: { kind: "parameter", leaf: 0 } }, { dtype: "bool", shape: [], role: { kind: "result" } }],
    steps: [{ kind: "loop", head: [], condition: 0, body: [] }], resultBuffers: [1],
  });
});
