/**
 * Random straight-line programs (random-module.ts), on everything there is to run on, against the interpreter.
 *
 * One module holds a whole batch, because the C compiler is what takes time. TSDLC_SEED and TSDLC_BATCH choose others;
 * a failure prints the seed and the program, shrunk by fast-check, as text that `tsdlc run` takes.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluateDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import { print } from "../../ir/print.ts";
import { isFloat } from "../../ir/type.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { createRandom } from "../run-sample.ts";
import { functionOfRecipe, type Recipe, recipe, sizes } from "./random-module.ts";
import { subgroupMachines, type TestMachine, testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";
import { signatureOf } from "./signature-of.ts";
import { roundingFactorOn } from "./tolerances.ts";

const seed = Number(process.env["TSDLC_SEED"] ?? 1);
/** A kernel takes a driver of WebGPU 60 ms the first time. */
const batchOn = ({ limits: { target } }: TestMachine): number => Number(process.env["TSDLC_BATCH"] ?? (target === "wgsl" ? 12 : 24));

interface Case {
  /** As fast-check can shrink it. */
  readonly drawn: Recipe;
  readonly recipe: Recipe;
  readonly func: Func;
}

function casesOf(drawn: readonly Recipe[], isWebGpu: boolean): readonly Case[] {
  const cases = drawn.map((each, i): Case => {
    const recipe = isWebGpu ? asOnWebGpu(each) : each;
    return { drawn: each, recipe, func: functionOfRecipe(`program_${i}`, recipe) };
  });
  return cases.filter(({ func }) => func.body.yields.length > 0);
}

/** As WGSL has it: no f64, and a division and a square root that are not rounded correctly. */
const asOnWebGpu = (each: Recipe): Recipe => ({ ...each, isDouble: false, isDivisionExact: false });

for (const machine of [...(await testMachines()), ...subgroupMachines()]) {
  if (machine.limits.onlyFor !== undefined) continue;

  describe(`random programs on ${machine.title}`, function () {
    this.timeout(600_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());
    const batch = batchOn(machine);
    it(`equal the interpreter (${batch} with seed ${seed})`, async () => {
      const cases = casesFor(machine.limits.target === "wgsl", batch);
      assert.ok(cases.length > batch / 2, "most recipes are programs");
      let run: RunCompiled;
      try {
        run = await compileCases(cases, machine);
      } catch {
        for (const each of cases) await shrink(each.drawn, machine);
        throw new Error("a batch cannot be compiled, and each of its programs can");
      }
      for (const each of cases) {
        if ((await faultOf(each, run, machine)) === undefined) continue;
        await shrink(each.drawn, machine);
        throw new Error(`a program failed among others and passes alone:\n${print({ functions: [each.func] })}`);
      }
    });
  });
}

const batches = new Map<string, readonly Case[]>();

/** The same cases for all machines that take them, so that what the interpreter says of one is worked out once. */
function casesFor(isWebGpu: boolean, batch: number): readonly Case[] {
  const key = `${isWebGpu} ${batch}`;
  const known = batches.get(key);
  if (known !== undefined) return known;
  const cases = casesOf(fc.sample(recipe, { seed, numRuns: batch }), isWebGpu);
  batches.set(key, cases);
  return cases;
}

/** Every other program may write its results over its arguments. */
function compileCases(cases: readonly Case[], machine: TestMachine): Promise<RunCompiled> {
  const signatures = cases.map(({ func, recipe: { axes } }) => signatureOf(func, (axes[0] ?? 0) % 2 === 0 ? [0, 1, 2, 3, 4, 5] : []));
  return compileForTest({ functions: cases.map(({ func }) => func) }, machine, signatures);
}

