/** The stand-in for NVRTC: from text to an image that the stand-in for the driver runs, and errors as the real one has them. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildStandIn } from "./build-stand-in.ts";
import { launchKernel, success } from "./driver.ts";
import { floats, kernelText } from "./kernels.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";

const invalidOption = 5, compilation = 6, noBinaryForGpu = 209;

describe("cuda: the stand-in for NVRTC", function () {
  this.timeout(buildTimeout);
  let folder: string;

  before(async function () {
    await needsEmulator(this);
    folder = await mkdtemp(join(tmpdir(), "tsdlc-nvrtc-"));
  });
  after(() => (folder === undefined ? undefined : rm(folder, { recursive: true })));

  interface Outcome {
    readonly result: number;
    readonly log: string;
    readonly output: string;
  }

  async function compile(library: string, text: string, form: "ptx" | "cubin", options: readonly string[]): Promise<Outcome> {
    const { nvrtcShell } = await buildStandIn();
    const source = join(folder, "kernels.cu"), output = join(folder, `kernels.${form}`);
    await rm(output, { force: true });
    await writeFile(source, text);
    const environment = { ...process.env, LD_LIBRARY_PATH: dirname(library), TSDLC_STANDIN_NVRTC_LOG: join(folder, "log") };
    return new Promise((resolve, reject) => {
      execFile(nvrtcShell, [library, source, form, output, ...options], { env: environment }, (error, log) => {
        const result = error === null ? 0 : error.code;
        if (typeof result !== "number" || result === 125) reject(error ?? new Error("no status"));
        else resolve({ result, log, output });
      });
    });
  }

  const standIn = async (text: string, form: "ptx" | "cubin", ...options: readonly string[]): Promise<Outcome> => compile((await buildStandIn()).libnvrtc, text, form, options);

  it("makes machine code for the architecture", async () => {
    const { result, log, output } = await standIn(kernelText("steps"), "cubin", "--gpu-architecture=sm_90a", "--fmad=false");
    assert.equal(result, success, log);
    const launch = (capability: string) => launchKernel({ image: output, kernel: "add_one", grid: 1, threads: 64, arguments: [{ input: Float32Array.of(1, 2) }, { output: 8 }, { u32: 2 }] }, { settings: { capability } });
    assert.deepEqual([...floats((await launch("9.0")).outputs[0])], [2, 3]);
    assert.equal((await launch("8.0")).result, noBinaryForGpu);
  });

  it("makes PTX for a virtual architecture, and then no machine code", async () => {
    const { result, output } = await standIn(kernelText("steps"), "ptx", "--gpu-architecture=compute_80");
    assert.equal(result, success);
    assert.match(await readFile(output, "utf8"), /^\.version 9\.0\n\.target sm_80\n/);
    const { outputs } = await launchKernel({ image: output, kernel: "twice", grid: 1, threads: 64, arguments: [{ input: Float32Array.of(3) }, { output: 4 }, { u32: 1 }] }, { settings: { ptx: "9.0" } });
    assert.deepEqual([...floats(outputs[0])], [6]);
    const cubin = await standIn(kernelText("steps"), "cubin", "--gpu-architecture=compute_80");
    assert.equal(cubin.result, success);
    assert.equal((await readFile(cubin.output)).length, 0);
  });

  it("makes PTX beside machine code", async () => {
    const { result, output } = await standIn(kernelText("steps"), "ptx", "--gpu-architecture=sm_80");
    assert.equal(result, success);
    assert.match(await readFile(output, "utf8"), /^\.version 9\.0\n\.target sm_80\n/);
  });

  it("defines macros", async () => {
    const text = `extern "C" __global__ void named(float *x) { x[0] = VALUE; }`;
    assert.equal((await standIn(text, "cubin", "--gpu-architecture=sm_90", "-DVALUE=3")).result, success);
    assert.equal((await standIn(text, "cubin", "--gpu-architecture=sm_90")).result, compilation);
  });

  it("counts compilations", async () => {
    await rm(join(folder, "log"), { force: true });
    await standIn(kernelText("steps"), "cubin", "--gpu-architecture=sm_90a");
    assert.equal(await readFile(join(folder, "log"), "utf8"), "kernels.cu sm_90a\n");
  });

  const broken = `extern "C" __global__ void broken(float *x) { x[0] = ; }`;

  it("refuses text with the compiler's words", async () => {
    const { result, log, output } = await standIn(broken, "cubin", "--gpu-architecture=sm_90a");
    assert.equal(result, compilation);
    assert.match(log, /kernels\.cu:1:\d+: error: /);
    assert.ok(!existsSync(output));
  });

  it("refuses the options that the real one refuses", async function () {
    const toolkit = needsToolkit(this);
    const cases = [["--gpu-architecture=sm_90a"], ["--gpu-architecture=compute_80"], ["--gpu-architecture=sm_70"], ["--gpu-architecture=quick"], ["--no-such-option"], ["--fmad=false"]];
    for (const options of cases) {
      const text = kernelText("steps");
      const [own, real] = [await standIn(text, "ptx", ...options), await compile(toolkit.nvrtc, text, "ptx", options)];
      assert.equal(own.result, real.result, `${options.join(" ")}: ${real.log}`);
    }
    assert.equal((await standIn(broken, "ptx")).result, (await compile(toolkit.nvrtc, broken, "ptx", [])).result);
    assert.equal((await standIn(kernelText("steps"), "ptx", "--no-such-option")).result, invalidOption);
  });
});
