/**
 * Contractions on everything there is to run on, against plain loops in doubles: every layout of the operands, sizes on both
 * sides of what schedules choose by (tiles, panels, few rows, one column, nothing at all; one step along the sum, two,
 * three, and parts of one), named and literal, with a bias and a relu behind them.
 */

import assert from "node:assert/strict";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { parse } from "../../ir/parse.ts";
import { createRandom } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";

interface Layout {
  readonly name: string;
  readonly isLeftTransposed: boolean;
  readonly isRightTransposed: boolean;
  readonly dtype: "f32" | "f64" | "i32";
  readonly k: number;
  readonly n: number | "N";
}

const layouts: readonly Layout[] = [false, true].flatMap((isLeftTransposed) =>
  [false, true].flatMap((isRightTransposed) => {
    const common = { isLeftTransposed, isRightTransposed };
    const name = `${isLeftTransposed ? "t" : "n"}${isRightTransposed ? "t" : "n"}`;
    return [
      ...([[33, 10], [17, 64], [64, 130], [16, 1], [1, 20], [70, 600], [67, 33], [16, 40], [32, 40], [52, 44]] as const).map(([k, n]) => ({ ...common, dtype: "f32" as const, k, n, name: `${name}_${k}_${n}` })),
      { ...common, dtype: "f32" as const, k: 19, n: "N" as const, name: `${name}_named` },
      { ...common, dtype: "f64" as const, k: 21, n: 24, name: `${name}_f64` },
      { ...common, dtype: "i32" as const, k: 9, n: 18, name: `${name}_i32` },
    ];
  }));

/** Rows: none, one, parts of a tile, several tiles, and enough that packing pays. */
const rows = [0, 1, 5, 6, 13, 96, 97, 130];

/** For WebGPU in software, where a block of threads takes milliseconds: the edges of its tiles, and fewer layouts. */
const fewRows = [0, 1, 65];
const skippedInSoftware: ReadonlySet<string> = new Set(["33x10", "17x64", "70x600", "67x33", "16x40", "32x40"]);

function textOf({ name, isLeftTransposed, isRightTransposed, dtype, k, n }: Layout): string {
  const left = isLeftTransposed ? `[${k},M]` : `[M,${k}]`;
  const right = isRightTransposed ? `[${n},${k}]` : `[${k},${n}]`;
  return `func @${name}(%x: ${dtype}${left}, %w: ${dtype}${right}, %b: ${dtype}[${n}]) {
  %0: ${dtype}[M,${n}] = dot_general %x, %w {"leftBatch":[],"leftReduced":[${isLeftTransposed ? 0 : 1}],"rightBatch":[],"rightReduced":[${isRightTransposed ? 1 : 0}]}
  %1: ${dtype}[M,${n}] = broadcast %b {"axes":[1],"shape":["M",${JSON.stringify(n)}]}
  %2: ${dtype}[M,${n}] = add %0, %1
  %3: ${dtype}[M,${n}] = constant {"dtype":"${dtype}","shape":["M",${JSON.stringify(n)}],"value":0}
  %4: ${dtype}[M,${n}] = max %2, %3
  return %4
}`;
}

const batched = `func @batched(%x: f32[B,M,12], %w: f32[B,20,12]) {
  %0: f32[B,M,20] = dot_general %x, %w {"leftBatch":[0],"leftReduced":[2],"rightBatch":[0],"rightReduced":[2]}
  return %0
}`;

/** Tiles of 128 on GPUs, with 8 terms a step: whole steps, and a part of one; patches of four, and none. */
const largeSizes = [[1024, 24, 1024], [1026, 13, 1028]] as const;

const large = largeSizes.map(([m, k, n]) => `func @large_${k}(%x: f32[${m},${k}], %w: f32[${n},${k}]) {
  %0: f32[${m},${n}] = dot_general %x, %w {"leftBatch":[],"leftReduced":[1],"rightBatch":[],"rightReduced":[1]}
  return %0
}`);

