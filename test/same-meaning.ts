/**
 * Whether a pass kept what a module computes: every function that both modules have, and that can run, gives the same
 * results on the same inputs. Inputs are drawn from a fixed sequence; floats may differ by rounding. An f64 of rank 0 may
 * have become f32 (fit-dtypes), and is then compared as that.
 */

import assert from "node:assert/strict";
import { evaluateDim, namesOfDim } from "../ir/dim.ts";
import { hostArray, type HostArray, roundTo } from "../ir/host.ts";
import { interpret } from "../ir/interpret.ts";
import { findFunction, type Func, isKernel, type Module, visitOps } from "../ir/module.ts";
import { type DType, isFloat, sameType, tensorType, type Type } from "../ir/type.ts";

export type Sizes = Readonly<Record<string, number>>;

/** `sizes` are of named dims; 3 for a name that it lacks. Returns the names of the functions that were compared. */
export function assertSameMeaning(before: Module, after: Module, sizes: Sizes = {}): readonly string[] {
  return before.functions.flatMap((func) => {
    const rewritten = after.functions.find(({ name }) => name === func.name);
    if (rewritten === undefined || isKernel(func) || !canRun(before, func)) return [];
    const types = func.body.parameters.map(({ type }) => type);
    const newTypes = rewritten.body.parameters.map(({ type }) => type);
    const areSame = types.length === newTypes.length && types.every((type, i) => isSameOrNarrowed(type, newTypes[i]));
    assert.ok(areSame, `@${func.name} takes other parameters now`);
    const bound = allSizes(func, sizes);
    const [inputs, newInputs] = [types, newTypes].map((each) => each.map((type, i) => inputOf(type, bound, i)));
    compare(func.name, interpret(before, func.name, inputs ?? [], bound), interpret(after, func.name, newInputs ?? [], bound));
    return [func.name];
  });
}

/** Derivatives have no meaning of their own in the interpreter; their tests compare with finite differences. */
function canRun(module: Module, func: Func): boolean {
  let runs = true;
  visitOps(func.body, (op) => {
    const callee = op.attrs["callee"];
    if (op.name === "value_and_grad" || op.name === "jvp") runs = false;
    else if (typeof callee === "string") runs &&= canRun(module, findFunction(module, callee));
  });
  return runs;
}

function isSameOrNarrowed(type: Type, now: Type | undefined): boolean {
  const isNumber = type.kind === "tensor" && type.dtype === "f64" && type.shape.length === 0;
  return now !== undefined && (sameType(type, now) || (isNumber && sameType(tensorType("f32", []), now)));
}

function allSizes(func: Func, sizes: Sizes): Sizes {
  const names = func.body.parameters.flatMap(({ type }) => (type.kind === "scalar" ? [] : type.shape.flatMap(namesOfDim)));
  return { ...Object.fromEntries(names.map((name) => [name, 3])), ...sizes };
}

/** Floats in [-2, 2], integers from 0 to 3, bools; the sequence is a Weyl sequence by the golden ratio. */
function inputOf(type: Type, sizes: Sizes, seed: number): HostArray {
  if (type.kind !== "tensor") throw new TypeError("a tensor function takes tensors");
  const shape = type.shape.map((dim) => evaluateDim(dim, sizes));
  const count = shape.reduce((product, size) => product * size, 1);
  const draw = (i: number): number => ((i + 1) * 0.6180339887498949 + seed * 0.7548776662466927) % 1;
  return hostArray(type.dtype, shape, Array.from({ length: count }, (_, i) => valueFrom(type.dtype, draw(i))));
}

function valueFrom(dtype: DType, draw: number): number {
  if (isFloat(dtype)) return draw * 4 - 2;
  return Math.floor(draw * (dtype === "bool" ? 2 : 4));
}

function compare(name: string, expected: readonly HostArray[], actual: readonly HostArray[]): void {
  assert.equal(actual.length, expected.length, `@${name} has another number of results now`);
  expected.forEach((array, result) => {
    const other = actual[result];
    const dtype = array.dtype === "f64" && array.shape.length === 0 && other?.dtype === "f32" ? "f32" : array.dtype;
    assert.equal(`${other?.dtype}[${other?.shape.join()}]`, `${dtype}[${array.shape.join()}]`, `result ${result} of @${name}`);
    array.data.forEach((exact, i) => {
      const [value, now] = [roundTo(dtype, exact), other?.data[i] ?? NaN];
      assert.ok(isClose(dtype, value, now), `element ${i} of result ${result} of @${name} was ${value} and is ${now} now`);
    });
  });
}

function isClose(dtype: DType, value: number, now: number): boolean {
  if (Object.is(value, now) || value === now) return true;
  const tolerance = dtype === "f64" ? 1e-12 : dtype === "f16" || dtype === "bf16" ? 1e-2 : 1e-5;
  return isFloat(dtype) && Math.abs(value - now) <= tolerance * Math.max(1, Math.abs(value));
}
