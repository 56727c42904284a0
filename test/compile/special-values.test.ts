/**
 * Elementwise ops and casts of f32 and f16 at the numbers that need care: both zeros, infinities, NaN, ends of ranges,
 * odd and even exponents. NaN and infinities must be where `evaluate` has them; the sign of a zero is not looked at.
 *
 * Not promised on WebGPU, and left out: subnormal numbers, which an adapter may flush; sin and cos from 2^15 on.
 */

import assert from "node:assert/strict";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module, Value } from "../../ir/module.ts";
import { type DType, tensorType } from "../../ir/type.ts";
import { present, ulpsBetween } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";

const unary = ["neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "rsqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf"];
const binary = ["add", "sub", "mul", "div", "rem", "pow", "max", "min", "eq", "ne", "lt", "le", "gt", "ge"];
const casts: readonly DType[] = ["f32", "f16", "i32", "u32", "i8", "u8", "bool"];

const special = [
  0, 2 ** -126, 1e-10, 0.5, 0.93, 1, 1.5, 2, 2.5, 3, 4, 9.02, 17.5, 87.4, 89, 104, 127.5, 255.5, 300, 1000, 65504, 65519, 65520, 70000,
  2 ** 24 - 1, 2 ** 24, 2 ** 31, 2 ** 32, 3.4028234663852886e38, Infinity,
].flatMap((x) => [x, -x]).concat(NaN);

/** Relative errors that grow with the argument: e^x and x^y by way of base 2, in WGSL and in f32. */
function ulpsOf(name: string, [x = 0, y = 0]: readonly number[]): number {
  const exponent = name === "exp" ? x : name === "pow" ? y * Math.log2(Math.abs(x)) : 0;
  // Where nothing is rounded, nothing may differ.
  return Number.isFinite(exponent) ? 4 + 2 * Math.abs(exponent) + (name === "pow" ? 12 * Math.abs(y) : 0) : 0;
}

function moduleOf(dtype: DType, dtypes: readonly DType[]): Module {
  const parameters = ["x", "y"].map((name) => ({ name, type: tensorType(dtype, [namedDim("N")]) }));
  const make = (name: string, count: number, body: (b: Builder, values: readonly Value[]) => Value): Func => buildFunction(name, parameters.slice(0, count), (b, values) => [body(b, values)]);
  return {
    functions: [
      ...unary.map((name) => make(name, 1, (b, values) => present(b.op(name, values)[0]))),
      ...binary.map((name) => make(name, 2, (b, values) => present(b.op(name, values)[0]))),
      ...casts.filter((to) => to !== dtype && dtypes.includes(to)).map((to) => make(`cast_${to}`, 1, (b, [x]) => b.cast(present(x), { dtype: to }))),
    ],
  };
}

for (const machine of await testMachines()) {
  const { limits } = machine;
  const dtypes = (["f32", "f16"] as const).filter((dtype) => (limits.onlyFor === undefined ? limits.dtypes.includes(dtype) : dtype === limits.onlyFor));

  describe(`special values on ${machine.title}`, function () {
    this.timeout(120_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());

    for (const dtype of dtypes) {
      it(`of ${dtype}`, async () => {
        const module = moduleOf(dtype, limits.dtypes);
        const run = await compileForTest(module, machine);
        const faults: string[] = [];
        for (const func of module.functions) faults.push(...(await faultsOf(module, func, dtype, run, limits.target === "wgsl")));
        assert.deepEqual(faults, []);
      });
    }
  });
}

async function faultsOf(module: Module, func: Func, dtype: DType, run: RunCompiled, isWebGpu: boolean): Promise<readonly string[]> {
  const isPair = func.body.parameters.length === 2;
  const columns = isPair ? [special.flatMap((x) => special.map(() => x)), special.flatMap(() => special)] : [special];
  const inputs = columns.map((column): HostArray => hostArray(dtype, [column.length], column));
  const wanted = present(interpret(module, func.name, inputs, { N: present(columns[0]).length })[0]);
  const got = present((await run(func.name, inputs))[0]);
  const least = wanted.dtype === "f16" ? 2 ** -14 : 2 ** -126;
  return Array.from(wanted.data).flatMap((exact, i) => {
    const value = got.data[i] ?? NaN;
    const operands = inputs.map(({ data }) => data[i] ?? NaN);
    const [x = 0] = operands;
    if (isWebGpu && (func.name === "sin" || func.name === "cos") && Math.abs(x) >= 2 ** 15 && Number.isFinite(x)) return [];
    if (isWebGpu && Math.abs(exact) < least && Math.abs(value) <= least) return [];
    // WGSL's logarithm has an absolute error, which leaves little of one next to 0.
    if (isWebGpu && func.name === "log" && Math.abs(value - exact) <= 2 ** -21) return [];
    // An error of many units of the last place leads out of the range at its end.
    if (isWebGpu && func.name === "pow" && Math.abs(exact) > 2 ** 127 && value === Math.sign(exact) * Infinity) return [];
    if (ulpsBetween(wanted.dtype, value, exact) <= ulpsOf(func.name, operands)) return [];
    return [`${func.name}(${operands.join(", ")}) is ${value}, expected ${exact}`];
  });
}
