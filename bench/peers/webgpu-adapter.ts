/**
 * A browser's navigator.gpu for peers that were written for browsers: Dawn (npm webgpu) on the GPU of the machine, else
 * on the software Vulkan driver that test/setup.sh unpacks. Errors that a peer's device reports to nobody are kept: a
 * peer whose commands are refused would be timed doing nothing.
 */

import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { create, globals } from "webgpu";

export interface WebGpuAdapter {
  /** As the driver describes it. */
  readonly description: string;
  /** Runs on the processor. */
  readonly isSoftware: boolean;
  /** Throws when a device of a peer has reported an error since the last time. */
  requireNoErrors(): void;
}

/** The adapter, with navigator.gpu in place; or why there is none. */
export async function openWebGpuAdapter(): Promise<WebGpuAdapter | string> {
  let gpu = create([]);
  let adapter = await gpu.requestAdapter();
  if (adapter === null && useSoftwareVulkan()) {
    gpu = create([]);
    adapter = await gpu.requestAdapter();
  }
  if (adapter === null) return "there is no WebGPU adapter: this machine has no GPU that Dawn takes and no software driver (sh test/setup.sh unpacks one)";
  const { description, vendor, architecture, isFallbackAdapter } = adapter.info;
  const errors: string[] = [];
  installGlobals(watchDevices(gpu, errors));
  return {
    description: [vendor, architecture, description].filter((part) => part !== "").join(", "),
    isSoftware: isFallbackAdapter,
    requireNoErrors() {
      const [first] = errors.splice(0);
      if (first !== undefined) throw new Error(`a peer's WebGPU device reported an error, so its times say nothing: ${first}`);
    },
  };
}

/** The driver's folder is the one of the tests; variables that are set already win. */
function useSoftwareVulkan(): boolean {
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tsdlc", "lavapipe");
  const driver = join(folder, "lvp_icd.json");
  if (!existsSync(driver)) return false;
  const shaders = join(folder, "shaders");
  mkdirSync(shaders, { recursive: true });
  // Without the cache each kernel of each peer is compiled anew in every run.
  for (const [name, value] of Object.entries({ VK_DRIVER_FILES: driver, NODEVICE_SELECT: "1", MESA_SHADER_CACHE_DIR: shaders })) process.env[name] ??= value;
  return true;
}

function installGlobals(gpu: GPU): void {
  Object.assign(globalThis, globals);
  const scope = globalThis as { navigator?: object };
  // Node 20 has no navigator. jax-js asks for the browser's name when it is loaded.
  scope.navigator ??= { userAgent: "Node.js" };
  Object.defineProperty(scope.navigator, "gpu", { value: gpu, configurable: true });
  const queue = GPUQueue.prototype;
  const write = queue.writeBuffer;
  // Dawn's writeBuffer takes no memory that is shared, and that is where onnxruntime-web keeps everything.
  queue.writeBuffer = function (this: GPUQueue, buffer, offset, data, from, size) {
    const bytes: unknown = ArrayBuffer.isView(data) ? data.buffer : data;
    if (!(bytes instanceof SharedArrayBuffer)) return write.call(this, buffer, offset, data, from, size);
    const view = ArrayBuffer.isView(data) ? data : new Uint8Array(bytes);
    // Offsets and sizes count elements of a typed array, and bytes of anything else.
    const unit = view instanceof DataView ? 1 : (view as Uint8Array).BYTES_PER_ELEMENT;
    const start = view.byteOffset + (from ?? 0) * unit;
    const length = size === undefined ? view.byteOffset + view.byteLength - start : size * unit;
    return write.call(this, buffer, offset, Uint8Array.from(new Uint8Array(bytes, start, length)));
  };
}

function watchDevices(gpu: GPU, errors: string[]): GPU {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (adapter === null) return adapter;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      device.addEventListener("uncapturederror", (event) => void errors.push(event.error.message));
      return device;
    };
    return adapter;
  };
  return gpu;
}
