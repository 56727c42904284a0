/**
 * Known answers for the meaning of ops: the edges that definitions are made of (ties, NaN, overflow, empty axes,
 * positions out of range), and published numbers where there are some.
 */

import assert from "node:assert/strict";
import { type Dim, namedDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Attrs } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { findRecord } from "../../ir/ops/table.ts";
import { philox } from "../../ir/philox.ts";
import { erf, fusedMultiplyAdd, roundHalfEven } from "../../ir/special-functions.ts";
import { type DType, type TensorType, tensorType } from "../../ir/type.ts";

function evaluate(name: string, operands: readonly HostArray[], attrs: Attrs = {}): { readonly shape: readonly number[]; readonly values: readonly number[] } {
  const record = findRecord(name);
  const types = operands.map(({ dtype, shape }) => tensorType(dtype, shape));
  const results = record.infer(types, attrs, []).map((type) => {
    assert.equal(type.kind, "tensor");
    return type as TensorType;
  });
  const [result] = record.evaluate?.(operands, attrs, results) ?? [];
  assert.ok(result !== undefined, `${name} has no meaning on arrays`);
  return { shape: result.shape, values: [...result.data] };
}

function values(name: string, dtype: DType, ...operands: readonly (readonly number[])[]): readonly number[] {
  return evaluate(name, operands.map((list) => hostArray(dtype, [list.length], list))).values;
}

function matrix(rows: readonly (readonly number[])[], dtype: DType = "f64"): HostArray {
  return hostArray(dtype, [rows.length, rows[0]?.length ?? 0], rows.flat());
}

describe("special functions", () => {
  it("erf agrees with published values to the last place or two", () => {
    // Abramowitz and Stegun, table 7.1, and DLMF 7.2.1 to 16 digits.
    const table = [[0, 0], [0.1, 0.1124629160182849], [0.5, 0.5204998778130465], [1, 0.8427007929497149], [1.5, 0.9661051464753108], [2, 0.9953222650189527], [2.5, 0.999593047982555], [3, 0.9999779095030014]] as const;
    for (const [x, expected] of table) {
      assert.ok(Math.abs(erf(x) - expected) <= 3e-16, `erf(${x}) is ${erf(x)}`);
      assert.equal(erf(-x), -erf(x));
    }
    assert.deepEqual([erf(Infinity), erf(-7), erf(NaN)], [1, -1, NaN]);
  });

  it("rounds halves to even and keeps the sign of zero", () => {
    assert.deepEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 1e300].map(roundHalfEven), [-2, -2, -0, 0, 2, 2, 2, 1e300]);
  });

  it("fuses multiply and add", () => {
    const x = 1 + 2 ** -30;
    assert.equal(x * x - (1 + 2 ** -29), 0);
    assert.equal(fusedMultiplyAdd(x, x, -(1 + 2 ** -29)), 2 ** -60);
  });
});

