/** What the bench asks of a peer on WebGPU: a few operations, and the training task where it can train. */

import type { Runner } from "../alternate.ts";
import type { HostInput } from "../machine.ts";
import type { Trainer, TrainingTask } from "../training.ts";

/** The chain is tanh(2x + 1) * x; softmax is along the last axis. */
export type Operation = "matmul" | "chain" | "softmax";

export interface WebGpuContender extends Runner {
  result(): Promise<Float32Array>;
  close(): Promise<void> | void;
}

export interface WebGpuPeer {
  readonly name: string;
  readonly version: string;
  /** Inputs are brought to the device before; a call ends when the result is in the device's memory. */
  contender(operation: Operation, inputs: readonly HostInput[]): Promise<WebGpuContender>;
  /** Absent where a peer only runs models. */
  trainer?(task: TrainingTask): Trainer;
}