/** Runs a program alone; when it fails, finds a smaller one that fails too, for two minutes, and fails with it. */
async function shrink(failing: Recipe, machine: TestMachine): Promise<void> {
  const fails = fc.asyncProperty(recipe, async (candidate) => {
    for (const each of casesOf([candidate], machine.limits.target === "wgsl")) {
      const fault = await compileCases([each], machine).then((run) => faultOf(each, run, machine), String);
      if (fault !== undefined) throw new Error(`${fault}\n${print({ functions: [each.func] })}`);
    }
  });
  await fc.assert(fails, { seed, numRuns: 1, examples: [[failing]], interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true });
}

interface Reference {
  readonly size: Readonly<Record<string, number>>;
  readonly inputs: readonly HostArray[];
  readonly expected: readonly HostArray[];
  readonly magnitude: number;
}

const references = new WeakMap<Case, readonly Reference[]>();

/** What the interpreter says, worked out once for all machines. */
function referencesOf(each: Case): readonly Reference[] {
  const known = references.get(each);
  if (known !== undefined) return known;
  const { func } = each;
  const everything = functionOfRecipe(func.name, each.recipe, true);
  const found = sizes.map((size, position): Reference => {
    const inputs = inputsOf(func, size, position + 1);
    const expected = interpret({ functions: [func] }, func.name, inputs, size);
    return { size, inputs, expected, magnitude: largestOf(interpret({ functions: [everything] }, func.name, inputs, size)) };
  });
  references.set(each, found);
  return found;
}

async function faultOf(each: Case, run: RunCompiled, { limits }: TestMachine): Promise<string | undefined> {
  for (const { size, inputs, expected, magnitude } of referencesOf(each)) {
    const actual = await run(each.func.name, inputs);
    for (const [result, wanted] of expected.entries()) {
      const fault = difference(wanted, actual[result], magnitude * roundingFactorOn(limits));
      if (fault !== undefined) return `result ${result} at ${JSON.stringify(size)}: ${fault}`;
    }
  }
  return undefined;
}

/** Eighths from -2 to 2, so that products and short sums are exact; integers from -1 to 7. */
function inputsOf(func: Func, size: Readonly<Record<string, number>>, start: number): readonly HostArray[] {
  const random = createRandom(start);
  return func.body.parameters.map((parameter) => {
    const { dtype, shape } = tensorTypeOf(parameter);
    const extents = shape.map((dim) => evaluateDim(dim, size));
    const count = extents.reduce((product, extent) => product * extent, 1);
    const draw = (): number => (isFloat(dtype) ? Math.round(random() * 32 - 16) / 8 : Math.floor(random() * 9) - 1);
    return hostArray(dtype, extents, Array.from({ length: count }, draw));
  });
}

/** The largest magnitude that a program meets: rounding errors of a sum are in proportion to what was added. */
function largestOf(values: readonly HostArray[]): number {
  let found = 1;
  for (const { dtype, data } of values) {
    if (!isFloat(dtype)) continue;
    for (const value of data) if (Number.isFinite(value)) found = Math.max(found, Math.abs(value));
  }
  return found;
}

function difference(wanted: HostArray, got: HostArray | undefined, magnitude: number): string | undefined {
  if (got === undefined) return "there is none";
  if (`${got.dtype}[${got.shape.join()}]` !== `${wanted.dtype}[${wanted.shape.join()}]`) return `is ${got.dtype}[${got.shape.join()}], expected ${wanted.dtype}[${wanted.shape.join()}]`;
  const tolerance = !isFloat(wanted.dtype) ? 0 : magnitude * (wanted.dtype === "f64" ? 1e-13 : 4e-6) * 8;
  const at = wanted.data.findIndex((value, i) => !isClose(value, got.data[i] ?? NaN, tolerance));
  return at < 0 ? undefined : `element ${at} is ${got.data[at]}, expected ${wanted.data[at]} within ${tolerance}`;
}

function isClose(wanted: number, got: number, tolerance: number): boolean {
  return Object.is(wanted, got) || wanted === got || Math.abs(wanted - got) <= tolerance;
}
