/**
 * WebGPU for tests: Dawn on the GPU of the machine, else on the software Vulkan driver that test/setup.sh unpacks.
 *
 * The driver is named in the environment before Dawn first looks for adapters; a variable that is already set wins.
 */

import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createWebGpuDevice, type WebGpuDevice, type WebGpuOptions } from "../runtime/webgpu-device.ts";
import { mayHaveGpu, nodeHost } from "../runtime/webgpu-node.ts";
import { absent } from "./require-device.ts";

const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "tsdlc", "lavapipe");

/** Sets what Vulkan drivers read; scripts that a test starts inherit it. A GPU's own driver stays in the choice. */
export function useSoftwareVulkan(): void {
  const driver = join(folder, "lvp_icd.json");
  if (!existsSync(driver)) return;
  const shaders = join(folder, "shaders");
  mkdirSync(shaders, { recursive: true });
  // The layer that sorts devices complains where there is no display; a kept cache saves 60 ms a kernel.
  const variables = { [mayHaveGpu() ? "VK_ADD_DRIVER_FILES" : "VK_DRIVER_FILES"]: driver, NODEVICE_SELECT: "1", MESA_SHADER_CACHE_DIR: shaders };
  for (const [name, value] of Object.entries(variables)) process.env[name] ??= value;
}

/** A device of its own for a test, or undefined, with the reason printed, where there is none. */
export async function webgpuForTest(options: WebGpuOptions = {}): Promise<WebGpuDevice | undefined> {
  useSoftwareVulkan();
  try {
    return await createWebGpuDevice(await nodeHost(), options);
  } catch (error) {
    return absent("webgpu", error instanceof Error ? error.message : String(error));
  }
}
