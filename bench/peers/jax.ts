/**
 * JAX on the CPU as a trainer: jit with the state donated, in a Python process of its own (jax-peer.py) that times its
 * own calls. XLA sizes its pools by NPROC and PJRT_NPROC, which are set to the number of threads; its other settings
 * for that have no effect (--xla_cpu_multi_thread_eigen=false keeps 1.6 cores busy). How many cores were busy during
 * the timed calls is measured and printed.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { contenderName, type Lesson, momentum, type Trainer, type TrainingTask, type Weights, weightShapes } from "../training.ts";
import { installPythonPeers, peersFolder } from "./install.ts";

export interface JaxTrainer extends Trainer {
  readonly version: string;
  /** Over all timed calls. */
  coresBusy(): Promise<number>;
}

/** The trainer, or the reason why it cannot take part. */
export async function openJax(task: TrainingTask, threads: number): Promise<JaxTrainer | string> {
  const python = installPythonPeers();
  if ("problem" in python) return python.problem;
  const process = new PythonProcess(python.executable, join(peersFolder, "jax-peer.py"), {
    JAX_PLATFORMS: "cpu", NPROC: String(threads), PJRT_NPROC: String(threads),
  });
  const { images, labels, weights, batch, stepsPerCall, timedRate } = task;
  const opened = await process.ask({
    op: "open", batch, stepsPerCall, timedRate, momentum, shapes: weightShapes,
    images: encode(images), labels: encode(labels), weights: weights.map(encode),
  }) as { readonly version: string; readonly platform: string };
  if (opened.platform !== "cpu") throw new Error(`JAX runs on ${opened.platform}; it was to run on the cpu`);
  const name = `jax ${threads}T`;
  return {
    name,
    version: opened.version,
    async learn(steps, rate) {
      const { losses, weights: learned } = await process.ask({ op: "learn", steps, rate }) as { losses: number[]; weights: string[] };
      return { losses, weights: learned.map(decode) as unknown as Weights } satisfies Lesson;
    },
    contender: (readsLoss) => ({
      name: contenderName(name, readsLoss),
      timeCalls: async (milliseconds) => (await process.ask({ op: "time", milliseconds, readsLoss }) as { times: number[] }).times,
    }),
    coresBusy: async () => (await process.ask({ op: "cores" }) as { cores: number }).cores,
    close: () => process.close(),
  };
}

/** One question at a time: a line of JSON each way. */
class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaints = "";

  constructor(executable: string, script: string, settings: Readonly<Record<string, string>>) {
    // Settings of other mathematics libraries could slow a peer down.
    const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _cache, XLA_FLAGS: _flags, ...environment } = process.env;
    this.#child = spawn(executable, ["-u", script], { env: { ...environment, ...settings } });
    this.#child.stderr.on("data", (chunk: Buffer) => void (this.#complaints += chunk.toString()));
    // A process that has ended cannot be written to: ask() says so.
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(request: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the Python process of JAX ended:\n${this.#complaints.trim()}`);
    return JSON.parse(value);
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}

function encode(array: Float32Array | Int32Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
}

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return new Float32Array(bytes.buffer);
}
