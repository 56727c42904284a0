/** Derivatives by the transform pass: composites against central differences, and against formulas worked out by hand. */

import { strict as assert } from "node:assert";
import type { Builder } from "../../ir/builder.ts";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Module, Value } from "../../ir/module.ts";
import { tensorType } from "../../ir/type.ts";
import { PassError, runPasses } from "../../passes/pipeline.ts";
import { assertClose, type Body, checkGradient, f64, functionOf, runCompiled, spread, withGradient } from "./differentiate.ts";

const scalar = tensorType("f64", []);

function at(values: readonly Value[], position: number): Value {
  const value = values[position];
  assert(value !== undefined);
  return value;
}

function sumAll(b: Builder, x: Value): Value {
  assert(x.type.kind === "tensor");
  return b.reduceSum(x, { axes: x.type.shape.map((_, axis) => axis) });
}

/** x with an axis of its own size put back: rows of [n] against [n, m]. */
function alongRows(b: Builder, x: Value, shape: readonly number[]): Value {
  return b.broadcast(x, { shape, axes: [0] });
}

function logSoftmax(b: Builder, x: Value, shape: readonly number[]): Value {
  const shifted = b.sub(x, alongRows(b, b.stopGradient(b.reduceMax(x, { axes: [1] })), shape));
  return b.sub(shifted, alongRows(b, b.log(b.reduceSum(b.exp(shifted), { axes: [1] })), shape));
}

describe("gradients of composites", () => {
  it("softmax cross entropy: (softmax - one hot) / n", () => {
    const shape = [3, 4];
    const labels = [2, 0, 3];
    const body: Body = (b, x) => {
      const oneHot = b.constant({ value: labels.flatMap((label) => [0, 1, 2, 3].map((c) => (c === label ? 1 : 0))), dtype: "f64", shape });
      return [b.div(b.neg(sumAll(b, b.mul(logSoftmax(b, x, shape), oneHot))), 3)];
    };
    const x = spread(shape);
    checkGradient(body, [x]);
    const [, gradient] = runCompiled(withGradient(functionOf("f", [tensorType("f64", shape)], body), [0]), [x]);
    const expected = [...x.data].map((_, i) => {
      const row = [...x.data].slice(4 * Math.floor(i / 4), 4 * Math.floor(i / 4) + 4).map(Math.exp);
      const probability = (row[i % 4] ?? NaN) / row.reduce((sum, e) => sum + e, 0);
      return (probability - (labels[Math.floor(i / 4)] === i % 4 ? 1 : 0)) / 3;
    });
    assertClose(gradient, f64(shape, expected), 1e-12);
  });

  it("layer norm with scale and shift", () => {
    const shape = [3, 5];
    checkGradient((b, x, scale, shift, weights) => {
      const mean = b.div(b.reduceSum(x, { axes: [1] }), 5);
      const centred = b.sub(x, alongRows(b, mean, shape));
      const variance = b.div(b.reduceSum(b.mul(centred, centred), { axes: [1] }), 5);
      const normal = b.mul(centred, alongRows(b, b.rsqrt(b.add(variance, 1e-5)), shape));
      const affine = b.add(b.mul(normal, b.broadcast(scale, { shape, axes: [1] })), b.broadcast(shift, { shape, axes: [1] }));
      return [sumAll(b, b.mul(affine, weights))];
    }, [spread(shape), spread([5], 1), spread([5], 2), spread(shape, 3)]);
  });

  it("a chain of matmuls with a transpose and tanh between", () => {
    const dot = { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] };
    checkGradient((b, x, w, v) => {
      const hidden = b.tanh(b.dotGeneral(x, w, dot));
      const out = b.dotGeneral(hidden, b.transpose(v, { permutation: [1, 0] }), dot);
      return [sumAll(b, b.mul(out, out))];
    }, [spread([2, 3]), spread([3, 4], 1), spread([2, 4], 2)]);
  });

  it("a batched contraction over two axes", () => {
    const dot = { leftBatch: [0], rightBatch: [1], leftReduced: [2, 3], rightReduced: [3, 0] };
    checkGradient((b, x, w) => {
      return [sumAll(b, b.sin(b.dotGeneral(x, w, dot)))];
    }, [spread([2, 2, 3, 2]), spread([2, 2, 4, 3], 1)], 1e-5);
  });

  it("gather of repeated rows", () => {
    checkGradient((b, table, rows) => {
      const taken = b.gather(table, rows, { axis: 0 });
      return [sumAll(b, b.mul(taken, b.mul(taken, taken)))];
    }, [spread([4, 3]), hostArray("i32", [5], [1, 3, 1, 0, 1])]);
  });

  it("pad, slice, concat, reverse and reshape", () => {
    checkGradient((b, x, y) => {
      const padded = b.pad(x, { low: [1, 0], high: [0, 2], interior: [0, 1], value: 0.5 });
      const sliced = b.slice(padded, { starts: [1, 0], sizes: [2, 4], strides: [1, 2] });
      const joined = b.concat([sliced, b.reverse(y, { axes: [1] })], { axis: 0 });
      return [sumAll(b, b.exp(b.mul(b.reshape(joined, { shape: [8, 2] }), 0.5)))];
    }, [spread([2, 3]), spread([2, 4], 1)]);
  });

  it("select takes the gradient of the branch it took", () => {
    checkGradient((b, x) => {
      return [sumAll(b, b.select(b.gt(x, 0), b.mul(x, x), b.mul(x, 3)))];
    }, [spread([6])]);
  });

  it("a function called twice with one operand, of which one use is differentiated", () => {
    const f = functionOf("f", [scalar, scalar], (b, x, y) => [b.mul(x, y)]);
    const main = functionOf("main", [scalar], (b, x) => {
      return b.valueAndGrad([x, x], { callee: "f", wrt: [0] });
    }, [f]);
    const [value, gradient] = runCompiled({ functions: [f, main] }, [f64([], [3])]);
    assert.deepEqual([value?.data[0], gradient?.data[0]], [9, 3]);
  });
});

