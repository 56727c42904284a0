/**
 * vmap of control flow: where all examples go the same way it stays, and where they do not each gets what is its own.
 * The meaning is a loop over the examples; everything here is whole numbers, so that both must agree exactly.
 */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { type HostArray, hostArray } from "../../ir/host.ts";
import { type Func, type Module, type Value, visitOps } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { inputsOf, present } from "../run-sample.ts";
import { checkMeaning, mappedModule, transformed, waysToMap } from "./batch-examples.ts";

const examples = namedDim("Examples");
const i32 = (values: readonly number[]): HostArray => hostArray("i32", [values.length], values);
const f64 = (values: readonly number[]): HostArray => hostArray("f64", [values.length], values);

/** @main maps @f, which is all of `text` but its signature, over some of its parameters. */
function mapped(text: string, axes: readonly number[]): Module {
  const callee = present(parse(text).functions[0]);
  return mappedModule(callee, axes, callee.body.yields.map(() => 0), examples);
}

function names(module: Module): readonly string[] {
  const found: string[] = [];
  for (const { body } of runPasses(module, transformed, { entries: ["main"] }).functions) visitOps(body, ({ name }) => found.push(name));
  return found;
}

describe("vmap of the programs of test/programs", () => {
  for (const file of ["while-if.ir", "loops.ir", "edges.ir", "many-examples.ir", "stacks.ir"]) {
    const { functions } = parse(readFileSync(new URL(`../programs/${file}`, import.meta.url), "utf8"));
    for (const callee of functions) {
      const types = callee.body.parameters.map(({ type }) => type as TensorType);
      for (const axes of waysToMap(types.map(({ shape }) => shape.length))) {
        it(`@${callee.name}, mapped along [${axes.join(",")}]`, () => {
          const module = mappedModule(callee, axes, callee.body.yields.map(() => 0), examples, functions.filter((other) => other !== callee));
          const operands = present(module.functions.at(-1)).body.parameters.map(({ type }) => type as TensorType);
          for (const count of [3, 1, 0]) {
            const sizes = { N: 4, M: 3, K: 2, Examples: count };
            checkMeaning(module, inputsOf({ operands, ranges: operands.map(({ dtype }) => (dtype === "bool" ? [0, 1] : dtype === "i32" ? [0, 6] : [0, 2])) }, sizes, 7), sizes);
          }
        });
      }
    }
  }
});

describe("vmap of a branch", () => {
  const reciprocal = `func @f(%x: f64[], %flag: bool[]) {
    %zero: f64[] = constant {"dtype":"f64","shape":[],"value":0}
    %y: f64[], %z: f64[] = if %flag {
      then() {
        %ratio: f64[] = div %x, %x
        yield %ratio, %x
      }
      else() {
        yield %zero, %zero
      }
    }
    return %y, %z
  }`;

  it("stays a branch where the condition is the same for all", () => {
    const module = mapped(reciprocal, [0, -1]);
    for (const flag of [0, 1]) checkMeaning(module, [f64([0, 2, 4]), hostArray("bool", [], [flag])]);
    assert.ok(names(module).includes("if"));
  });

  it("selects where it is not, and what is not taken leaves no NaN", () => {
    const module = mapped(reciprocal, [0, 0]);
    const [ratios] = checkMeaning(module, [f64([0, 2, 4]), hostArray("bool", [3], [0, 1, 0])]);
    assert.deepEqual([...present(ratios).data], [0, 1, 0]);
    assert.ok(!names(module).includes("if"));
  });

  it("is taken by the condition alone", () => {
    const module = mapped(reciprocal, [-1, 0]);
    checkMeaning(module, [hostArray("f64", [], [3]), hostArray("bool", [3], [0, 1, 0])]);
  });

  it("does not wait for a loop that ends only on the way that is taken", () => {
    // Without the branch, n below 0 would be doubled for ever.
    const text = `func @f(%n: i32[], %limit: i32[]) {
      %zero: i32[] = constant {"dtype":"i32","shape":[],"value":0}
      %positive: bool[] = gt %n, %zero
      %y: i32[], %w: i32[] = if %positive {
        then() {
          %last: i32[] = while %n {
            condition(%a: i32[]) {
              %more: bool[] = lt %a, %limit
              yield %more
            }
            body(%a2: i32[]) {
              %double: i32[] = add %a2, %a2
              yield %double
            }
          }
          %shared: i32[] = while %limit {
            condition(%c: i32[]) {
              %differs: bool[] = ne %c, %zero
              yield %differs
            }
            body(%c2: i32[]) {
              %one: i32[] = constant {"dtype":"i32","shape":[],"value":1}
              %less: i32[] = sub %c2, %one
              yield %less
            }
          }
          yield %last, %shared
        }
        else() {
          yield %n, %limit
        }
      }
      return %y, %w
    }`;
    checkMeaning(mapped(text, [0, -1]), [i32([3, -5, 0, 40]), hostArray("i32", [], [100])]);
    // No example is positive: the second loop, the same for all, would not end on a limit below 0 for a very long time.
    checkMeaning(mapped(text, [0, -1]), [i32([-5, 0]), hostArray("i32", [], [-1])]);
  });
});

