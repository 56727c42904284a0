/**
 * NVIDIA's own compilers on emitted CUDA: NVRTC to PTX, ptxas to machine code, as test/cuda/setup.sh put them into the
 * cache. They need no GPU. What ptxas says of registers, spills and warnings comes back as data, and `lint` holds it to
 * the rules.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildStandIn } from "./build-stand-in.ts";

export interface Toolkit {
  readonly nvrtc: string;
  readonly ptxas: string;
  /** Folder of cuda.h and nvrtc.h. */
  readonly include: string;
}

/** The compilers, or undefined where setup.sh could not fetch them. */
export function findToolkit(): Toolkit | undefined {
  const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "tsdlc", "cuda-toolkit", "13.0");
  if (!existsSync(join(folder, "complete"))) return undefined;
  return { nvrtc: join(folder, "lib", "libnvrtc.so.13"), ptxas: join(folder, "bin", "ptxas"), include: join(folder, "include") };
}

export interface KernelUsage {
  readonly name: string;
  readonly registers: number;
  readonly spillBytes: number;
  readonly stackBytes: number;
  /** Static shared memory. */
  readonly sharedBytes: number;
}

export interface Compilation {
  readonly ok: boolean;
  /** Everything that both compilers said. */
  readonly log: string;
  readonly kernels: readonly KernelUsage[];
  readonly ptx: string;
}

export interface CompileOptions {
  readonly architecture: string;
  /** For NVRTC, in place of those that emitted kernels are compiled with. */
  readonly flags?: readonly string[];
}

/** A kernel says fma where it means it, on every target. */
const defaultFlags = ["--fmad=false"];

/**
 * Compiles text for an architecture: "sm_90a", or "compute_80", for which PTX is made and then tried on sm_80. Throws
 * where there is no toolkit; text that does not compile is an outcome.
 */
export async function compileForArchitecture(text: string, { architecture, flags = defaultFlags }: CompileOptions): Promise<Compilation> {
  const toolkit = findToolkit();
  if (toolkit === undefined) throw new Error("NVIDIA's compilers are not there: run test/cuda/setup.sh");
  const number = architecture.replace(/^(sm|compute)_/, "");
  const { nvrtcShell } = await buildStandIn();
  const folder = await mkdtemp(join(tmpdir(), "tsdlc-nvrtc-"));
  try {
    const [source, ptx, cubin] = [join(folder, "kernels.cu"), join(folder, "kernels.ptx"), join(folder, "kernels.cubin")];
    await writeFile(source, text);
    // NVRTC opens its second library by name.
    const environment = { LD_LIBRARY_PATH: dirname(toolkit.nvrtc) };
    const first = await execute(nvrtcShell, [toolkit.nvrtc, source, "ptx", ptx, `--gpu-architecture=compute_${number}`, ...flags], environment);
    if (first.status !== 0) return { ok: false, log: first.said, kernels: [], ptx: "" };
    const second = await execute(toolkit.ptxas, ["-v", "--warn-on-spills", `--gpu-name=sm_${number}`, ptx, "-o", cubin]);
    const log = [first.said, second.said].filter((said) => said !== "").join("\n");
    return { ok: second.status === 0, log, kernels: usageIn(second.said), ptx: await readFile(ptx, "utf8") };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function execute(command: string, options: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly said: string }> {
  return new Promise((resolve, reject) => {
    execFile(command, options, { maxBuffer: 1 << 26, env: { ...process.env, ...environment } }, (error, output, errors) => {
      const status = error === null ? 0 : error.code;
      if (typeof status !== "number") reject(error ?? new Error(`${command} ended without a status`));
      else resolve({ status, said: `${output}${errors}`.trim() });
    });
  });
}

/** Reads `ptxas -v`. */
export function usageIn(log: string): readonly KernelUsage[] {
  const kernels: KernelUsage[] = [];
  for (const part of log.split("Compiling entry function ").slice(1)) {
    const number = (pattern: RegExp): number => Number(pattern.exec(part)?.[1] ?? 0);
    kernels.push({
      name: /^'([^']*)'/.exec(part)?.[1] ?? "",
      registers: number(/Used (\d+) registers/),
      spillBytes: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
      stackBytes: number(/(\d+) bytes stack frame/),
      sharedBytes: number(/(\d+) bytes smem/),
    });
  }
  return kernels;
}
