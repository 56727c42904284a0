/**
 * Random straight-line programs: the passes keep what a program computes, and its gradient is the difference quotient.
 *
 * Every step takes and gives tensors of one shape with values of moderate size, so that any sequence of steps is a
 * program and difference quotients stay accurate. An element at which two step widths disagree stands at a kink (of
 * abs, max, select) and is not compared; a run in which many are skipped fails, because it then tests nothing.
 */

import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Builder } from "../../ir/builder.ts";
import type { HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Value } from "../../ir/module.ts";
import { print } from "../../ir/print.ts";
import { tensorType } from "../../ir/type.ts";
import { type PassName, runPasses } from "../../passes/pipeline.ts";
import { assertClose, type Body, finiteDifference, functionOf, spread, withGradient } from "./differentiate.ts";

const shape = [2, 3];
const dot = { leftBatch: [], rightBatch: [], leftReduced: [0], rightReduced: [0] };

const steps: readonly ((b: Builder, x: Value, y: Value) => Value)[] = [
  (b, x, y) => b.mul(b.add(x, y), 0.5),
  (b, x, y) => b.mul(b.sub(x, y), 0.5),
  (b, x, y) => b.mul(x, b.sin(y)),
  (b, x, y) => b.div(x, b.add(b.cos(y), 2)),
  (b, x) => b.neg(x),
  (b, x) => b.tanh(x),
  (b, x) => b.exp(b.mul(b.tanh(x), 0.5)),
  (b, x) => b.log1p(b.mul(x, x)),
  (b, x) => b.sqrt(b.add(b.pow(x, 2), 1)),
  (b, x) => b.rsqrt(b.add(b.mul(x, x), 1)),
  (b, x) => b.erf(x),
  (b, x, y) => b.max(x, y),
  (b, x) => b.abs(x),
  (b, x, y) => b.select(b.gt(x, 0.123), x, b.mul(y, 0.5)),
  (b, x, y) => b.pow(b.add(b.abs(x), 1), b.tanh(y)),
  (b, x) => b.mul(x, b.stopGradient(b.floor(x))),
  (b, x) => b.cast(b.cast(x, { dtype: "f64" }), { dtype: "f64" }),
  (b, x) => b.broadcast(b.div(b.reduceSum(x, { axes: [0] }), 2), { shape, axes: [1] }),
  (b, x) => b.broadcast(b.reduceMax(x, { axes: [1] }), { shape, axes: [0] }),
  (b, x) => b.reshape(b.transpose(b.reshape(x, { shape: [3, 2] }), { permutation: [1, 0] }), { shape }),
  (b, x, y) => b.slice(b.concat([x, b.reverse(y, { axes: [0] })], { axis: 1 }), { starts: [0, 1], sizes: [2, 3], strides: [1, 2] }),
  (b, x) => b.pad(b.slice(x, { starts: [0, 1], sizes: [2, 2], strides: [1, 1] }), { low: [0, 0], high: [0, 1], interior: [0, 0], value: 0.25 }),
  (b, x, y) => b.tanh(b.transpose(b.dotGeneral(b.dotGeneral(x, y, dot), b.transpose(x, { permutation: [1, 0] }), dot), { permutation: [1, 0] })),
  (b, x) => b.gather(x, b.constant({ value: [1, 1], dtype: "i32", shape: [2] }), { axis: 0 }),
  (b, x) => b.mul(b.cumsum(x, { axis: 1, reverse: false }), 0.3),
];

const program = fc.array(fc.record({ step: fc.nat(steps.length - 1), x: fc.nat(9), y: fc.nat(9) }), { minLength: 1, maxLength: 8 });

type Program = readonly { readonly step: number; readonly x: number; readonly y: number }[];

/** Each step reads two earlier values, counted from the latest; the result is the sum of the last one. */
function bodyOf(instructions: Program): Body {
  return (b, ...parameters) => {
    const values = [...parameters];
    const take = (position: number): Value => {
      const value = values[values.length - 1 - (position % values.length)];
      assert(value !== undefined);
      return value;
    };
    for (const { step, x, y } of instructions) values.push((steps[step] ?? steps[0] ?? ((_b, only) => only))(b, take(x), take(y)));
    return [b.reduceSum(take(0), { axes: [0, 1] })];
  };
}

const inputs = [spread(shape), spread(shape, 2)];
const types = inputs.map(() => tensorType("f64", shape));

describe("random programs", () => {
  it("every pass keeps what they compute", () => {
    const pipelines: readonly (readonly PassName[])[] = [["transform", "simplify"], ["transform", "cse"], ["transform", "dce"], ["transform", "simplify", "cse", "simplify", "dce"]];
    fc.assert(
      fc.property(program, (instructions) => {
        const module = withGradient(functionOf("f", types, bodyOf(instructions)), [0, 1]);
        const expected = interpret(runPasses(module, ["transform"]), "main", inputs);
        for (const passes of pipelines) {
          interpret(runPasses(module, passes), "main", inputs).forEach((actual, i) => assertClose(actual, expected[i], 1e-11));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("simplify leaves nothing to simplify", () => {
    fc.assert(
      fc.property(program, (instructions) => {
        const module = withGradient(functionOf("f", types, bodyOf(instructions)), [0, 1]);
        const once = runPasses(module, ["transform", "simplify", "dce"]);
        assert.equal(print(runPasses(once, ["simplify", "dce"])), print(once));
      }),
      { numRuns: 300 },
    );
  });

  it("gradients are difference quotients", () => {
    const count = { compared: 0, skipped: 0 };
    fc.assert(
      fc.property(program, (instructions) => {
        const f = functionOf("f", types, bodyOf(instructions));
        const [, ...gradients] = interpret(runPasses(withGradient(f, [0, 1]), ["transform", "simplify", "cse", "dce"]), "main", inputs);
        gradients.forEach((gradient, position) => {
          const [wide, narrow] = [finiteDifference(f, inputs, position, 2e-4), finiteDifference(f, inputs, position, 1e-4)];
          compare(gradient, wide, narrow, count);
        });
      }),
      { numRuns: 60 },
    );
    assert(count.skipped < count.compared / 10, `${count.skipped} elements skipped, ${count.compared} compared`);
  });
});

/** Richardson extrapolation of the two quotients is accurate to the fourth order of the step. */
function compare(gradient: HostArray, wide: HostArray, narrow: HostArray, count: { compared: number; skipped: number }): void {
  gradient.data.forEach((actual, i) => {
    const [atWide, atNarrow] = [wide.data[i] ?? NaN, narrow.data[i] ?? NaN];
    const scale = Math.max(1, Math.abs(actual));
    const spreadOfTwo = Math.abs(atWide - atNarrow);
    if (spreadOfTwo > 1e-3 * scale) return void count.skipped++;
    count.compared++;
    const expected = (4 * atNarrow - atWide) / 3;
    assert(Math.abs(actual - expected) <= 1e-6 * scale + spreadOfTwo, `element ${i} is ${actual}, the quotient ${expected}`);
  });
}
