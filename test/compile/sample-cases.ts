/**
 * Samples of the op table as functions to compile, and the check of what compiled ones give against `evaluate`: as the
 * table has them, at symbolic sizes with 0 and 1 among them and at literal ones; and once more in dtypes that the table
 * does not use, f16 and bf16 for f32, i8 and i64 for i32, u8 for u32, with casts between all.
 */

import assert from "node:assert/strict";
import { namedDim, printDim } from "../../ir/dim.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func } from "../../ir/module.ts";
import type { OpRecord, Sample } from "../../ir/op.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { type DType, dtypes, printType, tensorType } from "../../ir/type.ts";
import { exchanges } from "../../passes/choose-tiers.ts";
import type { Limits } from "../../passes/limits.ts";
import { kernelPipeline, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { functionOf, inputsOf, present, type Sizes, sizesOfSample, ulpsBetween, withSizes } from "../run-sample.ts";
import type { RunCompiled } from "./run-compiled.ts";

export interface SampleCase {
  readonly op: string;
  readonly sample: Sample;
  readonly func: Func;
  readonly sizes: readonly Sizes[];
}

/** What a result may differ by: by so many units of the last place, or by so much. */
export interface Tolerance {
  readonly ulps: number;
  readonly absolute: number;
}

const records = Object.entries(opTable).map(([key, record]) => [textName(key), record as OpRecord] as const);

export const sampleCases: readonly SampleCase[] = records.flatMap(([op, record]) =>
  (record.samples ?? []).flatMap((sample, position) => casesOf(`${op}_${position}`, op, sample, sizesOfSample(sample))));

/** One function of named sizes, where a call tells them, and one for each of the sizes that is not empty. */
function casesOf(name: string, op: string, sample: Sample, sizes: readonly Sizes[]): readonly SampleCase[] {
  const symbolic: SampleCase = { op, sample, sizes, func: { ...functionOf(op, sample), name } };
  const literal = sizes
    .filter((size) => Object.keys(size).length > 0 && !Object.values(size).includes(0))
    .map((size, i): SampleCase => ({ op, sample, sizes: [size], func: { ...functionOf(op, withSizes(sample, size)), name: `${name}_literal_${i}` } }));
  // A size that no operand has cannot be told by a call.
  const names = Object.keys(sizesOfSample(sample)[0] ?? {});
  const isSolvable = names.every((dim) => sample.operands.some(({ shape }) => shape.some((axis) => printDim(axis) === dim)));
  return isSolvable ? [symbolic, ...literal] : literal;
}

/** Dtypes that no sample has, and the one that each stands in for. */
export const standIns = { f16: "f32", bf16: "f32", i8: "i32", i64: "i32", u8: "u32" } as const satisfies Partial<Record<DType, DType>>;

/** Several vectors of the widest tier and a rest; one; none. */
const standInSizes: readonly Sizes[] = [{ N: 37 }, { N: 1 }, { N: 0 }];

export function standInCases(dtype: keyof typeof standIns): readonly SampleCase[] {
  return [...records.flatMap(([op, record]) => inOtherDType(op, record, standIns[dtype], dtype)), ...castsOf(dtype)];
}

/** The samples of an op that have the replaced dtype and that the op takes with the other. */
function inOtherDType(op: string, record: OpRecord, replaced: DType, dtype: DType): readonly SampleCase[] {
  return (record.samples ?? []).flatMap((original, position): readonly SampleCase[] => {
    if (!original.operands.some((operand) => operand.dtype === replaced) || JSON.stringify(original.attrs ?? {}).includes("dtype")) return [];
    const operands = original.operands.map((operand) => (operand.dtype === replaced ? tensorType(dtype, operand.shape) : operand));
    return takenCases(`${op}_${dtype}_${position}`, op, { ...original, operands });
  });
}

function castsOf(dtype: DType): readonly SampleCase[] {
  return dtypes.filter((other) => other !== dtype).flatMap((other) =>
    [[dtype, other], [other, dtype]].flatMap(([from = dtype, to = dtype]) =>
      takenCases(`cast_${from}_${to}`, "cast", { operands: [tensorType(from, [namedDim("N")])], attrs: { dtype: to }, range: from.startsWith("u") || from === "bool" ? [0, 1] : [-9, 9] })));
}

function takenCases(name: string, op: string, sample: Sample): readonly SampleCase[] {
  try {
    const isSized = Object.keys(sizesOfSample(sample)[0] ?? {}).length > 0;
    return casesOf(name, op, sample, isSized ? standInSizes : [{}]);
  } catch (error) {
    // Not every op takes every dtype.
    if (error instanceof Error && error.name === "IrError") return [];
    throw error;
  }
}

/** Whether all values have one of these dtypes. */
export function hasOnly({ func: { body } }: SampleCase, allowed: readonly DType[]): boolean {
  const values = [...body.parameters, ...body.ops.flatMap(({ results }) => results)];
  return values.every(({ type }) => type.dtype !== "index" && allowed.includes(type.dtype));
}

/** Whether kernels of a case exchange registers between threads on a tier. */
export function exchangesOn(limits: Limits): (entry: SampleCase) => boolean {
  return ({ func }) => exchanges(runPasses({ functions: [func] }, [...tensorPipeline, ...kernelPipeline], { limits }));
}

export async function checkCase({ func, sample, sizes }: SampleCase, run: RunCompiled, tolerance: Tolerance): Promise<void> {
  for (const [seed, size] of sizes.entries()) {
    const inputs = inputsOf(sample, size, seed + 1);
    const expected = interpret({ functions: [func] }, func.name, inputs, size);
    const actual = await run(func.name, inputs);
    const where = `${func.name}: ${sample.operands.map(printType).join(", ")} ${JSON.stringify(sample.attrs ?? {})} at ${JSON.stringify(size)}`;
    expected.forEach((wanted, i) => {
      const got = present(actual[i]);
      assert.deepEqual(got.shape, wanted.shape, where);
      got.data.forEach((value, at) => {
        const exact = wanted.data[at] ?? NaN;
        const distance = ulpsBetween(got.dtype, value, exact);
        const isNear = distance <= tolerance.ulps || Math.abs(value - exact) <= tolerance.absolute;
        assert.ok(isNear, `${where}: element ${at} is ${value}, expected ${exact}: ${distance} ulp apart`);
      });
    });
  }
}
