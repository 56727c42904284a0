/**
 * Kernels of blocks of threads, in the interpreter: it runs every thread, and refuses whatever would depend on their
 * order. Each op's samples and larger shapes of each schedule, against `evaluate`; and a missing barrier is noticed.
 */

import assert from "node:assert/strict";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { type Func, type Module, type Op, type Region, visitOps } from "../../ir/module.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { parse } from "../../ir/parse.ts";
import { findLimits } from "../../passes/limits.ts";
import { findMissingDTypes } from "../../passes/missing-dtypes.ts";
import { kernelPipeline, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { createRandom, functionOf, inputsOf, type Sizes, sizesOfSample, ulpsBetween, withSizes } from "../run-sample.ts";

const tiers = ["wgsl-base", "cuda"];

function schedule(module: Module, tier: string): Module {
  return runPasses(module, [...tensorPipeline, ...kernelPipeline], { limits: findLimits(tier) });
}

for (const tier of tiers) {
  describe(`blocks of threads for ${tier}`, function () {
    this.timeout(120_000);
    for (const [key, record] of Object.entries(opTable)) {
      const samples = "samples" in record ? record.samples ?? [] : [];
      if (samples.length === 0) continue;
      it(textName(key), () => {
        for (const sample of samples) {
          for (const [seed, size] of sizesOfSample(sample).entries()) {
            const variants = Object.values(size).includes(0) ? [sample] : [sample, withSizes(sample, size)];
            for (const variant of variants) {
              const func = functionOf(textName(key), variant);
              if (lacksDTypes({ functions: [func] }, tier)) continue;
              const inputs = inputsOf(sample, size, seed + 1);
              assertClose(run(schedule({ functions: [func] }, tier), inputs, size), run({ functions: [func] }, inputs, size), sample.ulp ?? 2);
            }
          }
        }
      });
    }
  });
}

const programs: Readonly<Record<string, { readonly text: string; readonly sizes?: Sizes }>> = {
  "a contraction of several tiles and steps": { text: contraction("f32[70,40]", "f32[40,33]", "[70,33]", 1, 0) },
  "a contraction with a transposed left": { text: contraction("f32[40,70]", "f32[40,33]", "[70,33]", 0, 0) },
  "a contraction with a transposed right": { text: contraction("f32[70,40]", "f32[33,40]", "[70,33]", 1, 1) },
  "a contraction of named sizes": { text: contraction("f32[M,K]", "f32[K,N]", "[M,N]", 1, 0), sizes: { M: 35, K: 19, N: 37 } },
  "a contraction over nothing": { text: contraction("f32[M,K]", "f32[K,N]", "[M,N]", 1, 0), sizes: { M: 5, K: 0, N: 6 } },
  "a contraction of integers": { text: contraction("i32[20,17]", "i32[17,18]", "[20,18]", 1, 0) },
  "a contraction with a long sum": { text: contraction("f32[9,1100]", "f32[1100,10]", "[9,10]", 1, 0) },
  "a product with a vector": { text: contraction("f32[1,300]", "f32[300,40]", "[1,40]", 1, 0) },
  "a contraction in tf32": { text: contraction("f32[70,40]", "f32[40,33]", "[70,33]", 1, 0, "tf32") },
  "a contraction in bf16 with both operands transposed": { text: contraction("f32[41,70]", "f32[66,41]", "[70,66]", 0, 1, "bf16") },
  "a contraction of f16": { text: contraction("f16[64,48]", "f16[48,32]", "[64,32]", 1, 0) },
  "a contraction of bf16, of named sizes": { text: contraction("bf16[M,K]", "bf16[K,N]", "[M,N]", 1, 0), sizes: { M: 65, K: 35, N: 17 } },
  "a batch of contractions": { text: `
func @f(%x: f32[3,20,24], %y: f32[3,24,18]) {
  %0: f32[3,20,18] = dot_general %x, %y {"leftBatch":[0],"leftReduced":[2],"rightBatch":[0],"rightReduced":[1]}
  return %0
}` },
  "softmax over long rows": { text: softmax("[5,300]", 1, "[5]", 0) },
  "softmax over short rows": { text: softmax("[70,10]", 1, "[70]", 0) },
  "softmax over the first axis": { text: softmax("[100,70]", 0, "[70]", 1) },
  "softmax of named sizes": { text: softmax("[N,M]", 1, "[N]", 0), sizes: { N: 6, M: 130 } },
  "a sum of everything": { text: reduction("reduce_sum", "[40,50]", [0, 1], "[]") },
  "a long sum of everything": { text: reduction("reduce_sum", "[300,61]", [0, 1], "[]") },
  "long sums of columns": { text: reduction("reduce_max", "[17000,3]", [0], "[3]") },
  "sums of columns": { text: reduction("reduce_sum", "[200,45]", [0], "[45]") },
  "where the largest is, of two that are equal": { text: `
func @f(%x: f32[20000]) {
  %0: f32[20000] = floor %x
  %1: i32[] = argmax %0 {"axis":0}
  return %1
}` },
};

describe("schedules of blocks", function () {
  this.timeout(120_000);
  for (const tier of tiers) {
    for (const [what, { text, sizes = {} }] of Object.entries(programs)) {
      const module = parse(text);
      if (lacksDTypes(module, tier)) continue;
      it(`${what}, for ${tier}`, () => {
        const isExact = /f16|precision/.test(text);
        const inputs = inputsFor(module, sizes, isExact);
        assertClose(run(schedule(module, tier), inputs, sizes), run(module, inputs, sizes), isExact ? 0 : 64);
      });
    }
  }

  it("uses matrix instructions where factors may be rounded, and there alone", () => {
    const products = (text: string, tier = "cuda"): number => {
      let count = 0;
      for (const { body } of schedule(parse(text), tier).functions) visitOps(body, ({ name }) => void (name === "mma" && count++));
      return count;
    };
    assert.ok(products(programs["a contraction in tf32"]?.text ?? "") > 0);
    assert.ok(products(programs["a contraction of f16"]?.text ?? "") > 0);
    assert.equal(products(programs["a contraction of several tiles and steps"]?.text ?? ""), 0);
    assert.equal(products(programs["a contraction in tf32"]?.text ?? "", "wgsl-base"), 0);
  });

  it("splits long sums of known sizes alone", () => {
    const kernels = (text: string): number => schedule(parse(text), "cuda").functions.length - 1;
    assert.equal(kernels(reduction("reduce_sum", "[300,61]", [0, 1], "[]")), 2);
    assert.equal(kernels(reduction("reduce_sum", "[N,61]", [0, 1], "[]")), 1);
    assert.equal(kernels(contraction("f32[9,1100]", "f32[1100,10]", "[9,10]", 1, 0)), 2);
    assert.equal(kernels(contraction("f32[9,100]", "f32[100,10]", "[9,10]", 1, 0)), 1);
  });

  for (const what of ["a contraction of several tiles and steps", "softmax over long rows", "softmax over short rows"]) {
    it(`needs each barrier of ${what}`, () => {
      const module = parse(programs[what]?.text ?? "");
      const scheduled = schedule(module, "wgsl-base");
      const inputs = inputsFor(module, {});
      const count = countBarriers(scheduled);
      assert.ok(count >= 2, `${count} barriers`);
      for (let which = 0; which < count; which++) {
        assert.throws(() => run(withoutBarrier(scheduled, which), inputs, {}), /races with thread \d+ of its block, which .* the same element: there is no barrier between them/, `barrier ${which}`);
      }
    });
  }
});

/** Sums of small whole numbers: exact in every precision, so that none excuses a wrong one. */
function contraction(left: string, right: string, result: string, leftReduced: number, rightReduced: number, precision?: string): string {
  const dtype = left.slice(0, left.indexOf("["));
  const allowed = precision === undefined ? "" : `,"precision":"${precision}"`;
  return `
func @f(%x: ${left}, %y: ${right}) {
  %0: ${dtype}${result} = dot_general %x, %y {"leftBatch":[],"leftReduced":[${leftReduced}]${allowed},"rightBatch":[],"rightReduced":[${rightReduced}]}
  %1: ${dtype}${result} = add %0, %0
  return %1
}`;
}

function softmax(shape: string, axis: number, reduced: string, kept: number): string {
  const dims = JSON.stringify(shape.slice(1, -1).split(",").map((dim) => (/\d/.test(dim) ? Number(dim) : dim)));
  return `
func @f(%x: f32${shape}) {
  %0: f32${reduced} = reduce_max %x {"axes":[${axis}]}
  %1: f32${shape} = broadcast %0 {"axes":[${kept}],"shape":${dims}}
  %2: f32${shape} = sub %x, %1
  %3: f32${shape} = exp %2
  %4: f32${reduced} = reduce_sum %3 {"axes":[${axis}]}
  %5: f32${shape} = broadcast %4 {"axes":[${kept}],"shape":${dims}}
  %6: f32${shape} = div %3, %5
  return %6, %4
}`;
}

function reduction(op: string, shape: string, axes: readonly number[], reduced: string): string {
  return `
func @f(%x: f32${shape}) {
  %0: f32${reduced} = ${op} %x {"axes":${JSON.stringify(axes)}}
  return %0
}`;
}

function run(module: Module, inputs: readonly HostArray[], sizes: Sizes): readonly HostArray[] {
  return interpret(module, "f", inputs, sizes);
}

function inputsFor({ functions }: Module, sizes: Sizes, isExact = false): readonly HostArray[] {
  const random = createRandom(1);
  return functions.find(({ name }) => name === "f")?.body.parameters.map(({ type }) => {
    if (type.kind !== "tensor") throw new TypeError("a function of tensors was expected");
    const shape = type.shape.map((dim) => (typeof dim === "number" ? dim : sizes[dim.key] ?? NaN));
    const count = shape.reduce((product, size) => product * size, 1);
    return hostArray(type.dtype, shape, Array.from({ length: count }, () => (isExact ? Math.floor(random() * 9) - 4 : type.dtype === "f32" ? random() * 4 : Math.floor(random() * 100) - 50)));
  }) ?? [];
}

function assertClose(actual: readonly HostArray[], expected: readonly HostArray[], ulps: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach(({ dtype, shape, data }, i) => {
    assert.deepEqual(actual[i]?.shape, shape);
    data.forEach((value, at) => {
      const got = actual[i]?.data[at] ?? NaN;
      assert.ok(ulpsBetween(dtype, got, value) <= ulps, `element ${at} is ${got}, expected ${value}`);
    });
  });
}

function countBarriers(module: Module): number {
  let count = 0;
  withBarriers(module, () => (count++, true));
  return count;
}

function withoutBarrier(module: Module, which: number): Module {
  let position = 0;
  return withBarriers(module, () => position++ !== which);
}

/** The module with those barriers that are to be kept. */
function withBarriers(module: Module, keep: () => boolean): Module {
  const opsOf = (ops: readonly Op[]): readonly Op[] =>
    ops.flatMap((op) => (op.name === "barrier" && !keep() ? [] : [{ ...op, regions: op.regions.map(regionOf) }]));
  const regionOf = (region: Region): Region => ({ ...region, ops: opsOf(region.ops) });
  return { functions: module.functions.map((func): Func => ({ ...func, body: regionOf(func.body) })) };
}

/** Whether a tier refuses a module for its dtypes, or has another one in place of f64. */
function lacksDTypes(module: Module, tier: string): boolean {
  const limits = findLimits(tier);
  const hasDoubles = module.functions.some(({ body }) => body.parameters.some(({ type }) => type.dtype === "f64"));
  return findMissingDTypes(module, limits).length > 0 || (hasDoubles && !limits.dtypes.includes("f64"));
}