for (const machine of await testMachines()) {
  // None of them is of f16, for whose sake the tier of f16 differs from the base.
  if (machine.limits.onlyFor !== undefined) continue;
  const isSlow = machine.limits.target === "wgsl";
  const possible = layouts.filter(({ dtype, k, n }) => machine.limits.dtypes.includes(dtype) && !(isSlow && typeof n === "number" && skippedInSoftware.has(`${k}x${n}`)));

  describe(`contractions on ${machine.title}`, function () {
    this.timeout(240_000);
    let run: RunCompiled;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      run = await compileForTest(parse([...possible.map(textOf), batched, ...large].join("\n\n")), machine);
    });
    after(() => machine.close());
    for (const layout of possible) it(layout.name, () => checkLayout(run, layout, isSlow ? fewRows : rows));
    it("batched", () => checkBatched(run));
    for (const sizes of largeSizes) it(`large: ${sizes.join(" x ")}`, () => checkLarge(run, sizes));
  });
}

async function checkLayout(run: RunCompiled, layout: Layout, rows: readonly number[]): Promise<void> {
  const { name, isLeftTransposed, isRightTransposed, dtype, k } = layout;
  for (const m of rows) {
    const n = layout.n === "N" ? 7 + m : layout.n;
    const random = createRandom(m + 1);
    const fill = (shape: readonly number[]): HostArray => {
      const count = shape.reduce((product, size) => product * size, 1);
      return hostArray(dtype, shape, Array.from({ length: count }, () => (dtype === "i32" ? Math.floor(20 * random()) - 10 : 2 * random() - 1)));
    };
    const x = fill(isLeftTransposed ? [k, m] : [m, k]);
    const w = fill(isRightTransposed ? [n, k] : [k, n]);
    const b = fill([n]);
    const [actual] = await run(name, [x, w, b]);
    assert.deepEqual(actual?.shape, [m, n]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = b.data[j] ?? NaN;
        for (let p = 0; p < k; p++) {
          sum += (x.data[isLeftTransposed ? p * m + i : i * k + p] ?? NaN) * (w.data[isRightTransposed ? j * k + p : p * n + j] ?? NaN);
        }
        expectClose(actual?.data[i * n + j], Math.max(sum, 0), dtype, k, `${name} at M = ${m}: [${i},${j}]`);
      }
    }
  }
}

async function checkBatched(run: RunCompiled): Promise<void> {
  for (const [batch, m] of [[0, 3], [1, 1], [3, 5], [2, 120]] as const) {
    const values = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => Math.sin(i));
    const x = hostArray("f32", [batch, m, 12], values(batch * m * 12));
    const w = hostArray("f32", [batch, 20, 12], values(batch * 240));
    const [actual] = await run("batched", [x, w]);
    assert.deepEqual(actual?.shape, [batch, m, 20]);
    actual?.data.forEach((value, at) => {
      const [c, i, j] = [Math.floor(at / (m * 20)), Math.floor(at / 20) % m, at % 20];
      let sum = 0;
      for (let p = 0; p < 12; p++) sum += (x.data[(c * m + i) * 12 + p] ?? NaN) * (w.data[(c * 20 + j) * 12 + p] ?? NaN);
      expectClose(value, sum, "f32", 12, `batched: [${c},${i},${j}]`);
    });
  }
}

/** Whole numbers, whose sums are exact. */
async function checkLarge(run: RunCompiled, [m, k, n]: (typeof largeSizes)[number]): Promise<void> {
  const random = createRandom(k);
  const fill = (shape: readonly [number, number]): HostArray => hostArray("f32", shape, Array.from({ length: shape[0] * shape[1] }, () => Math.floor(random() * 9) - 4));
  const [x, w] = [fill([m, k]), fill([n, k])];
  const [actual] = await run(`large_${k}`, [x, w]);
  assert.deepEqual(actual?.shape, [m, n]);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += (x.data[i * k + p] ?? NaN) * (w.data[j * k + p] ?? NaN);
      if (actual?.data[i * n + j] !== sum) assert.fail(`large_${k}: [${i},${j}] is ${actual?.data[i * n + j]}, expected ${sum}`);
    }
  }
}

/** Sums of k products of numbers below 1 in any order: the error grows with k at the worst. */
function expectClose(actual: number | undefined, expected: number, dtype: Layout["dtype"], k: number, where: string): void {
  const tolerance = dtype === "i32" ? 0 : (dtype === "f64" ? 2 ** -52 : 2 ** -23) * (k + 2);
  assert.ok(Math.abs((actual ?? NaN) - expected) <= tolerance, `${where} is ${actual}, expected ${expected}`);
}
