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
import { kernelPipeline, runPasses, tensorPipeline, tierPipeline } from "../../passes/pipeline.ts";
import { blockPrograms as programs, contraction, inputsFor, reduction } from "./block-programs.ts";
import { functionOf, inputsOf, type Sizes, sizesOfSample, ulpsBetween, withSizes } from "../run-sample.ts";

const tiers = ["wgsl-base", "wgsl-subgroups", "cuda"];

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

  it("has one barrier for each fold of rows whose lanes exchange registers, and none where a row has no more of them", () => {
    const barriers = (text: string, tier: string): number => countBarriers(schedule(parse(text), tier)).all;
    // Rows of 1024 by 256 lanes: eight halvings and the load of what they leave, twice; else what is stored by each group.
    const softmax = (programs["softmax over long rows"]?.text ?? "").replaceAll("5", "1024").replaceAll("300", "1024");
    assert.deepEqual(["wgsl-base", "wgsl-subgroups", "cuda"].map((tier) => barriers(softmax, tier)), [18, 2, 2]);
    // Rows of 100 by 32 lanes, and of 30 by 8.
    assert.deepEqual(["wgsl-base", "wgsl-subgroups", "cuda"].map((tier) => barriers(reduction("reduce_sum", "[64,100]", [1], "[64]"), tier)), [6, 1, 0]);
    assert.deepEqual(["wgsl-base", "wgsl-subgroups", "cuda"].map((tier) => barriers(reduction("reduce_sum", "[64,30]", [1], "[64]"), tier)), [4, 0, 0]);
    // Lanes that are no neighbours.
    assert.deepEqual(["wgsl-base", "wgsl-subgroups", "cuda"].map((tier) => barriers(programs["sums of columns"]?.text ?? "", tier)), [4, 4, 4]);
  });

  it("folds by a monoid that needs something of its row", () => {
    const module = parse(`
func @f(%x: f32[7,100], %least: f32[7]) {
  %0: f32[7] = launch %x, %least {"callee":"k"}
  return %0
}
func @k(%in0: global f32[7,100], %in1: global f32[7], %out0: global f32[7]) {
  parallel {"extents":[7]} {
    body(%i: index) {
      %least: f32 = load %in1, %i
      %lowest: f32 = constant {"dtype":"f32","value":-Infinity}
      %total: f32 = reduce %lowest {"extents":[100]} {
        element(%j: index) {
          %e: f32 = load %in0, %i, %j
          yield %e
        }
        combine(%l: f32, %r: f32) {
          %m: f32 = max %l, %r
          %n: f32 = max %m, %least
          yield %n
        }
      }
      store %out0, %total, %i
    }
  }
}`);
    const inputs = [hostArray("f32", [7, 100], Array.from({ length: 700 }, (_, i) => Math.sin(i) + (i >= 300 ? 1 : -1))), hostArray("f32", [7], [0, 1, 2, 3, -9, -9, -9])];
    for (const tier of tiers) {
      const scheduled = runPasses(module, tierPipeline, { limits: findLimits(tier) });
      assert.equal(countOps(scheduled, "shuffle_xor") > 0, tier !== "wgsl-base");
      assertClose(run(scheduled, inputs, {}), run(module, inputs, {}), 0);
    }
  });

  it("notices an exchange with the wrong partner", () => {
    const module = parse(reduction("reduce_sum", "[4,300]", [1], "[4]"));
    const inputs = inputsFor(module, {});
    const wanted = run(module, inputs, {});
    for (const tier of ["wgsl-subgroups", "cuda"]) {
      const scheduled = schedule(module, tier);
      const count = countOps(scheduled, "shuffle_xor");
      assert.ok(count >= 6, `${count} exchanges`);
      for (let which = 0; which < count; which++) {
        assert.throws(() => assertClose(run(withOtherMask(scheduled, which), inputs, {}), wanted, 64), /element \d+ is/, `exchange ${which} of ${tier}`);
      }
    }
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

function countOps({ functions }: Module, wanted: string): number {
  let count = 0;
  for (const { body } of functions) visitOps(body, ({ name }) => void (name === wanted && count++));
  return count;
}

function countBarriers(module: Module): BarrierCount {
  let inLoops = 0;
  for (const { body } of module.functions) visitOps(body, ({ attrs, regions: [inner] }) => void (attrs["kind"] === "serial" && inner !== undefined && visitOps(inner, ({ name }) => void (name === "barrier" && inLoops++))));
  return { all: countOps(module, "barrier"), inLoops };
}

function withoutBarrier(module: Module, which: number): Module {
  return changed(module, "barrier", which, () => []);
}

/** One barrier orders the device's memory in place of shared memory. */
function withBarrierOfOther(module: Module, which: number): Module {
  return changed(module, "barrier", which, (op) => [{ ...op, attrs: { orders: ["global"] } }]);
}

/** Where the mask was 1 it is 2, and else 1. */
function withOtherMask(module: Module, which: number): Module {
  return changed(module, "shuffle_xor", which, (op) => [{ ...op, attrs: { mask: op.attrs["mask"] === 1 ? 2 : 1 } }]);
}

/** The module with other ops in place of one, which is counted among those of its name. */
function changed(module: Module, name: string, which: number, change: (op: Op) => readonly Op[]): Module {
  let position = 0;
  const opsOf = (ops: readonly Op[]): readonly Op[] =>
    ops.flatMap((op) => (op.name === name && position++ === which ? change(op) : [{ ...op, regions: op.regions.map(regionOf) }]));
  const regionOf = (region: Region): Region => ({ ...region, ops: opsOf(region.ops) });
  return { functions: module.functions.map((func): Func => ({ ...func, body: regionOf(func.body) })) };
}

/** Whether a tier refuses a module for its dtypes, or has another one in place of f64. */
function lacksDTypes(module: Module, tier: string): boolean {
  const limits = findLimits(tier);
  const hasDoubles = module.functions.some(({ body }) => body.parameters.some(({ type }) => type.dtype === "f64"));
  return findMissingDTypes(module, limits).length > 0 || (hasDoubles && !limits.dtypes.includes("f64"));
}
