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
import { bytesOf } from "../../ir/type.ts";
import { findLimits, type Limits } from "../../passes/limits.ts";
import { findMissingDTypes } from "../../passes/missing-dtypes.ts";
import { kernelPipeline, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { blockPrograms as programs, contraction, inputsFor, reduction } from "./block-programs.ts";
import { functionOf, inputsOf, type Sizes, sizesOfSample, ulpsBetween, withSizes } from "../run-sample.ts";

const tiers = ["wgsl-base", "cuda"];

/** Programs whose barriers are taken away, one at a time. */
const watched: readonly (readonly [what: string, tier: string, limits?: Partial<Limits>])[] = [
  ["a contraction of several tiles and steps", "wgsl-base"],
  ["a contraction of an even number of steps", "wgsl-base"],
  // Room for two stages without padding, and for one.
  ["a contraction of several tiles and steps", "wgsl-base", { sharedBytes: 8192 }],
  ["a contraction of several tiles and steps", "wgsl-base", { sharedBytes: 6000 }],
  ["a contraction of named sizes", "wgsl-base"],
  ["a contraction of two steps", "wgsl-base"],
  ["a contraction in tf32", "cuda"],
  ["a contraction of f16, of an odd number of steps", "cuda"],
  ["a contraction of two steps, in bf16", "cuda"],
  ["softmax over long rows", "wgsl-base"],
  ["softmax over short rows", "wgsl-base"],
];

function schedule(module: Module, tier: string, limits: Partial<Limits> = {}): Module {
  return runPasses(module, [...tensorPipeline, ...kernelPipeline], { limits: { ...findLimits(tier), ...limits } });
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

  it("has one barrier for each step of a contraction with two stages of shared memory, and two with one", () => {
    // All of them are in the loop, whose iterations are the steps.
    for (const what of ["a contraction of two steps", "a contraction of several tiles and steps", "a contraction of an even number of steps", "a contraction of named sizes"]) {
      assert.deepEqual(barriersOf(what, "wgsl-base"), { all: 1, inLoops: 1 }, what);
    }
    for (const what of ["a contraction in tf32", "a contraction of f16, of an odd number of steps", "a contraction of two steps, in bf16"]) {
      assert.deepEqual(barriersOf(what, "cuda"), { all: 1, inLoops: 1 }, what);
    }
    assert.deepEqual(barriersOf("a contraction of one step", "wgsl-base"), { all: 2, inLoops: 2 });
    assert.deepEqual(barriersOf("a contraction of several tiles and steps", "wgsl-base", { sharedBytes: 8192 }), { all: 1, inLoops: 1 });
    assert.deepEqual(barriersOf("a contraction of several tiles and steps", "wgsl-base", { sharedBytes: 6000 }), { all: 2, inLoops: 2 });
  });

  it("shares as much memory as a tier has, in two stages of large tiles too", () => {
    const square = (dtype: string, rightReduced: number, size = 1024, leftReduced = 1): string => {
      const shape = `[${size},${size}]`;
      return contraction(`${dtype}${shape}`, `${dtype}${shape}`, shape, leftReduced, rightReduced);
    };
    // Of 8 terms by 128 rows and 128 columns, with 4 more where an operand runs along the sum.
    assert.equal(sharedBytes(square("f32", 0), "cuda"), 2 * 8 * (128 + 4 + 128 + 4) * 4);
    assert.equal(sharedBytes(square("f32", 1), "cuda"), 2 * 8 * (128 + 4 + 128 + 4) * 4);
    assert.equal(sharedBytes(square("f32", 0, 1024, 0), "cuda"), 2 * 8 * (128 + 128) * 4);
    assert.equal(sharedBytes(square("f64", 1), "cuda"), 2 * 8 * (128 + 4 + 128 + 4) * 8);
    // WebGPU has 16 KiB: without padding, or, where padding matters because the sum is no multiple of four, in one stage.
    assert.equal(sharedBytes(square("f32", 1), "wgsl-base"), 2 * 8 * (128 + 128) * 4);
    assert.equal(sharedBytes(square("f32", 1, 1030), "wgsl-base"), 8 * (128 + 4 + 128 + 4) * 4);
    // Of 16 words by 128 rows and 128 columns.
    assert.equal(sharedBytes(square("bf16", 0), "cuda"), 2 * 16 * (128 + 128) * 4);
  });

  for (const [what, tier, limits = {}] of watched) {
    it(`needs each barrier of ${what}, for ${tier}${describeLimits(limits)}, and the memory that it orders`, () => {
      const { text = "", sizes = {} } = programs[what] ?? {};
      const module = parse(text);
      const scheduled = schedule(module, tier, limits);
      const isExact = /f16|precision/.test(text);
      const inputs = inputsFor(module, sizes, isExact);
      assertClose(run(scheduled, inputs, sizes), run(module, inputs, sizes), isExact ? 0 : 64);
      const { all } = countBarriers(scheduled);
      assert.ok(all > 0);
      for (let which = 0; which < all; which++) {
        for (const broken of [withoutBarrier(scheduled, which), withBarrierOfOther(scheduled, which)]) {
          assert.throws(() => run(broken, inputs, sizes), /races with thread \d+ of its block, which .* the same element: there is no barrier between them/, `barrier ${which}`);
        }
      }
    });
  }
});

