/**
 * The dtypes that samples of the op table do not use: each sample once more in f16 and bf16 for f32, in i8 and i64 for
 * i32, in u8 for u32, compiled for this machine and compared with `evaluate`; and their casts.
 */

import assert from "node:assert/strict";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import type { OpRecord, Sample } from "../../ir/op.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { type DType, tensorType } from "../../ir/type.ts";
import { functionOf, inputsOf, present, type Sizes, ulpsBetween, withSizes } from "../run-sample.ts";
import { compileForTest, type RunCompiled, runnableTiers } from "./run-compiled.ts";

interface Case {
  readonly sample: Sample;
  readonly func: Func;
}

/** Several vectors of the widest tier and a rest. */
const sizes: Sizes = { N: 37 };

const standIns: Readonly<Record<string, DType>> = { f16: "f32", bf16: "f32", i8: "i32", i64: "i32", u8: "u32" };

for (const tier of await runnableTiers()) {
  describe(`dtypes on ${tier}`, function () {
    this.timeout(120_000);
    for (const [dtype, replaced] of Object.entries(standIns) as [DType, DType][]) {
      const cases = [...Object.entries(opTable).flatMap(([key, record]) => casesOf(textName(key), record as OpRecord, replaced, dtype)), ...castsOf(dtype)];
      it(`${dtype}, in ${cases.length} samples`, async () => {
        assert.ok(cases.length > 20);
        const run = await compileForTest({ functions: cases.map(({ func }) => func) }, tier);
        for (const entry of cases) await check(entry, run);
      });
    }
  });
}

/** The samples of an op that have the replaced dtype everywhere and that the op takes with the other. */
function casesOf(op: string, record: OpRecord, replaced: DType, dtype: DType): readonly Case[] {
  return (record.samples ?? []).flatMap((original, position): readonly Case[] => {
    if (!original.operands.some((operand) => operand.dtype === replaced) || JSON.stringify(original.attrs ?? {}).includes("dtype")) return [];
    const sample: Sample = {
      ...withSizes(original, sizes),
      operands: withSizes(original, sizes).operands.map((operand) => (operand.dtype === replaced ? tensorType(dtype, operand.shape) : operand)),
    };
    return caseOf(`${op}_${position}`, op, sample);
  });
}

function castsOf(dtype: DType): readonly Case[] {
  const others: readonly DType[] = ["f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u32", "u8", "bool"];
  return others.filter((other) => other !== dtype).flatMap((other) =>
    [[dtype, other], [other, dtype]].flatMap(([from = dtype, to = dtype]) =>
      caseOf(`cast_${from}_${to}`, "cast", { operands: [tensorType(from, [37])], attrs: { dtype: to }, range: from.startsWith("u") || from === "bool" ? [0, 1] : [-9, 9] })));
}

function caseOf(name: string, op: string, sample: Sample): readonly Case[] {
  try {
    return [{ sample, func: { ...functionOf(op, sample), name } }];
  } catch (error) {
    // Not every op takes every dtype.
    if (error instanceof Error && error.name === "IrError") return [];
    throw error;
  }
}

async function check({ func, sample }: Case, run: RunCompiled): Promise<void> {
  const inputs = inputsOf(sample, sizes, 1);
  const expected = interpret({ functions: [func] }, func.name, inputs, sizes);
  const actual = await run(func.name, inputs);
  expected.forEach((wanted, i) => {
    const got = present(actual[i]);
    got.data.forEach((value, at) => {
      const distance = ulpsBetween(got.dtype, value, wanted.data[at] ?? NaN);
      assert.ok(distance <= (sample.ulp ?? 2), `${func.name}: element ${at} is ${value}, expected ${wanted.data[at]}: ${distance} ulp apart`);
    });
  });
}
