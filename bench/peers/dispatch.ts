/**
 * What small ops cost in Python: JAX from the bench's own environment, PyTorch where the system's Python has it (the
 * wheels of PyPI bring 3 GB of CUDA; Debian's python3-torch is for the CPU alone).
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { SelfTimed } from "../alternate.ts";
import { installPythonPeers, peersFolder } from "./install.ts";
import { PythonProcess } from "./python-process.ts";

export interface DispatchPeer {
  readonly name: string;
  readonly version: string;
  /** Undefined for a work that the library has no way to do. */
  contender(work: string, count: number): SelfTimed | undefined;
  close(): Promise<void>;
}

const settings = { JAX_PLATFORMS: "cpu", NPROC: "1", PJRT_NPROC: "1", OMP_NUM_THREADS: "1" };

/** JAX, or the reason why it cannot take part. */
export async function openJaxDispatch(): Promise<DispatchPeer | string> {
  const python = installPythonPeers();
  return "problem" in python ? python.problem : openPeer("jax", python.executable);
}

/** PyTorch, or the reason why it cannot take part. */
export async function openTorchDispatch(): Promise<DispatchPeer | string> {
  const system = "/usr/bin/python3";
  const found = spawnSync(system, ["-c", "import torch"]).status === 0;
  return found ? openPeer("torch", system) : `PyTorch takes no part: ${system} has no module torch (Debian: apt-get install python3-torch)`;
}

async function openPeer(name: string, executable: string): Promise<DispatchPeer> {
  const process = new PythonProcess(name, executable, [join(peersFolder, "dispatch-peer.py")], settings);
  const { version, works } = await process.ask({ op: "open", library: name }) as { readonly version: string; readonly works: readonly string[] };
  return {
    name,
    version,
    contender: (work, count) => (works.includes(work)
      ? { name, timeCalls: async (milliseconds) => (await process.ask({ op: "time", work, count, milliseconds }) as { times: number[] }).times }
      : undefined),
    close: () => process.close(),
  };
}
