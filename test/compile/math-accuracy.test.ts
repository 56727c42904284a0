/**
 * How near the compiled functions of f32 are to the exact ones, over floats of every exponent, and at the values that
 * IEEE 754 names. TSDLC_EXHAUSTIVE=1 tries all 2^32 floats, which takes hours.
 *
 * The formulas are ops that mean the same everywhere, so their compiled kernels must agree with the reference
 * interpreter bit by bit, in vectors as in what is left over beside them. WGSL compilers may join and rearrange them: there
 * the formulas that expand-math uses must be within 2.5 units, for numbers and results that are not subnormal.
 */

import assert from "node:assert/strict";
import { buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Module } from "../../ir/module.ts";
import { erf } from "../../ir/special-functions.ts";
import { tensorType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { createRandom, present } from "../run-sample.ts";
import { isRealCuda } from "../require-device.ts";
import { cpuMachines, machineOfEachTarget } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";

interface MathFunction {
  readonly name: string;
  exact(x: number): number;
  /** Units of the last place; the number that the formula's comment promises, rounded up. */
  readonly ulp: number;
  /** Largest magnitude of the bit-exact test, where a part of the function is the C library's. */
  readonly expandedBelow?: number;
}

const functions: readonly MathFunction[] = [
  { name: "exp", exact: Math.exp, ulp: 0.91 },
  { name: "expm1", exact: Math.expm1, ulp: 1.55 },
  { name: "log", exact: Math.log, ulp: 0.86 },
  { name: "log1p", exact: Math.log1p, ulp: 1.44 },
  { name: "tanh", exact: Math.tanh, ulp: 1.57 },
  { name: "sin", exact: Math.sin, ulp: 1.58, expandedBelow: 2 ** 18 },
  { name: "cos", exact: Math.cos, ulp: 1.75, expandedBelow: 2 ** 18 },
  { name: "erf", exact: erf, ulp: 1.13 },
];

/** Both zeros, the subnormal numbers' ends, the ends of what is normal, infinities, NaN, and where results overflow or vanish. */
const special = [
  0, 2 ** -149, 2 ** -127, 2 ** -126, 3.4028234663852886e38, Infinity, 1, 2 ** 24,
  88.72283, 88.72284, 87.33655, 103.97207, 103.97208, 104, 17.5, 9.01, 9.02, 0.54931, 0.93, 4, 2 ** 18, 1.5707964, 3.1415927,
].flatMap((x) => [x, -x]).concat(NaN).map(Math.fround);

const module: Module = {
  functions: functions.map(({ name }) => buildFunction(name, [{ name: "x", type: tensorType("f32", [namedDim("N")]) }], (b, [x]) => b.op(name, [present(x)]))),
};

const isExhaustive = process.env["TSDLC_EXHAUSTIVE"] === "1";
/** Prime, so that the low bits vary as much as the high ones: 2 million floats, or each. */
const stride = isExhaustive ? 1 : 2053;
const chunk = 2 ** 20;

// Where a GPU is asked for, there may be no C compiler.
for (const machine of isRealCuda() ? [] : await cpuMachines()) {
  describe(`math functions on ${machine.title}`, function () {
    this.timeout(isExhaustive ? 0 : 60_000);
    let run: RunCompiled;
    before(async () => (run = await compileForTest(module, machine)));
    const compute = async (name: string, x: Float32Array): Promise<ArrayLike<number>> => present((await run(name, [hostArray("f32", [x.length], x)]))[0]).data;

    for (const { name, exact, ulp, expandedBelow = Infinity } of functions) {
      it(`${name} is within ${ulp} units of the last place`, async () => {
        let worst = { ulps: 0, x: 0 };
        for (let start = 0; start < 2 ** 32; start += stride * chunk) {
          const x = floatsFrom(start);
          const results = await compute(name, x);
          for (let i = 0; i < x.length; i++) {
            const ulps = ulpsFromExact(results[i] ?? NaN, exact(x[i] ?? NaN));
            if (ulps > worst.ulps) worst = { ulps, x: x[i] ?? NaN };
          }
        }
        assert.ok(worst.ulps <= ulp, `${name}(${worst.x}) is ${worst.ulps} units off`);
        if (isExhaustive) console.log(`      ${name}: ${worst.ulps.toFixed(4)} at ${worst.x}`);
      });

      it(`${name} of the numbers that IEEE 754 names`, async () => {
        const results = await compute(name, Float32Array.from(special));
        special.forEach((x, i) => {
          const wanted = Math.fround(exact(x));
          const got = results[i] ?? NaN;
          const isNamed = Number.isNaN(wanted) || wanted === 0 || !Number.isFinite(wanted);
          if (isNamed) assert.ok(Object.is(got, wanted), `${name}(${x}) is ${got}, expected ${wanted}`);
          else assert.ok(ulpsFromExact(got, exact(x)) <= ulp, `${name}(${x}) is ${got}, expected ${wanted}`);
        });
      });

      it(`${name} has the bits of the interpreted formula, wherever an element stands`, async () => {
        const random = createRandom(7);
        const x = Float32Array.from({ length: 10_007 }, (_, i) => special[i] ?? anyFloat(random)).map((value) => (Math.abs(value) < expandedBelow ? value : 1));
        const expanded = runPasses({ functions: module.functions.filter((func) => func.name === name) }, ["fuse", "lower", "schedule", "expand-math"], { limits: machine.limits });
        const wanted = present(interpret(expanded, name, [hostArray("f32", [x.length], x)], { N: x.length })[0]).data;
        const whole = await compute(name, x);
        const tail = await compute(name, x.slice(-13));
        x.forEach((value, i) => assert.ok(Object.is(whole[i], wanted[i]), `${name}(${value}) is ${whole[i]}, and ${wanted[i]} when interpreted`));
        Array.from(tail).forEach((value, i) => assert.ok(Object.is(value, whole[x.length - 13 + i]), `${name}(${x[x.length - 13 + i]}) depends on its place`));
      });
    }
  });
}

/**
 * On GPUs: of WGSL the functions that expand-math writes out there, which compilers may join and rearrange; sin and cos
 * from 2^15 on are the adapter's. CUDA's own are all within 2 units ("Mathematical Functions Appendix", CUDA C++
 * Programming Guide), and half a unit is our counting from the exact value. NVIDIA's are not what the emulator calls.
 */
for (const machine of (await machineOfEachTarget()).filter(({ limits }) => limits.target !== "cpu")) {
  const isWebGpu = machine.limits.target === "wgsl";
  describe(`math functions on ${machine.title}`, function () {
    this.timeout(60_000);
    let run: RunCompiled;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      run = await compileForTest(module, machine);
    });
    after(() => machine.close());
    for (const { name, exact, expandedBelow } of functions.filter((each) => !isWebGpu || (each.name !== "exp" && each.name !== "log"))) {
      it(`${name} is within 2.5 units of the last place`, async () => {
        const limit = isWebGpu && expandedBelow !== undefined ? 2 ** 15 : Infinity;
        for (let start = 0; start < 2 ** 32; start += 8 * stride * chunk) {
          const x = floatsFrom(start, 8 * stride).filter((value) => Math.abs(value) < limit && Math.abs(value) >= 2 ** -126);
          const results = present((await run(name, [hostArray("f32", [x.length], x)]))[0]).data;
          x.forEach((value, i) => {
            const wanted = exact(value);
            const ulps = ulpsFromExact(results[i] ?? NaN, wanted);
            assert.ok(ulps <= 2.5 || Math.abs(wanted) < 2 ** -126, `${name}(${value}) is ${results[i]}, ${ulps} units off`);
          });
        }
      });
    }
  });
}

/** The floats with bits start, start + step, ... */
function floatsFrom(start: number, step = stride): Float32Array {
  const count = Math.min(chunk, Math.ceil((2 ** 32 - start) / step));
  return new Float32Array(Uint32Array.from({ length: count }, (_, i) => start + i * step).buffer);
}

/** Of any exponent. */
function anyFloat(random: () => number): number {
  return new Float32Array(Uint32Array.of(random() * 2 ** 32).buffer)[0] ?? 0;
}

/** In units of the last place of the exact value as an f32; 0 for what both agree is NaN, infinite or zero. */
function ulpsFromExact(actual: number, exact: number): number {
  const nearest = Math.fround(exact);
  if (Object.is(actual, nearest)) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(nearest)) return Infinity;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(exact))), -126);
  return Math.abs(actual - exact) / 2 ** (exponent - 23);
}
