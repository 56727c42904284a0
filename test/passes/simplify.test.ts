/** Identities: what each rule makes of a program, that none changes a bit, and that none applies where it would. */

import { strict as assert } from "node:assert";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { type Module, type Value, visitOps } from "../../ir/module.ts";
import { bufferType, type DType, indexType, type TensorType, tensorType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { type Body, functionOf } from "./differentiate.ts";

const n = namedDim("N");
const vector = tensorType("f32", [n]);
const matrix = tensorType("f32", [2, 3]);
const special = [NaN, Infinity, -Infinity, -0, 0, 1e-45, -1, 0.1, 2.5, 3e38];

function moduleOf(types: readonly TensorType[], body: Body): Module {
  return { functions: [functionOf("main", types, body)] };
}

function opsAfter(module: Module): readonly string[] {
  return runPasses(module, ["simplify", "dce"]).functions.flatMap(({ body }) => body.ops.map(({ name }) => name));
}

/** Equal bits; a NaN is a NaN. */
function assertSameBits(actual: readonly HostArray[], expected: readonly HostArray[]): void {
  actual.forEach(({ shape, data }, i) => {
    assert.deepEqual(shape, expected[i]?.shape);
    data.forEach((value, element) => assert(Object.is(value, expected[i]?.data[element]), `${value} is not ${expected[i]?.data[element]}`));
  });
}

interface Case {
  readonly name: string;
  readonly types?: readonly TensorType[];
  readonly body: Body;
  readonly left: readonly string[];
}

/** What is left of one op, or of a few, in floats; each is also run on the values that identities go wrong on. */
const exact: readonly Case[] = [
  { name: "x + -0", body: (b, x) => [b.add(x, -0)], left: [] },
  { name: "x + 0 stays: -0 + 0 is 0", body: (b, x) => [b.add(x, 0)], left: ["constant", "add"] },
  { name: "x - 0", body: (b, x) => [b.sub(x, 0)], left: [] },
  { name: "x - -0 stays", body: (b, x) => [b.sub(x, -0)], left: ["constant", "sub"] },
  { name: "x - x stays: NaN", body: (b, x) => [b.sub(x, x)], left: ["sub"] },
  { name: "1 * x", body: (b, x) => [b.mul(1, x)], left: [] },
  { name: "x * 0 stays: NaN, -0", body: (b, x) => [b.mul(x, 0)], left: ["constant", "mul"] },
  { name: "x * -1", body: (b, x) => [b.mul(x, -1)], left: ["neg"] },
  { name: "-x * 3", body: (b, x) => [b.mul(b.neg(x), 3)], left: ["constant", "mul"] },
  { name: "-x * -x", body: (b, x) => [b.mul(b.neg(x), b.neg(x))], left: ["mul"] },
  { name: "x + -y", types: [vector, vector], body: (b, x, y) => [b.add(x, b.neg(y))], left: ["sub"] },
  { name: "x - -y", types: [vector, vector], body: (b, x, y) => [b.sub(x, b.neg(y))], left: ["add"] },
  { name: "x / 4", body: (b, x) => [b.div(x, 4)], left: ["constant", "mul"] },
  { name: "x / 3 stays: 1/3 is rounded", body: (b, x) => [b.div(x, 3)], left: ["constant", "div"] },
  { name: "-(-x)", body: (b, x) => [b.neg(b.neg(x))], left: [] },
  { name: "|-x|", body: (b, x) => [b.abs(b.neg(x))], left: ["abs"] },
  { name: "max(x, x)", body: (b, x) => [b.max(x, x)], left: [] },
  { name: "x^1", body: (b, x) => [b.pow(x, 1)], left: [] },
  { name: "c ? x : x", body: (b, x) => [b.select(b.gt(x, 0), x, x)], left: [] },
  { name: "true ? x : y", types: [vector, vector], body: (b, x, y) => [b.select(b.constantOf(tensorType("bool", [n]), 1), x, y)], left: [] },
  { name: "!c ? x : y", types: [vector, vector], body: (b, x, y) => [b.select(b.not(b.gt(x, y)), x, y)], left: ["gt", "select"] },
  { name: "cast through a wider dtype", body: (b, x) => [b.cast(b.cast(x, { dtype: "f64" }), { dtype: "f32" })], left: [] },
  { name: "cast through a narrower dtype stays", body: (b, x) => [b.cast(b.cast(x, { dtype: "f16" }), { dtype: "f32" })], left: ["cast", "cast"] },
  { name: "constants of any size fold", body: (b, x) => [b.mul(x, b.exp(b.constantOf(vector, 0)))], left: [] },
  { name: "stop_gradient", body: (b, x) => [b.stopGradient(x)], left: [] },
];

const rearranging: readonly Case[] = [
  { name: "transpose of transpose", body: (b, x) => [b.transpose(b.transpose(x, { permutation: [1, 0] }), { permutation: [1, 0] })], left: [] },
  { name: "reshape of reshape", body: (b, x) => [b.reshape(b.reshape(x, { shape: [6] }), { shape: [3, 2] })], left: ["reshape"] },
  { name: "reshape back", body: (b, x) => [b.reshape(b.reshape(x, { shape: [6] }), { shape: [2, 3] })], left: [] },
  { name: "broadcast of broadcast", body: (b, x) => [b.broadcast(b.broadcast(x, { shape: [2, 4, 3], axes: [0, 2] }), { shape: [5, 2, 4, 3], axes: [1, 2, 3] })], left: ["broadcast"] },
  { name: "broadcast of a constant", body: (b) => [b.broadcast(b.constantOf(tensorType("f32", []), 2), { shape: [7, 70], axes: [] })], left: ["constant"] },
  { name: "transpose of broadcast", body: (b, x) => [b.transpose(b.broadcast(x, { shape: [2, 3, 4], axes: [0, 1] }), { permutation: [2, 0, 1] })], left: ["broadcast"] },
  { name: "transpose of broadcast that exchanges axes", body: (b, x) => [b.transpose(b.broadcast(x, { shape: [2, 3, 4], axes: [0, 1] }), { permutation: [1, 2, 0] })], left: ["transpose", "broadcast"] },
  { name: "slice of slice", body: (b, x) => [b.slice(b.slice(x, { starts: [0, 1], sizes: [2, 2], strides: [1, 1] }), { starts: [1, 1], sizes: [1, 1], strides: [1, 1] })], left: ["slice"] },
  { name: "slice of pad", body: (b, x) => [b.slice(b.pad(x, { low: [1, 0], high: [1, 2], interior: [0, 0], value: 0 }), { starts: [1, 0], sizes: [2, 3], strides: [1, 1] })], left: [] },
  { name: "slice of concat", body: (b, x) => [b.slice(b.concat([b.exp(x), x], { axis: 0 }), { starts: [2, 0], sizes: [2, 3], strides: [1, 1] })], left: [] },
  { name: "slice across parts stays", body: (b, x) => [b.slice(b.concat([x, x], { axis: 0 }), { starts: [1, 0], sizes: [2, 3], strides: [1, 1] })], left: ["concat", "slice"] },
  { name: "pad by nothing", body: (b, x) => [b.pad(x, { low: [0, 0], high: [0, 0], interior: [0, 0], value: 9 })], left: [] },
  { name: "reverse of reverse", body: (b, x) => [b.reverse(b.reverse(x, { axes: [0] }), { axes: [0] })], left: [] },
  { name: "sum over an axis of size 1", body: (b, x) => [b.reduceSum(b.reshape(x, { shape: [2, 1, 3] }), { axes: [1] })], left: [] },
  { name: "max of max", body: (b, x) => [b.reduceMax(b.reduceMax(x, { axes: [0] }), { axes: [0] })], left: ["reduce_max"] },
  { name: "max of a broadcast", body: (b, x) => [b.reduceMax(b.broadcast(x, { shape: [2, 4, 3], axes: [0, 2] }), { axes: [1, 2] })], left: ["reduce_max"] },
  { name: "sum of a broadcast", body: (b, x) => [b.reduceSum(b.broadcast(x, { shape: [2, 4, 3], axes: [0, 2] }), { axes: [1] })], left: ["constant", "mul"] },
];

const contracting: readonly Case[] = [
  {
    name: "dot of a transposed left",
    types: [matrix, tensorType("f32", [2, 4])],
    body: (b, x, y) => [b.dotGeneral(b.transpose(x, { permutation: [1, 0] }), y, { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] })],
    left: ["dot_general"],
  },
  {
    name: "dot of a transposed right",
    types: [matrix, tensorType("f32", [4, 3])],
    body: (b, x, y) => [b.dotGeneral(x, b.transpose(y, { permutation: [1, 0] }), { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] })],
    left: ["dot_general"],
  },
  {
    name: "transpose of a dot",
    types: [matrix, tensorType("f32", [3, 4])],
    body: (b, x, y) => [b.transpose(b.dotGeneral(x, y, { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] }), { permutation: [1, 0] })],
    left: ["dot_general"],
  },
  {
    name: "a transpose that reorders free axes stays",
    types: [tensorType("f32", [2, 3, 4]), tensorType("f32", [4, 2])],
    body: (b, x, y) => [b.dotGeneral(b.transpose(x, { permutation: [1, 0, 2] }), y, { leftBatch: [], rightBatch: [], leftReduced: [2], rightReduced: [0] })],
    left: ["transpose", "dot_general"],
  },
];

