/** The table that matmul, the chain and softmax share: ceilings, ours and onnxruntime's, on one and two threads. */

import type { ProgramSource } from "tsdlc-runtime";
import { alternate, type Contender, type Speedup, type Timings } from "./alternate.ts";
import { bind, type BoundCall, type HostInput, type Machine, requireAgreement, threadCounts, type Threads } from "./machine.ts";
import type { OnnxGraph } from "./peers/onnx-model.ts";
import { openOnnxRuntime, type OnnxContender } from "./peers/onnxruntime.ts";
import { digits, percent, printTable, times } from "./print-table.ts";

export interface Comparison {
  readonly title: string;
  readonly source: ProgramSource;
  /** The model function. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, HostInput>>;
  readonly onnx: Omit<OnnxGraph, "inputs">;
  /** Operations, or bytes moved, of one call, and the same of the ceiling. */
  readonly rate: { readonly unit: "GFLOP/s" | "GB/s"; readonly amount: number };
  readonly ceiling: Ceiling | undefined;
  /** Relative to the larger of 1 and the value. */
  readonly tolerance: number;
  readonly aims: readonly string[];
}

export interface Ceiling {
  readonly label: string;
  readonly amount: number;
  /** One ceiling for each number of threads; the first is the one that percentages are of. */
  contenders(threads: Threads): readonly [Contender, ...Contender[]];
}

export async function compare(comparison: Comparison, machine: Machine): Promise<string> {
  const { source, name, inputs, rate, ceiling, title } = comparison;
  const ours = await Promise.all(threadCounts.map(async (threads) =>
    ({ threads, name: `tsdlc ${threads}T`, ...(await bind(source, name, machine.devices[threads], Object.values(inputs))) })));
  const ceilings = threadCounts.map((threads) => ceiling?.contenders(threads) ?? []);
  const peers = await openPeers(comparison);
  const theirs = typeof peers === "string" ? [] : peers;
  const timings = await alternate([...ceilings.flat(), ...ours, ...theirs], { rounds: machine.quick ? 5 : 21 });
  await checkResults(comparison, ours, theirs);
  await Promise.all(theirs.map((peer) => peer.release()));

  const rowOf = (contender: string, threads: Threads, amount: number): readonly string[] => {
    const [limit] = ceilings[threads - 1] ?? [];
    // Per unit of work: the ceiling's run and the model's differ in size.
    const share = limit === undefined || ceiling === undefined ? undefined : scaled(timings.speedup(contender, limit.name), amount / ceiling.amount);
    const rival = `onnxruntime ${threads}T`;
    const isOurs = contender.startsWith("tsdlc");
    return [
      contender,
      digits(timings.best(contender)), digits(timings.median(contender)), digits(amount / timings.best(contender) / 1e6),
      ...(ceiling === undefined ? [] : [share === undefined ? "" : percent(share)]),
      isOurs && timings.has(rival) ? times(timings.speedup(contender, rival)) : "",
      times(timings.speedup(contender, contender.replace(/\dT$/, "1T"))),
    ];
  };
  return printTable({
    title,
    columns: ["", "best ms", "median ms", `best ${rate.unit}`, ...(ceiling === undefined ? [] : [ceiling.label]), "vs onnxruntime", "against 1T"],
    rows: [
      ...threadCounts.flatMap((threads) => (ceilings[threads - 1] ?? []).map((limit) => rowOf(limit.name, threads, ceiling?.amount ?? rate.amount))),
      ...ours.map((contender) => rowOf(contender.name, contender.threads, rate.amount)),
      ...threadCounts.filter((threads) => timings.has(`onnxruntime ${threads}T`)).map((threads) => rowOf(`onnxruntime ${threads}T`, threads, rate.amount)),
    ],
    notes: [describePeers(), ...scalingNote(timings, ceilings), ...comparison.aims],
  });
}

function describePeers(): string {
  const runtime = openOnnxRuntime();
  return typeof runtime === "string" ? runtime : `onnxruntime-node ${runtime.version}, CPU`;
}

function scalingNote(timings: Timings, ceilings: readonly (readonly Contender[])[]): readonly string[] {
  const [[one] = [], [two] = []] = ceilings;
  if (one === undefined || two === undefined) return [];
  const [ours, theirs] = [timings.speedup("tsdlc 2T", "tsdlc 1T"), timings.speedup(two.name, one.name)];
  return [`two threads scale ${percent({ best: ours.best / theirs.best, median: ours.median / theirs.median })} as well as ${one.name.replace(/ 1T$/, "")} does`];
}

function scaled({ best, median }: Speedup, factor: number): Speedup {
  return { best: best * factor, median: median * factor };
}

async function openPeers({ onnx, inputs }: Comparison): Promise<readonly OnnxContender[] | string> {
  const runtime = openOnnxRuntime();
  if (typeof runtime === "string") return runtime;
  const graph = { ...onnx, inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])) };
  return Promise.all(threadCounts.map((threads) => runtime.contender(graph, inputs, threads)));
}

async function checkResults({ title, tolerance }: Comparison, ours: readonly BoundCall[], theirs: readonly OnnxContender[]): Promise<void> {
  const [theirResult] = theirs;
  if (theirResult === undefined) return;
  for (const call of ours) requireAgreement(title, await call.result(), theirResult.result, tolerance);
}
