/**
 * tsdlc/rollup, tsdlc/esbuild and tsdlc/webpack: one program bundled for Node and run there, and for a page and run in
 * Chromium; what each says about a wrong model; and what is bundled again when nothing changed.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { rollup } from "rollup";
import tsdlcEsbuild from "tsdlc/esbuild";
import tsdlcRollup from "tsdlc/rollup";
import tsdlcWebpack from "tsdlc/webpack";
import webpack from "webpack";
import { browserForTest, openPage, serveFiles } from "../browser.ts";
import { answer, type App, createApp, wrongModel } from "./app.ts";

const root = resolve(import.meta.dirname, "../..");

/** How each bundles src/main.js of an app into a folder, as main.js; rejects with what it says. */
const bundlers: Readonly<Record<string, (app: App, platform: "node" | "page", out: string) => Promise<unknown>>> = {
  esbuild: (app, platform, out) => esbuild.build({
    absWorkingDir: app.folder, entryPoints: ["src/main.js"], bundle: true, minify: true, format: "esm", target: "es2022", outdir: out, logLevel: "silent",
    platform: platform === "node" ? "node" : "browser", plugins: [tsdlcEsbuild()],
  }),
  rollup: async (app, platform, out) => {
    // A page needs @rollup/plugin-node-resolve for the runtime; here an import map names it.
    const bundle = await rollup({ input: app.path("src/main.js"), external: ["tsdlc-runtime"], plugins: [tsdlcRollup(platform === "page" ? { target: "wgsl" } : {})] });
    return bundle.write({ dir: out, format: "es" });
  },
  webpack: (app, platform, out) => new Promise((done, failed) => webpack({
    mode: "production", target: platform === "node" ? "node" : "web", context: app.folder, entry: "./src/main.js", output: { path: out, filename: "main.js" }, plugins: [tsdlcWebpack()],
  }, (error, stats) => {
    if (error !== null || stats === undefined) failed(error ?? new Error("webpack says nothing"));
    else if (stats.hasErrors()) failed(new Error(stats.toString({ all: false, errors: true })));
    else done(stats);
  })),
};

