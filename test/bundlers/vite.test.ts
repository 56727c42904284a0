/**
 * tsdlc/vite, with Chromium for pages: a bundle without a compiler in it, the server with compiled and with eager models,
 * changes of files, errors over the page, and a build for Node.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import type { TsdlcOptions } from "tsdlc/vite";
import type { InlineConfig } from "vite";
import { browserForTest, openPage, serveByVite, serveFiles } from "../browser.ts";
import { answer, type App, createApp, wrongModel } from "./app.ts";

describe("tsdlc/vite", function () {
  this.timeout(120_000);
  let app: App;
  let browser: Browser | undefined;
  let build: typeof import("vite").build;
  let tsdlc: typeof import("tsdlc/vite").default;
  before(async () => {
    // As modules, which they are: what tsx makes of Vite for require() finds not all of its own files.
    ({ build } = await import("vite"));
    ({ default: tsdlc } = await import("tsdlc/vite"));
    app = createApp();
    browser = await browserForTest();
  });
  after(async () => {
    await browser?.close();
    app.remove();
  });

  const config = (options: TsdlcOptions = {}): InlineConfig => ({ configFile: false, root: app.folder, logLevel: "silent", plugins: [tsdlc(options)] });

  async function inPage(url: string, body: (page: Page, faults: readonly string[]) => Promise<void>): Promise<void> {
    if (browser === undefined) throw new Error("there is no browser");
    const { page, faults } = await openPage(browser);
    try {
      await page.goto(url);
      await body(page, faults);
    } finally {
      await page.close();
    }
  }

  const titleOf = async (page: Page, faults: readonly string[]): Promise<string> => {
    await page.waitForFunction(`document.title !== ""`, undefined, { timeout: 60_000 }).catch((error: unknown) => {
      throw new Error(`the page has no result: ${faults.join("; ") || String(error)}`);
    });
    return page.title();
  };

  it("builds a page that runs kernels and has nothing of the compiler", async function () {
    if (browser === undefined) return this.skip();
    await build({ ...config(), base: "./" });
    const names = readdirSync(app.path("dist/assets"));
    const code = names.filter((name) => name.endsWith(".js")).map((name) => readFileSync(app.path("dist/assets", name), "utf8")).join("");
    // Names of ops are in every pass, and "matmul" is in the surface of the library.
    for (const word of ["dot_general", "matmul", "transpose", "ts-morph", "mapTree"]) assert.ok(!code.includes(word), `the bundle says ${word}`);
    const bytes = gzipSync(code).length;
    assert.ok(bytes > 5_000 && bytes < 25_000, `the code takes ${bytes} bytes, gzipped`);
    assert.deepEqual(names.filter((name) => name.endsWith(".wgsl")).map((name) => name.replace(/-[\w-]{8}\./, ".")).sort(), ["wgsl-base.wgsl", "wgsl-subgroups.wgsl"]);
    const served = await serveFiles({ deep: app.path("dist") });
    await inPage(`${served.url}deep/index.html`, async (page, faults) => {
      assert.equal(await titleOf(page, faults), answer("webgpu"));
      assert.deepEqual(faults, []);
    });
    await served.close();
  });

  it("builds for Node with kernels of the cpu beside the code", async () => {
    await build({ ...config(), build: { ssr: "src/main.js", outDir: "server", rolldownOptions: { output: { entryFileNames: "deep/[name].js" } } } });
    assert.equal(execFileSync(process.execPath, [app.path("server/deep/main.js")], { cwd: "/", encoding: "utf8" }).trim(), answer("cpu"));
    assert.ok(readdirSync(app.path("server/assets")).some((name) => name.endsWith(".so")));
  });

  it("gives the server's own code kernels of the cpu", async () => {
    const { createServer } = await import("vite");
    const server = await createServer({ ...config(), appType: "custom", server: { middlewareMode: true, watch: null, hmr: false, ws: false } });
    const { names, step } = await server.ssrLoadModule("/src/model.ts");
    const { loss } = step({ w: new Float32Array(2), b: new Float32Array(1) }, new Float32Array([1, 1]), new Float32Array([3]), 0.1);
    assert.deepEqual([await loss.itemAsync(), loss.device, names], [9, "cpu", ["w of 3", "b of 3"]]);
    await server.close();
  });

  it("leaves a package as it is when nothing changed", async () => {
    const [name] = readdirSync(app.path("node_modules/.tsdlc"));
    assert.ok(name);
    const changedAt = (): number => statSync(app.path("node_modules/.tsdlc", name, "program.json")).mtimeMs;
    const before = changedAt();
    utimesSync(app.path("src/model.ts"), new Date(), new Date());
    await build({ ...config(), base: "./" });
    assert.equal(changedAt(), before);
  });

  it("serves compiled models, and new ones when a file that they import changes", async function () {
    if (browser === undefined) return this.skip();
    const served = await serveByVite({ ...config(), server: { watch: {}, hmr: {} } });
    await inPage(served.url, async (page, faults) => {
      assert.equal(await titleOf(page, faults), answer("webgpu"));
      const sources = await page.evaluate<string[]>(`performance.getEntriesByType("resource").map(({ name }) => name)`);
      assert.deepEqual(sources.filter((name) => /tsdlc\.js|dist\/lib/.test(name)), [], "the library is in the page");
      app.write("src/sizes.ts", "export const rows = 4;\n");
      await page.waitForFunction(`document.title.endsWith("of 4")`, undefined, { timeout: 30_000 });
      app.write("src/sizes.ts", "export const rows = 3;\n");
      await page.waitForFunction(`document.title.endsWith("of 3")`, undefined, { timeout: 30_000 });
      assert.deepEqual(faults, []);
    });
    await served.close();
  });

  it("shows what is wrong with a model over the page, and takes it away when it is right", async function () {
    if (browser === undefined) return this.skip();
    const right = readFileSync(app.path("src/model.ts"), "utf8");
    app.write("src/model.ts", wrongModel);
    const served = await serveByVite({ ...config(), server: { watch: {}, hmr: {} } });
    await inPage(served.url, async (page, faults) => {
      const overlay = page.locator("vite-error-overlay");
      await overlay.waitFor({ timeout: 30_000 });
      const part = (name: string): Promise<string | null> => overlay.locator(`.${name}`).first().textContent();
      assert.match((await part("plugin")) ?? "", /plugin:tsdlc/);
      assert.match((await part("message-body")) ?? "", /^TSDL2003|^TS\d+/);
      assert.match((await part("file")) ?? "", /src\/model\.ts:13:17$/);
      assert.match((await part("frame")) ?? "", /13 \| {3}const error = p\.w\.matmul\(x\)/);
      if (process.env["TSDLC_TEST_SCREENSHOT"] !== undefined) await page.screenshot({ path: process.env["TSDLC_TEST_SCREENSHOT"] });
      app.write("src/model.ts", right);
      assert.equal(await titleOf(page, faults), answer("webgpu"));
      assert.equal(await overlay.count(), 0);
      app.write("src/model.ts", wrongModel);
      await overlay.waitFor({ timeout: 30_000 });
      app.write("src/model.ts", right);
      assert.equal(await titleOf(page, faults), answer("webgpu"));
    });
    await served.close();
  });

  it("leaves models to run op by op in development, if asked", async function () {
    if (browser === undefined) return this.skip();
    const served = await serveByVite(config({ dev: "eager" }));
    await inPage(served.url, async (page, faults) => {
      assert.equal(await titleOf(page, faults), answer("webgpu"));
      const sources = await page.evaluate<string[]>(`performance.getEntriesByType("resource").map(({ name }) => name)`);
      assert.ok(sources.every((name) => !/\.wgsl/.test(name)) && sources.some((name) => /deps\/tsdlc\.js/.test(name)), sources.join("\n"));
      assert.deepEqual(faults, []);
    });
    await served.close();
  });

  it("is in examples/line, whose calls have the types of model.ts", async function () {
    const example = join(import.meta.dirname, "../../examples/line");
    execFileSync(process.execPath, [join(import.meta.dirname, "../../node_modules/typescript/bin/tsc"), "-p", example], { stdio: "inherit" });
    if (browser === undefined) return this.skip();
    const served = await serveByVite({ configFile: join(example, "vite.config.ts"), cacheDir: app.path(".vite"), logLevel: "silent" });
    await inPage(served.url, async (page, faults) => {
      await page.waitForFunction(`document.body.textContent.includes("on webgpu")`, undefined, { timeout: 60_000 });
      assert.equal(await page.textContent("body"), "w f32[2,1]\n[[ 3.0000],\n [-2.0000]]\nb f32[1] [1.0000]\non webgpu");
      assert.deepEqual(faults, []);
    });
    await served.close();
  });

  it("refuses options that mean nothing", () => {
    assert.throws(() => tsdlc({ dev: "fast" as "eager" }), /^UsageError: tsdlc: dev is "fast": it is "compile" or "eager"$/);
    assert.throws(() => tsdlc({ target: [] }), /^UsageError: tsdlc: target names nothing/);
  });
});
