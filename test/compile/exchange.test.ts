/**
 * Threads that exchange registers: the op by hand, for every dtype, mask and size of a block; and rows that are folded by
 * it, of all dtypes and lengths, where each lane must have the same total. On the tiers that have it.
 */

import assert from "node:assert/strict";
import { emitFile } from "../../codegen/emit.ts";
import { cudaTarget } from "../../codegen/cuda.ts";
import { wgslTarget } from "../../codegen/wgsl.ts";
import { buildFunction } from "../../ir/builder.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { bufferType, type DType } from "../../ir/type.ts";
import { exchanges } from "../../passes/choose-tiers.ts";
import type { Limits } from "../../passes/limits.ts";
import { kernelPipeline, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { blocks, phase, registers } from "../../passes/schedule/simt/block.ts";
import { decode } from "../../runtime/dtype.ts";
import { createRandom, present, type Sizes } from "../run-sample.ts";
import { anyFunction, launch, program, tensorTree } from "../runtime/machine.ts";
import { subgroupMachines, testMachines, type TestMachine } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";
import { bindPrograms, type Tensor, tensor } from "tsdlc-runtime";

const machines = [...subgroupMachines(), ...(await testMachines()).filter(({ limits }) => limits.subgroup > 0)];

/* ------------------------------------------------------------- the op */

interface Exchange {
  readonly name: string;
  readonly dtype: DType;
  readonly mask: number;
  readonly threads: number;
}

function exchangesFor({ dtypes, subgroup }: Limits): readonly Exchange[] {
  const masks = [1, 2, 4, 8, 16].filter((mask) => mask < subgroup);
  return dtypes.flatMap((dtype) => masks.flatMap((mask) => [2 * mask, 64, 256].map((threads) => ({ name: `x_${dtype}_${mask}_${threads}`, dtype, mask, threads }))));
}

function kernelOf({ name, dtype, mask, threads }: Exchange): Func {
  const memory = bufferType("global", dtype, [threads]);
  return buildFunction(name, [{ name: "x", type: memory }, { name: "y", type: memory }], (b, [x, y]) => {
    blocks(b, 1, threads, 1, () => {
      const [own, other] = [registers(b, dtype, threads, []), registers(b, dtype, threads, [])];
      phase(b, threads, (thread) => void b.store(own, b.load(present(x), [thread]), [thread]));
      b.shuffleXor(other, own, { mask });
      phase(b, threads, (thread) => void b.store(present(y), b.load(other, [thread]), [thread]));
    });
    return [];
  });
}

/** Kernels as they are, which passes would schedule, on a machine. */
async function bindKernels(all: readonly Exchange[], machine: TestMachine): Promise<(exchange: Exchange, data: readonly number[]) => Promise<readonly number[]>> {
  const { target } = machine.limits;
  const source = emitFile(target === "cuda" ? cudaTarget : wgslTarget, all.map((exchange) => ({ func: kernelOf(exchange), dims: [], comment: [], isInPlace: false })));
  const programs = all.map(({ name, dtype, threads }) => program({
    name, parameters: [{ name: "x", tree: tensorTree(dtype, [threads]), donated: false }], result: tensorTree(dtype, [threads]),
    buffers: [{ dtype, shape: [threads], role: { kind: "parameter", leaf: 0 } }, { dtype, shape: [threads], role: { kind: "result" } }],
    kernels: [{ entry: name, grid: 1, threads, inputs: 1, work: 1, sources: [], summary: name }], steps: [launch(0, 0, 1)], resultBuffers: [1],
  }));
  const compiled = { name: machine.tier, target, requires: [], source, flags: [], programs, module: { functions: [] } };
  const functions = await bindPrograms({ programs, ...(await machine.code(compiled)) }, machine.device());
  return async ({ name, dtype, threads }, data) => {
    const result = anyFunction(functions, name)(tensor(data, [threads], dtype)) as Tensor;
    const values = await result.data();
    return Array.from(values, (_, i) => decode(dtype, values, i));
  };
}

/* ------------------------------------------------------------- rows */

const shapes: readonly { readonly rows: number | string; readonly length: number | string; readonly sizes: readonly Sizes[] }[] = [
  { rows: 130, length: 36, sizes: [{}] },
  { rows: 5, length: 300, sizes: [{}] },
  { rows: "N", length: "M", sizes: [{ N: 6, M: 130 }, { N: 1, M: 1 }, { N: 0, M: 5 }, { N: 9, M: 0 }, { N: 33, M: 7 }] },
];

const reductions = ["reduce_sum", "reduce_max", "argmax"] as const;

interface Fold {
  readonly func: Func;
  readonly shape: (typeof shapes)[number];
  readonly dtype: DType;
}

function foldsOf(dtypes: readonly DType[]): readonly Fold[] {
  return dtypes.filter((dtype) => dtype !== "bool").flatMap((dtype) => shapes.flatMap((shape, i) => reductions.flatMap((op): readonly Fold[] => {
    const { rows, length } = shape;
    if (op === "argmax" && length === "M") return [];
    const result = op === "argmax" ? "i32" : dtype;
    const attrs = op === "argmax" ? '{"axis":1}' : '{"axes":[1]}';
    const [func] = parse(`func @${op}_${dtype}_${i}(%x: ${dtype}[${rows},${length}]) {\n  %0: ${result}[${rows}] = ${op} %x ${attrs}\n  return %0\n}`).functions;
    return [{ func: present(func), shape, dtype }];
  })));
}

/** x + 1 / (the largest of zeros of both signs): whichever it is, it is one for a row. */
const signs: Module = parse(`
func @signs(%x: f32[40,300]) {
  %0: f32[40] = reduce_max %x {"axes":[1]}
  %1: f32[40,300] = broadcast %0 {"axes":[0],"shape":[40,300]}
  %2: f32[40,300] = constant {"dtype":"f32","shape":[40,300],"value":1}
  %3: f32[40,300] = div %2, %1
  %4: f32[40,300] = add %3, %x
  return %4
}
`);

/** Whole numbers, few enough to be equal often, whose sums every dtype holds; what is summed may wrap. */
function numbers(dtype: DType, count: number, seed: number): readonly number[] {
  const random = createRandom(seed);
  const isSmall = dtype === "f16" || dtype === "bf16";
  return Array.from({ length: count }, () => (isSmall ? (random() < 0.03 ? 1 : 0) : Math.floor(random() * 7) - (dtype.startsWith("u") || dtype === "bool" ? 0 : 3)));
}

for (const machine of machines) {
  const { limits } = machine;

  describe(`exchange of registers on ${machine.title}`, function () {
    this.timeout(240_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());

    it("gives each thread what its partner has, of every dtype", async () => {
      const all = exchangesFor(limits);
      const run = await bindKernels(all, machine);
      for (const exchange of all) {
        const { name, dtype, mask, threads } = exchange;
        // Numbers that no two partners share, and that their dtype holds.
        const data = Array.from({ length: threads }, (_, i) => (dtype === "bool" ? Math.floor(i / mask) % 2 : dtype === "i8" ? i % 128 : i % 256));
        assert.deepEqual(await run(exchange, data), data.map((_, i) => data[i ^ mask]), name);
      }
    });

    it("folds rows of every dtype", async () => {
      // Software compiles a kernel of WGSL in a tenth of a second, so the tier of f16 folds nothing but f16.
      const folds = foldsOf(limits.dtypes.filter((dtype) => limits.onlyFor === undefined || dtype === limits.onlyFor));
      const module: Module = { functions: folds.map(({ func }) => func) };
      const exchanging = folds.filter(({ func }) => exchanges(runPasses({ functions: [func] }, [...tensorPipeline, ...kernelPipeline], { limits })));
      assert.ok(exchanging.length > 0.7 * folds.length, `${exchanging.length} of ${folds.length}`);
      const run: RunCompiled = await compileForTest(module, machine);
      for (const { func, shape: { rows, length, sizes }, dtype } of folds) {
        for (const [seed, size] of sizes.entries()) {
          const shape = [rows, length].map((extent) => (typeof extent === "number" ? extent : size[extent] ?? NaN));
          const x = hostArray(dtype, shape, numbers(dtype, (shape[0] ?? 0) * (shape[1] ?? 0), seed + 1));
          const [wanted] = interpret(module, func.name, [x], size);
          const [got] = await run(func.name, [x]);
          assert.deepEqual(Array.from(present(got).data), Array.from(present(wanted).data), `${func.name} at ${JSON.stringify(size)}`);
        }
      }
    });

    it("gives all lanes of a row one total", async () => {
      const run = await compileForTest(signs, machine);
      const random = createRandom(3);
      const x: HostArray = hostArray("f32", [40, 300], Array.from({ length: 12000 }, () => (random() < 0.5 ? -0 : 0)));
      const { data } = present((await run("signs", [x]))[0]);
      for (let row = 0; row < 40; row++) {
        const values = new Set(Array.from(data).slice(row * 300, row * 300 + 300));
        assert.equal(values.size, 1, `row ${row} has ${[...values].join(" and ")}`);
      }
    });
  });
}
