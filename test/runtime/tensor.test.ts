/** The tensor handle, dtypes on the host, formulas. */

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { decode, encode } from "../../runtime/dtype.ts";
import { evaluateFormula, printFormula, solveFormula } from "../../runtime/formula.ts";
import type { Argument } from "../../runtime/tensor.ts";
import { type Tensor, tensor } from "../../runtime/tensor.ts";

describe("runtime: tensors", () => {
  it("takes shapes from nested arrays, and dtypes from typed arrays", async () => {
    const matrix = tensor([[1, 2, 3], [4, 5, 6]]);
    assert.deepEqual([matrix.shape, matrix.dtype, matrix.size, matrix.device], [[2, 3], "f32", 6, "host"]);
    assert.deepEqual(await matrix.data(), new Float32Array([1, 2, 3, 4, 5, 6]));
    assert.deepEqual([tensor(5).shape, tensor(5).item(), await tensor(5).itemAsync()], [[], 5, 5]);
    assert.deepEqual([tensor(new Int32Array(4), [2, 2]).dtype, tensor(new Int32Array(4)).shape], ["i32", [4]]);
    assert.deepEqual(tensor([true, false], [2], "bool").dataSync(), new Uint8Array([1, 0]));
    assert.deepEqual(tensor([1, -2], [2], "i64").dataSync(), new BigInt64Array([1n, -2n]));
    assert.deepEqual([...tensor(new Uint16Array([0x3c00]), [1], "f16").dataSync()], [0x3c00]);
    assert.equal(tensor(new Uint16Array([0x3c00]), [], "f16").item(), 1);
    assert.deepEqual(tensor([[], []]).shape, [2, 0]);
  });

  it("copies: neither side sees the other's writes", () => {
    const source = new Float32Array([1, 2]);
    const t = tensor(source);
    source[0] = 9;
    const seen = t.dataSync();
    seen[1] = 9;
    assert.deepEqual([...t.dataSync()], [1, 2]);
  });

  it("refuses what is not a tensor", () => {
    assert.throws(() => tensor([[1, 2], [3]]), { name: "ArgumentError", message: "tensor: the arrays are ragged: data[0] has shape [2] but data[1] has [1]" });
    assert.throws(() => tensor([1, 2, 3], [2, 2]), { message: "tensor: the shape [2,2] has 4 elements, the data 3" });
    assert.throws(() => tensor([1, 2], [-2]), { message: "tensor: [-2] is not a shape: sizes are whole numbers that are not negative" });
    assert.throws(() => tensor(new Uint16Array(1) as unknown as Uint8Array), { message: 'tensor: a Uint16Array needs a dtype: "f16" or "bf16" for a Uint16Array of raw bits' });
    assert.throws(() => tensor(new Float64Array(1) as unknown as Float32Array, [1], "f32"), { message: "tensor: f32 is held in a Float32Array, got a Float64Array: convert it with Float32Array.from" });
    assert.throws(() => tensor([1.5], [1], "i32"), { message: "tensor: 1.5 is not a whole number, which i32 needs" });
    assert.throws(() => tensor([300], [1], "u8"), { message: "tensor: 300 is not between 0 and 255, which u8 needs" });
    assert.throws(() => tensor(["1" as never]), { message: "tensor: data[0] must be a number, an array or a typed array, got string" });
    assert.throws(() => tensor([1, 2]).item(), { message: "item: f32[2] has 2 elements: only a tensor of one element has an item" });
  });

  it("prints, and says when it is gone", async () => {
    const t = tensor([[1]]);
    assert.equal(String(t), "Tensor f32[1,1]");
    t[Symbol.dispose]();
    t.dispose();
    assert.equal(inspect(t), "Tensor f32[1,1] (disposed)");
    await assert.rejects(t.data(), { name: "HandleError", message: "this f32[1,1] was disposed of and cannot be used again" });
  });

  it("has types in which a named dim agrees with any size", () => {
    const named: Tensor<["N", 4]> = tensor(new Float32Array(8), [2, 4]);
    const literal: Tensor<[2, 4]> = named;
    // @ts-expect-error -- 5 is not 4
    const wrong: Tensor<["N", 5]> = literal;
    // @ts-expect-error -- another rank
    const rank: Tensor<[8]> = literal;
    // @ts-expect-error -- another dtype
    const dtype: Tensor<[2, 4], "i32"> = literal;
    const array: Argument<{ w: Tensor<["N", 4]>; rate: Tensor<[]> }> = { w: new Float32Array(8), rate: 3 };
    // @ts-expect-error -- a number only where the rank is 0
    const number: Argument<Tensor<[2]>> = 3;
    assert.ok([wrong, rank, dtype, array, number].every((value) => value !== undefined));
  });
});

