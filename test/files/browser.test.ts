/** lib/files in Chromium: what a page fetched is read and written as in Node, and a path is refused in words. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromNpy, readSafetensors, toNpy, toSafetensors } from "../../lib/files/index.ts";
import { openSources, type SourcesPage } from "../browser.ts";
import { referenceFolder } from "./file-tensors.ts";
import type { PageApi } from "./in-browser/page.ts";

describe("tsdlc/files in a browser", function () {
  this.timeout(120_000);
  let opened: SourcesPage;
  before(async function () {
    const found = await openSources("test/files/in-browser/index.html");
    if (found === undefined) return this.skip();
    opened = found;
  });
  after(() => opened?.close());

  const ask = (what: keyof PageApi, given: string): Promise<unknown> => opened.watched.page.evaluate<unknown, readonly [string, string]>(
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

  it("shows no error or warning", () => assert.deepEqual(opened.watched.faults, []));
});
