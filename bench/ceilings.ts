/** The machine's ceilings: ceilings.c as hand-written Programs on our own devices and thread pool. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProgramSource } from "tsdlc-runtime";
import type { Program } from "tsdlc-runtime/program";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";
import { alternate, type Contender } from "./alternate.ts";
import { bind, type BoundCall, hostInput, type HostInput, type Machine, threadCounts, type Threads } from "./machine.ts";
import { digits, printTable, times } from "./print-table.ts";

/** As in ceilings.c. */
const [sums, turns, block] = [12, 50_000, 65_536];
const items = 16;

/** Floats of a copied array: 64 MB. */
export const copiedElements = 1 << 24;
/** Read once and written once. */
export const copiedBytes = 2 * 4 * copiedElements;

export type Copy = "plain" | "streaming";

export interface Ceilings {
  /** Floating-point operations of one run of `peak`. */
  readonly operations: number;
  peak(threads: Threads): Contender;
  copy(kind: Copy, threads: Threads): Contender;
}

export async function compileCeilings(machine: Machine): Promise<Ceilings> {
  const { vectorBytes, flags } = machine.limits;
  const text = await readFile(join(import.meta.dirname, "ceilings.c"), "utf8");
  // The one place where a product and a sum are to be joined: that is what is measured.
  const code = codeFile(await compileText(text, [...flags, "-ffp-contract=fast", `-DVECTOR_BYTES=${vectorBytes}`]));
  const source: ProgramSource = { programs: [
    oneKernel("fma_peak", 2, items, items, 2 * sums * turns),
    oneKernel("copy_plain", copiedElements, copiedElements, copiedElements / block, block),
    oneKernel("copy_streaming", copiedElements, copiedElements, copiedElements / block, block),
  ], code };
  const factors = { data: Float32Array.of(0.999, 0.001), shape: [2] };
  const copied = hostInput([copiedElements]);
  const onEach = async (name: string, inputs: readonly HostInput[]): Promise<Readonly<Record<Threads, BoundCall>>> => {
    const [one, two] = await Promise.all(threadCounts.map((threads) => bind(source, name, machine.devices[threads], inputs)));
    if (one === undefined || two === undefined) throw new RangeError("ceilings are measured with one thread and with two");
    return { 1: one, 2: two };
  };
  const peak = await onEach("fma_peak", [factors]);
  const copies = { plain: await onEach("copy_plain", [copied]), streaming: await onEach("copy_streaming", [copied]) };
  return {
    operations: items * 2 * sums * turns * (vectorBytes / 4),
    peak: (threads) => ({ name: `FMA peak ${threads}T`, run: peak[threads].run }),
    copy: (kind, threads) => ({ name: `copy ${kind} ${threads}T`, run: copies[kind][threads].run }),
  };
}

/** A Program that launches one kernel: f32[inputs] to f32[outputs]. */
function oneKernel(entry: string, inputs: number, outputs: number, grid: number, work: number): Program {
  return {
    format: "tsdlc-program", version: 1, name: entry, dims: [], guards: [], mutations: [],
    parameters: [{ name: "x", tree: { kind: "tensor", dtype: "f32", shape: [inputs] }, donated: false }],
    result: { kind: "tensor", dtype: "f32", shape: [outputs] },
    buffers: [
      { dtype: "f32", shape: [inputs], role: { kind: "parameter", leaf: 0 } },
      { dtype: "f32", shape: [outputs], role: { kind: "result" } },
    ],
    kernels: [{ entry, grid, work, sources: [], summary: entry }],
    steps: [{ kind: "launch", kernel: 0, buffers: [0, 1] }],
    resultBuffers: [1],
  };
}

export async function benchCeilings(machine: Machine): Promise<string> {
  const ceilings = await compileCeilings(machine);
  const measured = [
    { unit: "GFLOP/s", amount: ceilings.operations, of: threadCounts.map((threads) => ceilings.peak(threads)) },
    { unit: "GB/s", amount: copiedBytes, of: threadCounts.map((threads) => ceilings.copy("plain", threads)) },
    { unit: "GB/s", amount: copiedBytes, of: threadCounts.map((threads) => ceilings.copy("streaming", threads)) },
  ];
  const timings = await alternate(measured.flatMap(({ of }) => of), { rounds: machine.quick ? 5 : 21 });
  return printTable({
    title: `Ceilings (${machine.limits.tier}, ${machine.limits.vectorBytes}-byte vectors)`,
    columns: ["", "best", "median", "unit", "against 1T"],
    rows: measured.flatMap(({ unit, amount, of }) => of.map(({ name }) => [
      name, digits(amount / timings.best(name) / 1e6), digits(amount / timings.median(name) / 1e6), unit, times(timings.speedup(name, of[0]?.name ?? name)),
    ])),
    notes: ["copies are of 64 MB arrays; bytes read and bytes written are both counted, the lines that a plain store reads first are not"],
  });
}