describe("runtime: numbers", () => {
  it("encodes every finite half and its neighbours to nearest even", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const value = decode("f16", new Uint16Array([bits]), 0);
      assert.equal(encode("f16", [value])[0], bits);
      const next = bits === 0x7bff ? 65536 : decode("f16", new Uint16Array([bits + 1]), 0);
      assert.equal(encode("f16", [(value + next) / 2])[0], bits % 2 === 0 ? bits : bits + 1);
    }
    assert.deepEqual([...encode("f16", [NaN, -Infinity, -0, 1e9])], [0x7e00, 0xfc00, 0x8000, 0x7c00]);
    assert.deepEqual([...encode("bf16", [1, -2, NaN, 1.00390625])], [0x3f80, 0xc000, 0x7fc0, 0x3f80]);
    assert.equal(decode("bf16", new Uint16Array([0xc000]), 0), -2);
  });

  it("evaluates, prints and solves formulas", () => {
    const formula = ["+", ["*", 2, ["+", "N", 3]], ["floordiv", "M", 4]] as const;
    assert.equal(evaluateFormula(formula, { N: 5, M: 11 }), 18);
    assert.equal(printFormula(formula), "2*(N+3)+floordiv(M,4)");
    assert.deepEqual(solveFormula(formula, 18, { M: 11 }), ["N", 5]);
    assert.equal(solveFormula(formula, 18, { N: 5 }), undefined);
    assert.equal(solveFormula(["*", 0, "N"], 0, {}), undefined);
    assert.deepEqual([evaluateFormula(["mod", -1, 4], {}), evaluateFormula(["min", 2, 3], {}), evaluateFormula(["max", 2, 3], {})], [3, 2, 3]);
    assert.throws(() => evaluateFormula("N", {}), { name: "RangeError", message: "the size of dim N is not known" });
  });

  describe("console.log", () => {
    const f32 = (values: readonly number[], shape: readonly number[]) => tensor(Float32Array.from(values), shape);
    const cases: readonly (readonly [what: string, shown: () => unknown, text: string])[] = [
      ["rows under each other", () => f32([1, -2.5, 3, 4, 5, 6], [2, 3]), "f32[2,3]\n[[ 1.0000, -2.5000,  3.0000],\n [ 4.0000,  5.0000,  6.0000]]"],
      ["inside of an object", () => ({ w: f32([1, 2, 3, 4], [2, 2]) }), "{\n  w: f32[2,2]\n  [[1., 2.],\n   [3., 4.]]\n}"],
      ["a number", () => tensor(3), "f32[] 3."],
      ["numbers of many sizes", () => f32([1e-7, 1, NaN, -Infinity], [4]), "f32[4] [1.0000e-7, 1.0000e+0,       NaN, -Infinity]"],
      ["whole numbers", () => tensor(Int32Array.of(1, -20)), "i32[2] [  1, -20]"],
      ["i64 in full", () => tensor(BigInt64Array.of(2n ** 60n, 1n)), "i64[2] [1152921504606846976,                   1]"],
      ["bools", () => tensor([true, false], [2], "bool"), "bool[2] [ true, false]"],
      ["halves by their value", () => tensor([0.5, 1.25], [2], "f16"), "f16[2] [0.5000, 1.2500]"],
      ["no elements", () => tensor([], [0, 3]), "f32[0,3]\n[]"],
      ["three axes", () => f32([1, 2, 3, 4], [2, 1, 2]), "f32[2,1,2]\n[[[1., 2.]],\n\n [[3., 4.]]]"],
      ["the ends of long axes", () => tensor(Int32Array.from({ length: 2000 }, (_, i) => i)), "i32[2000] [   0,    1,    2, ..., 1997, 1998, 1999]"],
    ];
    for (const [what, shown, text] of cases) it(what, () => assert.equal(inspect(shown()), text));
    it("as text() gives it, on every device", async () => assert.equal(await tensor([[1, -2.5]]).text(), inspect(tensor([[1, -2.5]]))));
    it("rows of a large matrix", () => {
      const lines = inspect(tensor(new Int32Array(10_000), [100, 100])).split("\n");
      assert.deepEqual(lines.slice(0, 5), ["i32[100,100]", "[[0, 0, 0, ..., 0, 0, 0],", " [0, 0, 0, ..., 0, 0, 0],", " [0, 0, 0, ..., 0, 0, 0],", " ...,"]);
      assert.equal(lines.length, 8);
    });
  });
});
