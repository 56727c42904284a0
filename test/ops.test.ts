/**
 * Walks the op table: whatever is in it is complete, and its parts agree with each other. The meaning, `evaluate`, is
 * the oracle; its own correctness is tested in test/ir/evaluate.test.ts by known answers.
 */

import assert from "node:assert/strict";
import { type Builder, buildFunction } from "../ir/builder.ts";
import { hostArray, type HostArray } from "../ir/host.ts";
import { interpret } from "../ir/interpret.ts";
import type { Func, Value } from "../ir/module.ts";
import { isLinearIn, type OpRecord, type Sample, type TransposeRule } from "../ir/op.ts";
import { opTable, textName } from "../ir/ops/table.ts";
import { parse } from "../ir/parse.ts";
import { print } from "../ir/print.ts";
import { printType, type TensorType, tensorType } from "../ir/type.ts";
import { verify } from "../ir/verify.ts";
import {
  createRandom, expectTensor, functionOf, inputsOf, kernelOf, parametersOf, present, type Sizes, sizesOfSample, ulpsBetween, withSizes,
} from "./run-sample.ts";

const records: readonly (readonly [name: string, record: OpRecord])[] = Object.entries(opTable).map(([key, record]) => [textName(key), record]);

describe("op table", () => {
  for (const [name, record] of records) {
    describe(name, () => {
      it("is complete", () => checkComplete(record));
      if (record.samples === undefined) return;
      it("prints, parses and verifies", () => eachSample(record, (sample) => checkRoundTrip(name, sample)));
      it("computes what it means", () => eachSample(record, (sample, sizes, seed) => checkCompute(name, record, sample, sizes, seed)));
      if (record.derivative === "none") return;
      it("has the derivative of what it means", () => {
        let count = 0;
        eachSample(record, (sample, sizes, seed) => {
          if (sample.operands.some(({ dtype }) => dtype === "f64")) count += checkDerivative(name, record, withSizes(sample, sizes), seed);
        });
        assert.ok(count > 0, "no sample has f64 operands and a result that is f64");
      });
    });
  }
});

/** Where a function has a kink no difference quotient says what the derivative is: the doc of the op does. */
describe("derivatives at kinks", () => {
  const line = tensorType("f64", [3]);
  const cases: readonly (readonly [name: string, sample: Sample, inputs: readonly (readonly number[])[], expected: readonly number[]])[] = [
    ["max", { operands: [line, line] }, [[1, 1, 2], [1, 2, 1]], [5.5, 10, 1]],
    ["min", { operands: [line, line] }, [[1, 1, 2], [1, 2, 1]], [5.5, 1, 10]],
    ["abs", { operands: [line] }, [[-2, 0, 2]], [-1, 0, 1]],
    ["reduce_max", { operands: [tensorType("f64", [4])], attrs: { axes: [0] } }, [[3, 1, 3, 3]], [1]],
    ["reduce_prod", { operands: [line], attrs: { axes: [0] } }, [[2, 0, 3]], [6]],
    ["reduce_prod", { operands: [line], attrs: { axes: [0] } }, [[0, 0, 3]], [0]],
    ["pow", { operands: [line, line] }, [[0, 0, 2], [1, 0, 0]], [1, 0, 10 * Math.log(2)]],
  ];
  for (const [name, sample, inputs, expected] of cases) {
    it(`${name} at ${inputs.map((input) => `[${input.join(",")}]`).join(" and ")}`, () => {
      const primals = inputs.map((input) => hostArray("f64", [input.length], input));
      // Tangents 1 of the first operand and 10 of the second.
      const tangents = inputs.map((input, i) => hostArray("f64", [input.length], input.map(() => 10 ** i)));
      const func = jvpFunction(name, present(records.find(([other]) => other === name))[1], sample, inputs.map((_, i) => i));
      assert.deepEqual(Array.from(present(run(func, [...primals, ...tangents])[0]).data), expected);
    });
  }
});