describe("derivatives of derivatives", () => {
  /** f, then its derivative d1, the derivative of that d2, ... each by value_and_grad of the one before. */
  function derivatives(body: Body, order: number): Module {
    const functions = [functionOf("d0", [scalar], body)];
    for (let i = 1; i <= order; i++) {
      const name = i === order ? "main" : `d${i}`;
      functions.push(functionOf(name, [scalar], (b, ...parameters) => [at(b.valueAndGrad(parameters, { callee: `d${i - 1}`, wrt: [0] }), 1)], functions));
    }
    return { functions };
  }

  it("x^4 to the fourth order", () => {
    const fourth: Body = (b, x) => [b.pow(x, 4)];
    const expected = [4 * 1.5 ** 3, 12 * 1.5 ** 2, 24 * 1.5, 24];
    expected.forEach((value, i) => assertClose(runCompiled(derivatives(fourth, i + 1), [f64([], [1.5])])[0], f64([], [value]), 1e-12));
  });

  it("tanh: 1 - t^2, then -2 t (1 - t^2), then -2 (1 - t^2) (1 - 3 t^2)", () => {
    const t = Math.tanh(0.7);
    const expected = [1 - t * t, -2 * t * (1 - t * t), -2 * (1 - t * t) * (1 - 3 * t * t)];
    expected.forEach((value, i) => assertClose(runCompiled(derivatives((b, x) => [b.tanh(x)], i + 1), [f64([], [0.7])])[0], f64([], [value]), 1e-12));
  });

  it("forward over reverse: the Hessian of sum(x^3) times v is 6 x v", () => {
    const type = tensorType("f64", [3]);
    const f = functionOf("f", [type], (b, x) => [sumAll(b, b.pow(x, 3))]);
    const gradient = functionOf("gradient", [type], (b, ...parameters) => [at(b.valueAndGrad(parameters, { callee: "f", wrt: [0] }), 1)], [f]);
    const main = functionOf("main", [type, type], (b, x, v) => {
      return b.jvp([x, v], { callee: "gradient" });
    }, [f, gradient]);
    const [first, second] = runCompiled({ functions: [f, gradient, main] }, [f64([3], [1, 2, -1]), f64([3], [1, 0.5, 2])]);
    assertClose(first, f64([3], [3, 12, 3]), 1e-12);
    assertClose(second, f64([3], [6, 6, -12]), 1e-12);
  });

  it("reverse over forward gives the same", () => {
    const type = tensorType("f64", [3]);
    const f = functionOf("f", [type], (b, x) => [sumAll(b, b.pow(x, 3))]);
    const along = functionOf("along", [type, type], (b, ...parameters) => [at(b.jvp(parameters, { callee: "f" }), 1)], [f]);
    const main = functionOf("main", [type, type], (b, ...parameters) => [at(b.valueAndGrad(parameters, { callee: "along", wrt: [0] }), 1)], [f, along]);
    const [product] = runCompiled({ functions: [f, along, main] }, [f64([3], [1, 2, -1]), f64([3], [1, 0.5, 2])]);
    assertClose(product, f64([3], [6, 6, -12]), 1e-12);
  });
});

