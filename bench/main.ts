/**
 * `npm run bench`: tables of ratios, each measured in one run on this machine. README.md says how to read them.
 *
 *     npm run bench                      every table
 *     npm run bench -- matmul --quick    one table, fewer rounds
 */

import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { Argument, Command } from "commander";
import { benchAccuracy } from "./accuracy.ts";
import { benchBuild } from "./build.ts";
import { benchCall } from "./call.ts";
import { benchCeilings } from "./ceilings.ts";
import { benchCuda } from "./cuda.ts";
import { type Machine, openMachine } from "./machine.ts";
import { benchEager } from "./eager.ts";
import { benchFirstUse } from "./first-use.ts";
import { benchL2hmc } from "./l2hmc.ts";
import { benchMatmul } from "./matmul.ts";
import { benchChain, benchSoftmax } from "./memory.ts";
import { benchMnist } from "./mnist.ts";
import { benchVmap } from "./vmap.ts";

const tables: Readonly<Record<string, (machine: Machine) => Promise<string>>> = {
  ceilings: benchCeilings,
  matmul: benchMatmul,
  chain: benchChain,
  softmax: benchSoftmax,
  call: benchCall,
  eager: benchEager,
  "first-use": ({ quick }) => benchFirstUse(quick),
  vmap: benchVmap,
  accuracy: benchAccuracy,
  mnist: benchMnist,
  l2hmc: benchL2hmc,
  build: ({ quick }) => benchBuild(quick),
  // Imported when asked for: a machine with a GPU for CUDA may have no Dawn.
  webgpu: async (machine) => (await import("./webgpu.ts")).benchWebGpu(machine),
  cuda: benchCuda,
};

const command = new Command("npm run bench --")
  .description("Prints tables of ratios measured on this machine.")
  .addArgument(new Argument("[tables...]", "which tables").choices(Object.keys(tables)))
  .option("--quick", "fewer rounds: numbers to glance at")
  .option("--small", "sizes that software can afford, to see that the table of cuda works")
  .option("--json <file>", "also write what the table of cuda measured, as data")
  .parse();

const chosen = command.args.length > 0 ? command.args : Object.keys(tables);
const { quick = false, small = false, json } = command.opts<{ quick?: boolean; small?: boolean; json?: string }>();
const measurements: object[] = [];
const machine = openMachine({ quick, small, record: (measurement) => void measurements.push(measurement) });
process.stdout.write(describeMachine());
for (const name of chosen) process.stdout.write((await tables[name]?.(machine)) ?? "");
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ small, measurements }, null, 1)}\n`);

function describeMachine(): string {
  const [load = 0] = loadavg();
  const cores = availableParallelism();
  const warning = load > 0.5 ? `; other programs are running (load ${load.toFixed(1)}): two-thread numbers will be low` : "";
  return `${machine.limits.tier}, ${cores} cores${warning}\n\n`;
}