function describeLimits({ sharedBytes }: Partial<Limits>): string {
  return sharedBytes === undefined ? "" : ` with ${sharedBytes} bytes to share`;
}

function run(module: Module, inputs: readonly HostArray[], sizes: Sizes): readonly HostArray[] {
  return interpret(module, "f", inputs, sizes);
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

function sharedBytes(text: string, tier: string): number {
  let bytes = 0;
  for (const { body } of schedule(parse(text), tier).functions) {
    visitOps(body, ({ name, results: [buffer] }) => {
      if (name === "alloc" && buffer?.type.kind === "buffer" && buffer.type.space === "shared") bytes += buffer.type.shape.reduce<number>((product, size) => product * Number(size), bytesOf(buffer.type.dtype));
    });
  }
  return bytes;
}

interface BarrierCount {
  readonly all: number;
  readonly inLoops: number;
}

function barriersOf(what: string, tier: string, limits: Partial<Limits> = {}): BarrierCount {
  return countBarriers(schedule(parse(programs[what]?.text ?? ""), tier, limits));
}

function countBarriers(module: Module): BarrierCount {
  let [all, inLoops] = [0, 0];
  withBarriers(module, (op) => (all++, op));
  for (const { body } of module.functions) visitOps(body, ({ attrs, regions: [inner] }) => void (attrs["kind"] === "serial" && inner !== undefined && visitOps(inner, ({ name }) => void (name === "barrier" && inLoops++))));
  return { all, inLoops };
}

function withoutBarrier(module: Module, which: number): Module {
  let position = 0;
  return withBarriers(module, (op) => (position++ === which ? undefined : op));
}

/** One barrier orders the device's memory in place of shared memory. */
function withBarrierOfOther(module: Module, which: number): Module {
  let position = 0;
  return withBarriers(module, (op) => (position++ === which ? { ...op, attrs: { orders: ["global"] } } : op));
}

/** The module with what each barrier becomes. */
function withBarriers(module: Module, change: (op: Op) => Op | undefined): Module {
  const opsOf = (ops: readonly Op[]): readonly Op[] => ops.flatMap((op) => {
    if (op.name !== "barrier") return [{ ...op, regions: op.regions.map(regionOf) }];
    const changed = change(op);
    return changed === undefined ? [] : [changed];
  });
  const regionOf = (region: Region): Region => ({ ...region, ops: opsOf(region.ops) });
  return { functions: module.functions.map((func): Func => ({ ...func, body: regionOf(func.body) })) };
}

/** Whether a tier refuses a module for its dtypes, or has another one in place of f64. */
function lacksDTypes(module: Module, tier: string): boolean {
  const limits = findLimits(tier);
  const hasDoubles = module.functions.some(({ body }) => body.parameters.some(({ type }) => type.dtype === "f64"));
  return findMissingDTypes(module, limits).length > 0 || (hasDoubles && !limits.dtypes.includes("f64"));
}