describe("the linear part of a derivative", () => {
  const type = tensorType("f64", [2, 3]);
  const f = functionOf("f", [type], (b, x) => [b.tanh(b.mul(x, b.exp(x)))]);
  const main = functionOf("main", [type, type], (b, ...parameters) => [at(b.jvp(parameters, { callee: "f" }), 1)], [f]);
  const along = (v: readonly number[]): readonly number[] => [...(runCompiled({ functions: [f, main] }, [spread([2, 3]), f64([2, 3], v)])[0]?.data ?? [])];

  it("is linear: f'(a u + v) = a f'(u) + f'(v)", () => {
    const [u, v] = [[1, -2, 0.5, 3, 0, 1], [0.25, 1, -1, 2, 4, -3]];
    const [du, dv] = [along(u), along(v)];
    const combined = along(u.map((value, i) => 2 * value + (v[i] ?? 0)));
    combined.forEach((value, i) => assert(Math.abs(value - (2 * (du[i] ?? NaN) + (dv[i] ?? NaN))) < 1e-12));
  });

  it("is zero along zero", () => {
    assert(along([0, 0, 0, 0, 0, 0]).every((value) => value === 0));
  });
});

describe("what has no derivative", () => {
  const span = { file: "model.ts", line: 3, column: 5, length: 4 };

  it("an integer in a branch, at the place of the gradient", () => {
    const f = functionOf("f", [tensorType("i32", [])], (b, x) => b.if(b.gt(x, 0), {}, [b.region([], () => [b.cast(x, { dtype: "f64" })]), b.region([], () => [b.cast(b.neg(x), { dtype: "f64" })])]));
    const main = functionOf("main", [tensorType("i32", [])], (b, x) => b.at([span], () => b.valueAndGrad([x], { callee: "f", wrt: [0] })), [f]);
    assert.throws(() => runPasses({ functions: [f, main] }, ["transform"]), (error: PassError) => {
      assert.match(error.message, /^pass transform: value_and_grad: a gradient can only be taken with respect to floats/);
      assert.deepEqual(error.spans[0], span);
      assert.match(error.ir, /^\/\/ run: transform\nfunc @f/);
      return true;
    });
  });

  it("control flow beside what is differentiated is copied", () => {
    const f = functionOf("f", [scalar, scalar], (b, x, y) => {
      const branches = [b.region([], () => [b.mul(y, y)]), b.region([], () => [b.neg(y)])] as const;
      return [b.mul(x, at(b.if(b.gt(y, 0), {}, branches), 0))];
    });
    const results = runCompiled(withGradient(f, [0]), [f64([], [2]), f64([], [-3])]);
    assert.deepEqual(results.map(({ data }) => data[0]), [6, 3]);
  });

  it("floor and stop_gradient have a gradient of zero, of the parameter's shape", () => {
    const f = functionOf("f", [tensorType("f64", [2])], (b, x) => [sumAll(b, b.add(b.floor(x), b.stopGradient(x)))]);
    assert.deepEqual([...(runCompiled(withGradient(f, [0]), [f64([2], [1.5, 2.5])])[1]?.data ?? [])], [0, 0]);
  });

  it("an integer parameter", () => {
    const f = functionOf("f", [scalar, tensorType("i32", [2])], (_b, x) => [x]);
    assert.throws(() => runPasses(withGradient(f, [1]), ["transform"]), /gradient can only be taken with respect to floats \(x1 is i32\[2\]\)/);
  });

  it("a function that calls itself", () => {
    const base = functionOf("f", [scalar], (_b, ...parameters) => parameters);
    const f = functionOf("f", [scalar], (b, ...parameters) => b.call(parameters, { callee: "f" }), [base]);
    assert.throws(() => runPasses({ functions: [f] }, ["transform"]), /a function cannot call itself \(@f calls @f\)/);
  });
});

describe("transform", () => {
  it("computes the forward part once", () => {
    const f = functionOf("f", [scalar], (b, x) => [b.exp(b.sin(x))]);
    const { functions } = runPasses(withGradient(f, [0]), ["transform", "simplify", "cse", "dce"]);
    const names = functions.flatMap(({ body }) => body.ops.map(({ name }) => name));
    assert.deepEqual(names.sort(), ["cos", "exp", "mul", "sin"]);
  });

  it("leaves no function that was inlined, and keeps entries", () => {
    const f = functionOf("f", [scalar], (b, x) => [b.exp(x)]);
    const module = withGradient(f, [0]);
    assert.deepEqual(runPasses(module, ["transform"]).functions.map(({ name }) => name), ["main"]);
    assert.deepEqual(runPasses(module, ["transform"], { entries: ["f", "main"] }).functions.map(({ name }) => name), ["f", "main"]);
  });

  it("agrees with the program before it where nothing is differentiated", () => {
    const f = functionOf("f", [scalar, scalar], (b, x, y) => [b.sub(x, y), b.mul(x, y)]);
    const main = functionOf("main", [scalar, scalar], (b, x, y) => {
      const difference = at(b.call([y, x], { callee: "f" }), 0);
      return b.call([difference, y], { callee: "f" });
    }, [f]);
    const inputs = [f64([], [2]), f64([], [5])];
    assert.deepEqual(runCompiled({ functions: [f, main] }, inputs), interpret({ functions: [f, main] }, "main", inputs));
  });
});