function eachSample(record: OpRecord, check: (sample: Sample, sizes: Sizes, seed: number) => void): void {
  present(record.samples).forEach((sample, position) => {
    for (const sizes of sizesOfSample(sample)) {
      try {
        check(sample, sizes, position + 1);
      } catch (error) {
        const where = `sample ${position}: ${sample.operands.map(printType).join(", ")} ${JSON.stringify(sample.attrs ?? {})} at ${JSON.stringify(sizes)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
  });
}

function checkComplete(record: OpRecord): void {
  assert.ok(record.doc.length > 0, "it has no doc");
  if (record.evaluate === undefined) return assert.equal(record.samples, undefined, "samples need evaluate");
  assert.ok((record.samples ?? []).length > 0, "it has no samples");
  assert.notEqual(record.compute, undefined, "it has no compute rule");
  assert.notEqual(record.derivative, undefined, 'it has no derivative; say "none"');
}

function checkRoundTrip(name: string, sample: Sample): void {
  const module = { functions: [functionOf(name, sample)] };
  verify(module);
  const text = print(module);
  const parsed = parse(text);
  verify(parsed);
  assert.equal(print(parsed), text);
}

/** The kernel by the compute rule gives what evaluate gives, of the types that infer gives, for symbolic sizes and for literal ones. */
function checkCompute(name: string, record: OpRecord, sample: Sample, sizes: Sizes, seed: number): void {
  const inputs = inputsOf(sample, sizes, seed);
  const literal = withSizes(sample, sizes);
  const expected = run(functionOf(name, sample), inputs, sizes);
  const types = inferOrSkip(record, literal);
  if (types === undefined) return;
  expected.forEach((array, i) => assert.equal(printType(tensorType(array.dtype, array.shape)), printType(present(types[i]))));
  for (const form of [sample, literal]) {
    run(kernelOf(record, form), inputs, sizes).forEach((array, i) => expectClose(array, present(expected[i]), sample.ulp ?? 2));
  }
}

/** Some ops refuse literal sizes that they cannot refuse when symbolic: an argmax of nothing. */
function inferOrSkip(record: OpRecord, sample: Sample): readonly TensorType[] | undefined {
  try {
    return record.infer(sample.operands, sample.attrs ?? {}, []).map(expectTensor);
  } catch (error) {
    if (sample.operands.some(({ shape }) => shape.includes(0))) return undefined;
    throw error;
  }
}

function run(func: Func, inputs: readonly HostArray[], sizes: Sizes = {}): readonly HostArray[] {
  const module = { functions: [func] };
  verify(module);
  return interpret(module, func.name, inputs, sizes);
}

function expectClose(actual: HostArray, expected: HostArray, ulp: number): void {
  assert.deepEqual(actual.shape, expected.shape);
  actual.data.forEach((value, i) => {
    const wanted = expected.data[i] ?? NaN;
    const distance = ulpsBetween(actual.dtype, value, wanted);
    assert.ok(distance <= ulp, `element ${i} is ${value}, expected ${wanted}: ${distance} ulp apart, allowed ${ulp}`);
  });
}

/* ---------------------------------------------------------------- derivatives */

const step = 1e-5;

/** The derivative along random tangents against central differences, and the transposed rule against the derivative. */
function checkDerivative(name: string, record: OpRecord, sample: Sample, seed: number): number {
  const [result] = inferOrSkip(record, sample) ?? [];
  if (result === undefined || result.dtype !== "f64") return 0;
  const primals = inputsOf(sample, {}, seed);
  const random = createRandom(seed + 1000);
  const tangents = primals.map((array) => randomLike(array, random));
  const differentiable = sample.operands.flatMap(({ dtype }, i) => (dtype === "f64" ? [i] : []));
  const forward = functionOf(name, sample);
  const moved = (by: number): HostArray =>
    present(run(forward, primals.map((array, i) => (differentiable.includes(i) ? along(array, present(tangents[i]), by) : array)))[0]);
  const [ahead, behind] = [moved(step), moved(-step)];
  const [derivative] = run(jvpFunction(name, record, sample, differentiable), [...primals, ...differentiable.map((i) => present(tangents[i]))]);
  present(derivative).data.forEach((value, i) => {
    // The largest of nothing is -infinity, which has no difference quotient.
    if (!Number.isFinite(ahead.data[i])) return;
    const slope = ((ahead.data[i] ?? NaN) - (behind.data[i] ?? NaN)) / (2 * step);
    assert.ok(Math.abs(value - slope) <= 1e-6 * Math.max(1, Math.abs(slope)), `derivative of element ${i} is ${value}, the difference quotient ${slope}`);
  });
  const rule = record.derivative;
  if (typeof rule === "object" && "transpose" in rule) {
    const positions = differentiable.filter((i) => isLinearIn(rule, i));
    const groups = rule.multilinear === true ? positions.map((i) => [i]) : [positions];
    for (const group of groups) checkTransposed(name, rule, sample, group, primals, randomLike(present(derivative), random));
  }
  return 1;
}

/** <y, A x> = <A^T y, x> for the operands of `group` as x and the others held. Samples of pad are linear: they pad with 0. */
function checkTransposed(name: string, rule: TransposeRule, sample: Sample, group: readonly number[], primals: readonly HostArray[], cotangent: HostArray): void {
  const [output] = run(functionOf(name, sample), primals);
  const type = tensorType(cotangent.dtype, cotangent.shape);
  const pulled = buildFunction("f", parametersOf([...sample.operands, type]), (b, values) => {
    const operands = values.slice(0, -1).map((value, i) => (group.includes(i) ? undefined : value));
    const cotangents = rule.transpose(b, [present(values.at(-1))], operands, sample.operands, sample.attrs ?? {});
    cotangents.forEach((value, i) => assert.equal(value !== undefined, group.includes(i), `cotangent of operand ${i}`));
    return group.map((i) => present(cotangents[i]));
  });
  const results = run(pulled, [...primals, cotangent]);
  group.forEach((i, k) => assert.deepEqual(present(results[k]).shape, present(primals[i]).shape));
  const left = inner(cotangent, present(output));
  const right = group.reduce((sum, i, k) => sum + inner(present(results[k]), present(primals[i])), 0);
  assert.ok(Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(left)), `<y, A x> is ${left}, <A^T y, x> is ${right}`);
}

/** func(primals..., tangents of the differentiable operands...) = tangent of the result. */
function jvpFunction(name: string, record: OpRecord, sample: Sample, differentiable: readonly number[]): Func {
  const types = [...sample.operands, ...differentiable.map((i) => present(sample.operands[i]))];
  return buildFunction("f", parametersOf(types), (b, values) => {
    const primals = values.slice(0, sample.operands.length);
    const tangents = primals.map((_, i) => (differentiable.includes(i) ? values[primals.length + differentiable.indexOf(i)] : undefined));
    return [tangentOf(b, name, record, sample, primals, tangents)];
  });
}

function tangentOf(b: Builder, name: string, record: OpRecord, sample: Sample, primals: readonly Value[], tangents: readonly (Value | undefined)[]): Value {
  const [rule, attrs] = [record.derivative, sample.attrs ?? {}];
  if (rule === undefined || rule === "none") throw new Error(`${name} has no derivative`);
  if ("jvp" in rule) return present(rule.jvp(b, primals, tangents, b.op(name, primals, attrs), attrs)[0]);
  const replaced = (replace: (i: number) => boolean): Value => present(b.op(name, primals.map((primal, i) => (replace(i) ? present(tangents[i]) : primal)), attrs)[0]);
  const positions = tangents.flatMap((tangent, i) => (tangent !== undefined && isLinearIn(rule, i) ? [i] : []));
  if (rule.multilinear !== true) return replaced((i) => positions.includes(i));
  return positions.map((position) => replaced((i) => i === position)).reduce((left, right) => b.add(left, right));
}

function randomLike(array: HostArray, random: () => number): HostArray {
  return hostArray(array.dtype, array.shape, Array.from(array.data, () => 2 * random() - 1));
}

function along(array: HostArray, direction: HostArray, by: number): HostArray {
  return hostArray(array.dtype, array.shape, Array.from(array.data, (value, i) => value + by * (direction.data[i] ?? 0)));
}

function inner(left: HostArray, right: HostArray): number {
  return Array.from(left.data).reduce((sum, value, i) => sum + value * (right.data[i] ?? 0), 0);
}
