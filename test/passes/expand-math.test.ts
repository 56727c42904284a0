/** expand-math: what it replaces and what it leaves. The numbers are checked by math-accuracy.test.ts. */

import { strict as assert } from "node:assert";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { type Module, type Value, visitOps } from "../../ir/module.ts";
import { type DType, tensorType } from "../../ir/type.ts";
import { findLimits } from "../../passes/limits.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { present, ulpsBetween } from "../run-sample.ts";

const kernels = ["fuse", "lower", "schedule"] as const;

function moduleOf(dtype: DType, body: (b: Builder, x: Value) => Value): Module {
  return { functions: [buildFunction("f", [{ name: "x", type: tensorType(dtype, [20]) }], (b, [x]) => [body(b, present(x))])] };
}

function namesAfter(module: Module, tier: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { body } of runPasses(module, [...kernels, "expand-math"], { limits: findLimits(tier) }).functions) visitOps(body, (op) => names.add(op.name));
  return names;
}

describe("expand-math", () => {
  const expanded = ["exp", "expm1", "log", "log1p", "tanh", "erf"];

  for (const name of expanded) {
    it(`leaves no ${name} of f32`, () => {
      const names = namesAfter(moduleOf("f32", (b, x) => present(b.op(name, [x])[0])), "cpu-x86-64-v4");
      assert.ok(!names.has(name) && names.has("fma"), [...names].join());
    });
  }

  it("leaves f64, pow and other targets as they are", () => {
    assert.ok(namesAfter(moduleOf("f64", (b, x) => b.exp(x)), "cpu-x86-64-v4").has("exp"));
    assert.ok(namesAfter(moduleOf("f32", (b, x) => b.pow(x, x)), "cpu-x86-64-v4").has("pow"));
    assert.ok(namesAfter(moduleOf("f32", (b, x) => b.erf(x)), "cuda").has("erf"));
  });

  for (const name of ["expm1", "log1p", "tanh", "erf"]) {
    it(`leaves no ${name} of f32 and f16 in WGSL, which lacks it`, () => {
      for (const dtype of ["f32", "f16"] as const) {
        const names = namesAfter(moduleOf(dtype, (b, x) => present(b.op(name, [x])[0])), "wgsl-f16");
        assert.ok(!names.has(name) && names.has("fma"), [...names].join());
      }
    });
  }

  it("leaves exp and log of f32 to WGSL", () => {
    for (const name of ["exp", "log"]) assert.ok(namesAfter(moduleOf("f32", (b, x) => present(b.op(name, [x])[0])), "wgsl-base").has(name));
  });

  it("means the same in either arithmetic, but for rounding", () => {
    const x = hostArray("f32", [20], Array.from({ length: 20 }, (_, i) => (i - 9.7) * 1.37));
    for (const name of [...expanded, "sin", "cos"]) {
      const module = moduleOf("f32", (b, value) => present(b.op(name, [value])[0]));
      const after = runPasses(module, [...kernels, "expand-math"], { limits: findLimits("wgsl-base") });
      const [results, wanted] = [after, module].map((each) => present(interpret(each, "f", [x])[0]).data);
      wanted?.forEach((value, i) => assert.ok(ulpsBetween("f32", results?.[i] ?? NaN, value) <= 3, `${name}(${x.data[i]}) is ${results?.[i]}, not ${value}`));
    }
  });

  it("leaves sin and cos of magnitudes that it does not reduce", () => {
    const module = moduleOf("f32", (b, x) => b.sin(x));
    const after = runPasses(module, [...kernels, "expand-math"], { limits: findLimits("cpu-x86-64-v4") });
    const x = hostArray("f32", [20], Array.from({ length: 20 }, (_, i) => 1.7 ** (3 * i)));
    const results = present(interpret(after, "f", [x])[0]);
    const wanted = present(interpret(module, "f", [x])[0]);
    results.data.forEach((value, i) => assert.ok(Math.abs(value - (wanted.data[i] ?? NaN)) < 1e-6, `sin(${x.data[i]}) is ${value}`));
  });

  it("needs to know the target", () => {
    assert.throws(() => runPasses(moduleOf("f32", (b, x) => b.exp(x)), ["expand-math"]), /the limits of a tier/);
  });
});
