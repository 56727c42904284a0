/**
 * Gradients through branches and loops: random programs against forward mode and central differences in f64, to the second
 * order, every pass against the program before it; and cases that other compilers are known to get wrong.
 */

import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Builder } from "../../ir/builder.ts";
import { only } from "../../ir/expect.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module, Value } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { print } from "../../ir/print.ts";
import { tensorType } from "../../ir/type.ts";
import { type PassReport, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { assertClose, checkGradient, f64, finiteDifference, functionOf, runCompiled, withGradient } from "./differentiate.ts";
import { functionFor, parametersOf, program, type Statement } from "./random-control.ts";

const seed = Number(process.env["TSDLC_SEED"] ?? 20261125);

function inputsFor(n: number): readonly HostArray[] {
  return [f64([2], [0.37 + 0.1 * n, -0.53]), f64([2, 2], [0.8, -0.4, 0.3, 0.9]), hostArray("i32", [], [n])];
}

function valueOf(f: Func, inputs: readonly HostArray[]): readonly [number, number] {
  const [value, trace] = interpret({ functions: [f] }, f.name, inputs);
  return [value?.data[0] ?? NaN, trace?.data[0] ?? NaN];
}

/** Whether every step of a central difference takes the same branches. */
function isSmooth(f: Func, inputs: readonly HostArray[], step: number): boolean {
  const [, trace] = valueOf(f, inputs);
  return inputs.every((input, position) => input.dtype !== "f64" || [...input.data].every((_, element) => [step, -step].every((offset) => {
    const moved = hostArray(input.dtype, input.shape, input.data);
    moved.data[element] = (moved.data[element] ?? 0) + offset;
    return valueOf(f, inputs.with(position, moved))[1] === trace;
  })));
}

/** main: the tangent of f's value along directions for x and w. */
function withTangent(f: Func): Module {
  const [x, w, n] = parametersOf("f64");
  const main = functionOf("main", [x, w, n, x, w, n], (b, ...values) => [...b.jvp(values, { callee: f.name }).slice(2, 3)], [f]);
  return { functions: [f, main] };
}

/** main: the gradient of sum(direction * gradient of f) with respect to x. */
function withSecond(f: Func): Module {
  const [x, w, n] = parametersOf("f64");
  const slope = functionOf("slope", [x, w, n, x], (b, ...values) => {
    const [, , dx] = b.valueAndGrad(values.slice(0, 3), { callee: f.name, wrt: [0] });
    const direction = values[3];
    assert(dx !== undefined && direction !== undefined);
    return [b.reduceSum(b.mul(dx, direction), { axes: [0] })];
  }, [f]);
  const main = functionOf("main", [x, w, n, x], (b, ...values) => b.valueAndGrad(values, { callee: "slope", wrt: [0] }), [slope, f]);
  return { functions: [f, slope, main] };
}

function dot(left: HostArray | undefined, right: HostArray | undefined): number {
  assert(left !== undefined && right !== undefined);
  return [...left.data].reduce((sum, value, i) => sum + value * (right.data[i] ?? NaN), 0);
}

describe("gradients of random programs with loops and branches", function () {
  this.timeout(60_000);
  const counts = { differences: 0, flips: 0 };

  after(() => console.log(`      seed ${seed}: ${counts.differences} compared with differences, ${counts.flips} not, since a step takes another branch`));

  const forEachProgram = (runs: number, check: (f: Func, inputs: readonly HostArray[]) => void): void =>
    fc.assert(fc.property(program, fc.nat(4), (statements: readonly Statement[], n) => check(functionFor(statements), inputsFor(n))), { seed, numRuns: runs });

  it("reverse mode equals forward mode", () => {
    const directions = [f64([2], [0.6, -1.1]), f64([2, 2], [0.2, 0.5, -0.7, 0.4]), hostArray("i32", [], [0])];
    forEachProgram(300, (f, inputs) => {
      const [, , dx, dw] = runCompiled(withGradient(f, [0, 1]), inputs);
      const [tangent] = runCompiled(withTangent(f), [...inputs, ...directions]);
      const expected = dot(dx, directions[0]) + dot(dw, directions[1]);
      assert(Math.abs((tangent?.data[0] ?? NaN) - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${tangent?.data[0]} forward, ${expected} reverse`);
    });
  });

  it("reverse mode equals central differences", () => {
    forEachProgram(150, (f, inputs) => {
      const [value, , dx, dw] = runCompiled(withGradient(f, [0, 1]), inputs);
      assert.equal(value?.data[0], valueOf(f, inputs)[0]);
      if (hasStops(f) || !isSmooth(f, inputs, 1e-5)) {
        counts.flips++;
        return;
      }
      counts.differences++;
      assertClose(dx, finiteDifference(f, inputs, 0), 1e-5);
      assertClose(dw, finiteDifference(f, inputs, 1), 1e-5);
    });
  });

  it("the second derivative is that of the first, by differences of gradients", () => {
    const direction = f64([2], [0.6, -1.1]);
    forEachProgram(60, (f, inputs) => {
      const [slope, second] = runCompiled(withSecond(f), [...inputs, direction]);
      const gradientAt = (element: number, offset: number): number => {
        const [x] = inputs;
        assert(x !== undefined);
        const moved = hostArray(x.dtype, x.shape, x.data);
        moved.data[element] = (moved.data[element] ?? 0) + offset;
        return dot(runCompiled(withGradient(f, [0]), inputs.with(0, moved))[2], direction);
      };
      assert(Math.abs((slope?.data[0] ?? NaN) - gradientAt(0, 0)) < 1e-9);
      if (hasStops(f) || !isSmooth(f, inputs, 1e-5)) return;
      const expected = f64([2], [0, 1].map((element) => (gradientAt(element, 1e-5) - gradientAt(element, -1e-5)) / 2e-5));
      assertClose(second, expected, 1e-4);
    });
  });

  it("every pass leaves the results as they were, and the text of every stage reads back", () => {
    forEachProgram(40, (f, inputs) => {
      const module = withGradient(f, [0, 1]);
      const stages: Module[] = [];
      runPasses(module, [...tensorPipeline, "expand-loops", "fuse"], { entries: ["main"] }, { now: () => 0, passed: ({ after }: PassReport) => stages.push(after) });
      const expected = interpret(stages[0] ?? module, "main", inputs);
      for (const stage of stages) {
        const text = print(stage);
        assert.equal(print(parse(text)), text);
        interpret(stage, "main", inputs).forEach((result, i) => assertClose(result, expected[i], 1e-12));
      }
    });
  });
});

describe("gradients through loops and branches, by hand", () => {
  const scalar = tensorType("f64", []);
  const count = tensorType("i32", []);
  const whole = (b: Builder, value: number): Value => b.constantOf(count, value);

  it("the square root by Newton's iteration until it no longer changes: 1 / (2 sqrt x)", () => {
    const f = functionOf("f", [scalar], (b, x) => {
      const guess = b.max(x, 1);
      return b.while([guess, b.constantOf(scalar, 0)], {}, [
        b.region([scalar, scalar], ([now, before]) => [b.gt(b.abs(b.sub(present(now), present(before))), 1e-12)]),
        b.region([scalar, scalar], ([now]) => [b.mul(b.add(present(now), b.div(x, present(now))), 0.5), present(now)]),
      ]).slice(0, 1);
    });
    for (const x of [0.25, 1, 2, 50, 1e4]) {
      const [root, slope] = runCompiled(withGradient(f, [0]), [f64([], [x])]);
      assertClose(root, f64([], [Math.sqrt(x)]), 1e-12);
      assertClose(slope, f64([], [0.5 / Math.sqrt(x)]), 1e-9);
    }
  });

  it("bounded loops in one another, the inner bound by the outer counter: sum of x * i * j has the gradient sum of i * j", () => {
    const f = functionOf("f", [scalar, count], (b, x, n) => b.for(whole(b, 0), n, whole(b, 1), [b.constantOf(scalar, 0)], { kind: "serial" }, [
      b.region([count, scalar], ([i, outer]) => b.for(whole(b, 1), present(i), whole(b, 2), [present(outer)], { kind: "serial" }, [
        b.region([count, scalar], ([j, inner]) => [b.add(present(inner), b.mul(x, b.cast(b.mul(present(i), present(j)), { dtype: "f64" })))]),
      ])),
    ]));
    for (const n of [0, 1, 2, 5, 9]) {
      let expected = 0;
      for (let i = 0; i < n; i++) for (let j = 1; j < i; j += 2) expected += i * j;
      const [value, slope] = runCompiled(withGradient(f, [0]), [f64([], [1.5]), hostArray("i32", [], [n])]);
      assert.deepEqual([value?.data[0], slope?.data[0]], [1.5 * expected, expected]);
    }
  });

  it("max at ties shares the gradient, in each turn of a loop: half of it reaches x each time", () => {
    const f = functionOf("f", [scalar], (b, x) => b.for(whole(b, 0), whole(b, 3), whole(b, 1), [x], { kind: "serial" }, [
      b.region([count, scalar], ([, y]) => [b.max(present(y), b.stopGradient(present(y)))]),
    ]));
    assert.equal(runCompiled(withGradient(f, [0]), [f64([], [2])])[1]?.data[0], 1 / 8);
  });

  it("a branch that is not taken gives nothing, not even NaN", () => {
    checkGradient((b, x) => b.if(b.gt(x, 0), {}, [b.region([], () => [b.sqrt(x)]), b.region([], () => [b.constantOf(scalar, 0)])]), [f64([], [-2])]);
    checkGradient((b, x) => b.if(b.gt(x, 0), {}, [b.region([], () => [b.sqrt(x)]), b.region([], () => [b.constantOf(scalar, 0)])]), [f64([], [2])]);
  });

  it("a loop that never turns passes the gradient on", () => {
    const f = functionOf("f", [scalar], (b, x) => b.while([x], {}, [
      b.region([scalar], ([y]) => [b.gt(present(y), 100)]),
      b.region([scalar], ([y]) => [b.mul(present(y), 0.5)]),
    ]));
    assert.equal(runCompiled(withGradient(f, [0]), [f64([], [2])])[1]?.data[0], 1);
    assert.equal(runCompiled(withGradient(f, [0]), [f64([], [300])])[1]?.data[0], 0.25);
  });

  it("what only the value needs is not kept: a loop that is linear in what it carries has no stack", () => {
    const f = functionOf("f", [scalar, count], (b, x, n) => b.for(whole(b, 0), n, whole(b, 1), [x], { kind: "serial" }, [
      b.region([count, scalar], ([i, y]) => [b.mul(present(y), b.cast(b.add(present(i), 1), { dtype: "f64" }))]),
    ]));
    const compiled = runPasses(withGradient(f, [0]), tensorPipeline, { entries: ["main"] });
    assert.doesNotMatch(print(compiled), /stack/);
    assert.deepEqual(interpret(compiled, "main", [f64([], [2]), hostArray("i32", [], [5])]).map(({ data }) => data[0]), [240, 120]);
  });
});

function present(value: Value | undefined): Value {
  return only([value]);
}

/** A stopped gradient is not the derivative. */
function hasStops(f: Func): boolean {
  return print({ functions: [f] }).includes("stop_gradient");
}
