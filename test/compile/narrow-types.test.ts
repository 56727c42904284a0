/**
 * Ops on types narrower than a word one after the other in one kernel: each must leave what its type can hold, though what
 * holds it is wider. And numbers of JavaScript, which are f32 where there is no f64, from a call to its results.
 */

import assert from "node:assert/strict";
import { namedDim } from "../../ir/dim.ts";
import { hostArray, type HostArray, roundTo } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { present } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest } from "./run-compiled.ts";

/** Every pair of values of a byte, with results that a missing wrap would change. */
const bytes = (dtype: "i8" | "u8"): Module => parse(`
func @chain(%x: ${dtype}[N], %y: ${dtype}[N]) {
  %0: ${dtype}[N] = mul %x, %y
  %1: i32[N] = cast %0 {"dtype":"i32"}
  %2: ${dtype}[N] = add %0, %x
  %3: ${dtype}[N] = shift_right %2, %y
  %4: ${dtype}[N] = shift_left %x, %y
  %5: bool[N] = lt %4, %y
  %6: ${dtype}[N] = sub %y, %4
  %7: ${dtype}[N] = div %6, %x
  %8: ${dtype}[N] = rem %2, %y
  %9: ${dtype}[N] = max %7, %8
  %10: ${dtype}[N] = not %9
  %11: ${dtype}[N] = xor %10, %3
  %12: f32[N] = cast %11 {"dtype":"f32"}
  %13: ${dtype === "i8" ? "u8" : "i8"}[N] = bitcast %11 {"dtype":"${dtype === "i8" ? "u8" : "i8"}"}
  %14: i32[N] = cast %13 {"dtype":"i32"}
  %15: ${dtype}[N] = cast %1 {"dtype":"${dtype}"}
${dtype === "i8" ? "  %16: i8[N] = neg %2\n  %17: i8[N] = abs %4\n  %18: i8[N] = add %16, %17\n" : ""}  return %1, %3, %5, %9, %11, %12, %14, %15${dtype === "i8" ? ", %18" : ""}
}
`);

const halves = parse(`
func @round(%x: f32[N]) {
  %0: f16[N] = cast %x {"dtype":"f16"}
  %1: f32[N] = cast %0 {"dtype":"f32"}
  return %1
}

func @chain(%x: f16[N], %y: f16[N]) {
  %0: f16[N] = div %x, %y
  %1: f32[N] = cast %0 {"dtype":"f32"}
  %2: f16[N] = exp %y
  %3: f32[N] = cast %2 {"dtype":"f32"}
  %4: f16[N] = mul %x, %y
  %5: f32[N] = cast %4 {"dtype":"f32"}
  %6: f16[N] = tanh %x
  %7: f16[N] = add %6, %0
  %8: f32[N] = cast %7 {"dtype":"f32"}
  return %1, %3, %5, %8
}
`);

const numbers = parse(`
func @scale(%x: f32[N], %lr: f64[], %count: f64[]) {
  %0: f64[] = constant {"dtype":"f64","shape":[],"value":0.5}
  %1: f64[] = mul %lr, %0
  %2: f64[] = size {"dtype":"f64","size":"N"}
  %3: f64[] = div %1, %2
  %4: f32[] = cast %3 {"dtype":"f32"}
  %5: f32[N] = broadcast %4 {"axes":[],"shape":["N"]}
  %6: f32[N] = mul %x, %5
  %7: f64[] = add %count, %0
  return %6, %7
}
`);

for (const machine of await testMachines()) {
  const { limits } = machine;

  describe(`narrow types on ${machine.title}`, function () {
    this.timeout(120_000);
    before(async function () {
      if (!(await machine.open())) this.skip();
    });
    after(() => machine.close());

    for (const dtype of limits.onlyFor === undefined ? (["i8", "u8"] as const) : []) {
      it(`${dtype} wraps after each op`, async () => {
        const module = bytes(dtype);
        const run = await compileForTest(module, machine);
        const all = Array.from({ length: 256 }, (_, i) => i);
        const inputs = [all.flatMap((x) => all.map(() => x)), all.flatMap(() => all)].map((values): HostArray => hostArray(dtype, [65536], values));
        const wanted = interpret(module, "chain", inputs, { N: 65536 });
        const got = await run("chain", inputs);
        wanted.forEach(({ data }, result) => assert.deepEqual(Array.from(present(got[result]).data), Array.from(data), `result ${result}`));
      });
    }

    if (limits.dtypes.includes("f16")) {
      it("f16 is rounded by every cast, to subnormal numbers and to infinity too", async () => {
        const run = await compileForTest(halves, machine);
        // Every f16, the middle between it and the next, and the floats beside that.
        const values = Array.from({ length: 0x7c00 }, (_, bits) => valueOfHalf(bits)).flatMap((x, i) => {
          const middle = i === 0x7bff ? 65520 : (x + valueOfHalf(i + 1)) / 2;
          return [x, middle, middle * (1 - 2 ** -23), middle * (1 + 2 ** -22), -x, -middle];
        });
        const [rounded] = await run("round", [hostArray("f32", [values.length], values)]);
        values.forEach((value, i) => assert.equal(Math.abs(present(rounded).data[i] ?? NaN), Math.abs(roundTo("f16", Math.fround(value))), `${value}`));
      });

      it("f16 is rounded after each op", async () => {
        const run = await compileForTest(halves, machine);
        const inputs = [0.37, 0.81].map((step, k): HostArray => hostArray("f16", [300], Array.from({ length: 300 }, (_, i) => ((i * step + k) % 5) - 1.9)));
        const wanted = interpret(halves, "chain", inputs, { N: 300 });
        const got = await run("chain", inputs);
        wanted.forEach(({ data }, result) => data.forEach((exact, i) => {
          const value = present(got[result]).data[i] ?? NaN;
          assert.equal(roundTo("f16", value), value, `result ${result} is no f16`);
          assert.ok(Math.abs(value - exact) <= Math.max(Math.abs(exact) * 2 ** -9, 2 ** -20), `result ${result}: ${value}, expected ${exact}`);
        }));
      });
    }

    if (!limits.dtypes.includes("f64") && limits.onlyFor === undefined) {
      it("a number is an f32", async () => {
        const number = { kind: "number", type: { kind: "tensor", dtype: "f64", shape: [] } } as const;
        const x = { kind: "tensor", type: { kind: "tensor", dtype: "f32", shape: [namedDim("N")] } } as const;
        const run = await compileForTest(numbers, machine, [{
          name: "scale", dims: [{ name: "N", min: 0, max: undefined }], guards: [], mutations: [], doc: undefined, span: { file: "test.ir", line: 1, column: 1, length: 1 },
          parameters: [{ name: "x", tree: x, donated: false }, { name: "lr", tree: number, donated: false }, { name: "count", tree: number, donated: false }],
          result: { kind: "array", items: [x, number] },
        }]);
        const [scaled, count] = await run("scale", [hostArray("f32", [4], [1, 2, 3, 4]), hostArray("f32", [], [0.25]), hostArray("f32", [], [7])]);
        assert.deepEqual(Array.from(present(scaled).data), [1, 2, 3, 4].map((value) => value / 32));
        assert.deepEqual([present(count).dtype, Array.from(present(count).data)], ["f32", [7.5]]);
      });
    }
  });
}

/** Of bits below those of infinity. */
function valueOfHalf(bits: number): number {
  const exponent = bits >> 10;
  return exponent === 0 ? bits * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** (exponent - 25);
}
