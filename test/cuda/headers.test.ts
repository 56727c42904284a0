/**
 * The stand-ins against NVIDIA's own headers: each function that they define compiles against its real declaration, each
 * number is the real one, and nothing is exported that the real libraries do not have. So what runs on the stand-ins does
 * not fail on a real device for a wrong name, type or number.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildStandIn } from "./build-stand-in.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";
import type { Toolkit } from "./real-compiler.ts";

const execute = promisify(execFile);
const folder = join(import.meta.dirname, "stand-in");

describe("cuda: the stand-ins and NVIDIA's headers", function () {
  this.timeout(buildTimeout);
  let toolkit: Toolkit;
  let work: string;

  before(async function () {
    await needsEmulator(this);
    toolkit = needsToolkit(this);
    work = await mkdtemp(join(tmpdir(), "tsdlc-headers-"));
  });
  after(() => (work === undefined ? undefined : rm(work, { recursive: true })));

  const header = (name: string): string => join(toolkit.include, name);

  /** What g++ says of a file that sees the real headers; nothing when all is well. */
  async function complaints(path: string): Promise<string> {
    const real = [`-DTSDLC_CUDA_H="${header("cuda.h")}"`, `-DTSDLC_NVRTC_H="${header("nvrtc.h")}"`, '-DEMULATOR_FOLDER=""'];
    return execute("g++", ["-std=c++20", "-fsyntax-only", "-w", ...real, "-I", folder, path]).then(() => "", (error: { stderr?: string }) => error.stderr ?? String(error));
  }

  it("defines functions as they are declared", async () => {
    const sources = (await readdir(folder)).filter((name) => name.endsWith(".cc"));
    assert.ok(sources.length > 5);
    for (const source of sources) assert.equal(await complaints(join(folder, source)), "", source);
  });

  it("would see a wrong type", async () => {
    const path = join(work, "wrong.cc");
    await writeFile(path, '#include "cuda-driver.h"\nEXPORTED CUresult cuMemAlloc_v2(CUdeviceptr*, unsigned) { return CUDA_SUCCESS; }\n');
    assert.match(await complaints(path), /conflicting declaration|ambiguat/);
  });

  for (const [own, name, least] of [["cuda-driver.h", "cuda.h", 100], ["nvrtc.h", "nvrtc.h", 9]] as const) {
    it(`has the numbers of ${name}`, async () => {
      const text = await readFile(join(folder, own), "utf8");
      const numbers = [...text.matchAll(/^ {2}((?:CU|NVRTC)\w+) = (\d+),$/gm)];
      assert.ok(numbers.length >= least, `${numbers.length} numbers`);
      const path = join(work, `${name}.cc`);
      await writeFile(path, `#include "${own}"\n${numbers.map(([, constant, value]) => `static_assert(${constant} == ${value});\n`).join("")}`);
      assert.equal(await complaints(path), "");
    });
  }

  it("exports what the real libraries have, and settings", async () => {
    const { libcuda, libnvrtc } = await buildStandIn();
    for (const [library, name] of [[libcuda, "cuda.h"], [libnvrtc, "nvrtc.h"]] as const) {
      const { stdout } = await execute("nm", ["-D", "--defined-only", library]);
      // Weak symbols are pieces of the C++ library, which no program looks up.
      const exported = [...stdout.matchAll(/^\w+ [TDBR] (\w+)$/gm)].map(([, symbol]) => symbol ?? "");
      assert.ok(exported.length >= 13, `${exported.length} symbols`);
      const real = new Set((await readFile(header(name), "utf8")).match(/\b(cu|nvrtc)[A-Z]\w+/g));
      assert.deepEqual(exported.filter((symbol) => !real.has(symbol) && !symbol.startsWith("standin_")), []);
    }
  });

  it("has an older driver without libraries", async () => {
    const { oldLibcuda } = await buildStandIn();
    const { stdout } = await execute("nm", ["-D", "--defined-only", oldLibcuda]);
    assert.match(stdout, / T cuModuleLoadDataEx\n/);
    assert.doesNotMatch(stdout, /cuLibrary|cuKernel/);
  });
});
