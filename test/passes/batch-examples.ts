/**
 * What the tests of vmap share: the module of a function and of @main, which calls it for many examples, and its meaning
 * against what the transform pass makes of it. The meaning is a loop over the examples (ir/interpret-vmap.ts).
 */

import { strict as assert } from "node:assert";
import type { Dim } from "../../ir/dim.ts";
import type { HostArray } from "../../ir/host.ts";
import { interpret, type Sizes } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { functionsOf } from "../../ir/rewrite.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { buildFunction } from "../../ir/builder.ts";
import { verify } from "../../ir/verify.ts";
import { type PassName, runPasses } from "../../passes/pipeline.ts";

/** func @main(operands with examples along axes) { vmap ... callee }, and the callee with whatever it calls. */
export function mappedModule(callee: Func, axes: readonly number[], outAxes: readonly number[], size: Dim, others: readonly Func[] = []): Module {
  const types = callee.body.parameters.map(({ type }, i) => withExamples(type as TensorType, axes[i] ?? -1, size));
  const main = buildFunction("main", types.map((type, i) => ({ name: `x${i}`, type })), (b, values) => b.vmap(values, { callee: callee.name, axes, outAxes }), functionsOf({ functions: [callee] }));
  return { functions: [...others, callee, main] };
}

export function withExamples(type: TensorType, axis: number, size: Dim): TensorType {
  return axis < 0 ? type : tensorType(type.dtype, type.shape.toSpliced(axis, 0, size));
}

/** All ways to map at least one of `ranks.length` operands, at axis 0 and at the last. */
export function waysToMap(ranks: readonly number[]): readonly (readonly number[])[] {
  const choices = ranks.map((rank) => [...new Set([-1, 0, rank])]);
  const all = choices.reduce<readonly (readonly number[])[]>((ways, axes) => ways.flatMap((way) => axes.map((axis) => [...way, axis])), [[]]);
  return all.filter((way) => way.some((axis) => axis >= 0));
}

export const transformed: readonly PassName[] = ["transform", "simplify", "cse", "simplify", "dce"];

/** @main after the passes gives exactly what it means. */
export function checkMeaning(module: Module, inputs: readonly HostArray[], sizes: Sizes = {}, passes: readonly PassName[] = ["transform"]): readonly HostArray[] {
  verify(module);
  const expected = interpret(module, "main", inputs, sizes);
  const actual = interpret(verified(runPasses(module, passes, { entries: ["main"] })), "main", inputs, sizes);
  expected.forEach((array, i) => assertSame(actual[i], array));
  return expected;
}

function verified(module: Module): Module {
  verify(module);
  return module;
}

export function assertSame(actual: HostArray | undefined, expected: HostArray): void {
  assert(actual !== undefined);
  assert.deepEqual([actual.dtype, actual.shape], [expected.dtype, expected.shape]);
  // -0 and 0 are told apart, and NaN is NaN.
  assert.deepEqual(Array.from(actual.data), Array.from(expected.data));
}
