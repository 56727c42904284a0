/** How few kernels ops that run one by one need: one computation serves all sizes, ranks and numbers that mean the same. */

import assert from "node:assert/strict";
import { generalize, type TensorFacts } from "../../lib/eager/generalize.ts";

const f32 = (...shape: number[]): TensorFacts => ({ dtype: "f32", shape });
const computation = (name: string, ...args: Parameters<typeof generalize>[1]) => generalize(name, args, "cpu").computation;

describe("computations of ops one by one", () => {
  it("of equal shapes are one for all ranks and sizes", () => {
    const one = computation("add", f32(3), f32(3));
    for (const shape of [[7], [2, 3], [4, 5, 6], [0, 3]]) assert.equal(computation("add", f32(...shape), f32(...shape)), one, shape.join());
    assert.notEqual(computation("add", f32(3), f32()), one);
    assert.notEqual(computation("mul", f32(3), f32(3)), one);
  });

  it("of shapes that stretch are one for each way to stretch", () => {
    const row = computation("add", f32(2, 3), f32(3));
    assert.equal(computation("add", f32(9, 8, 7), f32(8, 7)), row, "leading axes are one, and so are the last");
    assert.equal(computation("add", f32(1, 4, 5), f32(5)), row);
    const column = computation("add", f32(2, 3), f32(2, 1));
    assert.notEqual(column, row);
    assert.equal(computation("add", f32(4, 6, 5), f32(4, 6, 1)), column);
  });

  it("of products, folds, slices and shapes hold for other sizes", () => {
    const same = (name: string, one: Parameters<typeof generalize>[1], other: Parameters<typeof generalize>[1]): void => assert.equal(computation(name, ...one), computation(name, ...other), name);
    same("matmul", [f32(2, 3), f32(3, 4)], [f32(5, 5), f32(5, 5)]);
    same("sum", [f32(2, 3), 1, undefined], [f32(7, 9), 1, undefined]);
    same("narrow", [f32(9, 4), 0, 2, 3], [f32(30, 7), 0, 5, 10]);
    same("slice", [f32(9), 0, 2, 7, undefined], [f32(30), 0, 3, 30, undefined]);
    same("expand", [f32(), [4, 5]], [f32(), [7, 2]]);
    same("concat", [[f32(2, 3), f32(4, 3)], 0], [[f32(5, 8), f32(2, 8)], 0]);
    same("reshape", [f32(2, 6), [3, 4]], [f32(8), [2, 2, 2]]);
    assert.notEqual(computation("sum", f32(2, 3), 0, undefined), computation("sum", f32(2, 3), 1, undefined));
  });

  it("that hold for these sizes alone are made for them: a slice that goes past the end", () => {
    const clipped = generalize("slice", [f32(9), 0, 2, 100, undefined], "cpu");
    assert.deepEqual([clipped.sizes, clipped.results[0]?.shape], [[], [7]]);
  });

  it("of long folds to few results know their size on GPUs, whose blocks share them then", () => {
    for (const kind of ["cuda", "webgpu"] as const) {
      assert.deepEqual(generalize("sum", [f32(1 << 20), undefined, undefined], kind).sizes, []);
      assert.deepEqual(generalize("sum", [f32(100), undefined, undefined], kind).sizes, [100]);
      assert.deepEqual(generalize("sum", [f32(8192, 100), 1, undefined], kind).sizes, [8192, 100]);
    }
    assert.deepEqual(generalize("sum", [f32(1 << 20), undefined, undefined], "cpu").sizes, [1 << 20]);
  });
});
