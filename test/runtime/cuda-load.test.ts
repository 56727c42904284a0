/** Loading kernels on the cuda device: which image is taken, what is compiled here, and what can be wrong with a file. */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImage, runnableImages } from "../../runtime/cuda-image.ts";
import type { CodeImage } from "../../runtime/device.ts";
import { CompileError, PackageError, PackageForeignError, PackageTruncatedError } from "../../runtime/errors.ts";
import { bindPrograms } from "../../runtime/package.ts";
import { tensor } from "../../runtime/tensor.ts";
import { buildStandIn } from "../cuda/build-stand-in.ts";
import { cudaText, imageOf, onCuda, openStandIn, textFile } from "./cuda-machine.ts";
import { addProgram, anyFunction, kernel, program } from "./machine.ts";

const named = (...architectures: string[]): CodeImage[] => architectures.map((architecture) => ({ architecture, path: architecture, read: async () => new Uint8Array() }));

const contents = (path: string, bytes: Uint8Array, architecture = "sm_90"): CodeImage => ({ architecture, path, read: async () => bytes });

describe("runtime: CUDA images", () => {
  const order = (major: number, minor: number, ...architectures: string[]): string[] => runnableImages(named(...architectures), major, minor).map(({ architecture }) => architecture);

  it("prefers machine code of exactly this GPU, then of an older one of its generation, then PTX", () => {
    const all = ["compute_80", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_100a", "compute_90", "compute_100", "compute_90a"];
    assert.deepEqual(order(9, 0, ...all), ["sm_90a", "sm_90", "compute_90a", "compute_90", "compute_80"]);
    assert.deepEqual(order(8, 9, ...all), ["sm_89", "sm_86", "sm_80", "compute_80"]);
    assert.deepEqual(order(8, 0, ...all), ["sm_80", "compute_80"]);
    assert.deepEqual(order(10, 0, ...all), ["sm_100a", "sm_100", "compute_100", "compute_90", "compute_80"]);
    assert.deepEqual(order(10, 3, ...all), ["sm_100", "compute_100", "compute_90", "compute_80"]);
    assert.deepEqual(order(7, 5, ...all, "nonsense", "sm_"), []);
  });

  it("takes the device's features from what it runs", async () => {
    const { features } = await openStandIn();
    for (const architecture of ["sm_90", "sm_90a", "compute_80", "compute_90"]) assert.ok(features.has(architecture), architecture);
    for (const architecture of ["sm_80", "sm_100", "compute_100"]) assert.ok(!features.has(architecture), architecture);
  });
});

describe("runtime: loading on cuda (emulated)", () => {
  let folder: string;
  const names = ["TSDLC_CACHE", "TSDLC_NVRTC", "TSDLC_STANDIN_NVRTC_LOG"] as const;
  const saved = names.map((name) => [name, process.env[name]] as const);
  before(() => imageOf(cudaText, "sm_90"));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tsdlc-cuda-"));
  });
  afterEach(async () => {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true });
  });

  const add = onCuda(addProgram);
  const load = async (images: readonly CodeImage[], text = cudaText, programs = [add]) =>
    bindPrograms({ programs, code: textFile(text), images }, await openStandIn());
  const sum = async (functions: Awaited<ReturnType<typeof load>>): Promise<number[]> => [...(await anyFunction(functions, "add")(tensor([1, 2]), tensor([3, 4])).data())];

  it("loads the best image and never reads the others", async () => {
    const unread: CodeImage = { architecture: "sm_80", path: "unread", read: () => Promise.reject(new Error("was read")) };
    assert.deepEqual(await sum(await load([unread, await imageOf(cudaText, "sm_90")])), [4, 6]);
  });

  it("compiles the source for this GPU where no image fits, once", async () => {
    process.env["TSDLC_NVRTC"] = (await buildStandIn()).libnvrtc;
    process.env["TSDLC_CACHE"] = folder;
    process.env["TSDLC_STANDIN_NVRTC_LOG"] = join(folder, "log");
    for (let i = 0; i < 2; i++) assert.deepEqual(await sum(await load(named("sm_80", "sm_100a"))), [4, 6]);
    assert.equal(await readFile(join(folder, "log"), "utf8"), "/kernels.cu sm_90\n");
  });

  it("shows what the compiler said of the source", async () => {
    process.env["TSDLC_NVRTC"] = (await buildStandIn()).libnvrtc;
    await assert.rejects(load([], `extern "C" __global__ void add() { nonsense; }`), (error) =>
      error instanceof CompileError && /^NVRTC 13\.0 refused .+\.cu for sm_90:\n[^]*nonsense/.test(error.message) && error.sourcePath.endsWith(".cu"));
  });

  it("a file that was cut short is refused before the driver sees it", async () => {
    const { path, read } = await imageOf(cudaText, "sm_90");
    const whole = await read();
    for (const bytes of [0, 3, 40, 64, 1000, whole.byteLength - 1]) {
      await assert.rejects(load([contents(path, whole.subarray(0, bytes))]), bytes === 3 ? PackageError : PackageTruncatedError, String(bytes));
    }
    assert.throws(() => checkImage(whole.subarray(0, 1000), "k.cubin"), /^PackageTruncatedError: the kernels k\.cubin end after 1000 of \d+ bytes: build the package again, or copy it again$/);
    checkImage(whole, path);
  });

  it("passes on why the driver refuses an image", async () => {
    const wrong = await imageOf(cudaText, "sm_80");
    await assert.rejects(load([{ ...wrong, architecture: "sm_90" }]), (error) =>
      error instanceof PackageError && /^the driver of cuda:0 refuses the kernels .+ for sm_90: CUDA_ERROR_NO_BINARY_FOR_GPU/.test(error.message));
    await assert.rejects(load([contents("text.ptx", new TextEncoder().encode("no code"), "compute_80")]), PackageError);
  });

  it("names both versions when PTX is newer than the driver", async () => {
    await assert.rejects(load([await imageOf(cudaText, "compute_80")]), (error) =>
      error instanceof PackageForeignError &&
      /^the driver of cuda:0 is for CUDA 13\.0 and does not know PTX of version 9\.0, which .+\.ptx is: update the NVIDIA driver, or build the package with --arch sm_90$/.test(error.message));
  });

  it("a kernel that is missing is found when a plan is prepared", async () => {
    const missing = program({ ...add, kernels: [{ ...kernel("no_such_kernel", "N"), threads: 1, inputs: 2 }] });
    const functions = await load([await imageOf(cudaText, "sm_90")], cudaText, [missing]);
    assert.throws(() => anyFunction(functions, "add")(tensor([1]), tensor([2])), (error) =>
      error instanceof PackageError && /^the program add does not fit its kernels in .+\.cubin: there is no kernel no_such_kernel; build it again$/.test(error.message));
  });

  it("refuses blocks, sizes and buffers that a kernel cannot count", async () => {
    const image = await imageOf(cudaText, "sm_90");
    const broken = program({ ...add, kernels: [{ ...kernel("add", "N"), threads: 2048, inputs: 2 }] });
    const functions = await load([image], cudaText, [broken]);
    assert.throws(() => anyFunction(functions, "add")(tensor([1]), tensor([2])), /kernel add has 2048 threads a block, and cuda:0 runs 1 to 1024; build it again/);
    const wide = program({ ...add, buffers: add.buffers.map((buffer, i) => (i === 2 ? { ...buffer, shape: ["N", 2 ** 32] } : buffer)), kernels: [], steps: [] });
    const large = await load([image], cudaText, [wide]);
    assert.throws(() => anyFunction(large, "add")(tensor([1]), tensor([2])), /^ArgumentError: add: with N = 1 a buffer of f32 has 4294967296 elements: on cuda:0 it must have fewer than 2\^32$/);
  });
});

