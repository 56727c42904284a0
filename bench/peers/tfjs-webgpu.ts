/** TensorFlow.js on WebGPU. Its kernels are queued: a call ends them, sends them off and waits for the device's queue. */

import { installedVersion, requirePeer } from "./install.ts";
import { type Tfjs, type TfTensor, tfjsTrainer } from "./tfjs.ts";
import type { Operation, WebGpuPeer } from "./webgpu-peer.ts";

interface TfWebGpuBackend {
  readonly queue: GPUQueue;
  readonly commandEncoder: GPUCommandEncoder | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** To be called when navigator.gpu is in place: the package looks for it when it is loaded. */
export async function openTfjsWebGpu(): Promise<WebGpuPeer | string> {
  const tf = requirePeer("@tensorflow/tfjs") as Tfjs;
  requirePeer("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) return "tfjs-webgpu does not start on this adapter";
  const backend = tf.backend() as TfWebGpuBackend;
  return {
    name: "tfjs-webgpu",
    version: installedVersion("@tensorflow/tfjs-backend-webgpu") ?? "",
    async contender(operation, inputs) {
      const tensors = inputs.map(({ data, shape }) => tf.tensor(data, shape));
      const call = (): TfTensor => tf.tidy(() => operations[operation](tf, tensors));
      return {
        name: "tfjs-webgpu",
        async run() {
          const result = call();
          if (backend.commandEncoder !== null) {
            backend.endComputePassEncoder();
            backend.submitQueue();
          }
          await backend.queue.onSubmittedWorkDone();
          result.dispose();
        },
        async result() {
          const result = call();
          const data = await result.data();
          result.dispose();
          return data;
        },
        close: () => tf.dispose(tensors),
      };
    },
    trainer: (task) => tfjsTrainer(tf, task, "tfjs-webgpu"),
  };
}

const operations: Readonly<Record<Operation, (tf: Tfjs, inputs: readonly TfTensor[]) => TfTensor>> = {
  matmul: (tf, [a, b]) => tf.matMul(present(a), present(b)),
  chain: (tf, [x]) => tf.mul(tf.tanh(tf.add(tf.mul(present(x), 2), 1)), present(x)),
  softmax: (tf, [x]) => tf.softmax(present(x)),
};

function present<T>(input: T | undefined): T {
  if (input === undefined) throw new RangeError("an operation got too few inputs");
  return input;
}

