/** The surface table: what each primitive builds, run by the interpreter against plain loops over numbers. */

import assert from "node:assert/strict";
import { buildFunction, IrError } from "../../ir/builder.ts";
import { type Dim, namedDim, parseDim, printDim } from "../../ir/dim.ts";
import { hostArray, type HostArray, offsetOf } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { type DType, printType, tensorType, type Type } from "../../ir/type.ts";
import { onlyProven, surface, type SurfaceArgument, type SurfaceContext, TracedNumber } from "../../lib/surface.ts";

type Build = (...values: Value[]) => readonly SurfaceArgument[];

/** The type of what a primitive gives for operands of these types. */
function typeOf(name: string, operands: readonly Type[], args: Build = (...values) => values, context: SurfaceContext = onlyProven): string {
  const func = buildFunction("f", operands.map((type, i) => ({ name: `x${i}`, type })), (b, values) => {
    const result = entry(name)(b, context, ...args(...values));
    return result instanceof Value ? [result] : result;
  });
  return func.body.yields.map(({ type }) => printType(type)).join(", ");
}

function run(name: string, operands: readonly HostArray[], args: Build = (...values) => values, declared?: readonly (readonly Dim[])[]): HostArray {
  const types = operands.map(({ dtype, shape }, i) => tensorType(dtype, declared?.[i] ?? shape));
  const func = buildFunction("f", types.map((type, i) => ({ name: `x${i}`, type })), (b, values) => {
    const result = entry(name)(b, onlyProven, ...args(...values));
    return result instanceof Value ? [result] : result;
  });
  const [result] = interpret({ functions: [func] }, "f", operands);
  assert.ok(result);
  return result;
}

function entry(name: string) {
  const found = surface[name];
  assert.ok(found, `the surface has ${name}`);
  return found;
}

/** Small whole numbers, so that sums and products are exact and plain equality is the test. */
function tensor(dtype: DType, ...shape: number[]): HostArray {
  const count = shape.reduce((product, size) => product * size, 1);
  return hostArray(dtype, shape, Array.from({ length: count }, (_, i) => ((i * 7 + 3) % 11) - (dtype.startsWith("u") ? 0 : 5)));
}

function at(array: HostArray, ...index: number[]): number {
  return array.data[offsetOf(array.shape, index)] ?? NaN;
}

/** A result of this shape from a formula over its index. */
function filled(shape: readonly number[], formula: (...index: number[]) => number): number[] {
  if (shape.length === 0) return [formula()];
  const [size = 0, ...rest] = shape;
  return Array.from({ length: size }, (_, i) => filled(rest, (...index) => formula(i, ...index))).flat();
}

function assertArray(actual: HostArray, shape: readonly number[], formula: (...index: number[]) => number): void {
  assert.deepEqual(actual.shape, shape);
  // Adding 0 makes one zero of the two.
  assert.deepEqual([...actual.data].map((value) => value + 0), filled(shape, formula).map((value) => value + 0));
}

function fault(rule: RegExp | string, ...parts: string[]) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TypeFault || error instanceof IrError, String(error));
    const text = `${error.message} | ${error.facts.join(", ")} | ${error.help ?? ""}`;
    if (typeof rule === "string") assert.equal(error.message, rule);
    else assert.match(error.message, rule);
    for (const part of parts) assert.ok(text.includes(part), `"${text}" has "${part}"`);
    return true;
  };
}

/** A context that writes down which bounds it is asked to check. */
function recording(asked: string[]): SurfaceContext {
  return { ...onlyProven, requireAtMost: (smaller, larger) => void asked.push(`${printDim(smaller)} <= ${printDim(larger)}`) };
}

const f32 = (...shape: (number | string)[]) => tensorType("f32", shape.map((dim) => (typeof dim === "string" ? parseDim(dim) : dim)));
const N = namedDim("N");

