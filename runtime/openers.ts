/**
 * How devices are opened, where there is Node and where there is not. Implementations are imported when asked for: a
 * page without a bundler loads this file, and must not see what Node needs. A bundler for browsers takes
 * openers-browser.ts in its place, as package.json says.
 */

import type { Device, DeviceKind, Opener } from "./device.ts";
import { isDeviceError } from "./errors.ts";
import { isNode } from "./options.ts";
import type { WebGpuHost } from "./webgpu-device.ts";

const openCuda = async (ordinal: number): Promise<Device> => (await import("./cuda-device.ts")).cudaDevice(ordinal);
const openCpu = async (): Promise<Device> => (await import("./cpu-device.ts")).cpuDevice();

export const openers: Readonly<Partial<Record<DeviceKind, Opener>>> = {
  cuda: { open: openCuda, openIfWorthwhile: () => unlessAbsent(() => openCuda(0)) },
  webgpu: {
    open: async () => (await import("./webgpu-device.ts")).webgpuDevice(await webGpuHost()),
    openIfWorthwhile: openWebGpuHardware,
  },
  cpu: { open: openCpu, openIfWorthwhile: openCpu },
};

async function webGpuHost(): Promise<WebGpuHost> {
  return isNode() ? (await import("./webgpu-node.ts")).nodeHost() : (await import("./webgpu-device.ts")).browserHost();
}

async function openWebGpuHardware(): Promise<Device | undefined> {
  if (isNode() && !(await import("./webgpu-node.ts")).mayHaveGpu()) return undefined;
  const host = await unlessAbsent(webGpuHost);
  if (host === undefined) return undefined;
  const { hasHardware, webgpuDevice } = await import("./webgpu-device.ts");
  return (await hasHardware(host)) ? webgpuDevice(host) : undefined;
}

/** What `open` opens, or undefined where it is not there: nobody asked for it by name. */
async function unlessAbsent<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    if (isDeviceError(error)) return undefined;
    throw error;
  }
}
