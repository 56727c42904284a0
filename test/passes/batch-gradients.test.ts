/**
 * Gradients of loops and branches for many examples at once, and gradients of what is done for many examples: both against
 * a loop over the examples. Examples leave a loop at different turns, and each must find on the stacks what it left there.
 */

import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Builder } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { at, only, present } from "../../ir/expect.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { type Func, type Module, type Value, visitOps } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { print } from "../../ir/print.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { verify } from "../../ir/verify.ts";
import { type PassName, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { assertSame, mappedModule, transformed, withExamples } from "./batch-examples.ts";
import { assertClose, f64, functionOf, spread } from "./differentiate.ts";
import { functionFor, parametersOf, program, type Statement } from "./random-control.ts";

const seed = Number(process.env["TSDLC_SEED"] ?? 20261126);
const examples = namedDim("Examples");

function typesOf({ body }: Func): readonly TensorType[] {
  return body.parameters.map(tensorTypeOf);
}

/** The value of `f` and its gradient with respect to `wrt`, as a function of what `f` takes. */
function gradientOf(f: Func, wrt: readonly number[], name = "gradient"): Func {
  return functionOf(name, typesOf(f), (b, ...values) => b.valueAndGrad(values, { callee: f.name, wrt }), [f]);
}

/** The function `name` without calls. */
function plain(functions: readonly Func[], name: string): Func {
  return only(runPasses({ functions }, ["transform"], { entries: [name] }).functions);
}

interface Checked {
  /** What the passes made of it. */
  readonly module: Module;
  readonly results: readonly HostArray[];
}

/**
 * @main does the last of `functions` for each example. What it comes to after the passes is exactly what one example
 * after the other comes to.
 */
function checkExamples(functions: readonly Func[], axes: readonly number[], inputs: readonly HostArray[], passes: readonly PassName[] = ["transform"]): Checked {
  const callee = at(functions, functions.length - 1);
  const outAxes = callee.body.yields.map(() => 0);
  const sizes = { Examples: examplesIn(axes, inputs) };
  const expected = interpret(mappedModule(plain(functions, callee.name), axes, outAxes, examples), "main", inputs, sizes);
  const module = runPasses(mappedModule(callee, axes, outAxes, examples, functions.slice(0, -1)), passes, { entries: ["main"] });
  verify(module);
  assert.equal(print(parse(print(module))), print(module));
  interpret(module, "main", inputs, sizes).forEach((array, i) => assertSame(array, at(expected, i)));
  return { module, results: expected };
}

function examplesIn(axes: readonly number[], inputs: readonly HostArray[]): number {
  const mapped = axes.findIndex((axis) => axis >= 0);
  return at(at(inputs, mapped).shape, at(axes, mapped));
}

function loopsIn(module: Module): { readonly while: number; readonly for: number; readonly reversed: number; readonly stack: number } {
  const found = { while: 0, for: 0, reversed: 0, stack: 0 };
  for (const { body } of module.functions) visitOps(body, ({ name, attrs }) => {
    if (name === "for" && attrs["reverse"] === true) found.reversed++;
    else if (name === "for" || name === "while" || name === "stack") found[name]++;
  });
  return found;
}

/* ---------------------------------------------------------------- random programs */

/** Of x: [2], w: [2,2] and n, those that `mask` says are mapped, at least one; each example has other numbers. */
interface Drawn {
  readonly axes: readonly number[];
  readonly inputs: readonly HostArray[];
}

function draw(mask: number, phase: number, count = 4): Drawn {
  const axes = [0, 1, 2].map((i) => (((mask % 7) + 1) >> i) % 2 === 1 ? 0 : -1);
  const shapeOf = (shape: readonly number[], i: number): readonly number[] => (at(axes, i) < 0 ? shape : [count, ...shape]);
  const counts = shapeOf([], 2);
  return {
    axes,
    inputs: [
      spread(shapeOf([2], 0), phase), spread(shapeOf([2, 2], 1), phase + 1),
      hostArray("i32", counts, Array.from({ length: counts.length === 0 ? 1 : count }, (_, example) => (3 * example + phase) % 5)),
    ],
  };
}

describe("gradients of random control flow for many examples", function () {
  this.timeout(240_000);
  const forEachProgram = (runs: number, check: (f: Func, drawn: Drawn) => void): void =>
    fc.assert(fc.property(program, fc.nat(6), fc.nat(9), (statements: readonly Statement[], mask, phase) => check(functionFor(statements), draw(mask, phase))), { seed, numRuns: runs });

  it("vmap of grad is a loop over examples, exactly, before simplify, cse and dce and after", () => {
    const found = { while: 0, for: 0, reversed: 0, stack: 0 };
    let runs = 0;
    forEachProgram(320, (f, { axes, inputs }) => {
      const loops = loopsIn(checkExamples([f, gradientOf(f, [0, 1])], axes, inputs, runs++ % 2 === 0 ? ["transform"] : transformed).module);
      if (loops.stack > 0) found.stack++;
      if (loops.reversed > 0) found.reversed++;
      if (loops.while > 0) found.while++;
      if (loops.for > 0) found.for++;
    });
    console.log(`      seed ${seed}: of 320 programs ${found.stack} have stacks, ${found.reversed} loops that go back, ${found.while} while, ${found.for} for`);
    assert.ok(Math.min(...Object.values(found)) > 30, JSON.stringify(found));
  });

  it("grad of vmap too, for what is mapped and for what all examples share", () => {
    forEachProgram(300, (f, { axes, inputs }) => {
      const one = plain([f, gradientOf(f, [0, 1])], "gradient");
      const each = interpret(mappedModule(one, axes, [0, 0, 0, 0], examples), "main", inputs, { Examples: 4 });
      const total = functionOf("total", typesOf(f).map((type, i) => withExamples(type, at(axes, i), examples)), (b, ...values) => {
        const [losses] = b.vmap(values, { callee: "f", axes, outAxes: [0, 0] });
        return [b.reduceSum(present(losses, "f has a loss"), { axes: [0] })];
      }, [f]);
      const main = gradientOf(total, [0, 1], "main");
      const [loss, ...gradients] = interpret(runPasses({ functions: [f, total, main] }, tensorPipeline, { entries: ["main"] }), "main", inputs);
      assertClose(loss, sumOverExamples(each[0]), 1e-9);
      gradients.forEach((gradient, i) => assertClose(gradient, at(axes, i) < 0 ? sumOverExamples(each[i + 2]) : each[i + 2], 1e-9));
    });
  });

  it("vmap of the gradient of a gradient", () => {
    forEachProgram(60, (f, { axes, inputs }) => {
      const gradient = gradientOf(f, [0]);
      const slope = functionOf("slope", parametersOf("f64"), (b, ...values) => {
        const [, , dx] = b.call(values, { callee: "gradient" });
        return [b.reduceSum(b.mul(present(dx, "x has a gradient"), b.constantOf(tensorType("f64", [2]), [0.6, -1.1])), { axes: [0] })];
      }, [gradient]);
      checkExamples([f, gradient, slope, gradientOf(slope, [0, 1], "second")], axes, inputs);
    });
  });

  it("vmap of vmap of grad", () => {
    forEachProgram(60, (f, { inputs: [, w] }) => {
      const functions = [f, gradientOf(f, [0, 1])];
      const inner = functionOf("rows", [tensorType("f64", [3, 2]), tensorType("f64", [2, 2]), tensorType("i32", [])], (b, ...values) =>
        b.vmap(values, { callee: "gradient", axes: [0, -1, -1], outAxes: [0, 0, 0, 0] }), functions);
      const matrix = w?.shape.length === 3 ? f64([2, 2], [0.8, -0.4, 0.3, 0.9]) : present(w, "w is given");
      const inputs = [spread([2, 3, 2], 2), matrix, hostArray("i32", [2], [3, 1])];
      const each = plain(functions, "gradient");
      const expected = [0, 1].map((outer) => interpret(mappedModule(each, [0, -1, -1], [0, 0, 0, 0], examples), "main",
        [f64([3, 2], Array.from(present(inputs[0], "x").data.slice(6 * outer, 6 * outer + 6))), matrix, hostArray("i32", [], [outer === 0 ? 3 : 1])], { Examples: 3 }));
      const actual = interpret(runPasses(mappedModule(inner, [0, -1, 0], [0, 0, 0, 0], examples, functions), ["transform"], { entries: ["main"] }), "main", inputs, { Examples: 2 });
      actual.forEach(({ data }, i) => assert.deepEqual(Array.from(data), expected.flatMap((results) => Array.from(at(results, i).data))));
    });
  });
});

function sumOverExamples(array: HostArray | undefined): HostArray {
  const { dtype, shape, data } = present(array, "a result is missing");
  const result = hostArray(dtype, shape.slice(1));
  data.forEach((value, i) => (result.data[i % result.data.length] = (result.data[i % result.data.length] ?? 0) + value));
  return result;
}

/* ---------------------------------------------------------------- by hand */

const scalar = tensorType("f64", []);
const count = tensorType("i32", []);
const whole = (b: Builder, value: number): Value => b.constantOf(count, value);
const given = (value: Value | undefined): Value => only([value]);

describe("gradients of loops and branches for many examples, by hand", () => {
  it("Newton's square root, for examples that need 3 to 40 turns", () => {
    const f = functionOf("f", [scalar], (b, x) => {
      const start = b.constantOf(scalar, 1);
      return b.while([start, b.constantOf(scalar, 0), whole(b, 0)], {}, [
        b.region([scalar, scalar, count], ([now, before]) => [b.gt(b.abs(b.sub(given(now), given(before))), b.mul(given(now), 1e-13))]),
        b.region([scalar, scalar, count], ([now, , turns]) => [b.mul(b.add(given(now), b.div(x, given(now))), 0.5), given(now), b.add(given(turns), 1)]),
      ]).filter((_, i) => i !== 1);
    });
    const roots = [1, 1e20, 2, 0.25, 1e-6, 50];
    const { results: [values, turns, slopes] } = checkExamples([f, gradientOf(f, [0])], [0], [f64([roots.length], roots)]);
    const counts = [...present(turns, "turns").data];
    assert.ok(Math.min(...counts) < 5 && Math.max(...counts) > 35, counts.join());
    assertClose(values, f64([roots.length], roots.map(Math.sqrt)), 1e-12);
    assertClose(slopes, f64([roots.length], roots.map((x) => 0.5 / Math.sqrt(x))), 1e-9);
  });

  it("loops in one another, whose bounds, steps and captured values are of the example", () => {
    const f = functionOf("f", [scalar, count, count], (b, x, n, step) => b.for(whole(b, 1), n, step, [x], { kind: "serial" }, [
      b.region([count, scalar], ([i, outer]) => b.for(given(i), n, whole(b, 2), [given(outer)], { kind: "serial" }, [
        b.region([count, scalar], ([j, inner]) => [b.sin(b.mul(b.mul(given(inner), x), b.cast(b.add(given(i), given(j)), { dtype: "f64" })))]),
      ])),
    ]));
    const inputs = [f64([5], [0.3, 0.9, -0.4, 1.1, 0.7]), hostArray("i32", [5], [7, 0, 4, 1, 9]), hostArray("i32", [5], [3, 1, 1, 2, 4])];
    for (const axes of [[0, 0, 0], [0, 0, -1], [-1, 0, 0], [0, -1, 0], [0, -1, -1]]) {
      checkExamples([f, gradientOf(f, [0])], axes, inputs.map((input, i) => (at(axes, i) < 0 ? hostArray(input.dtype, [], [i === 1 ? 6 : 2]) : input)));
    }
    const none = [f64([0], []), hostArray("i32", [0], []), hostArray("i32", [0], [])];
    checkExamples([f, gradientOf(f, [0])], [0, 0, 0], none);
  });

  it("a branch in a loop, with a loop in each branch: both ways push and pop, and what is pushed on the other way stays away", () => {
    const f = functionOf("f", [scalar, count], (b, x, n) => b.for(whole(b, 0), n, whole(b, 1), [x], { kind: "serial" }, [
      b.region([count, scalar], ([i, y]) => {
        const turn = (now: Value | undefined): Value => b.tanh(b.mul(given(now), given(now)));
        return b.if(b.gt(given(y), 0.5), {}, [
          b.region([], () => b.for(whole(b, 0), given(i), whole(b, 1), [given(y)], { kind: "serial" }, [b.region([count, scalar], ([, now]) => [turn(now)])])),
          b.region([], () => b.while([given(y)], {}, [
            b.region([scalar], ([now]) => [b.lt(given(now), 0.6)]),
            b.region([scalar], ([now]) => [b.add(b.mul(given(now), given(now)), 0.4)]),
          ])),
        ]);
      }),
    ]));
    checkExamples([f, gradientOf(f, [0])], [0, 0], [f64([6], [0.9, -0.3, 0.55, 0.1, 0.45, 2]), hostArray("i32", [6], [3, 5, 0, 1, 8, 4])]);
    checkExamples([f, gradientOf(f, [0])], [0, -1], [f64([6], [0.9, -0.3, 0.55, 0.1, 0.45, 2]), hostArray("i32", [], [4])]);
  });

  it("what is the same for all examples is pushed once", () => {
    const f = functionOf("f", [scalar, scalar, count], (b, x, shared, n) => b.for(whole(b, 0), n, whole(b, 1), [x, shared], { kind: "serial" }, [
      b.region([count, scalar, scalar], ([, y, z]) => [b.mul(given(y), given(z)), b.sin(given(z))]),
    ]).slice(0, 1));
    const functions = [f, gradientOf(f, [0])];
    checkExamples(functions, [0, -1, 0], [f64([3], [1, 2, 3]), f64([], [0.7]), hostArray("i32", [3], [2, 0, 4])]);
    checkExamples(functions, [0, -1, -1], [f64([3], [1, 2, 3]), f64([], [0.7]), hostArray("i32", [], [4])]);
    const text = print(runPasses(mappedModule(at(functions, 1), [0, -1, -1], [0, 0], examples, [f]), tensorPipeline, { entries: ["main"] }));
    assert.match(text, /stack f64\[\] = stack/);
    assert.doesNotMatch(text, /stack f64\[Examples/);
  });
});

describe("a reversed for", () => {
  const text = (attrs: string, start = "i32[]"): string => `func @f(%start: ${start}, %stop: ${start}, %step: ${start}, %x: i32[]) {
    %y: i32[] = for %start, %stop, %step, %x ${attrs} {
      body(%i: ${start}, %sum: i32[]) {
        %double: i32[] = add %sum, %sum
        %one: i32[] = cast %i {"dtype":"i32"}
        %next: i32[] = add %double, %one
        yield %next
      }
    }
    return %y
  }`;
  const module = (attrs: string): Module => parse(text(attrs));
  const i32 = (value: number): HostArray => hostArray("i32", [], [value]);

  it("takes the counters from the last to the first, as a while too", () => {
    const reversed = module('{"kind":"serial","reverse":true}');
    verify(reversed);
    const expanded = runPasses(reversed, ["expand-loops"]);
    assert.deepEqual(loopsIn(expanded), { while: 1, for: 0, reversed: 0, stack: 0 });
    for (const [start, stop, step] of [[0, 4, 1], [2, 11, 3], [2, 12, 3], [5, 5, 1], [5, -3, 2], [-7, 1, 4]] as const) {
      let expected = 1;
      const counters = Array.from({ length: 20 }, (_, turn) => start + turn * step).filter((counter) => counter < stop);
      for (const counter of counters.reverse()) expected = 2 * expected + counter;
      for (const form of [reversed, expanded]) assert.equal(interpret(form, "f", [i32(start), i32(stop), i32(step), i32(1)])[0]?.data[0], expected, `${start} to ${stop} by ${step}`);
    }
  });

  it("counts in i32, and is reversed or not", () => {
    assert.throws(() => verify(parse(text('{"kind":"serial","reverse":true}', "i64[]"))), /a reversed for counts by i32 tensors of rank 0.*i64\[\]/s);
    assert.throws(() => verify(module('{"kind":"serial","reverse":1}')), /attr reverse of a for must be true or false.*it is 1/s);
  });
});
