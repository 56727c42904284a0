/**
 * Per-example gradients of a network of two layers, a batch of 128: vmap(grad(loss)) against a loop of gradients, each with
 * and without jit. All on one thread. What is computed is compared before it is timed.
 */

import { grad, jit, scope, type Tensor, tensor, vmap, withDevice } from "tsdlc";
import { alternate, type Contender } from "./alternate.ts";
import type { Machine } from "./machine.ts";
import { digits, printTable, times } from "./print-table.ts";

interface Params<I extends number, H extends number> {
  readonly w1: Tensor<[I, H]>;
  readonly b1: Tensor<[H]>;
  readonly w2: Tensor<[H, 10]>;
  readonly b2: Tensor<[10]>;
}

const batch = 128;

export async function benchVmap(machine: Machine): Promise<string> {
  const tables: string[] = [];
  for (const [inputs, hidden] of [[64, 32], [784, 128]] as const) tables.push(await benchNetwork(machine, inputs, hidden));
  return tables.join("");
}

async function benchNetwork<I extends number, H extends number>(machine: Machine, inputs: I, hidden: H): Promise<string> {
  const loss = (p: Params<I, H>, x: Tensor<[I]>, label: Tensor<[], "i32">): Tensor<[]> => {
    const h = x.matmul(p.w1 as Tensor<[number, number]>).add(p.b1 as Tensor<[number]>).relu();
    return h.matmul(p.w2 as Tensor<[number, 10]>).add(p.b2).softmaxCrossEntropy(label) as Tensor<[]>;
  };
  const params: Params<I, H> = {
    w1: tensor(wave(inputs * hidden, 0.1), [inputs, hidden]), b1: tensor(wave(hidden, 0.1), [hidden]),
    w2: tensor(wave(hidden * 10, 0.3), [hidden, 10]), b2: tensor(wave(10, 0.1), [10]),
  } as unknown as Params<I, H>;
  const x = tensor(wave(batch * inputs, 1), [batch, inputs]) as unknown as Tensor<[number, I]>;
  const labels = tensor(Int32Array.from({ length: batch }, (_, i) => i % 10), [batch] as const) as unknown as Tensor<[number], "i32">;

  const each = grad(loss);
  const all = vmap(each, [null, 0, 0]);
  const [fastEach, fastAll] = [jit(each), jit(all)];
  const on = <T>(work: () => T): T => withDevice(machine.devices[1], work);
  const rows = on(() => Array.from({ length: batch }, (_, i) => [x.select(0, i) as unknown as Tensor<[I]>, labels.select(0, i) as Tensor<[], "i32">] as const));
  const loop = (gradient: typeof each): Float32Array => {
    let last: Params<I, H> | undefined;
    for (const [row, label] of rows) last = gradient(params, row, label);
    return last?.b2.dataSync() as Float32Array;
  };
  const mapped = (gradients: typeof all): Float32Array => gradients(params as Parameters<typeof all>[0], x as Parameters<typeof all>[1], labels as Parameters<typeof all>[2]).b2.dataSync() as Float32Array;
  on(() => requireSame(mapped(fastAll).slice(-10), loop(each)));

  const run = (work: () => unknown) => (): void => on(() => scope(() => void work()));
  const contenders: readonly (Contender & { readonly name: string })[] = [
    { name: "jit(vmap(grad(loss)))", run: run(() => mapped(fastAll)) },
    { name: "vmap(grad(loss))", run: run(() => mapped(all)) },
    { name: "a loop of jit(grad(loss))", run: run(() => loop(fastEach)) },
    { name: "a loop of grad(loss)", run: run(() => loop(each)) },
  ];
  const timings = await alternate(contenders, { rounds: machine.quick ? 5 : 21 });
  return printTable({
    title: `Per-example gradients, ${inputs}-${hidden}-10, a batch of ${batch} (ms)`,
    columns: ["", "best", "median", "jit(vmap) against it", "vmap against it"],
    rows: contenders.map(({ name }) => [
      name, digits(timings.best(name)), digits(timings.median(name)),
      ...["jit(vmap(grad(loss)))", "vmap(grad(loss))"].map((ours) => (name === ours ? "" : times(timings.speedup(ours, name)))),
    ]),
    notes: ["the loops leave their gradients in a list, and vmap side by side in one tensor for each parameter", "vmap without jit follows the function anew in each call"],
  });
}

function wave(count: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => scale * Math.sin(1.7 * i + 0.3));
}

function requireSame(actual: Float32Array, expected: Float32Array): void {
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (actual[i] ?? Number.NaN))), 0);
  if (!(worst < 1e-5)) throw new Error(`vmap and the loop differ by ${worst}`);
}
