/**
 * One built package in a browser by every road: files on a server with an import map, Vite's dev server with the package
 * linked and with it installed, and a bundle of Vite in a folder of some server. The same package runs in Node.
 */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { build } from "vite";
import { loadPackage, type Tensor } from "tsdlc-runtime";
import { browserForTest, openPage, serveByVite, type Served, serveFiles } from "../browser.ts";
import { runCli } from "../cli/run-cli.ts";

const root = resolve(import.meta.dirname, "../..");

/** Too many for a kernel's text: they are the package's constants.bin. */
const table = Array.from({ length: 100 }, (_, i) => i * i);

const model = `import { constant, model, type Tensor } from "tsdlc";
export const shifted = model((x: Tensor<["N", 1]>) => x.mul(2).add(constant([${table.join(", ")}])).sum(-1));
export const largest = model((x: Tensor<["N", 64]>) => x.max(-1));
`;

const expected = [0, 1, 2].map((x) => table.reduce((sum, value) => sum + 2 * x + value, 0)).join();

const script = `import { shifted } from "my-net";
const sums = shifted(new Float32Array([0, 1, 2]));
document.title = (await sums.data()).join() + " on " + sums.device;
`;

const html = (head: string): string => `<!doctype html><link rel="icon" href="data:,">${head}<script type="module" src="./main.js"></script>`;

describe("a package in a browser", function () {
  this.timeout(120_000);
  let folder: string;
  let browser: Browser;
  const inFolder = (...names: readonly string[]): string => join(folder, ...names);

  before(async function () {
    const found = await browserForTest();
    if (found === undefined) return this.skip();
    browser = found;
    folder = realpathSync(mkdtempSync(join(tmpdir(), "tsdlc-browser-")));
    writeFileSync(inFolder("model.ts"), model);
    const { exitCode, stderr } = runCli(["build", "model.ts", "--target", "cpu,wgsl,cuda", "--out", "my-net"], { folder });
    assert.equal(exitCode, 0, stderr);
    for (const app of ["plain", "linked", "installed"]) {
      mkdirSync(inFolder(app, "node_modules"), { recursive: true });
      writeFileSync(inFolder(app, "main.js"), script);
      writeFileSync(inFolder(app, "package.json"), `{"type":"module"}`);
      writeFileSync(inFolder(app, "index.html"), html(""));
    }
    symlinkSync(inFolder("my-net"), inFolder("linked/node_modules/my-net"));
    // Node and Vite look for what the package needs from where it really is.
    mkdirSync(inFolder("node_modules"));
    for (const name of ["tsdlc-runtime", "tsdlc-native"]) symlinkSync(join(root, "node_modules", name), inFolder("node_modules", name));
    cpSync(inFolder("my-net"), inFolder("installed/node_modules/my-net"), { recursive: true });
    for (const name of ["package.json", "dist"]) cpSync(join(root, "runtime", name), inFolder("installed/node_modules/tsdlc-runtime", name), { recursive: true });
  });
  after(async () => {
    await browser?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  /** Opens a page that was served, checks what it says, and returns the paths of all it asked for. */
  async function visit(served: Served, path = ""): Promise<readonly string[]> {
    const { page, faults } = await openPage(browser);
    try {
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.goto(`${served.url}${path}`);
      await page.waitForFunction(`document.title !== ""`, undefined, { timeout: 30_000 }).catch((error: unknown) => {
        throw new Error(`the page has no result: ${faults.join("; ") || String(error)}`);
      });
      assert.equal(await page.title(), `${expected} on webgpu`);
      assert.deepEqual(faults, []);
      const unneeded = asked.filter((one) => /cpu|cuda|webgpu-node|addon|\.so$|\.c$/.test(one));
      assert.deepEqual(unneeded, [], "files of other machines");
      return asked;
    } finally {
      await page.close();
      await served.close();
    }
  }

  it("runs in Node", async () => {
    const { shifted } = (await loadPackage(inFolder("my-net"))) as Readonly<Record<string, (x: Float32Array) => Tensor>>;
    assert.equal([...((await shifted?.(new Float32Array([0, 1, 2])).data()) ?? [])].join(), expected);
  });

  it("from files on a server, with an import map", async () => {
    const map = { imports: { "tsdlc-runtime": "/runtime/index.js", "my-net": "/my-net/index.js" } };
    writeFileSync(inFolder("plain/index.html"), html(`<script type="importmap">${JSON.stringify(map)}</script>`));
    const served = await serveFiles({ app: inFolder("plain"), "my-net": inFolder("my-net"), runtime: join(root, "runtime/dist") });
    const asked = await visit(served, "app/index.html");
    // Of SwiftShader's subgroups, of 4 threads, kernels make no use.
    assert.ok(readdirSync(inFolder("my-net/kernels")).includes("wgsl-subgroups.wgsl"));
    assert.deepEqual(asked.filter((path) => path.startsWith("/my-net/")).sort(), [
      "/my-net/constants.bin", "/my-net/index.js", "/my-net/kernels/wgsl-base.json", "/my-net/kernels/wgsl-base.wgsl", "/my-net/program.json",
    ]);
  });

  it("from Vite's dev server, linked as in a workspace", async () => {
    await visit(await serveByVite({ configFile: false, root: inFolder("linked"), server: { fs: { allow: [folder, root] } } }));
  });

  it("from Vite's dev server, installed and prepared with other dependencies", async () => {
    const asked = await visit(await serveByVite({ configFile: false, root: inFolder("installed") }));
    assert.ok(asked.some((path) => path.includes("/.vite/deps/my-net.js")), "the package went through Vite's optimizer");
  });

  it("from a bundle of Vite, in any folder of a server", async () => {
    await build({ configFile: false, root: inFolder("installed"), base: "./", logLevel: "error" });
    const kinds = readdirSync(inFolder("installed/dist/assets")).map((name) => name.replace(/-[\w-]{8}\./, ".")).sort();
    // The others have less than 4 KiB, and Vite writes those into the code.
    assert.deepEqual(kinds, ["index.js", "wgsl-base.wgsl", "wgsl-subgroups.wgsl"]);
    await visit(await serveFiles({ deep: inFolder("installed/dist") }), "deep/index.html");
  });
});
