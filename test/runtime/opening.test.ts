/** Which device is opened: by name, by what a package has kernels for, in a browser; and what is said where none is. */

import assert from "node:assert/strict";
import { execFile, type SpawnSyncReturns } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadPackage } from "../../runtime/package.ts";
import type { PackageManifest, Tier } from "../../runtime/program.ts";
import { hasHardware, type WebGpuDevice } from "../../runtime/webgpu-device.ts";
import { mayHaveGpu, nodeHost } from "../../runtime/webgpu-node.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { addProgram, anyFunction, kernels } from "./machine.ts";
import { root, runScript, type ScriptOptions } from "./run-script.ts";
import { addOnGpu, wgslText } from "./webgpu-machine.ts";

const run = (script: string, environment: ScriptOptions["environment"] = {}, folder = root): SpawnSyncReturns<string> =>
  runScript(script, { folder, environment: { TSDLC_DEVICE: undefined, ...environment } });

/** Whether Dawn was loaded, and on what the package's function ran. */
const runPackage = (folder: string): string => `
  import { readFileSync } from "node:fs";
  import { loadPackage } from "./runtime/package.ts";
  const { add } = await loadPackage(${JSON.stringify(folder)});
  const sum = add(new Float32Array([1, 2]), new Float32Array([3, 4]));
  console.log((await sum.data()).join(), sum.device, readFileSync("/proc/self/maps", "utf8").includes("dawn.node"));
`;

/** A script that sees what a page sees: no Node, and navigator.gpu. */
const inBrowser = (gpu: boolean, script: string): string => `
  import { create } from "webgpu";
  import { useSoftwareVulkan } from "./test/webgpu-adapter.ts";
  import { device } from "./runtime/device.ts";
  import { loadPackage } from "./runtime/package.ts";
  useSoftwareVulkan();
  const gpu = create([]);
  // Node's fetch looks at the version when it is first used.
  await fetch("data:,");
  Object.defineProperty(globalThis, "navigator", { value: { gpu: ${gpu ? "gpu" : "undefined"} } });
  Object.defineProperty(process, "versions", { value: {} });
  globalThis.location = { href: "http://127.0.0.1/" };
  ${script}
`;

