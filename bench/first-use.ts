/**
 * How long the first use takes: the first op of a process, and the first training steps, with an empty cache and with a
 * full one. Each is a process of its own, on the compiled sources; its time starts when tsdlc is imported.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./alternate.ts";
import { digits, printTable } from "./print-table.ts";

/** examples/mnist/model.ts without its types. */
const mnist = `
  const logits = (p, x) => x.matmul(p.w1).add(p.b1).relu().matmul(p.w2).add(p.b2);
  const meanLoss = (p, x, y) => logits(p, x).softmaxCrossEntropy(y).mean();
  const step = (state, x, y, learningRate) => {
    const [loss, g] = valueAndGrad(meanLoss)(state.params, x, y);
    const { params, state: moved } = optim.momentum({ learningRate }).update(state.params, g, { velocity: state.velocity });
    return { state: { params, velocity: moved.velocity }, loss };
  };
  const [a, b] = random.split(random.key(1));
  const params = { w1: initial.kaimingUniform(a, [784, 128]), b1: zeros([128]), w2: initial.kaimingUniform(b, [128, 10]), b2: zeros([10]) };
  const state = { params, ...optim.momentum({ learningRate: 0 }).init(params) };
  const images = tensor(new Float32Array(64 * 784).fill(0.5), [64, 784]);
  const labels = tensor(new Int32Array(64).map((_, i) => i % 10), [64]);
`;

const programs: readonly (readonly [title: string, program: string])[] = [
  ["the first op: tensor([1, 2]).add(tensor([3, 4])), read", "tensor([1, 2]).add(tensor([3, 4])).dataSync();"],
  ["weights and one training step of MNIST, op by op, the loss read", `${mnist} step(state, images, labels, tensor(0.1)).loss.item();`],
  ["the same with a jitted step", `${mnist} jit(step)(state, images, labels, tensor(0.1)).loss.item();`],
];

export async function benchFirstUse(quick: boolean): Promise<string> {
  const rows = programs.map(([title, program]) => {
    const [empty, full]: [number[], number[]] = [[], []];
    for (let round = 0; round < (quick ? 2 : 5); round++) {
      const cache = mkdtempSync(join(tmpdir(), "tsdlc-bench-"));
      try {
        empty.push(runProgram(program, cache));
        full.push(runProgram(program, cache), runProgram(program, cache));
      } finally {
        rmSync(cache, { recursive: true, force: true });
      }
    }
    return [title, ...[empty, full].flatMap((times) => [digits(Math.min(...times)), digits(median(times))])];
  });
  return printTable({
    title: "first use on the cpu (ms after import)",
    columns: ["", "empty cache", "median", "full cache", "median"],
    rows,
    notes: ["empty cache: neither the passes nor the C compiler have run for any op; full: another process ran the same before"],
  });
}

function runProgram(program: string, cache: string): number {
  const script = `
    import { initial, jit, optim, random, tensor, valueAndGrad, zeros } from "tsdlc";
    const start = performance.now();
    ${program}
    console.log(performance.now() - start);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: join(import.meta.dirname, ".."), encoding: "utf8", env: { ...process.env, TSDLC_CACHE: cache },
  });
  if (status !== 0) throw new Error(`the program failed: ${stderr}`);
  return Number(stdout);
}
