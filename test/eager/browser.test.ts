/** The library in Chromium, without Node: ops one by one, gradients and jit on WebGPU, and what it says before it has a device. */

import assert from "node:assert/strict";
import { random } from "tsdlc";
import { device } from "tsdlc-runtime";
import { openSources, type SourcesPage } from "../browser.ts";
import type { PageApi } from "./in-browser/page.ts";

describe("ops one by one in a browser", function () {
  this.timeout(120_000);
  let opened: SourcesPage;
  before(async function () {
    const found = await openSources("test/eager/in-browser/index.html");
    if (found === undefined) return this.skip();
    opened = found;
  });
  after(() => opened?.close());

  const ask = <K extends keyof PageApi>(what: K): Promise<Awaited<ReturnType<PageApi[K]>>> =>
    opened.watched.page.evaluate((name) => (globalThis as unknown as { tsdlcPage: Readonly<Record<string, () => unknown>> }).tsdlcPage[name]?.(), what as string) as never;

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

  it("show no error or warning", () => assert.deepEqual(opened.watched.faults, []));
});
