/** `tsdlc devices`: what is there with its facts, and what is not with the reason. */

import assert from "node:assert/strict";
import { buildStandIn } from "../cuda/build-stand-in.ts";
import { buildTimeout, needsEmulator } from "../cuda/present.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { runCli, withFolder } from "./run-cli.ts";

describe("tsdlc devices", function () {
  this.timeout(buildTimeout);

  it("says what the processor has, and why there is no GPU", () =>
    withFolder(undefined, (folder) => {
      const { exitCode, stdout } = runCli(["devices"], { folder, environment: { TSDLC_CUDA_DRIVER: "/nowhere/libcuda.so.1", VK_DRIVER_FILES: "/nowhere/driver.json" } });
      assert.equal(exitCode, 0);
      assert.match(stdout, /^cpu\n {2}threads {3}\d+\n {2}features {2}.*\w/m);
      assert.match(stdout, /^cuda: not there\n {2}the CUDA driver cannot be opened: \/nowhere\/libcuda\.so\.1: .*: install the driver of the NVIDIA GPU, or name its library in TSDLC_CUDA_DRIVER$/m);
      assert.match(stdout, /^webgpu: not there\n {2}\S/m);
    }));

  it("says of the adapter of WebGPU whether kernels use its subgroups", async function () {
    const found = await webgpuForTest();
    if (found === undefined) return this.skip();
    const uses = found.features.has("subgroups");
    found.destroy();
    await withFolder(undefined, (folder) => {
      const { exitCode, stdout } = runCli(["devices"], { folder });
      assert.equal(exitCode, 0);
      assert.match(stdout, uses ? /^webgpu\n[^]*^ {2}subgroups {2,}used\n {2}features .*\bsubgroups\b/m : /^ {2}subgroups {2,}not used: \w.*\n {2}features (?!.*subgroups)/m);
    });
  });

  it("lists the GPUs of the driver with their memory and limits", async function () {
    await needsEmulator(this);
    const { libcuda } = await buildStandIn();
    await withFolder(undefined, (folder) => {
      const { exitCode, stdout } = runCli(["devices"], { folder, environment: { TSDLC_CUDA_DRIVER: libcuda } });
      assert.equal(exitCode, 0);
      assert.match(stdout, /^cuda:0\n {2}name +\S.*\n {2}compute capability +9\.0\n {2}memory +\d+ bytes\n/m);
      assert.match(stdout, /^ {2}features +.*\bsm_90a?\b/m);
    });
  });
});
