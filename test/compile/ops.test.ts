/**
 * Every sample of the op table as a compiled program on this machine, against `evaluate`: at symbolic sizes, with 0 and
 * 1 among them, and at literal ones.
 */

import assert from "node:assert/strict";
import { printDim } from "../../ir/dim.ts";
import type { Func, Module } from "../../ir/module.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Sample } from "../../ir/op.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { printType } from "../../ir/type.ts";
import { functionOf, inputsOf, present, type Sizes, sizesOfSample, ulpsBetween, withSizes } from "../run-sample.ts";
import { compileForTest, type RunCompiled, runnableTiers } from "./run-compiled.ts";

interface Case {
  readonly op: string;
  readonly sample: Sample;
  readonly func: Func;
  readonly sizes: readonly Sizes[];
}

const cases = Object.entries(opTable).flatMap(([key, record]) => {
  const samples = "samples" in record ? record.samples ?? [] : [];
  return samples.flatMap((sample, position): readonly Case[] => {
    const op = textName(key);
    const name = `${op}_${position}`;
    const sizes = sizesOfSample(sample);
    const symbolic: Case = { op, sample, sizes, func: { ...functionOf(op, sample), name } };
    const literal = sizes
      .filter((size) => Object.keys(size).length > 0 && !Object.values(size).includes(0))
      .map((size, i): Case => ({ op, sample, sizes: [size], func: { ...functionOf(op, withSizes(sample, size)), name: `${name}_literal_${i}` } }));
    // A size that no operand has cannot be told by a call.
    const isSolvable = namesOf(sample).every((dim) => sample.operands.some(({ shape }) => shape.some((axis) => printDim(axis) === dim)));
    return isSolvable ? [symbolic, ...literal] : literal;
  });
});

function namesOf(sample: Sample): readonly string[] {
  return Object.keys(sizesOfSample(sample)[0] ?? {});
}

for (const tier of await runnableTiers()) {
  describe(`compiled ops on ${tier}`, function () {
    this.timeout(120_000);
    let run: RunCompiled;
    before(async () => {
      const module: Module = { functions: cases.map(({ func }) => func) };
      run = await compileForTest(module, tier);
    });
    for (const op of new Set(cases.map((entry) => entry.op))) {
      it(op, async () => {
        for (const entry of cases.filter((candidate) => candidate.op === op)) await check(entry, run);
      });
    }
  });
}

async function check({ func, sample, sizes }: Case, run: RunCompiled): Promise<void> {
  for (const [seed, size] of sizes.entries()) {
    const inputs = inputsOf(sample, size, seed + 1);
    const expected = interpret({ functions: [func] }, func.name, inputs, size);
    const actual = await run(func.name, inputs);
    const where = `${func.name}: ${sample.operands.map(printType).join(", ")} ${JSON.stringify(sample.attrs ?? {})} at ${JSON.stringify(size)}`;
    expected.forEach((wanted, i) => {
      const got = present(actual[i]);
      assert.deepEqual(got.shape, wanted.shape, where);
      got.data.forEach((value, at) => {
        const distance = ulpsBetween(got.dtype, value, wanted.data[at] ?? NaN);
        assert.ok(distance <= (sample.ulp ?? 2), `${where}: element ${at} is ${value}, expected ${wanted.data[at]}: ${distance} ulp apart`);
      });
    });
  }
}
