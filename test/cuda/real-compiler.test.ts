/** The hand-written kernels through NVIDIA's own compilers, and the rules for what those say. */

import assert from "node:assert/strict";
import { kernelNames, kernelText } from "./kernels.ts";
import { allowances, lint, unallowed, unneeded } from "./lint.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";
import { compileForArchitecture, usageIn } from "./real-compiler.ts";

describe("cuda: NVIDIA's compilers", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
    needsToolkit(this);
  });

  for (const architecture of ["sm_80", "sm_90a", "compute_80"]) {
    for (const name of kernelNames) {
      it(`compiles ${name} for ${architecture}`, async () => {
        const outcome = await compileForArchitecture(kernelText(name), { architecture });
        assert.ok(outcome.ok, outcome.log);
        assert.ok(outcome.kernels.length > 0 && outcome.kernels.every(({ registers }) => registers > 0), outcome.log);
        assert.deepEqual(unallowed(lint(outcome), await allowances()), []);
        assert.match(outcome.ptx, new RegExp(`\\.target sm_${architecture.replace(/^\w+_/, "")}\\b`));
      });
    }
  }

  it("counts static shared memory", async () => {
    const { kernels } = await compileForArchitecture(kernelText("matmul-tiled"), { architecture: "sm_80" });
    assert.deepEqual(kernels.map(({ name, sharedBytes }) => [name, sharedBytes]), [["matmul_tiled", (16 * 16 + 16 * 17) * 4]]);
  });

  it("has the words of both compilers for what is refused", async () => {
    const text = await compileForArchitecture(`extern "C" __global__ void broken(float *x) { x[0] = y; }`, { architecture: "sm_80" });
    assert.ok(!text.ok);
    assert.match(text.log, /identifier "y" is undefined/);
    const assembly = await compileForArchitecture(`extern "C" __global__ void broken() { asm volatile("setmaxnreg.dec.sync.aligned.u32 40;"); }`, { architecture: "sm_80" });
    assert.ok(!assembly.ok);
    assert.match(assembly.log, /setmaxnreg/);
  });

  describe("rules", () => {
    const found = async (text: string, architecture: string): Promise<readonly string[]> => lint(await compileForArchitecture(text, { architecture })).map(({ rule, kernel }) => `${rule} ${kernel ?? ""}`);

    it("find spills", async () => {
      const text = `extern "C" __global__ void __launch_bounds__(1024) spilling(float *x) {
        float a[128];
        for (int i = 0; i < 128; i++) a[i] = x[i * 1024 + threadIdx.x];
        __syncthreads();
        for (int i = 0; i < 128; i++) x[i * 1024 + threadIdx.x] = a[127 - i] * a[i];
      }`;
      assert.ok((await found(text, "sm_80")).includes("spill spilling"));
    });

    it("find local arrays in memory", async () => {
      const text = `extern "C" __global__ void indexed(float *x, int n) {
        float a[64];
        for (int i = 0; i < 64; i++) a[i] = x[i];
        for (int i = 0; i < n; i++) a[(int)x[i]] += 1.0f;
        x[threadIdx.x] = a[n];
      }`;
      assert.deepEqual(await found(text, "sm_80"), ["stack indexed"]);
    });

    it("find a setmaxnreg that is ignored", async () => {
      const text = `extern "C" __global__ void unbounded(float *x) { asm volatile("setmaxnreg.dec.sync.aligned.u32 40;"); x[0] = 1.0f; }`;
      assert.deepEqual(await found(text, "sm_90a"), ["C7508 "]);
    });

    it("read all warnings of their kind", () => {
      const log = ["C7508", "C7511", "C7519"].map((code) => `ptxas info    : (${code}) Potential Performance Loss: in function 'k'`).join("\n");
      assert.deepEqual(lint({ ok: true, log, kernels: [], ptx: "" }).map(({ rule }) => rule), ["C7508", "C7511", "C7519"]);
    });

    it("have exceptions, which must be needed", () => {
      const findings = [{ rule: "spill", kernel: "a", words: "a spills" }, { rule: "spill", kernel: "b", words: "b spills" }] as const;
      assert.deepEqual(unallowed(findings, [{ rule: "spill", kernel: "a", reason: "" }]), ["spill: b spills"]);
      assert.deepEqual(unneeded(findings, [{ rule: "spill", kernel: "a", reason: "" }]), []);
      assert.deepEqual(unneeded(findings, [{ rule: "stack", kernel: "a", reason: "" }]), ["lint-allowed.json allows stack of a, which nothing needs"]);
    });
  });

  it("read what ptxas prints", () => {
    const log = `ptxas info    : Compiling entry function 'k' for 'sm_80'
ptxas info    : Function properties for k
    40 bytes stack frame, 44 bytes spill stores, 48 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 2112 bytes smem, 360 bytes cmem[0]`;
    assert.deepEqual(usageIn(log), [{ name: "k", registers: 64, spillBytes: 92, stackBytes: 40, sharedBytes: 2112 }]);
  });
});