describe("bundlers other than Vite", function () {
  this.timeout(120_000);
  let app: App;
  before(() => {
    app = createApp();
    // What webpack writes for Node is CommonJS.
    app.write("index.html", `<!doctype html><title></title><link rel="icon" href="data:,"><script type="importmap">{"imports":{"tsdlc-runtime":"/runtime/index.js"}}</script><script type="module" src="./main.js"></script>`);
  });
  after(() => app.remove());

  for (const [name, bundle] of Object.entries(bundlers)) {
    it(`${name}: runs in Node on the cpu`, async () => {
      const out = app.path(name);
      await bundle(app, "node", out);
      if (name === "webpack") app.write(join(name, "package.json"), `{ "type": "commonjs" }`);
      assert.equal(execFileSync(process.execPath, [join(out, "main.js")], { cwd: "/", encoding: "utf8" }).trim(), answer("cpu"));
      const files = readdirSync(out, { recursive: true, encoding: "utf8" });
      assert.ok(files.some((file) => file.endsWith(".so")), files.join());
      assert.ok(!readFileSync(join(out, "main.js"), "utf8").includes("dot_general"), "the compiler is in the bundle");
    });
  }

  it("webpack leaves models to run op by op in development, if asked", async () => {
    // TypeScript is for a loader of the user's; this one is esbuild.
    app.write("to-javascript.cjs", `module.exports = (text) => require(${JSON.stringify(createRequire(join(root, "package.json")).resolve("esbuild"))}).transformSync(text, { loader: "ts" }).code;`);
    await new Promise<void>((done, failed) => webpack({
      mode: "development", devtool: false, target: "node", context: app.folder, entry: "./src/main.js", output: { path: app.path("eager"), filename: "main.cjs" },
      module: { rules: [{ test: /\.ts$/, loader: app.path("to-javascript.cjs") }] }, plugins: [tsdlcWebpack({ dev: "eager" })],
    }, (error, stats) => (error !== null || stats?.hasErrors() !== false ? failed(error ?? new Error(stats?.toString({ all: false, errors: true }))) : done())));
    assert.equal(execFileSync(process.execPath, [app.path("eager/main.cjs")], { cwd: "/", encoding: "utf8" }).trim(), answer("cpu"));
    const files = readdirSync(app.path("eager"), { recursive: true, encoding: "utf8" });
    assert.ok(files.every((file) => !file.endsWith(".so")), files.join());
  });

  it("run in a page", async function () {
    const browser = await browserForTest();
    if (browser === undefined) return this.skip();
    for (const [name, bundle] of Object.entries(bundlers)) {
      const out = app.path(`${name}-page`);
      await bundle(app, "page", out);
      app.write(`${name}-page/index.html`, readFileSync(app.path("index.html"), "utf8"));
      const served = await serveFiles({ deep: out, runtime: app.path("node_modules/tsdlc-runtime/dist") });
      const { page, faults } = await openPage(browser);
      await page.goto(`${served.url}deep/index.html`);
      await page.waitForFunction(`document.title !== ""`, undefined, { timeout: 30_000 }).catch(() => assert.fail(`${name}: ${faults.join("; ")}`));
      assert.equal(await page.title(), answer("webgpu"), name);
      assert.deepEqual(faults, [], name);
      assert.ok(!readdirSync(out, { recursive: true, encoding: "utf8" }).some((file) => file.endsWith(".so")), `${name} bundles machine code for a page`);
      await page.close();
      await served.close();
    }
    await browser.close();
  });

  it("say what is wrong with a model, with its code frame", async () => {
    const right = readFileSync(app.path("src/model.ts"), "utf8");
    app.write("src/model.ts", wrongModel);
    for (const [name, bundle] of Object.entries(bundlers)) {
      await assert.rejects(bundle(app, "node", app.path(`${name}-wrong`)), (error: Error & { readonly frame?: string; readonly loc?: { readonly line: number } }) => {
        const said = `${error.message}\n${error.frame ?? ""}`;
        assert.match(said, /TSDL2003: matmul needs the last axis of its left operand/, name);
        assert.match(said, /src\/model\.ts:13:17\n 13 \| {3}const error = p\.w\.matmul\(x\)/, name);
        assert.ok(!/^ +at .*node_modules/m.test(error.message), `${name} shows a stack: ${error.message}`);
        return true;
      });
    }
    app.write("src/model.ts", right);
  });

  it("bundle an unchanged model without TypeScript", async () => {
    const script = app.path("bundle.mjs");
    const out = app.path("again");
    // In a process of its own, which has loaded nothing yet.
    app.write("bundle.mjs", `import esbuild from ${JSON.stringify(join(root, "node_modules/esbuild/lib/main.js"))};
      import tsdlc from ${JSON.stringify(join(root, "compiler/bundlers/esbuild.ts"))};
      await esbuild.build({ entryPoints: ["src/main.js"], bundle: true, format: "esm", outdir: ${JSON.stringify(out)}, platform: "node", plugins: [tsdlc()] });`);
    const loaded = (): readonly string[] => {
      const list = app.path("loaded");
      const { status, stderr } = spawnSync(process.execPath, ["--require", join(root, "test/cli/report-loaded.cjs"), "--import", pathToFileURL(createRequire(join(root, "package.json")).resolve("tsx")).href, "--conditions=source", script],
        { cwd: app.folder, encoding: "utf8", env: { ...process.env, TSDLC_TEST_LOADED: list } });
      assert.equal(status, 0, stderr);
      return readFileSync(list, "utf8").split("\n").filter((path) => /\/node_modules\/(ts-morph|@ts-morph|typescript)/.test(path));
    };
    app.write("src/sizes.ts", "export const rows = 5;\n");
    assert.ok(loaded().length > 0, "a changed model needs TypeScript");
    assert.deepEqual(loaded(), []);
    assert.match(readFileSync(join(out, "main.js"), "utf8"), /of \$\{rows\}/);
  });
});
