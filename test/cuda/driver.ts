/**
 * A CUDA driver driven from TypeScript: a script of calls goes to the shell (driver-shell.cc) in a process of its own, and
 * results and contents of buffers come back. A process of its own, because a test wants to see it crash, and because
 * AddressSanitizer must be there from the start.
 */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildStandIn } from "./build-stand-in.ts";

/** CUresult of success. */
export const success = 0;

export interface Answer {
  /** The line of the script. */
  readonly call: string;
  /** A CUresult, or -1: an earlier call failed that this one needs. */
  readonly result: number;
  readonly text: string;
}

export interface ScriptOutcome {
  readonly answers: readonly Answer[];
  /** What the script read, by the name it gave in `read`: contents at that moment. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly errors: string;
  readonly status: number | null;
}

export interface ScriptOptions {
  /** Contents that the script may name in `write`. */
  readonly files?: Readonly<Record<string, NodeJS.ArrayBufferView>>;
  /** Settings of the stand-in, as in its environment: { threads: "reverse" }. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly sanitize?: boolean;
  /** A real libcuda instead of the stand-in. */
  readonly libcuda?: string;
}

/** Calls that take a file, and where in the call it stands. */
const fileOperands: Readonly<Record<string, number>> = { write: 2, read: 2, "pinned-load": 2, "pinned-save": 2 };

/** Runs a script to its end. Throws when the shell itself does not understand a line; results of calls are data. */
export async function runScript(lines: readonly string[], { files = {}, settings = {}, sanitize = false, libcuda }: ScriptOptions = {}): Promise<ScriptOutcome> {
  const standIn = await buildStandIn({ sanitize });
  const folder = await mkdtemp(join(tmpdir(), "tsdlc-driver-"));
  try {
    await Promise.all(Object.entries(files).map(([name, contents]) => writeFile(join(folder, name), contents)));
    const read: string[] = [];
    const script = lines.map((line) => {
      const words = line.split(" ");
      const operand = fileOperands[words[0] ?? ""];
      if (operand === undefined) return line;
      const name = words[operand];
      if (name === undefined) throw new RangeError(`"${line}" names no file`);
      if (words[0] === "read" || words[0] === "pinned-save") read.push(name);
      words[operand] = join(folder, name);
      return words.join(" ");
    });
    const environment = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`TSDLC_STANDIN_${name.toUpperCase().replaceAll("-", "_")}`, value]));
    const { output, errors, status } = await runShell(standIn.shell, [libcuda ?? standIn.libcuda], script, environment);
    if (status === 2) throw new Error(errors);
    const answers = output.split("\n").slice(0, -1).map((line, i): Answer => {
      const space = line.indexOf(" ");
      return { call: lines[i] ?? "", result: Number(line.slice(0, space)), text: line.slice(space + 1) };
    });
    const contents = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const name of read) {
      const bytes = await readFile(join(folder, name)).catch(() => undefined);
      if (bytes !== undefined) contents.set(name, Uint8Array.from(bytes));
    }
    return { answers, files: contents, errors, status };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface ShellOutcome {
  readonly output: string;
  readonly errors: string;
  readonly status: number | null;
}

async function runShell(shell: string, options: readonly string[], script: readonly string[], environment: Readonly<Record<string, string>>): Promise<ShellOutcome> {
  // Fibers that a stopped block leaves behind are no leaks worth a report.
  const child = spawn(shell, options, { env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0", ...environment } });
  let output = "", errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  child.stdin.on("error", () => undefined);  // it may be gone before it has read everything
  child.stdin.end(script.map((line) => `${line}\n`).join(""));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return { output, errors, status };
}

export type KernelArgument =
  /** Only read. */
  | { readonly input: NodeJS.ArrayBufferView }
  /** Written; its contents come back. `from`: what is there before, else NaN bytes. */
  | { readonly output: number; readonly from?: NodeJS.ArrayBufferView }
  | { readonly u32: number };

export interface KernelLaunch {
  /** A path from `compileEmulated`. */
  readonly image: string;
  readonly kernel: string;
  readonly grid: number;
  readonly threads: number;
  readonly sharedBytes?: number;
  readonly arguments: readonly KernelArgument[];
}

export interface LaunchOutcome {
  /** Contents of the outputs, in the order of the arguments. */
  readonly outputs: readonly Uint8Array<ArrayBuffer>[];
  /** The first CUresult that is not success, or success. */
  readonly result: number;
  /** What was said of a fault: the emulator's message, or AddressSanitizer's report. */
  readonly errors: string;
  readonly status: number | null;
}

/** Loads an image and launches one of its kernels once. */
export async function launchKernel(launch: KernelLaunch, options: ScriptOptions = {}): Promise<LaunchOutcome> {
  const files: Record<string, NodeJS.ArrayBufferView> = {};
  const before: string[] = [], after: string[] = [], words: string[] = [];
  launch.arguments.forEach((argument, i) => {
    const name = `buffer${i}`;
    if ("u32" in argument) {
      words.push(`u32:${argument.u32}`);
      return;
    }
    words.push(name);
    const contents = "input" in argument ? argument.input : argument.from;
    before.push(`allocate ${name} ${"input" in argument ? argument.input.byteLength : argument.output}`);
    if (contents !== undefined) {
      files[name] = contents;
      before.push(`write ${name} ${name} -`);
    }
    if ("output" in argument) after.push(`read ${name} result${i} -`);
  });
  const outcome = await runScript([
    "init", "context", `library image ${launch.image}`, `kernel kernel image ${launch.kernel}`, ...before,
    `launch kernel ${launch.grid} ${launch.threads} ${launch.sharedBytes ?? 0} - ${words.join(" ")}`, "synchronize", ...after, "release",
  ], { ...options, files });
  return {
    outputs: [...outcome.files.values()],
    result: outcome.answers.find(({ result }) => result !== success)?.result ?? success,
    errors: outcome.errors,
    status: outcome.status,
  };
}