describe("lib/surface", () => {
  describe("broadcasting", () => {
    it("stretches literal 1s and missing axes", () => {
      const x = tensor("f32", 3, 1, 2);
      const y = tensor("f32", 4, 1);
      assertArray(run("add", [x, y]), [3, 4, 2], (i, j, k) => at(x, i, 0, k) + at(y, j, 0));
      assertArray(run("sub", [y, x]), [3, 4, 2], (i, j, k) => at(y, j, 0) - at(x, i, 0, k));
    });

    it("adds a vector to rows of a named number", () => {
      const x = tensor("f32", 3, 4);
      const y = tensor("f32", 4);
      assertArray(run("mul", [x, y], undefined, [[N, 4], [4]]), [3, 4], (i, j) => at(x, i, j) * at(y, j));
    });

    it("never stretches a named dim, and says which dims differ", () => {
      assert.equal(typeOf("add", [f32("N", 1), f32(1, "M")]), "f32[N,M]");
      assert.throws(() => typeOf("add", [f32("N", 4), f32("M", 4)]), fault(/must have shapes that broadcast together/, "N against M"));
      assert.throws(() => typeOf("add", [f32("N", 4), f32(3, 4)]), fault(/must have shapes that broadcast together/, "N against 3"));
      assert.throws(() => typeOf("add", [f32(2, 784), f32(128)]), fault("operands must have shapes that broadcast together", "[2,784] with [128]: 784 against 128"));
    });

    it("asks the context about two dims that cannot be proved equal", () => {
      const asked: string[] = [];
      const context: SurfaceContext = { ...onlyProven, requireEqual: (left, right, reason) => void asked.push(`${String((left as { key: string }).key)}=${String((right as { key: string }).key)}: ${reason}`) };
      assert.throws(() => typeOf("add", [f32("N"), f32("M")], undefined, context), IrError);
      assert.deepEqual(asked, ["N=M: operands must have shapes that broadcast together ([N] with [M]: N against M)"]);
    });

    it("takes numbers, named dims and traced numbers in the dtype of the tensor", () => {
      const x = tensor("f32", 3);
      assertArray(run("div", [x], (v) => [v, 2]), [3], (i) => at(x, i) / 2);
      assertArray(run("sub", [x], (v) => [10, v]), [3], (i) => 10 - at(x, i));
      assertArray(run("div", [x], (v) => [v, N], [[N]]), [3], (i) => Math.fround(at(x, i) / 3));
      assertArray(run("mul", [x, hostArray("f64", [], [0.5])], (v, n) => [v, new TracedNumber(n as Value)]), [3], (i) => at(x, i) * 0.5);
      assertArray(run("add", [tensor("i32", 3)], (v) => [v, parseDim("2*N+1")], [[N]]), [3], (i) => at(tensor("i32", 3), i) + 7);
    });

    it("refuses a fraction into integers, and mixed dtypes", () => {
      assert.throws(() => typeOf("add", [tensorType("i32", [3])], (v) => [v as Value, 0.5]), fault("the number 0.5 does not fit a tensor of i32", 'with .to("f32")'));
      assert.throws(
        () => typeOf("add", [tensorType("i32", [3]), tensorType("f64", [])], (v, n) => [v, new TracedNumber(n as Value)]),
        fault(/known only at run time may have a fraction/),
      );
      assert.throws(() => typeOf("add", [f32(3), tensorType("i32", [3])]), fault(/must have the same dtype/, "left is f32[3], right is i32[3]", 'convert the right one, with .to("f32")'));
      assert.throws(() => typeOf("add", [tensorType("i32", [3]), f32(3)]), fault(/must have the same dtype/, 'convert the left one, with .to("f32")'));
      assert.throws(() => typeOf("exp", [tensorType("i32", [3])]), fault("exp needs a tensor of floats", "it is i32[3]", '.to("f32")'));
      assert.throws(() => typeOf("add", [], () => [1, 2]), fault("one of the operands must be a tensor"));
    });
  });

  describe("elementwise", () => {
    const x = tensor("f32", 4);
    const y = hostArray("f32", [4], [2, -3, 4, 0.5]);
    const unaries: Readonly<Record<string, (x: number) => number>> = {
      neg: (v) => -v, abs: Math.abs, sign: Math.sign, floor: Math.floor, ceil: Math.ceil, stopGradient: (v) => v,
    };
    for (const [name, meaning] of Object.entries(unaries)) {
      it(name, () => assertArray(run(name, [x]), [4], (i) => meaning(at(x, i))));
    }
    const binaries: Readonly<Record<string, (x: number, y: number) => number>> = {
      rem: (a, b) => a % b, maximum: Math.max, minimum: Math.min,
      eq: (a, b) => Number(a === b), ne: (a, b) => Number(a !== b), lt: (a, b) => Number(a < b), le: (a, b) => Number(a <= b), gt: (a, b) => Number(a > b), ge: (a, b) => Number(a >= b),
    };
    for (const [name, meaning] of Object.entries(binaries)) {
      it(name, () => assertArray(run(name, [x, y]), [4], (i) => meaning(at(x, i), at(y, i))));
    }

    it("where broadcasts all three, and one value may be a number", () => {
      const condition = hostArray("bool", [2, 1], [1, 0]);
      assertArray(run("where", [condition, x], (c, v) => [c, v, 0]), [2, 4], (i, j) => (i === 0 ? at(x, j) : 0));
      assertArray(run("where", [condition, x, y]), [2, 4], (i, j) => (i === 0 ? at(x, j) : at(y, j)));
      assertArray(run("where", [hostArray("bool", [3, 1, 1], [1, 0, 1]), condition], (c, v) => [c, 0, v]), [3, 2, 1], (i, j) => (i === 1 ? at(condition, j, 0) : 0));
      assert.throws(() => typeOf("where", [f32(3), f32(3), f32(3)]), fault("the condition of where must be a bool tensor", ".ne(0)"));
      assert.throws(() => typeOf("where", [tensorType("bool", [3])], (c) => [c, 1, 0]), fault("one of the operands must be a tensor", "full([], value)"));
    });

    it("to converts, and is nothing for the same dtype", () => {
      assertArray(run("to", [hostArray("f32", [3], [1.7, -1.7, 0])], (v) => [v, "i32"]), [3], (i) => [1, -1, 0][i] ?? 0);
      assert.throws(() => typeOf("to", [f32()], (v) => [v, "float"]), fault("there is no such dtype", 'it is "float"', "f32"));
    });
  });

  describe("reduce", () => {
    const x = tensor("f32", 2, 3, 4);
    it("sum over one axis, several, all, kept or not", () => {
      assertArray(run("sum", [x], (v) => [v, 1]), [2, 4], (i, k) => at(x, i, 0, k) + at(x, i, 1, k) + at(x, i, 2, k));
      assertArray(run("sum", [x], (v) => [v, -1, true]), [2, 3, 1], (i, j) => [0, 1, 2, 3].reduce((sum, k) => sum + at(x, i, j, k), 0));
      assertArray(run("sum", [x]), [], () => [...x.data].reduce((sum, value) => sum + value, 0));
      assert.equal(typeOf("sum", [f32("N", 3, 4)], (v) => [v, [0, -1], true]), "f32[1,3,1]");
      assert.equal(typeOf("sum", [f32("N", 3, 4)], (v) => [v, []]), "f32[N,3,4]");
    });
    it("max, min and prod", () => {
      assertArray(run("max", [x], (v) => [v, 0]), [3, 4], (j, k) => Math.max(at(x, 0, j, k), at(x, 1, j, k)));
      assertArray(run("min", [x], (v) => [v, 0]), [3, 4], (j, k) => Math.min(at(x, 0, j, k), at(x, 1, j, k)));
      assertArray(run("prod", [x], (v) => [v, 0]), [3, 4], (j, k) => at(x, 0, j, k) * at(x, 1, j, k));
    });
    it("argmax along an axis, and of the flattened tensor", () => {
      assertArray(run("argmax", [x], (v) => [v, -1, true]), [2, 3, 1], (i, j) => {
        const row = [0, 1, 2, 3].map((k) => at(x, i, j, k));
        return row.indexOf(Math.max(...row));
      });
      assertArray(run("argmin", [x]), [], () => [...x.data].indexOf(Math.min(...x.data)));
      assert.equal(typeOf("argmax", [f32("N", 3)], undefined, recording([])), "i32[]");
      assert.throws(() => typeOf("argmax", [f32(2, 0)], (v) => [v, 1]), fault("argmax needs at least one element to choose from", "it is f32[2,0]"));
    });
    it("cumsum from either end", () => {
      assertArray(run("cumsum", [x], (v) => [v, 1, true]), [2, 3, 4], (i, j, k) => [0, 1, 2].slice(j).reduce((sum, l) => sum + at(x, i, l, k), 0));
    });
    it("refuses axes that are not there", () => {
      assert.throws(() => typeOf("sum", [f32(2, 3)], (v) => [v, 2]), fault("the axis must be from -2 to 1", "it is 2"));
      assert.throws(() => typeOf("sum", [f32()], (v) => [v, 0]), fault("the axis must be absent, since a scalar has no axes"));
      assert.throws(() => typeOf("sum", [f32(2, 3)], (v) => [v, [0, -2]]), fault("an axis is named twice"));
      assert.throws(() => typeOf("sum", [f32(2), tensorType("f64", [])], (v, n) => [v, new TracedNumber(n as Value)]), fault("the axis must be known when the program is built"));
      assert.throws(() => typeOf("sum", [tensorType("bool", [2])]), fault("sum needs a tensor of numbers", "any() or all()"));
    });
  });

  describe("shape", () => {
    const x = tensor("f32", 2, 3, 4);
    it("reshape works out -1, also over named dims", () => {
      assertArray(run("reshape", [x], (v) => [v, [4, -1]]), [4, 6], (i, j) => x.data[i * 6 + j] ?? NaN);
      assert.equal(typeOf("reshape", [f32("N", 28, 28)], (v) => [v, [N, -1]]), "f32[N,784]");
      assert.equal(typeOf("reshape", [f32("N", 28, 28)], (v) => [v, [-1, 784]]), "f32[N,784]");
      assert.throws(() => typeOf("reshape", [f32(2, 3)], (v) => [v, [4, 2]]), fault("reshape must keep the number of elements", "[2,3] has 6 elements", "[4,2] has 8"));
      assert.throws(() => typeOf("reshape", [f32(2, 3)], (v) => [v, [4, -1]]), fault("reshape must keep the number of elements", "no multiple of 4"));
      assert.throws(() => typeOf("reshape", [f32(2, 3)], (v) => [v, [-1, -1]]), fault("reshape can work out one -1"));
    });
    it("permute", () => {
      assertArray(run("permute", [x], (v) => [v, [2, 0, 1]]), [4, 2, 3], (k, i, j) => at(x, i, j, k));
      assert.throws(() => typeOf("permute", [f32(2, 3)], (v) => [v, [0, 0]]), fault("permute takes each axis once", "axes are 0, 0"));
    });
    it("expand", () => {
      const row = tensor("f32", 1, 3);
      assertArray(run("expand", [row], (v) => [v, [4, 2, -1]]), [4, 2, 3], (_i, _j, k) => at(row, 0, k));
      assert.equal(typeOf("expand", [f32(1, 3)], (v) => [v, [N, 3]]), "f32[N,3]");
      assert.throws(() => typeOf("expand", [f32(2, 3)], (v) => [v, [4, 3]]), fault("expand stretches only axes of literal size 1", "2 against 4"));
    });
    it("narrow and slice, with bounds from either end", () => {
      assertArray(run("narrow", [x], (v) => [v, 1, 1, 2]), [2, 2, 4], (i, j, k) => at(x, i, j + 1, k));
      assertArray(run("narrow", [x], (v) => [v, -1, -1, 1]), [2, 3, 1], (i, j) => at(x, i, j, 3));
      assertArray(run("slice", [x], (v) => [v, 2, 1, undefined, 2]), [2, 3, 2], (i, j, k) => at(x, i, j, 1 + 2 * k));
      assertArray(run("slice", [x], (v) => [v, 2, -3, -1]), [2, 3, 2], (i, j, k) => at(x, i, j, 1 + k));
      assertArray(run("slice", [x], (v) => [v, 2, 2, 100]), [2, 3, 2], (i, j, k) => at(x, i, j, 2 + k));
      assert.equal(typeOf("slice", [f32("N", 4)], (v) => [v, 0, 1], recording([])), "f32[N-1,4]");
      assert.throws(() => typeOf("narrow", [f32(5)], (v) => [v, 0, 3, 3]), fault("narrow must stay inside the axis", "3 elements from 3 of an axis of 5"));
    });
    it("bounds of a named dim are checked at the call, unless they are inside whatever its size is", () => {
      const asked: string[] = [];
      assert.equal(typeOf("narrow", [f32("N")], (v) => [v, 0, 2, 3], recording(asked)), "f32[3]");
      assert.equal(typeOf("slice", [f32(8)], (v) => [v, 0, 0, N], recording(asked)), "f32[N]");
      assert.equal(typeOf("slice", [f32("N")], (v) => [v, 0, 0, -1], recording(asked)), "f32[N-1]");
      assert.equal(typeOf("pad", [f32(4)], (v) => [v, [[parseDim("N-4"), 0]], 0], recording(asked)), "f32[N]");
      assert.equal(typeOf("argmax", [f32("N", "M")], (v) => [v, 1], recording(asked)), "i32[N]");
      assert.deepEqual(asked, ["5 <= N", "N <= 8", "0 <= N-1", "0 <= N-4", "1 <= M"]);
      assert.equal(typeOf("slice", [f32("N")], (v) => [v, 0, 0, parseDim("floordiv(N,2)")]), "f32[floordiv(N,2)]");
      assert.equal(typeOf("slice", [f32("N")], (v) => [v, 0, parseDim("floordiv(N,2)")]), "f32[N-floordiv(N,2)]");
    });
    it("flip, pad and concat", () => {
      assertArray(run("flip", [x], (v) => [v, [0, 2]]), [2, 3, 4], (i, j, k) => at(x, 1 - i, j, 3 - k));
      const row = tensor("f32", 3);
      assertArray(run("pad", [row], (v) => [v, [[1, 2]], 9]), [6], (i) => (i >= 1 && i < 4 ? at(row, i - 1) : 9));
      const y = tensor("f32", 2, 1, 4);
      assertArray(run("concat", [x, y], (...parts) => [parts, 1]), [2, 4, 4], (i, j, k) => (j < 3 ? at(x, i, j, k) : at(y, i, 0, k)));
      assert.equal(typeOf("concat", [f32("N", 4), f32("M", 4)], (...parts) => [parts, 0]), "f32[M+N,4]");
      assert.throws(() => typeOf("concat", [f32(2, 4), f32(2, 5)], (...parts) => [parts, 0]), fault(/agree in all axes but 0/, "item 0 is f32[2,4], item 1 is f32[2,5]"));
    });
  });

  describe("matmul", () => {
    const product = (left: HostArray, right: HostArray) => run("matmul", [left, right]);
    const inner = (count: number, term: (k: number) => number) => Array.from({ length: count }, (_, k) => term(k)).reduce((sum, value) => sum + value, 0);
    const a = tensor("f32", 2, 3);
    const b = tensor("f32", 3, 4);
    it("matrix by matrix, with a named dim", () => {
      assertArray(run("matmul", [a, b], undefined, [[N, 3], [3, 4]]), [2, 4], (i, j) => inner(3, (k) => at(a, i, k) * at(b, k, j)));
    });
    it("vectors on either side", () => {
      const v = tensor("f32", 3);
      assertArray(product(v, b), [4], (j) => inner(3, (k) => at(v, k) * at(b, k, j)));
      assertArray(product(a, v), [2], (i) => inner(3, (k) => at(a, i, k) * at(v, k)));
      assertArray(product(v, v), [], () => inner(3, (k) => at(v, k) ** 2));
    });
    it("batches on one side and broadcast on both", () => {
      const left = tensor("f32", 5, 2, 3);
      const right = tensor("f32", 2, 1, 3, 4);
      assertArray(product(left, b), [5, 2, 4], (n, i, j) => inner(3, (k) => at(left, n, i, k) * at(b, k, j)));
      assertArray(product(left, right), [2, 5, 2, 4], (m, n, i, j) => inner(3, (k) => at(left, n, i, k) * at(right, m, 0, k, j)));
      assertArray(product(a, right), [2, 1, 2, 4], (m, _n, i, j) => inner(3, (k) => at(a, i, k) * at(right, m, 0, k, j)));
      const v = tensor("f32", 3);
      assertArray(product(v, right), [2, 1, 4], (m, _n, j) => inner(3, (k) => at(v, k) * at(right, m, 0, k, j)));
    });
    it("says which sizes do not match", () => {
      assert.throws(
        () => typeOf("matmul", [f32("N", 784), f32(128, 10)]),
        fault("matmul needs the last axis of its left operand to match the first axis of its right operand", "left is f32[N,784], right is f32[128,10]: 784 against 128"),
      );
      assert.throws(() => typeOf("matmul", [f32(2, 3), f32("M", 4)]), fault(/^matmul needs the last axis/, "3 against M"));
      assert.throws(() => typeOf("matmul", [f32(), f32(3)]), fault("matmul needs operands with at least one axis"));
      assert.throws(() => typeOf("matmul", [f32(2, 2, 3), f32(3, 3, 4)]), fault(/broadcast together/, "2 against 3"));
    });
  });

  describe("einsum", () => {
    const sizes: Readonly<Record<string, number>> = { b: 2, i: 3, j: 4, k: 2, l: 3 };
    /** The definition: a sum over every label that is not in the result. */
    function oracle(equation: string, operands: readonly HostArray[]): { shape: number[]; formula: (...index: number[]) => number } {
      const [left = "", output = ""] = equation.split("->");
      const inputs = left.split(",");
      const summed = [...new Set(left.replace(/,/g, ""))].filter((label) => !output.includes(label));
      const term = (where: ReadonlyMap<string, number>): number =>
        operands.reduce((total, operand, position) => total * at(operand, ...[...(inputs[position] ?? "")].map((label) => where.get(label) ?? 0)), 1);
      const sum = (where: Map<string, number>, labels: readonly string[]): number => {
        const [label, ...rest] = labels;
        if (label === undefined) return term(where);
        return Array.from({ length: sizes[label] ?? 1 }, (_, i) => sum(new Map(where).set(label, i), rest)).reduce((total, value) => total + value, 0);
      };
      return { shape: [...output].map((label) => sizes[label] ?? 1), formula: (...index) => sum(new Map([...output].map((label, i) => [label, index[i] ?? 0])), summed) };
    }
    const equations = [
      "ij->ji", "ij->", "ij->i", "ij,jk->ik", "ji,jk->ki", "bij,bjk->bik", "bij,bjk->kib", "i,j->ij", "ij,ij->", "ij,j->i", "i,i->i",
      "ij,kl->", "bij,kj->bik", "ij,jk,kb->ib", "ij,jk,ik->ik", "il->", "ii->i", "ii->", "iji->j", "bi,bj,bk->ijk", "ij,i->j", "ijk,ji->k",
    ];
    for (const equation of equations) {
      it(equation, () => {
        const operands = (equation.split("->")[0] ?? "").split(",").map((term) => tensor("f32", ...[...term].map((label) => sizes[label] ?? 1)));
        const { shape, formula } = oracle(equation, operands);
        assertArray(run("einsum", operands, (...values) => [equation, ...values]), shape, formula);
      });
    }
    it("an ellipsis and an implicit result", () => {
      assert.equal(typeOf("einsum", [f32("N", 2, 3), f32(4, 3)], (...values) => ["...i,oi->...o", ...values]), "f32[N,2,4]");
      assert.equal(typeOf("einsum", [f32(2, 3), f32(3, 4)], (...values) => ["ij,jk", ...values]), "f32[2,4]");
      assert.equal(typeOf("einsum", [f32(2, 3)], (...values) => ["ba", ...values]), "f32[3,2]");
    });
    it("refuses what it cannot read or match, with the label", () => {
      const wrong = (equation: string, ...operands: Type[]) => () => typeOf("einsum", operands, (...values) => [equation, ...values]);
      assert.throws(wrong("ij,jk->ik", f32(2, 3), f32(4, 5)), fault('label "j" of the equation "ij,jk->ik" must stand for one size', "it is 3 and, in operand 2, 4"));
      assert.throws(wrong("ij->ijj", f32(2, 3)), fault('label "j" of the equation "ij->ijj" appears twice in the result'));
      assert.throws(wrong("ij->k", f32(2, 3)), fault('label "k" of the equation "ij->k" is in no operand'));
      assert.throws(wrong("ij", f32(2)), fault('"ij" in the equation "ij" names 2 axes', "operand 1 is f32[2]"));
      assert.throws(wrong("ij,j->i", f32(2, 3)), fault('the equation "ij,j->i" is for 2 operands', "einsum is given 1"));
      assert.throws(wrong("i-j", f32(2)), fault(/cannot read the equation "i-j"/));
    });
  });

  describe("indexing and creation", () => {
    it("indexSelect replaces the axis by the shape of the indices", () => {
      const x = tensor("f32", 3, 4);
      const rows = hostArray("i32", [2, 2], [2, 0, 1, 2]);
      assertArray(run("indexSelect", [x, rows], (v, i) => [v, 0, i]), [2, 2, 4], (i, j, k) => at(x, at(rows, i, j), k));
      assertArray(run("indexSelect", [x, rows], (v, i) => [v, -1, i]), [3, 2, 2], (n, i, j) => at(x, n, at(rows, i, j)));
      assert.throws(() => typeOf("indexSelect", [f32(3), f32(2)], (v, i) => [v, 0, i]), fault("the indices must be whole numbers", "they are f32[2]"));
    });
    it("indexAdd adds twice where a row is named twice", () => {
      const x = tensor("f32", 3, 2);
      const updates = tensor("f32", 3, 2);
      const rows = hostArray("i32", [3], [1, 1, 0]);
      assertArray(run("indexAdd", [x, rows, updates], (v, i, u) => [v, 0, i, u]), [3, 2], (i, j) =>
        at(x, i, j) + [0, 1, 2].reduce((sum, row) => sum + (at(rows, row) === i ? at(updates, row, j) : 0), 0));
      assert.throws(() => typeOf("indexAdd", [f32(3, 2), tensorType("i32", [5]), f32(4, 2)], (v, i, u) => [v, 0, i, u]), fault(/updates of indexAdd/, "updates are f32[4,2]"));
    });
    it("full, iota and literals", () => {
      assertArray(run("full", [], () => [[2, 2], 7, "i32"]), [2, 2], () => 7);
      assertArray(run("iota", [], () => ["i32", [2, 3], -1]), [2, 3], (_i, j) => j);
      assertArray(run("literal", [], () => [[[1, 2], [3, 4]], "f32"]), [2, 2], (i, j) => 1 + 2 * i + j);
      assert.equal(typeOf("full", [], () => [[N, 2], 0, "f32"]), "f32[N,2]");
      assert.equal(typeOf("full", [f32("N")], () => [[3], N, "f32"]), "f32[3]");
      assert.throws(() => typeOf("literal", [], () => [[[1], [1, 2]], "f32"]), fault(/nested lists/, "lengths are [1], [2]"));
      assert.throws(() => typeOf("full", [], () => [[1.5], 0, "f32"]), fault("size 0 of the shape must be a whole number", "it is 1.5"));
    });
    it("randomBits takes a key", () => {
      assert.equal(typeOf("randomBits", [tensorType("u32", [2])], (v) => [v, [N, 3]]), "u32[N,3]");
      assert.throws(() => typeOf("randomBits", [tensorType("u32", [3])], (v) => [v, [3]]), fault("a random key is a tensor u32[2]", "it is u32[3]", "random.key(seed)"));
    });
  });

  it("has every primitive that the library names", async () => {
    const { readFileSync, readdirSync } = await import("node:fs");
    const folder = new URL("../../lib/", import.meta.url);
    const names = readdirSync(folder).filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [...readFileSync(new URL(file, folder), "utf8").matchAll(/\bprimitive\("(\w+)"/g)].map((match) => match[1] ?? ""));
    assert.ok(names.length > 60);
    assert.deepEqual(names.filter((name) => surface[name] === undefined), []);
  });
});
