/** `tsdlc build` of the MNIST model as a process: with an empty cache, and again with nothing changed. */

import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./alternate.ts";
import { digits, printTable } from "./print-table.ts";

const root = join(import.meta.dirname, "..");
const cli = join(root, "dist/compiler/cli.js");
export const mnistModel = join(root, "examples/mnist/model.ts");

interface Run {
  readonly seconds: number;
  /** What the command said on standard error: "frontend 0.52 s". */
  readonly phases: readonly (readonly [name: string, seconds: number])[];
}

export async function benchBuild(quick: boolean): Promise<string> {
  const [cold, unchanged, start]: [Run[], Run[], Run[]] = [[], [], []];
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    await withBuildFolder((folder) => {
      cold.push(buildMnist(folder));
      for (let again = 0; again < 3; again++) unchanged.push(buildMnist(folder));
    });
    start.push(timeNode(["-e", "0"], {}));
  }
  const total = (name: string, runs: readonly Run[], aim: string): readonly string[] =>
    [name, digits(Math.min(...runs.map(({ seconds }) => seconds))), digits(median(runs.map(({ seconds }) => seconds))), aim];
  const phases = (cold[0]?.phases ?? []).map(([name], position) => {
    const seconds = cold.map((run) => run.phases[position]?.[1] ?? Number.NaN);
    return [`  ${name}`, digits(Math.min(...seconds)), digits(median(seconds)), ""];
  });
  return printTable({
    title: "tsdlc build examples/mnist/model.ts (s, from the start of the process to its end)",
    columns: ["", "best", "median", "aim"],
    rows: [total("cold", cold, "< 3"), ...phases, total("unchanged", unchanged, "< 0.5"), total("node -e 0, for comparison", start, "")],
    notes: ["cold: an empty cache folder and no output folder; the C compiler works on x86-64-v4 while the passes make v3"],
  });
}

/** Builds into `folder`/digits with a cache of its own in `folder`/cache. */
export function buildMnist(folder: string): Run {
  return buildPackage(mnistModel, join(folder, "digits"), "cpu", join(folder, "cache"));
}

/** `tsdlc build` of a model file, as a process; throws with what it said when it fails. */
export function buildPackage(model: string, out: string, target: string, cache: string): Run {
  return timeNode([cli, "build", model, "--out", out, "--target", target], { TSDLC_CACHE: cache });
}

export async function withBuildFolder<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tsdlc-bench-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function timeNode(args: readonly string[], environment: Readonly<Record<string, string>>): Run {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, ...environment } });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}:\n${stderr}`);
  const phases = [...stderr.matchAll(/^(.+) (\d+\.\d+) s$/gm)].map(([, name = "", time]) => [name, Number(time)] as const);
  return { seconds, phases };
}
