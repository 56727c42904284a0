/**
 * PyTorch (eager and compiled) and JAX on a GPU, in Python processes that time their own calls. Nothing is installed for
 * them: they take part when `python3` has their modules and they find the GPU.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { SelfTimed } from "../alternate.ts";
import type { Format, Kind, Workload } from "../cuda-workloads.ts";
import type { Trainer, TrainingTask } from "../training.ts";
import { peersFolder } from "./install.ts";
import { openPythonTrainer, PythonProcess } from "./python-process.ts";

export interface GpuCall {
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly format: Format;
  /** Calls that are waited for at once. */
  readonly repeats: number;
}

export interface GpuContender extends SelfTimed {
  sample(positions: readonly number[]): Promise<readonly number[]>;
}

export interface GpuPeer {
  readonly name: PeerName;
  takes(workload: Workload): boolean;
  /** One at a time: the next takes the place of the one before. */
  contender(call: GpuCall): Promise<GpuContender>;
  close(): Promise<void>;
}

export interface GpuPeers {
  readonly opened: readonly GpuPeer[];
  /** Of each that is there its version, of the others why they are not. */
  readonly descriptions: readonly string[];
}

type PeerName = "PyTorch" | "torch.compile" | "JAX";

/** Scripts in this folder, with their arguments. */
const scripts: Readonly<Record<PeerName, { readonly calls: readonly string[]; readonly training: readonly string[] }>> = {
  PyTorch: { calls: ["gpu-peer.py", "torch"], training: ["torch-peer.py", "eager"] },
  "torch.compile": { calls: ["gpu-peer.py", "torch-compile"], training: ["torch-peer.py", "compile"] },
  JAX: { calls: ["gpu-peer.py", "jax"], training: ["jax-peer.py"] },
};

function start(name: PeerName, [script = "", ...args]: readonly string[]): PythonProcess {
  // XLA would take most of the GPU's memory for itself.
  return new PythonProcess(name, "python3", [join(peersFolder, script), ...args], { XLA_PYTHON_CLIENT_PREALLOCATE: "false" });
}

export async function openGpuPeers(): Promise<GpuPeers> {
  // Their scripts are in the Python of 3.10 and later.
  const { status, error } = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
  if (status !== 0) return { opened: [], descriptions: [`there are no peers: python3 ${error === undefined ? "does not run, or is older than 3.10" : `is not there (${error.message})`}`] };
  const opened: GpuPeer[] = [];
  const descriptions: string[] = [];
  for (const name of Object.keys(scripts) as PeerName[]) {
    const process = start(name, scripts[name].calls);
    const said = await process.ask({ op: "describe" }) as { readonly absent: string } | { readonly version: string; readonly device: string };
    if ("absent" in said) {
      descriptions.push(`${name} takes no part: ${said.absent}`);
      await process.close();
      continue;
    }
    descriptions.push(`${name}: ${said.version} on ${said.device}`);
    opened.push(peerOf(name, process));
  }
  return { opened, descriptions };
}

function peerOf(name: PeerName, process: PythonProcess): GpuPeer {
  return {
    name,
    // Compiled or not, PyTorch leaves a product to cuBLAS.
    takes: ({ kind }) => name !== "torch.compile" || kind !== "matmul",
    async contender(call) {
      await process.ask({ op: "open", ...call });
      return {
        name,
        sample: async (positions) => (await process.ask({ op: "sample", positions }) as { values: number[] }).values,
        timeCalls: async (milliseconds) => (await process.ask({ op: "time", milliseconds }) as { times: number[] }).times,
      };
    },
    close: () => process.close(),
  };
}

/** The same peers as trainers, in processes of their own. */
export async function openGpuTrainers(peers: readonly GpuPeer[], task: TrainingTask): Promise<readonly Trainer[]> {
  return Promise.all(peers.map(async ({ name }) => {
    const trainer = await openPythonTrainer(name, start(name, scripts[name].training), task);
    if (trainer.platform === "cpu") throw new Error(`${name} trains on the cpu; it was to train on the GPU`);
    return trainer;
  }));
}
