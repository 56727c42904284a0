/** lib/files in Chromium: what a page fetched is read and written as in Node, and a path is refused in words. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { fromNpy, readSafetensors, toNpy, toSafetensors } from "../../lib/files/index.ts";
import { browserForTest, openPage, type Served, serveByVite, type WatchedPage } from "../browser.ts";
import { referenceFolder } from "./file-tensors.ts";
import type { PageApi } from "./in-browser/page.ts";

const root = resolve(import.meta.dirname, "../..");

describe("tsdlc/files in a browser", function () {
  this.timeout(120_000);
  let cache: string;
  let served: Served;
  let browser: Browser;
  let watched: WatchedPage;
  before(async function () {
    const found = await browserForTest();
    if (found === undefined) return this.skip();
    browser = found;
    cache = mkdtempSync(join(tmpdir(), "tsdlc-vite-"));
    served = await serveByVite({
      configFile: false, root, cacheDir: cache, appType: "mpa", optimizeDeps: { noDiscovery: true },
      resolve: { conditions: ["source"] },
      // From the sources; a package says this with its field "browser".
      plugins: [{ name: "host-browser", enforce: "pre", resolveId: (name, importer) => (name === "./host.ts" && importer?.includes("/lib/eager/") === true ? join(root, "lib/eager/host-browser.ts") : undefined) }],
    });
    watched = await openPage(browser);
    await watched.page.goto(`${served.url}test/files/in-browser/index.html`);
    await watched.page.waitForFunction("globalThis.tsdlcPage !== undefined");
  });
  after(async () => {
    await browser?.close();
    await served?.close();
    if (cache !== undefined) rmSync(cache, { recursive: true });
  });

  const ask = (what: keyof PageApi, given: string): Promise<unknown> => watched.page.evaluate<unknown, readonly [string, string]>(
    ([name, argument]) => (globalThis as unknown as { tsdlcPage: Readonly<Record<string, (given: string) => unknown>> }).tsdlcPage[name]?.(argument), [what, given]);

  it("reads and writes bytes, to the same bytes as in Node", async () => {
    const safetensors = readSafetensors(readFileSync(join(referenceFolder, "all.safetensors")));
    assert.deepEqual(await ask("safetensors", "/test/reference/files/all.safetensors"), [...(await toSafetensors(safetensors.tensors, safetensors.metadata))]);
    for (const name of ["f64-big-endian.npy", "big-endian-fortran.npy", "f16.npy"]) {
      assert.deepEqual(await ask("npy", `/test/reference/files/${name}`), [...(await toNpy(fromNpy(readFileSync(join(referenceFolder, name)))))]);
    }
  });

  it("says that there are no files, and what to do", async () => {
    assert.equal(await ask("open", "model.safetensors"), "DeviceError: openSafetensors: there are no files here, only in Node: fetch the file, and pass its bytes to readSafetensors");
  });

  it("shows no error or warning", () => assert.deepEqual(watched.faults, []));
});
