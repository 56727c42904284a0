/**
 * JAX on the CPU as a trainer: jit with the state donated, in a Python process of its own (jax-peer.py) that times its
 * own calls. XLA sizes its pools by NPROC and PJRT_NPROC, which are set to the number of threads; its other settings
 * for that have no effect (--xla_cpu_multi_thread_eigen=false keeps 1.6 cores busy). How many cores were busy during
 * the timed calls is measured and printed.
 */

import { join } from "node:path";
import type { Trainer, TrainingTask } from "../training.ts";
import { installPythonPeers, peersFolder } from "./install.ts";
import { openPythonTrainer, PythonProcess } from "./python-process.ts";

export interface JaxTrainer extends Trainer {
  readonly version: string;
  /** Over all timed calls. */
  coresBusy(): Promise<number>;
}

/** The trainer, or the reason why it cannot take part. */
export async function openJax(task: TrainingTask, threads: number): Promise<JaxTrainer | string> {
  const python = installPythonPeers();
  if ("problem" in python) return python.problem;
  const process = new PythonProcess("JAX", python.executable, [join(peersFolder, "jax-peer.py")], {
    JAX_PLATFORMS: "cpu", NPROC: String(threads), PJRT_NPROC: String(threads),
  });
  const trainer = await openPythonTrainer(`jax ${threads}T`, process, task);
  if (trainer.platform !== "cpu") throw new Error(`JAX runs on ${trainer.platform}; it was to run on the cpu`);
  return { ...trainer, coresBusy: async () => (await process.ask({ op: "cores" }) as { cores: number }).cores };
}
