/**
 * Ops that C spells with vector instructions, where instructions and definitions could part: NaN, infinities, ties,
 * zeros, and amounts beyond the width. Rows of 37 fill vectors of every tier and leave some over.
 */

import assert from "node:assert/strict";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Module, Value } from "../../ir/module.ts";
import { type DType, tensorType } from "../../ir/type.ts";
import { present } from "../run-sample.ts";
import { cpuMachines } from "../test-machine.ts";
import { compileForTest } from "./run-compiled.ts";

const length = 37;
const numbers = [0, -0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 8388609, -8388609.5, 3e9, 1e-40, -1e-40, Infinity, -Infinity, NaN, 1, -1, 7.3];

type Body = (b: Builder, x: Value, y: Value) => Value;

const ofFloats: Readonly<Record<string, Body>> = {
  max: (b, x, y) => b.max(x, y),
  min: (b, x, y) => b.min(x, y),
  max_with_literal: (b, x) => b.max(x, 1),
  max_of_literal: (b, x) => b.max(1, x),
  min_with_literal: (b, x) => b.min(x, -1),
  min_of_literal: (b, x) => b.min(-1, x),
  max_with_nan: (b, x) => b.max(x, NaN),
  select: (b, x, y) => b.select(b.lt(x, y), x, y),
  fma: (b, x, y) => b.fma(x, y, x),
  abs: (b, x) => b.abs(x),
  sqrt: (b, x) => b.sqrt(x),
  floor: (b, x) => b.floor(x),
  ceil: (b, x) => b.ceil(x),
  round: (b, x) => b.round(x),
};

const ofIntegers: Readonly<Record<string, Body>> = {
  shift_left: (b, x, y) => b.shiftLeft(x, y),
  shift_right: (b, x, y) => b.shiftRight(x, y),
  shift_left_by_literal: (b, x) => b.shiftLeft(x, 3),
  shift_right_by_more: (b, x) => b.shiftRight(x, 35),
  max: (b, x, y) => b.max(x, y),
};

const families: readonly { readonly dtype: DType; readonly ops: Readonly<Record<string, Body>> }[] = [
  { dtype: "f32", ops: ofFloats },
  { dtype: "f64", ops: ofFloats },
  { dtype: "i32", ops: ofIntegers },
  { dtype: "u32", ops: ofIntegers },
];

const cases = families.flatMap(({ dtype, ops }) => Object.entries(ops).map(([name, body]) => ({ dtype, name: `${name}_${dtype}`, body })));

const module: Module = {
  functions: cases.map(({ dtype, name, body }) => {
    const type = tensorType(dtype, [length]);
    return buildFunction(name, [{ name: "x", type }, { name: "y", type }], (b, [x, y]) => [body(b, present(x), present(y))]);
  }),
};

/** Every number beside two others. */
function inputsOf(dtype: DType): readonly HostArray[] {
  const values = dtype.startsWith("f") ? numbers : [0, 1, -1, 5, 31, 32, 35, -2147483648, 2147483647, 12345];
  const at = (position: number): number => values[position % values.length] ?? 0;
  return [1, 5].map((step) => hostArray(dtype, [length], Array.from({ length }, (_, i) => at(i * step))));
}

for (const machine of await cpuMachines()) {
  describe(`vector instructions on ${machine.title}`, function () {
    this.timeout(60_000);
    let run: Awaited<ReturnType<typeof compileForTest>>;
    before(async () => (run = await compileForTest(module, machine)));
    for (const { dtype, name } of cases) {
      it(name, async () => {
        const inputs = inputsOf(dtype);
        const wanted = present(interpret(module, name, inputs, {})[0]).data;
        const got = present((await run(name, inputs))[0]).data;
        // Which zero is the larger is left open.
        got.forEach((value, i) => assert.ok(Object.is(value, wanted[i]) || (value === 0 && wanted[i] === 0), `${inputs.map(({ data }) => data[i]).join(", ")}: ${value}, expected ${wanted[i]}`));
      });
    }
  });
}