function shapesOf(types: readonly TensorType[]): readonly (readonly number[])[] {
  return types.map(({ shape }) => shape.map((dim) => (typeof dim === "number" ? dim : special.length)));
}

describe("simplify", () => {
  for (const { name, types = [vector], body, left } of exact) {
    it(name, () => {
      const module = moduleOf(types, body);
      assert.deepEqual(opsAfter(module), left);
      const inputs = types.map((_, i) => hostArray("f32", [special.length], special.map((_value, at) => special[(at + 3 * i) % special.length] ?? 0)));
      assertSameBits(interpret(runPasses(module, ["simplify", "dce"]), "main", inputs), interpret(module, "main", inputs, { N: special.length }));
    });
  }

  for (const { name, types = [matrix], body, left } of [...rearranging, ...contracting]) {
    it(name, () => {
      const module = moduleOf(types, body);
      assert.deepEqual(opsAfter(module), left);
      // Small whole numbers: sums of them are exact in any order.
      const inputs = shapesOf(types).map((shape) => hostArray("f32", shape, Array.from({ length: shape.reduce((p, size) => p * size, 1) }, (_, i) => ((7 * i) % 11) - 5)));
      assertSameBits(interpret(runPasses(module, ["simplify", "dce"]), "main", inputs), interpret(module, "main", inputs));
    });
  }

  it("pow(x, 2) is x x", () => {
    assert.deepEqual(opsAfter(moduleOf([vector], (b, x) => [b.pow(x, 2)])), ["mul"]);
  });

  it("integers: x - x, x * 0, (x + 1) + 2", () => {
    const type = tensorType("i32", [2]);
    const module = moduleOf([type], (b, x) => [b.sub(x, x), b.mul(x, 0), b.add(b.add(x, 1), 2)]);
    const after = runPasses(module, ["simplify", "cse", "dce"]);
    assert.deepEqual(after.functions[0]?.body.ops.map(({ name }) => name), ["constant", "constant", "add"]);
    const inputs = [hostArray("i32", [2], [2 ** 31 - 1, -7])];
    assertSameBits(interpret(after, "main", inputs), interpret(module, "main", inputs));
  });

  it("integers through floats: integers wrap where floats saturate", () => {
    const type = tensorType("i8", [3]);
    const module = moduleOf([type], (b, x) => ["u8", "i32", "bool"].map((dtype) => b.cast(b.cast(x, { dtype: "f32" }), { dtype: dtype as DType })));
    const after = runPasses(module, ["simplify", "dce"]);
    assert.deepEqual(after.functions[0]?.body.ops.map(({ name }) => name), ["cast", "cast", "cast", "cast"]);
    const inputs = [hostArray("i8", [3], [-1, 0, 127])];
    assertSameBits(interpret(after, "main", inputs), interpret(module, "main", inputs));
  });

  it("sums of copies stay sums where the dtype cannot count them", () => {
    const count = (copies: number): readonly string[] =>
      opsAfter(moduleOf([tensorType("f16", [])], (b, x) => [b.reduceSum(b.broadcast(x, { shape: [copies], axes: [] }), { axes: [0] })]));
    assert.deepEqual(count(2048), ["constant", "mul"]);
    assert.deepEqual(count(100_000), ["broadcast", "reduce_sum"]);
  });

  describe("index arithmetic of kernels", () => {
    const cases: readonly (readonly [name: string, body: (b: Builder, i: Value) => Value, left: readonly string[]])[] = [
      ["i * 1 + 0", (b, i) => b.add(b.mul(i, 1), 0), []],
      ["i * 0", (b, i) => b.mul(i, 0), ["constant"]],
      ["(i * 6) / 6", (b, i) => b.div(b.mul(i, 6), 6), []],
      ["(i * 6) / 2", (b, i) => b.div(b.mul(i, 6), 2), ["constant", "mul"]],
      ["(i * 6) % 3", (b, i) => b.rem(b.mul(i, 6), 3), ["constant"]],
      ["(i / 2) / 3", (b, i) => b.div(b.div(i, 2), 3), ["constant", "div"]],
      ["((i - 4) / 65536) / 65536 stays: 2^32 is no index of 32 bits", (b, i) => b.div(b.div(b.sub(i, 4), 2 ** 16), 2 ** 16), ["constant", "sub", "constant", "div", "constant", "div"]],
      ["(i % 5) % 5", (b, i) => b.rem(b.rem(i, 5), 5), ["constant", "rem"]],
      ["i % 1", (b, i) => b.rem(i, 1), ["constant"]],
      ["i + 2 * 3", (b, i) => b.add(i, b.mul(b.index(2), b.index(3))), ["constant", "add"]],
      ["i + a size that is known", (b, i) => b.add(i, b.index(0)), []],
      ["(i * 4 + 2) / 4", (b, i) => b.div(b.add(b.mul(i, 4), 2), 4), []],
      ["(i * 4 + 2) % 4", (b, i) => b.rem(b.add(b.mul(i, 4), 2), 4), ["constant"]],
      ["(i * 4 + 6) / 4 carries", (b, i) => b.div(b.add(b.mul(i, 4), 6), 4), ["constant", "add"]],
      ["(i * 4 - 2) / 4 stays: it may be negative", (b, i) => b.div(b.sub(b.mul(i, 4), 2), 4), ["constant", "mul", "constant", "sub", "constant", "div"]],
      ["i / 20 for i below 20", (b, i) => b.div(i, 20), ["constant"]],
      ["i / 19 stays for i below 20", (b, i) => b.div(i, 19), ["constant", "div"]],
      ["i % 20 for i below 20", (b, i) => b.rem(i, 20), []],
      ["(i / 3) * 3 + i % 3", (b, i) => b.add(b.mul(b.div(i, 3), 3), b.rem(i, 3)), []],
      ["(i / 3) * 2 + i % 3 stays", (b, i) => b.add(b.mul(b.div(i, 3), 2), b.rem(i, 3)), ["constant", "div", "constant", "mul", "constant", "rem", "add"]],
      ["((i % 7) * 5 + i % 5) / 5", (b, i) => b.div(b.add(b.mul(b.rem(i, 7), 5), b.rem(i, 5)), 5), ["constant", "rem"]],
    ];
    for (const [name, body, left] of cases) {
      it(name, () => {
        const module = indexKernel(body);
        const after = runPasses(module, ["simplify", "dce"]);
        const names: string[] = [];
        after.functions.forEach((func) => visitOps(func.body, (op) => names.push(op.name)));
        assert.deepEqual(names.filter((op) => !["parallel", "cast", "store"].includes(op)), left);
        assertSameBits(interpret(after, "main", []), interpret(module, "main", []));
      });
    }
  });

  it("symbolic sizes: reading [N, M] by its row-major position", () => {
    const [rows, columns] = [namedDim("N"), namedDim("M")];
    const types = ["x", "y"].map((name) => ({ name, type: bufferType("global", "i32", [rows, columns]) }));
    const main = buildFunction("main", types, (b, [x, y]) => {
      assert(x !== undefined && y !== undefined);
      b.parallel({ extents: [rows, columns] }, [
        b.region([indexType, indexType], ([i, j]) => {
          assert(i !== undefined && j !== undefined);
          const position = b.add(b.mul(i, b.index(columns)), j);
          b.store(y, b.load(x, [b.div(position, b.index(columns)), b.rem(position, b.index(columns))]), [i, j]);
          return [];
        }),
      ]);
      return [];
    });
    const after = runPasses({ functions: [main] }, ["simplify", "dce"]);
    const names: string[] = [];
    after.functions.forEach((func) => visitOps(func.body, (op) => names.push(op.name)));
    assert.deepEqual(names, ["parallel", "load", "store"]);
  });

  /** A kernel that stores what `body` makes of each index below 20. */
  function indexKernel(body: (b: Builder, i: Value) => Value): Module {
    const results = [{ name: "results", type: bufferType("global", "i32", [20]) }];
    const main = buildFunction("main", results, (b, buffers) => {
      b.parallel({ extents: [20] }, [
        b.region([indexType], (indices) => {
          const [buffer, i] = [buffers[0], indices[0]];
          assert(buffer !== undefined && i !== undefined);
          b.store(buffer, b.cast(body(b, i), { dtype: "i32" }), [i]);
          return [];
        }),
      ]);
      return [];
    });
    return { functions: [main] };
  }
});