describe("elementwise ops", () => {
  it("wraps integers", () => {
    assert.deepEqual(values("add", "i32", [2 ** 31 - 1], [1]), [-(2 ** 31)]);
    assert.deepEqual(values("mul", "u32", [0xffffffff], [0xffffffff]), [1]);
    assert.deepEqual(values("mul", "i32", [123456789], [987654321]), [-67153019]);
    assert.deepEqual(values("sub", "u8", [0], [1]), [255]);
    assert.deepEqual(values("neg", "i8", [-128]), [-128]);
  });

  it("truncates divisions, which do not trap", () => {
    assert.deepEqual(values("div", "i32", [7, -7, 7, -(2 ** 31)], [2, 2, 0, -1]), [3, -3, 0, -(2 ** 31)]);
    assert.deepEqual(values("rem", "i32", [7, -7, 7], [4, 4, 0]), [3, -3, 0]);
    assert.deepEqual(values("rem", "f64", [-5.5, 5.5], [2, -2]), [-1.5, 1.5]);
  });

  it("lets NaN win maxima and lose comparisons", () => {
    assert.deepEqual(values("max", "f32", [NaN, 1, 3], [1, NaN, 2]), [NaN, NaN, 3]);
    assert.deepEqual(values("lt", "f32", [NaN, 1], [1, 2]), [0, 1]);
    assert.deepEqual(values("ne", "f32", [NaN, 1], [NaN, 1]), [1, 0]);
  });

  it("raises to powers as IEEE 754 does", () => {
    assert.deepEqual(values("pow", "f64", [1, 0, -1, -2, 2], [NaN, 0, Infinity, 3, -1]), [1, 1, 1, -8, 0.5]);
  });

  it("saturates floats that become integers, and wraps integers", () => {
    const floats = hostArray("f32", [5], [1e10, -1e10, -1.9, NaN, 255.5]);
    assert.deepEqual(evaluate("cast", [floats], { dtype: "i32" }).values, [2 ** 31 - 1, -(2 ** 31), -1, 0, 255]);
    assert.deepEqual(evaluate("cast", [floats], { dtype: "u8" }).values, [255, 0, 0, 0, 255]);
    assert.deepEqual(evaluate("cast", [hostArray("i32", [2], [-1, 300])], { dtype: "u8" }).values, [255, 44]);
    assert.deepEqual(evaluate("cast", [floats], { dtype: "bool" }).values, [1, 1, 1, 1, 1]);
  });

  it("reinterprets bits", () => {
    assert.deepEqual(evaluate("bitcast", [hostArray("f32", [2], [1, -0])], { dtype: "u32" }).values, [0x3f800000, 0x80000000]);
    assert.deepEqual(evaluate("bitcast", [hostArray("i32", [1], [0x40490fdb])], { dtype: "f32" }).values, [Math.fround(Math.PI)]);
  });

  it("shifts by amounts modulo the width", () => {
    assert.deepEqual(values("shift_left", "i32", [1, 1, 3], [31, 33, 0]), [-(2 ** 31), 2, 3]);
    assert.deepEqual(values("shift_right", "i32", [-8, -8], [1, 32]), [-4, -8]);
    assert.deepEqual(values("shift_right", "u32", [0xfffffff8], [1]), [0x7ffffffc]);
    assert.deepEqual(values("and", "i64", [2 ** 40 + 5], [2 ** 40 + 3]), [2 ** 40 + 1]);
    assert.deepEqual(values("mul_high", "u32", [0xffffffff], [0xffffffff]), [0xfffffffe]);
  });
});

describe("reductions", () => {
  it("gives the identity for nothing", () => {
    const empty = hostArray("f32", [2, 0]);
    assert.deepEqual(evaluate("reduce_sum", [empty], { axes: [1] }).values, [0, 0]);
    assert.deepEqual(evaluate("reduce_max", [empty], { axes: [1] }).values, [-Infinity, -Infinity]);
    assert.deepEqual(evaluate("reduce_prod", [empty], { axes: [0, 1] }).values, [1]);
    assert.deepEqual(evaluate("reduce_min", [hostArray("i32", [0])], { axes: [0] }).values, [2 ** 31 - 1]);
  });

  it("folds the axes named", () => {
    const x = matrix([[1, 2, 3], [4, 5, NaN]]);
    assert.deepEqual(evaluate("reduce_sum", [x], { axes: [0] }).values, [5, 7, NaN]);
    assert.deepEqual(evaluate("reduce_max", [x], { axes: [1] }).values, [3, NaN]);
  });

  it("finds the first of equal extremes, and NaN before all", () => {
    const x = matrix([[2, 5, 5], [1, NaN, NaN], [-Infinity, -Infinity, -Infinity]]);
    assert.deepEqual(evaluate("argmax", [x], { axis: 1 }).values, [1, 1, 0]);
    assert.deepEqual(evaluate("argmin", [x], { axis: 1 }).values, [0, 1, 0]);
  });

  it("sums from either end", () => {
    const x = hostArray("i32", [4], [1, 2, 3, 4]);
    assert.deepEqual(evaluate("cumsum", [x], { axis: 0, reverse: false }).values, [1, 3, 6, 10]);
    assert.deepEqual(evaluate("cumsum", [x], { axis: 0, reverse: true }).values, [10, 9, 7, 4]);
  });
});

