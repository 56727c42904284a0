/** The CUDA compilers and their cache: NVIDIA's own where setup.sh has fetched it, nvcc by its arguments, none at all. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileCuda, ptxVersionOf } from "../../runtime/cuda-toolchain.ts";
import { CompileError, CompilerMissingError } from "../../runtime/errors.ts";
import { findToolkit } from "../cuda/real-compiler.ts";
import { runScript } from "./run-script.ts";

const axpy = `extern "C" __global__ void __launch_bounds__(128) axpy(const float *x, float *y, unsigned n) {
  unsigned i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) y[i] = 3.0f * x[i] + y[i];
}
`;

describe("runtime: CUDA toolchain", () => {
  let folder: string;
  const names = ["TSDLC_CACHE", "TSDLC_NVRTC", "CUDA_HOME", "PATH"] as const;
  const saved = names.map((name) => [name, process.env[name]] as const);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tsdlc-cuda-"));
    process.env["TSDLC_CACHE"] = folder;
    delete process.env["TSDLC_NVRTC"];
    delete process.env["CUDA_HOME"];
  });
  afterEach(async () => {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true });
  });

  describe("NVRTC", () => {
    before(function () {
      if (findToolkit() !== undefined) return;
      console.log("      skipped: there is no NVRTC (test/cuda/setup.sh fetches it)");
      this.skip();
    });
    beforeEach(() => {
      process.env["TSDLC_NVRTC"] = findToolkit()?.nvrtc ?? "";
    });

    it("makes machine code for a GPU, once", async () => {
      const images = await Promise.all([compileCuda(axpy, "sm_90a"), compileCuda(axpy, "sm_90a"), compileCuda(axpy, "sm_80")]);
      const [first, same, other] = images.map((image) => image?.path ?? assert.fail());
      assert.equal(first, same);
      assert.notEqual(first, other);
      const cubin = await readFile(first ?? "");
      assert.equal(cubin.readUInt32BE(0), 0x7f454c46);
      // e_machine: EM_CUDA.
      assert.equal(cubin.readUInt16LE(0x12), 190);
      const { mtimeMs } = await stat(first ?? "");
      assert.equal((await compileCuda(axpy, "sm_90a"))?.path, first);
      assert.equal((await stat(first ?? "")).mtimeMs, mtimeMs);
      assert.deepEqual((await readdir(join(folder, "kernels"))).filter((name) => !/^[0-9a-f]{32}\.cubin$/.test(name)), []);
    });

    it("makes PTX that a driver of CUDA 12.0 takes, with no contraction", async () => {
      const image = (await compileCuda(axpy, "compute_80")) ?? assert.fail();
      const ptx = await image.read();
      assert.equal(ptxVersionOf(ptx), "8.0");
      const text = new TextDecoder().decode(ptx);
      assert.match(text, /^\.target sm_80/m);
      assert.match(text, /add\.rn\.f32/);
      assert.doesNotMatch(text, /fma\.rn/);
      // Nothing of this machine is in it.
      assert.deepEqual(text.match(/\.file.*/g), [`.file\t1 "/kernels.cu"`]);
      // Newer GPUs need a newer version.
      const newer = (await compileCuda(axpy, "compute_100")) ?? assert.fail();
      assert.ok(Number(ptxVersionOf(await newer.read())) > 8);
    });

    it("keeps the text that it refused, and its words", async () => {
      await assert.rejects(compileCuda(`${axpy}\nbroken;`, "sm_90"), (error) => {
        assert.ok(error instanceof CompileError);
        assert.match(error.message, /^NVRTC 13\.0 refused .+\.cu for sm_90:\n\/kernels\.cu\(6\): error: [^]*broken/);
        assert.equal(readFileSync(error.sourcePath, "utf8"), `${axpy}\nbroken;`);
        return true;
      });
      await assert.rejects(compileCuda(axpy, "sm_11"), (error) => error instanceof CompileError && /sm_11[^]*invalid value for --gpu-architecture/.test(error.message));
    });
  });

  describe("without NVRTC", () => {
    /** In a process of its own: a library that any test has opened is found by its name for the rest of a process. */
    function compiled(script: string, context: Mocha.Context): string {
      const text = `
        import { compileCuda, cudaCompilerIdentity, ptxVersionOf } from "./runtime/cuda-toolchain.ts";
        const axpy = ${JSON.stringify(axpy)};
        if ((await cudaCompilerIdentity())?.startsWith("NVRTC")) console.log("NVRTC");
        else { ${script} }
      `;
      const { stdout, stderr, status } = runScript(text, { environment: { PATH: "/usr/bin:/bin" } });
      assert.equal(status, 0, stderr);
      if (stdout.trim() !== "NVRTC") return stdout.trim();
      console.log("      skipped: this machine has NVRTC, which comes first");
      return context.skip();
    }

    it("calls nvcc", async function () {
      const log = join(folder, "log"), bin = join(folder, "bin");
      await mkdir(bin);
      // It notes what it was told, and writes PTX's first lines where it was told to.
      await writeFile(join(bin, "nvcc"), `#!/bin/sh
if [ "$1" = --version ]; then echo "Cuda compilation tools, release 12.4, V12.4.131"; exit 0; fi
echo "$@" >> ${log}
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
printf '.version 8.4\\n.target sm_80\\n' > "$out"
`);
      await chmod(join(bin, "nvcc"), 0o755);
      process.env["CUDA_HOME"] = folder;
      assert.equal(compiled(`
        const ptx = await compileCuda(axpy, "compute_80");
        await compileCuda(axpy, "sm_90a");
        console.log(await cudaCompilerIdentity(), ptxVersionOf(await ptx.read()));
      `, this), "nvcc 12.4 8.0");
      const [first, second] = (await readFile(log, "utf8")).trim().split("\n");
      assert.match(first ?? "", /^--fmad=false --std=c\+\+17 -lineinfo -gencode=arch=compute_80,code=compute_80 --ptx [0-9a-f]+\.cu -o /);
      assert.match(second ?? "", /-gencode=arch=compute_90a,code=sm_90a --cubin [0-9a-f]+\.cu -o /);
    });

    it("and without nvcc, there is no compiler", function () {
      if (existsSync("/usr/bin/nvcc")) this.skip();
      assert.equal(compiled(`console.log(await compileCuda(axpy, "compute_80"));`, this), "undefined");
    });
  });

  it("says which library cannot be opened when one was named", async () => {
    process.env["TSDLC_NVRTC"] = join(folder, "no-nvrtc.so");
    await assert.rejects(compileCuda(axpy, "sm_90"), (error) =>
      error instanceof CompilerMissingError && /^TSDLC_NVRTC is ".+no-nvrtc\.so": the CUDA compiler NVRTC cannot be opened: .+no-nvrtc\.so: cannot open shared object file/.test(error.message));
    process.env["TSDLC_NVRTC"] = join(folder, "libm.so");
    await writeFile(process.env["TSDLC_NVRTC"], "no library");
    await assert.rejects(compileCuda(axpy, "sm_90"), CompilerMissingError);
  });
});