describe("vmap of a loop", () => {
  const power = `func @f(%x: i32[], %n: i32[]) {
    %zero: i32[] = constant {"dtype":"i32","shape":[],"value":0}
    %one: i32[] = constant {"dtype":"i32","shape":[],"value":1}
    %y: i32[], %count: i32[], %same: i32[] = for %zero, %n, %one, %one, %zero, %one {"kind":"serial"} {
      body(%i: i32[], %product: i32[], %sum: i32[], %kept: i32[]) {
        %next: i32[] = mul %product, %x
        %total: i32[] = add %sum, %i
        yield %next, %total, %kept
      }
    }
    return %y, %count, %same
  }`;

  it("that all examples leave together carries mapped what is mapped, and the rest once", () => {
    const module = mapped(power, [0, -1]);
    const [powers, sums] = checkMeaning(module, [i32([2, 3, -1]), hostArray("i32", [], [4])]);
    assert.deepEqual([[...present(powers).data], [...present(sums).data]], [[16, 81, 1], [6, 6, 6]]);
    const loop = present(runPasses(module, ["transform"]).functions[0]).body.ops.find(({ name }) => name === "for");
    assert.deepEqual(present(loop).results.map(({ type }) => (type as TensorType).shape.length), [1, 0, 0]);
  });

  it("that they leave one by one runs until the last", () => {
    const [powers, sums] = checkMeaning(mapped(power, [0, 0]), [i32([2, 3, 5, 7]), i32([4, 0, 1, 2])]);
    assert.deepEqual([[...present(powers).data], [...present(sums).data]], [[16, 1, 5, 49], [6, 0, 0, 1]]);
    checkMeaning(mapped(power, [-1, 0]), [hostArray("i32", [], [2]), i32([4, 0, 1, 2])]);
    checkMeaning(mapped(power, [0, 0]), [i32([]), i32([])]);
  });

  it("carries what becomes mapped only after several turns", () => {
    const text = `func @f(%x: i32[], %n: i32[]) {
      %zero: i32[] = constant {"dtype":"i32","shape":[],"value":0}
      %one: i32[] = constant {"dtype":"i32","shape":[],"value":1}
      %a: i32[], %b: i32[], %c: i32[] = for %zero, %n, %one, %zero, %zero, %zero {"kind":"serial"} {
        body(%i: i32[], %first: i32[], %second: i32[], %third: i32[]) {
          yield %second, %third, %x
        }
      }
      return %a, %b, %c
    }`;
    for (const n of [0, 1, 2, 3]) checkMeaning(mapped(text, [0, -1]), [i32([5, 6]), hostArray("i32", [], [n])]);
  });
});

/* ---------------------------------------------------------------- random programs */

interface Statement {
  readonly kind: number;
  readonly x: number;
  readonly y: number;
  readonly inner: readonly Statement[];
  readonly other: readonly Statement[];
}

