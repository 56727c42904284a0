/** Packages on disk: whole ones load, and everything that can be wrong with one has its own error. */

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createCpuDevice } from "../../runtime/cpu-device.ts";
import { device } from "../../runtime/device.ts";
import { PackageError, PackageForeignError, PackageTruncatedError, PackageVersionError } from "../../runtime/errors.ts";
import { loadPackage, loadPrograms } from "../../runtime/package.ts";
import type { PackageManifest } from "../../runtime/program.ts";
import { addProgram, anyFunction, kernel, kernels } from "./machine.ts";

describe("runtime: packages", () => {
  let folder: string;
  const manifest: PackageManifest = {
    format: "tsdlc-program", version: 1, producer: "tsdlc 0.1.0", functions: ["add"],
    tiers: [
      { name: "cpu-plain", target: "cpu", requires: [], code: "kernels/plain.so", programs: "kernels/plain.json" },
      { name: "cpu-future", target: "cpu", requires: ["avx9000"], code: "kernels/none.so", programs: "kernels/none.json" },
    ],
  };
  const path = (name: string): string => join(folder, name);
  const writeJson = (name: string, changed: unknown): Promise<void> => writeFile(path(name), typeof changed === "string" ? changed : JSON.stringify(changed));
  const write = (changed: unknown): Promise<void> => writeJson("program.json", changed);
  const writePrograms = (changed: unknown): Promise<void> => writeJson("kernels/plain.json", changed);
  // By name: mocha may load this file's copy of the classes by require and the device's copy by import.
  const refuses = (type: typeof PackageError, message: RegExp): Promise<void> => assert.rejects(loadPackage(folder), { name: type.name, message });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tsdlc-package-"));
    await mkdir(path("kernels"));
    await copyFile((await kernels()).path, path("kernels/plain.so"));
    await write(manifest);
    await writePrograms([addProgram]);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("loads from a folder's path or URL, with the best tier that the machine can run", async () => {
    for (const where of [folder, pathToFileURL(`${folder}/`), pathToFileURL(folder).href]) {
      const add = anyFunction(await loadPackage(where), "add");
      assert.deepEqual([...(await add(new Float32Array([1, 2]), new Float32Array([3, 4])).data())], [4, 6]);
    }
  });

  it("loads from the URLs of files, wherever those are, and looks for others beside program.json", async () => {
    const added = async (files: Readonly<Record<string, URL>>): Promise<readonly number[]> =>
      [...(await anyFunction(await loadPackage(files), "add")(new Float32Array([1, 2]), new Float32Array([3, 4])).data())];
    const inPlace = pathToFileURL(path("program.json"));
    assert.deepEqual(await added({ "program.json": inPlace }), [4, 6]);
    await mkdir(path("assets"));
    await rename(path("kernels/plain.json"), path("assets/plain-1f2e.json"));
    await rename(path("kernels/plain.so"), path("assets/plain-3d4c.so"));
    const moved = { "kernels/plain.json": pathToFileURL(path("assets/plain-1f2e.json")), "kernels/plain.so": pathToFileURL(path("assets/plain-3d4c.so")) };
    assert.deepEqual(await added({ "program.json": inPlace, ...moved }), [4, 6]);
    // As a bundler does with a small file.
    const inlined = new URL(`data:application/json;base64,${(await readFile(path("program.json"))).toString("base64")}`);
    assert.deepEqual(await added({ "program.json": inlined, ...moved }), [4, 6]);
    await assert.rejects(added({ "program.json": inlined }), { name: "PackageTruncatedError", message: "the package in this bundle has no kernels/plain.so: build the package again, and then the bundle" });
    await assert.rejects(added({ "program.json": new URL("data:,%7B%7D") }), { name: "PackageForeignError", message: /^program\.json was not written by tsdlc/ });
    await assert.rejects(added(moved), { name: "PackageTruncatedError", message: /given without program\.json/ });
  });

  it("loads programs from memory", async () => {
    const functions = await loadPrograms({ programs: [addProgram], code: await kernels() });
    assert.deepEqual([...anyFunction(functions, "add")(new Float32Array([1]), new Float32Array([2])).dataSync()], [3]);
  });

  it("refuses an empty folder", async () => {
    await rm(path("program.json"));
    await refuses(PackageTruncatedError, /has no program\.json: build it again, or copy all of its folder$/);
  });

  it("refuses a truncated manifest", async () => {
    await write(JSON.stringify(manifest).slice(0, 300));
    await refuses(PackageTruncatedError, /program\.json ends too early, after 300 characters: build the package again, or copy it again$/);
  });

  it("refuses a tier whose programs are missing, cut, or something else", async () => {
    await writePrograms(JSON.stringify([addProgram]).slice(0, 200));
    await refuses(PackageTruncatedError, /kernels.plain\.json ends too early, after 200 characters: build the package again, or copy it again$/);
    await writePrograms("<!doctype html>");
    await refuses(PackageForeignError, /kernels.plain\.json was not written by tsdlc: it is not JSON$/);
    await writePrograms([{ ...addProgram, version: 7 }]);
    await refuses(PackageVersionError, /the program add has version 7 of the format; /);
    await rm(path("kernels/plain.json"));
    await refuses(PackageTruncatedError, /has no kernels.plain\.json: build it again, or copy all of its folder$/);
  });

  it("refuses a foreign file", async () => {
    await write("%PDF-1.7");
    await refuses(PackageForeignError, /was not written by tsdlc: it is not JSON$/);
    await write({ name: "something" });
    await refuses(PackageForeignError, /was not written by tsdlc: its format is missing, not "tsdlc-program"$/);
    await write([1]);
    await refuses(PackageForeignError, /its format is missing/);
  });

  it("refuses a newer and an older package, saying what to do", async () => {
    await write({ ...manifest, version: 7, producer: "tsdlc 9.0.0" });
    await refuses(PackageVersionError, /has version 7 of the format \(written by tsdlc 9\.0\.0\); this tsdlc-runtime reads version 1: update tsdlc-runtime: npm install tsdlc-runtime@latest$/);
    await write({ ...manifest, version: 0 });
    await refuses(PackageVersionError, /version 0 .*: build the package again with the tsdlc that belongs to this tsdlc-runtime$/);
  });

  it("refuses missing, truncated and foreign kernels without crashing", async () => {
    const whole = await readFile(path("kernels/plain.so"));
    for (const bytes of [0, 10, 100, 5000, whole.length - 1]) {
      await truncate(path("kernels/plain.so"), bytes);
      await refuses(PackageTruncatedError, new RegExp(`the kernels .*plain\\.so end after ${bytes} of \\d+ bytes`));
      await writeFile(path("kernels/plain.so"), whole);
    }
    await writeFile(path("kernels/plain.so"), "x".repeat(1000));
    await refuses(PackageForeignError, /plain\.so is not a shared object/);
    whole.writeUInt16LE(0xf3, 0x12);
    await writeFile(path("kernels/plain.so"), whole);
    await refuses(PackageForeignError, /are for another kind of processor \(ELF machine 243; this is /);
    await rm(path("kernels/plain.so"));
    await refuses(PackageTruncatedError, /the kernels .*plain\.so are missing/);
  });

  it("refuses a package for other machines, saying what is missing", async () => {
    await write({ ...manifest, tiers: [manifest.tiers[1]] });
    await refuses(PackageForeignError, /cannot run on this machine: cpu-future needs avx9000: build it on this machine$/);
    await write({ ...manifest, tiers: [{ ...manifest.tiers[0], target: "wgsl" }] });
    await assert.rejects(loadPackage(folder, { device: await device("cpu") }), { name: "PackageForeignError", message: /has no kernels for cpu, only for wgsl: build it with --target cpu$/ });
    await write({ ...manifest, tiers: [{ ...manifest.tiers[0], target: "cuda" }] });
    await withEnvironment({ TSDLC_CUDA_DRIVER: "/nowhere/libcuda.so" }, () =>
      refuses(PackageForeignError, / has kernels only for cuda: the CUDA driver cannot be opened: .*; or build it with --target cpu$/));
  });

  it("refuses indexes that point nowhere", async () => {
    const broken: readonly [object, RegExp][] = [
      [{ steps: [{ kind: "launch", kernel: 3, buffers: [0] }] }, /the program add is broken: there is no kernel 3; build it again/],
      [{ steps: [{ kind: "copy", from: 0, to: 99 }] }, /there is no buffer 99/],
      [{ steps: [{ kind: "if", condition: -1, then: [], otherwise: [] }] }, /there is no buffer -1/],
      [{ steps: [{ kind: "jump" }] }, /there is no step of kind "jump"/],
      [{ resultBuffers: [] }, /1 results have 0 buffers/],
      [{ buffers: [{ dtype: "f7", shape: [], role: { kind: "result" } }] }, /buffer 0 has the dtype "f7"/],
      [{ buffers: [{ dtype: "f32", shape: [], role: { kind: "alias", of: 0 } }] }, /there is no earlier buffer 0/],
      [{ buffers: undefined }, /it has no list of buffers/],
      [{ kernels: [{ ...kernel("add", ["*", "Q", 2]) }] }, /the program add is broken: a formula uses Q, which is no dim of it; build it again/],
      [{ buffers: [null] }, /the program add is broken: a part of it has another form than version 1 says; build it again/],
    ];
    for (const [change, message] of broken) {
      await writePrograms([{ ...addProgram, ...change }]);
      await refuses(PackageError, message);
    }
  });

  it("refuses a tier without programs", async () => {
    await write({ ...manifest, tiers: [{ ...manifest.tiers[0], programs: null }] });
    await refuses(PackageError, /the tier cpu-plain has no programs for 1 functions; build it again/);
    await write(manifest);
    await writePrograms([]);
    await refuses(PackageError, /has 0 programs for 1 functions; build it again/);
    await writePrograms(null);
    await refuses(PackageError, /has no programs for 1 functions; build it again/);
  });

  it("refuses what only shows when sizes are known", async () => {
    const code = await kernels();
    const call = async (change: object): Promise<unknown> => {
      const functions = await loadPrograms({ programs: [{ ...addProgram, ...change }], code }, { device: createCpuDevice({ threads: 1 }) });
      return anyFunction(functions, "add")(new Float32Array(2), new Float32Array(2));
    };
    await assert.rejects(call({ kernels: [kernel("no_such_kernel", "N")] }), /PackageError: the program add does not fit its kernels in .*: there is no kernel no_such_kernel; build it again/);
    await assert.rejects(call({ steps: [{ kind: "copy", from: 0, to: 2 }], buffers: addProgram.buffers.map((b, i) => (i === 2 ? { ...b, shape: [["+", "N", 1]] } : b)) }), /the plan is broken: a copy/);
    await assert.rejects(call({ kernels: [kernel("add", ["+", "N", -3])] }), /ArgumentError: add: with N = 2 the size N-3 is -1/);
  });

  it("names the devices there are", async () => {
    await assert.rejects(device("tpu"), /there is no device "tpu": the names are cpu, cuda \(or cuda:1 and so on\) and webgpu/);
    await withEnvironment({ TSDLC_DEVICE: "cuda", TSDLC_CUDA_DRIVER: "/nowhere/libcuda.so" }, async () => {
      const error = { name: "DeviceError", message: /^the CUDA driver cannot be opened: / };
      await assert.rejects(device("cuda"), error);
      await assert.rejects(device(), error);
      await assert.rejects(loadPackage(folder), error);
    });
    assert.equal(await device("cpu"), await device("cpu"));
  });
});

async function withEnvironment(variables: Readonly<Record<string, string>>, body: () => Promise<void>): Promise<void> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    await body();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