describe("shape ops", () => {
  const x = matrix([[1, 2, 3], [4, 5, 6]], "i32");

  it("rearranges", () => {
    assert.deepEqual(evaluate("transpose", [x], { permutation: [1, 0] }), { shape: [3, 2], values: [1, 4, 2, 5, 3, 6] });
    assert.deepEqual(evaluate("reverse", [x], { axes: [1] }).values, [3, 2, 1, 6, 5, 4]);
    assert.deepEqual(evaluate("broadcast", [hostArray("i32", [2], [7, 8])], { shape: [2, 3], axes: [0] }).values, [7, 7, 7, 8, 8, 8]);
    assert.deepEqual(evaluate("reshape", [x], { shape: [3, 2] }).values, [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(evaluate("iota", [], { dtype: "f32", shape: [2, 3], axis: 1 }).values, [0, 1, 2, 0, 1, 2]);
  });

  it("takes parts and puts them together", () => {
    assert.deepEqual(evaluate("slice", [x], { starts: [1, 0], sizes: [1, 2], strides: [1, 2] }), { shape: [1, 2], values: [4, 6] });
    assert.deepEqual(evaluate("pad", [hostArray("i32", [2], [1, 2])], { low: [1], high: [2], interior: [1], value: 9 }).values, [9, 1, 9, 2, 9, 9]);
    assert.deepEqual(evaluate("concat", [x, matrix([[7], [8]], "i32")], { axis: 1 }).values, [1, 2, 3, 7, 4, 5, 6, 8]);
  });
});

describe("dot_general", () => {
  it("multiplies matrices", () => {
    const product = evaluate("dot_general", [matrix([[1, 2], [3, 4]]), matrix([[5, 6], [7, 8]])], { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] });
    assert.deepEqual(product, { shape: [2, 2], values: [19, 22, 43, 50] });
  });

  it("puts batch axes first, then the free axes of left and of right", () => {
    const left = hostArray("f64", [3, 2, 1], [1, 2, 3, 4, 5, 6]);
    const right = hostArray("f64", [2, 1, 4], [1, 0, 0, 1, 0, 2, 2, 0]);
    const product = evaluate("dot_general", [left, right], { leftBatch: [1], rightBatch: [0], leftReduced: [2], rightReduced: [1] });
    assert.deepEqual(product.shape, [2, 3, 4]);
    assert.deepEqual(product.values.slice(12), [0, 4, 4, 0, 0, 8, 8, 0, 0, 12, 12, 0]);
  });
});

describe("gather and scatter_add", () => {
  it("clamps what it reads", () => {
    const rows = evaluate("gather", [matrix([[1, 2], [3, 4]]), hostArray("i32", [3], [1, -5, 9])], { axis: 0 });
    assert.deepEqual(rows, { shape: [3, 2], values: [3, 4, 1, 2, 3, 4] });
    assert.deepEqual(evaluate("gather", [matrix([[1, 2], [3, 4]]), hostArray("i32", [], [0])], { axis: 1 }), { shape: [2], values: [1, 3] });
  });

  it("drops what it would write outside, and adds what meets", () => {
    const result = evaluate("scatter_add", [hostArray("f64", [3]), hostArray("i32", [5], [0, 2, 2, -1, 3]), hostArray("f64", [5], [1, 2, 3, 4, 5])], { axis: 0 });
    assert.deepEqual(result.values, [1, 0, 5]);
  });
});

describe("random_bits", () => {
  const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

  it("is philox4x32-10: the known answers of Random123", () => {
    const ones = 0xffffffff;
    assert.equal(hex(philox([0, 0, 0, 0], [0, 0])), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    assert.equal(hex(philox([ones, ones, ones, ones], [ones, ones])), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  });

  it("depends on the linear position alone", () => {
    const key = hostArray("u32", [2], [0, 0]);
    const line = evaluate("random_bits", [key], { shape: [12] }).values;
    assert.equal(hex(line.slice(0, 4)), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    assert.deepEqual(evaluate("random_bits", [key], { shape: [3, 4] }).values, line);
  });
});

describe("rules of types", () => {
  const N = namedDim("N");
  const f32 = (...shape: readonly Dim[]): TensorType => tensorType("f32", shape);
  const cases: readonly (readonly [name: string, operands: readonly TensorType[], attrs: Attrs, message: RegExp, fact: string])[] = [
    ["add", [f32(N, 784), f32(784)], {}, /same type/, "left is f32[N,784]"],
    ["add", [f32(2), tensorType("i32", [2])], {}, /same type/, "right is i32[2]"],
    ["exp", [tensorType("i32", [2])], {}, /takes floats/, "x is i32[2]"],
    ["select", [f32(2), f32(2), f32(2)], {}, /condition/, "condition is f32[2]"],
    ["bitcast", [f32(2)], { dtype: "u8" }, /bitcast/, "x is f32[2]"],
    ["constant", [], { value: 0.5, dtype: "i32", shape: [] }, /0.5 is no value of i32/, ""],
    ["broadcast", [f32(1, 3)], { shape: [2, 3], axes: [0, 1] }, /keeps the sizes/, "axis 0 of x is 1, axis 0 of [2,3] is 2"],
    ["reshape", [f32(N, 6)], { shape: [N, 5] }, /number of elements/, "x is f32[N,6]: N*6 elements"],
    ["transpose", [f32(2, 3)], { permutation: [0, 0] }, /each axis of x once/, "permutation is [0,0]"],
    ["slice", [f32(4)], { starts: [2], sizes: [3], strides: [1] }, /inside/, "axis 0: 3 elements from 2 by 1, of 4"],
    ["concat", [f32(2, 3), f32(2, 4)], { axis: 0 }, /axis 0 only/, "part 1 is f32[2,4]"],
    ["reduce_sum", [f32(2)], { axes: [1] }, /name axes/, "axis 1 of a tensor with 1 axes"],
    ["reduce_sum", [f32(2, 3)], { axes: [1, 0] }, /increasing/, "it is [1,0]"],
    ["argmax", [f32(0)], { axis: 0 }, /empty axis/, "x is f32[0]"],
    ["dot_general", [f32(N, 784), f32(128, 10)], { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] }, /same size/, "axis 1 of left against axis 0 of right: 784 against 128"],
    ["gather", [f32(3), f32(2)], { axis: 0 }, /i32 or u32/, "indices is f32[2]"],
    ["scatter_add", [f32(3), tensorType("i32", [2]), f32(3)], { axis: 0 }, /shaped like a gather/, "a gather would be f32[2]"],
    ["random_bits", [f32(2)], { shape: [3] }, /u32\[2\]/, "key is f32[2]"],
    ["cumsum", [f32(3)], { axis: 0 }, /attr reverse/, ""],
    ["iota", [], { dtype: "i32", shape: [3], axis: 1 }, /name axes/, "axis 1 of a tensor with 1 axes"],
  ];
  for (const [name, operands, attrs, message, fact] of cases) {
    it(`${name} says: ${fact || message.source}`, () => {
      assert.throws(() => findRecord(name).infer(operands, attrs, []), (error) => {
        assert.ok(error instanceof TypeFault);
        assert.match(error.message, message);
        if (fact !== "") assert.ok(error.facts.includes(fact), error.facts.join(" | "));
        return true;
      });
    });
  }
});