const { program } = fc.letrec<{ program: readonly Statement[]; statement: Statement }>((tie) => ({
  program: fc.array(tie("statement"), { minLength: 1, maxLength: 4, depthIdentifier: "deep" }),
  statement: fc.record({
    kind: fc.nat(7), x: fc.nat(20), y: fc.nat(20),
    inner: fc.oneof({ maxDepth: 2, depthIdentifier: "deep" }, fc.constant([]), tie("program")),
    other: fc.oneof({ maxDepth: 2, depthIdentifier: "deep" }, fc.constant([]), tie("program")),
  }, { noNullPrototype: true }),
}));

const scalar = tensorType("i32", []);

/** Every statement gives one i32 of rank 0 from those so far; numbers stay small, and every loop ends. */
function build(b: Builder, statements: readonly Statement[], around: readonly Value[]): Value {
  const values = [...around];
  const take = (position: number): Value => present(values[values.length - 1 - (position % values.length)]);
  const small = (value: Value, bound: number): Value => b.rem(value, b.constantOf(scalar, bound));
  const [zero, one] = [b.constantOf(scalar, 0), b.constantOf(scalar, 1)];
  for (const { kind, x, y, inner, other } of statements) {
    const [left, right] = [take(x), take(y)];
    switch (kind) {
      case 0: values.push(small(b.add(left, right), 1000)); break;
      case 1: values.push(small(b.mul(left, small(right, 50)), 1000)); break;
      case 2: values.push(b.sub(small(left, 10), small(right, 7))); break;
      case 3: values.push(b.constantOf(scalar, (x % 7) - 3)); break;
      case 4:
      case 5: values.push(...b.if(b.lt(left, right), {}, [
        b.region([], () => [build(b, inner, values)]),
        b.region([], () => [build(b, other, values)]),
      ])); break;
      case 6: values.push(...b.for(zero, small(left, 4), one, [right, left], { kind: "serial" }, [
        b.region([scalar, scalar, scalar], (own) => [build(b, inner, [...values, ...own]), x % 2 === 0 ? present(own[2]) : build(b, other, [...values, ...own])]),
      ])); break;
      default: {
        const turns = b.add(b.abs(small(right, 3)), one);
        const [last] = b.while([left, zero], {}, [
          b.region([scalar, scalar], ([state = zero, count = zero]) => [b.and(b.lt(count, turns), b.ne(build(b, other, [...values, state]), zero))]),
          b.region([scalar, scalar], ([state = zero, count = zero]) => [build(b, inner, [...values, state]), b.add(count, one)]),
        ]);
        values.push(present(last));
      }
    }
  }
  return present(values.at(-1));
}

function functionOf(statements: readonly Statement[]): Func {
  return buildFunction("f", ["x0", "x1", "x2"].map((name) => ({ name, type: scalar })), (b, values) => [build(b, statements, values)]);
}

describe("vmap of random control flow", function () {
  this.timeout(120_000);
  it("is a loop over examples, before and after simplify, cse and dce", () => {
    const staying = { if: 0, for: 0, while: 0 };
    fc.assert(fc.property(program, fc.nat(6), fc.integer(), (statements, mask, seed) => {
      const axes = [0, 1, 2].map((i) => (((mask + 1) >> i) % 2 === 1 ? 0 : -1));
      const module = mappedModule(functionOf(statements), axes, [0], examples);
      const operands = present(module.functions.at(-1)).body.parameters.map(({ type }) => type as TensorType);
      const sizes = { Examples: 4 };
      const inputs = inputsOf({ operands, range: [-9, 9] }, sizes, seed);
      checkMeaning(module, inputs, sizes);
      checkMeaning(module, inputs, sizes, transformed);
      for (const name of names(module)) if (name === "if" || name === "for" || name === "while") staying[name]++;
    }), { numRuns: 400, seed: 11 });
    // Both kinds of each were there: what stays, and what becomes selects or a loop of its own.
    assert.ok(staying.if > 10 && staying.for > 10 && staying.while > 10, JSON.stringify(staying));
  });
});
