/** A peer in Python: a process of its own that is asked one question at a time, a line of JSON each way. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { contenderName, type Lesson, momentum, type Trainer, type TrainingTask, type Weights, weightShapes } from "../training.ts";

export class PythonProcess {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaints = "";

  /** `name` is for messages. */
  constructor(name: string, executable: string, args: readonly string[], settings: Readonly<Record<string, string>>) {
    this.#name = name;
    // Settings of other mathematics libraries could slow a peer down.
    const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _cache, XLA_FLAGS: _flags, ...environment } = process.env;
    this.#child = spawn(executable, ["-u", ...args], { env: { ...environment, ...settings } });
    this.#child.stderr.on("data", (chunk: Buffer) => void (this.#complaints += chunk.toString()));
    // A process that has ended cannot be written to: ask() says so.
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(request: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the Python process of ${this.#name} ended:\n${this.#complaints.trim()}`);
    return JSON.parse(value);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}

export interface PythonTrainer extends Trainer {
  readonly version: string;
  /** Of JAX "cpu" or "gpu", of PyTorch "cuda". */
  readonly platform: string;
}

/** A script that answers the requests "open", "learn" and "time", which jax-peer.py describes, as a trainer. */
export async function openPythonTrainer(name: string, process: PythonProcess, task: TrainingTask): Promise<PythonTrainer> {
  const { images, labels, weights, batch, stepsPerCall, timedRate } = task;
  const { version, platform } = await process.ask({
    op: "open", batch, stepsPerCall, timedRate, momentum, shapes: weightShapes,
    images: encode(images), labels: encode(labels), weights: weights.map(encode),
  }) as { readonly version: string; readonly platform: string };
  return {
    name,
    version,
    platform,
    async learn(steps, rate) {
      const { losses, weights: learned } = await process.ask({ op: "learn", steps, rate }) as { losses: number[]; weights: string[] };
      return { losses, weights: learned.map(decode) as unknown as Weights } satisfies Lesson;
    },
    contender: (readsLoss) => ({
      name: contenderName(name, readsLoss),
      timeCalls: async (milliseconds) => (await process.ask({ op: "time", milliseconds, readsLoss }) as { times: number[] }).times,
    }),
    close: () => process.close(),
  };
}

function encode(array: Float32Array | Int32Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
}

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return new Float32Array(bytes.buffer);
}