describe("runtime: opening devices", () => {
  let folder: string;
  let webgpu: WebGpuDevice;
  let hasGpu = false;
  before(async function () {
    folder = await mkdtemp(join(tmpdir(), "tsdlc-opening-"));
    const found = await webgpuForTest();
    if (found === undefined) return this.skip();
    webgpu = found;
    hasGpu = mayHaveGpu() && (await hasHardware(await nodeHost()));
  });
  after(async () => {
    webgpu?.destroy();
    await rm(folder, { recursive: true });
  });

  const cpu: Tier = { name: "cpu-plain", target: "cpu", requires: [], code: "kernels/plain.so", programs: "kernels/plain.json" };
  const wgsl: Tier = { name: "wgsl-base", target: "wgsl", requires: [], code: "kernels/base.wgsl", programs: "kernels/base.json" };
  const packageOf = async (name: string, ...tiers: readonly Tier[]): Promise<string> => {
    const path = join(folder, name);
    await mkdir(join(path, "kernels"), { recursive: true });
    await writeFile(join(path, "kernels/plain.so"), await readFile((await kernels()).path));
    await writeFile(join(path, "kernels/base.wgsl"), wgslText);
    await writeFile(join(path, "kernels/plain.json"), JSON.stringify([addProgram]));
    await writeFile(join(path, "kernels/base.json"), JSON.stringify([addOnGpu]));
    const manifest: PackageManifest = { format: "tsdlc-program", version: 1, producer: "tsdlc 0.1.0", functions: ["add"], tiers };
    await writeFile(join(path, "program.json"), JSON.stringify(manifest));
    return path;
  };
  const said = ({ status, stdout, stderr }: SpawnSyncReturns<string>): string => (status === 0 ? stdout.trim() : stderr);

  it("runs a package on a device it has kernels for, and does not start WebGPU for one that has none", async () => {
    assert.equal(said(run(runPackage(await packageOf("c", cpu)))), "4,6 cpu false");
    assert.equal(said(run(runPackage(await packageOf("w", wgsl)))), "4,6 webgpu true");
  });

  it("prefers a GPU, but not WebGPU in software", async () => {
    const both = await packageOf("both", cpu, wgsl);
    assert.equal(said(run(runPackage(both))), hasGpu ? "4,6 webgpu true" : "4,6 cpu false");
    assert.equal(said(run(runPackage(both), { TSDLC_DEVICE: "webgpu" })), "4,6 webgpu true");
    assert.equal(said(run(runPackage(both), { TSDLC_DEVICE: "cpu" })), "4,6 cpu false");
    assert.match(said(run(runPackage(await packageOf("c", cpu)), { TSDLC_DEVICE: "webgpu" })), /PackageForeignError: the package .* has no kernels for webgpu, only for cpu: build it with --target wgsl/);
    assert.equal(said(run(`import { device } from "./runtime/device.ts"; console.log((await device()).name);`)), hasGpu ? "webgpu" : "cpu");
  });

  it("takes the tier that asks for the most of what the adapter has", async () => {
    const refuse = { ...wgsl, name: "wgsl-none", code: "kernels/none.wgsl", requires: ["shader-f16", "something-else"] };
    const best = { ...wgsl, name: "wgsl-f16", code: "kernels/f16.wgsl", requires: [...webgpu.features] };
    const path = await packageOf("tiers", wgsl, refuse, best);
    await writeFile(join(path, "kernels/base.wgsl"), "this is not looked at");
    await writeFile(join(path, "kernels/f16.wgsl"), wgslText);
    const add = anyFunction(await loadPackage(path, { device: webgpu }), "add");
    assert.deepEqual([...(await add(new Float32Array([1]), new Float32Array([2])).data())], [3]);
    await assert.rejects(loadPackage(await packageOf("none", refuse), { device: webgpu }), /cannot run on this machine: wgsl-none needs .*something-else/);
  });

  describe("kernels with subgroups", () => {
    const withSubgroups: Tier = { ...wgsl, name: "wgsl-subgroups", code: "kernels/subgroups.wgsl", requires: ["subgroups"] };
    const packageOfTwo = async (name: string, isTaken: boolean): Promise<string> => {
      const path = await packageOf(name, withSubgroups, wgsl);
      const [taken, other] = isTaken ? ["subgroups", "base"] : ["base", "subgroups"];
      await writeFile(join(path, `kernels/${taken}.wgsl`), wgslText);
      await writeFile(join(path, `kernels/${other}.wgsl`), "this is not looked at");
      return path;
    };
    /**
     * The software driver's subgroups have a thread for each lane of its vectors: of 256 bits, or of as many as it is told.
     * Its cache of kernels does not tell the widths apart.
     */
    const narrow = { LP_NATIVE_VECTOR_WIDTH: "128", MESA_SHADER_CACHE_DISABLE: "true", TSDLC_DEVICE: "webgpu" };
    const seen = `
      import { device } from "./runtime/device.ts";
      const { features, facts } = await device();
      console.log(features.has("subgroups"), facts.find(([what]) => what === "subgroups")[1]);
    `;

    it("are taken where 8 neighbouring threads share one", async function () {
      if (!webgpu.features.has("subgroups")) return this.skip();
      assert.equal(said(run(runPackage(await packageOfTwo("wide", true)), { TSDLC_DEVICE: "webgpu" })), "4,6 webgpu true");
      assert.equal(said(run(seen, { TSDLC_DEVICE: "webgpu" })), "true used");
    });

    it("are not taken where fewer do", async function () {
      if (hasGpu) return this.skip();
      assert.equal(said(run(runPackage(await packageOfTwo("narrow", false)), narrow)), "4,6 webgpu true");
      assert.equal(said(run(seen, narrow)), "false not used: of 4 threads, and kernels want 8");
    });

    it("are tried, whatever the adapter says of them", async function () {
      if (hasGpu) return this.skip();
      const trial = `
        import { nodeHost } from "./runtime/webgpu-node.ts";
        import { subgroupObstacle } from "./runtime/webgpu-subgroups.ts";
        const adapter = await (await nodeHost()).gpu.requestAdapter();
        const device = await adapter.requestDevice({ requiredFeatures: ["subgroups"] });
        device.onuncapturederror = ({ error }) => console.log("uncaptured", error.message);
        const obstacles = [await subgroupObstacle(device, { subgroupMinSize: 8 }), await subgroupObstacle(device, {})];
        device.destroy();
        obstacles.push(await subgroupObstacle(device, { subgroupMinSize: 8 }));
        const plain = await (await (await nodeHost()).gpu.requestAdapter()).requestDevice();
        obstacles.push(await subgroupObstacle(plain, { subgroupMinSize: 8 }));
        console.log(obstacles.join("\\n"));
      `;
      assert.match(said(run(trial, narrow)), /^neighbouring threads are not in the same one\nof unknown many threads, and kernels want 8\nthe kernel that tries them fails: .*\nthe adapter has none$/);
      // Nothing stands before the second.
      assert.match(said(run(trial)), /^of unknown many threads/);
    });
  });

  it("loads a package by http, here and where there is no Node", async () => {
    const path = await packageOf("served", cpu, wgsl);
    const server = createServer((request, response) => {
      readFile(join(path, request.url ?? "")).then((bytes) => response.end(bytes), () => response.writeHead(404).end());
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    try {
      const add = anyFunction(await loadPackage(url, { device: webgpu }), "add");
      assert.deepEqual([...(await add(new Float32Array([1]), new Float32Array([2])).data())], [3]);
      await assert.rejects(loadPackage(`${url}/missing/`, { device: webgpu }), { name: "PackageTruncatedError", message: `the package ${url}/missing/ does not give program.json: 404 Not Found: put all of its folder on the server` });
      // Not waited for synchronously, as the other scripts are: this process serves it.
      const script = inBrowser(true, `
        const { add } = await loadPackage(new URL("${url}/"));
        const sum = add(new Float32Array([1, 2]), new Float32Array([3, 4]));
        console.log((await sum.data()).join(), sum.device, (await device()).name);
      `);
      const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "--conditions=source", "--input-type=module", "-e", script], { cwd: root });
      assert.equal(stdout.trim(), "4,6 webgpu webgpu");
    } finally {
      server.close();
    }
  });

  it("says in a browser what it lacks", () => {
    const without = run(inBrowser(false, "await device().catch((error) => console.log(String(error)));"));
    assert.match(said(without), /^DeviceError: the device webgpu is not there: this browser has no navigator\.gpu: use Chrome or Edge 113, Safari 26, Firefox 141 or a later one, and load the page over https or from localhost$/);
    const other = run(inBrowser(true, `await device("cpu").catch((error) => console.log(String(error)));`));
    assert.match(said(other), /^DeviceError: the device cpu is not there: it needs Node; in a browser ask for "webgpu"$/);
  });

  it("says what it looked for when there is no adapter, and never falls back from a name", () => {
    const script = `import { device } from "./runtime/device.ts"; await device("webgpu").catch((error) => console.log(String(error)));`;
    const outcome = run(script, { VK_DRIVER_FILES: "/nowhere/driver.json" });
    if (process.platform === "linux") {
      assert.match(said(outcome), /^DeviceError: the device webgpu is not there: WebGPU found no adapter: Dawn looked for a Vulkan driver of version 1\.1 or later: install the one of the GPU \(.*\), or name the file that describes one in VK_DRIVER_FILES$/);
    }
  });

  it("says that npm webgpu is not installed, and runs on the cpu where nobody named webgpu", async () => {
    const bare = join(folder, "bare");
    await cp(join(root, "runtime"), join(bare, "runtime"), { recursive: true, filter: (path) => !/\/(dist|node_modules)$/.test(path) });
    await mkdir(join(bare, "node_modules"));
    for (const name of ["tsx", "tsdlc-native"]) await symlink(join(root, "node_modules", name), join(bare, "node_modules", name));
    const named = run(`import { device } from "./runtime/device.ts"; await device("webgpu").catch((error) => console.log(String(error)));`, {}, bare);
    assert.equal(said(named), "DeviceError: the device webgpu is not there: in Node it needs the npm package webgpu: npm install webgpu");
    const unnamed = run(`import { device } from "./runtime/device.ts"; console.log((await device()).name);`, {}, bare);
    assert.equal(said(unnamed), "cpu");
  });
});
