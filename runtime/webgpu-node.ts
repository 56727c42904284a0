/**
 * WebGPU in Node: Dawn, from the npm package `webgpu`, which is installed by who wants it. The only file that imports it.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtAddon } from "./addon.ts";
import { nativeEndings } from "./endings.ts";
import { DeviceError } from "./errors.ts";
import { cacheOption } from "./options.ts";
import type { WebGpuHost } from "./webgpu-device.ts";

/** For the life of the process: when it is collected, Dawn ends beneath the devices that it made. */
let instance: GPU | undefined;

const advice: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "Dawn looked for a Vulkan driver of version 1.1 or later: install the one of the GPU (Debian and Ubuntu: apt install libvulkan1 mesa-vulkan-drivers; NVIDIA: the driver's own package), or name the file that describes one in VK_DRIVER_FILES",
  darwin: "Dawn looked for a GPU with Metal, and this session may not use one",
  win32: "Dawn looked for a GPU with Direct3D 12: update the graphics driver",
};

/** Throws DeviceError when the package is not installed, or has no Dawn for this machine. */
export async function nodeHost(): Promise<WebGpuHost> {
  const addon = builtAddon();
  return {
    gpu: (instance ??= (await importDawn()).create([])), advice: advice[process.platform] ?? "Dawn found no GPU", keepSource,
    // WebGPU alone is no reason to compile the addon, which takes a C++ compiler and half a minute.
    ...(addon === undefined ? {} : { endings: nativeEndings(() => new addon.Endings()) }),
  };
}

async function importDawn(): Promise<typeof import("webgpu")> {
  try {
    return await import("webgpu");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    throw new DeviceError(
      isMissing
        ? "the device webgpu is not there: in Node it needs the npm package webgpu: npm install webgpu"
        : `the device webgpu is not there: the npm package webgpu does not load on ${process.platform}-${process.arch}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** Whether there can be a GPU at all. On Linux one has a device file, and looking costs less than starting Dawn. */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  const has = (folder: string, name: RegExp): boolean => existsSync(folder) && readdirSync(folder).some((file) => name.test(file));
  return has("/dev/dri", /^renderD\d+$/) || has("/dev", /^(nvidia\d+|dxg|mali\d+|kgsl-3d0)$/);
}

function keepSource(text: string, path: string): string {
  if (existsSync(path)) return path;
  const folder = join(cacheOption() ?? join(tmpdir(), "tsdlc"), "kernels");
  mkdirSync(folder, { recursive: true });
  const kept = join(folder, `${createHash("sha256").update(text).digest("hex").slice(0, 32)}.wgsl`);
  writeFileSync(kept, text);
  return kept;
}
