/** onnxruntime-web with its WebGPU provider: inputs and output in GPU buffers that were made before. It trains nothing. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { HostInput } from "../machine.ts";
import { installedVersion, peersFolder } from "./install.ts";
import { encodeOnnx, operationGraph } from "./onnx-model.ts";
import type { WebGpuPeer } from "./webgpu-peer.ts";

/** What is used of onnxruntime-web; its types are only there after its installation. */
interface OrtWeb {
  readonly env: {
    readonly wasm: { numThreads: number };
    readonly webgpu: { readonly device: Promise<GPUDevice> };
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: readonly string[] }): Promise<OrtSession>;
  };
  readonly Tensor: { fromGpuBuffer(buffer: GPUBuffer, options: { dataType: "float32"; dims: readonly number[] }): OrtTensor };
}

interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>, fetches: Readonly<Record<string, OrtTensor>>): Promise<unknown>;
  release(): Promise<void>;
}

declare const tensorBrand: unique symbol;

interface OrtTensor {
  readonly [tensorBrand]: true;
}

/** To be called when navigator.gpu is in place. */
export async function openOnnxRuntimeWeb(): Promise<WebGpuPeer | string> {
  // By its path: what the package exports to Node has no WebGPU.
  const bundle = join(peersFolder, "node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs");
  const ort = await import(pathToFileURL(bundle).href) as OrtWeb;
  // Its threads are a browser's workers.
  ort.env.wasm.numThreads = 1;
  return {
    name: "onnxruntime-web",
    version: installedVersion("onnxruntime-web") ?? "",
    async contender(operation, inputs) {
      const graph = operationGraph(operation, inputs.map(({ shape }) => shape));
      const session = await ort.InferenceSession.create(encodeOnnx(graph), { executionProviders: ["webgpu"] });
      const device = await ort.env.webgpu.device;
      const buffers: GPUBuffer[] = [];
      const place = (shape: readonly number[], data?: HostInput["data"]): { readonly buffer: GPUBuffer; readonly tensor: OrtTensor } => {
        const size = 4 * shape.reduce((product, length) => product * length, 1);
        const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
        if (data !== undefined) device.queue.writeBuffer(buffer, 0, data);
        buffers.push(buffer);
        return { buffer, tensor: ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: shape }) };
      };
      const feeds = Object.fromEntries(Object.keys(graph.inputs).map((name, i) => [name, place(inputs[i]?.shape ?? [], inputs[i]?.data).tensor]));
      const output = place(graph.output.shape);
      const run = async (): Promise<void> => {
        await session.run(feeds, { [graph.output.name]: output.tensor });
        await device.queue.onSubmittedWorkDone();
      };
      return {
        name: "onnxruntime-web",
        run,
        async result() {
          await run();
          return readBuffer(device, output.buffer);
        },
        async close() {
          await session.release();
          for (const buffer of buffers) buffer.destroy();
        },
      };
    },
  };
}

async function readBuffer(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const staging = device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const result = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return result;
}
