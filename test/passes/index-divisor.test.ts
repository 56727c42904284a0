/** What is known of indices: their linear forms, and what divides them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { type Dim, divisorOfDim, evaluateDim, namedDim, parseDim } from "../../ir/dim.ts";
import { type Func, type Value } from "../../ir/module.ts";
import { definitions } from "../../ir/rewrite.ts";
import { bufferType } from "../../ir/type.ts";
import { IndexDivisors } from "../../passes/index-divisor.ts";
import { type LinearIndex, LinearIndices } from "../../passes/linear-index.ts";

interface Counters {
  readonly block: Value;
  readonly thread: Value;
  /** Of a loop from 8 in steps of 12. */
  readonly step: Value;
}

/** A kernel, and an index that is computed in its innermost loop. */
function withIndex(index: (b: Builder, counters: Counters) => Value): { readonly func: Func; readonly value: Value; readonly counters: Counters } {
  let value: Value | undefined;
  let counters: Counters | undefined;
  const type = { kind: "scalar", dtype: "index", lanes: 1 } as const;
  const func = buildFunction("kernel", [{ name: "out", type: bufferType("global", "f32", [namedDim("N")]) }], (b) => {
    const loop = (kind: string, start: number, step: number, body: (counter: Value) => void): void => {
      const region = b.region([type], ([counter]) => {
        assert.ok(counter);
        body(counter);
        return [];
      });
      b.for(b.index(start), b.index(namedDim("N")), b.index(step), [], { kind } as { kind: "serial" }, [region]);
    };
    loop("grid", 0, 1, (block) => loop("thread", 0, 1, (thread) => loop("serial", 8, 12, (step) => {
      counters = { block, thread, step };
      value = index(b, counters);
    })));
    return [];
  });
  assert.ok(value && counters);
  return { func, value, counters };
}

describe("linear forms of indices", () => {
  const formOf = (index: (b: Builder, counters: Counters) => Value): { readonly form: LinearIndex; readonly counters: Counters } => {
    const { func, value, counters } = withIndex(index);
    const made = definitions(func.body);
    return { form: new LinearIndices((found) => made.get(found)).of(value), counters };
  };

  it("are the sum of what values are multiplied by", () => {
    const { form, counters } = formOf((b, { block, thread }) => b.add(b.mul(b.sub(b.add(b.mul(block, 4), 3), thread), 2), b.add(block, b.index(5))));
    assert.deepEqual([...form.terms], [[counters.block, 9], [counters.thread, -2]]);
    assert.equal(form.constant, 11);
  });

  it("lose what is taken away again", () => {
    const { form } = formOf((b, { block }) => b.sub(b.add(block, 7), block));
    assert.deepEqual([form.terms.size, form.constant], [0, 7]);
    const none = formOf((b, { block }) => b.add(b.mul(block, 0), 1)).form;
    assert.deepEqual([none.terms.size, none.constant], [0, 1]);
  });

  it("stop at products of two values, quotients and named sizes", () => {
    let parts: readonly Value[] = [];
    const { form } = formOf((b, { block, thread }) => {
      parts = [b.mul(block, thread), b.div(thread, 4), b.index(namedDim("N"))];
      return parts.reduce((sum, part) => b.add(sum, part));
    });
    assert.deepEqual([...form.terms], parts.map((part) => [part, 1]));
  });
});

describe("divisors of indices", () => {
  const divisorOf = (index: (b: Builder, counters: Counters) => Value): number => {
    const { func, value } = withIndex(index);
    return new IndexDivisors(func.body).of(value);
  };

  it("are those of sums, products and counters", () => {
    assert.equal(divisorOf((_b, { thread }) => thread), 1);
    assert.equal(divisorOf((_b, { step }) => step), 4);
    assert.equal(divisorOf((b, { step, thread }) => b.add(b.mul(step, 3), b.mul(thread, 18))), 6);
    assert.equal(divisorOf((b, { thread }) => b.add(b.mul(thread, 8), 12)), 4);
    assert.equal(divisorOf((b, { thread }) => b.add(b.mul(thread, 8), 3)), 1);
    assert.equal(divisorOf((b, { step, thread }) => b.mul(b.mul(step, thread), b.mul(thread, 5))), 20);
    assert.equal(divisorOf((b) => b.index(0)), 0);
    assert.equal(divisorOf((b) => b.index(28)), 28);
    assert.equal(divisorOf((b) => b.index(parseDim("8*N+12*M"))), 4);
  });

  it("are those of remainders, exact quotients, and whichever branch", () => {
    assert.equal(divisorOf((b, { thread }) => b.rem(b.mul(thread, 8), 12)), 4);
    assert.equal(divisorOf((b, { thread }) => b.rem(thread, 12)), 1);
    assert.equal(divisorOf((b, { thread }) => b.div(b.mul(thread, 24), 6)), 4);
    assert.equal(divisorOf((b, { thread }) => b.div(b.mul(thread, 24), 5)), 1);
    assert.equal(divisorOf((b, { thread, step }) => b.min(b.mul(thread, 8), step)), 4);
    assert.equal(divisorOf((b, { thread, step }) => b.select(b.lt(thread, step), b.mul(thread, 8), b.mul(step, 5))), 4);
  });

  it("divide, whatever the values are", () => {
    type Expression = { readonly make: (b: Builder, counters: Counters) => Value; readonly at: (block: number, thread: number, step: number) => number };
    const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
      expression: fc.oneof({ depthSize: "small" },
        fc.constantFrom<Expression>(
          { make: (_b, { block }) => block, at: (block) => block },
          { make: (_b, { thread }) => thread, at: (_block, thread) => thread },
          { make: (_b, { step }) => step, at: (_block, _thread, step) => step }),
        fc.integer({ min: 0, max: 24 }).map((value): Expression => ({ make: (b) => b.index(value), at: () => value })),
        fc.tuple(fc.constantFrom("add", "mul", "min", "max"), tie("expression"), tie("expression")).map(([name, left, right]): Expression => ({
          make: (b, counters) => b.op(name, [left.make(b, counters), right.make(b, counters)])[0] as Value,
          at: (...values) => {
            const [first, second] = [left.at(...values), right.at(...values)];
            return name === "add" ? first + second : name === "mul" ? first * second : name === "min" ? Math.min(first, second) : Math.max(first, second);
          },
        })),
        fc.tuple(fc.constantFrom("div", "rem"), tie("expression"), fc.integer({ min: 1, max: 24 })).map(([name, inner, by]): Expression => ({
          make: (b, counters) => (name === "div" ? b.div(inner.make(b, counters), by) : b.rem(inner.make(b, counters), by)),
          at: (...values) => (name === "div" ? Math.floor(inner.at(...values) / by) : inner.at(...values) % by),
        }))),
    }));
    fc.assert(fc.property(expression, fc.nat(50), fc.nat(50), fc.nat(20), ({ make, at }, block, thread, turn) => {
      const value = at(block, thread, 8 + 12 * turn);
      fc.pre(value < 2 ** 50);
      const divisor = divisorOf(make);
      assert.ok(divisor === 0 ? value === 0 : value % divisor === 0, `${divisor} does not divide ${value}`);
    }), { numRuns: 500 });
  });

  it("of sizes are what divides each term", () => {
    const sizes: readonly [string, number][] = [["4*N", 4], ["4*N+6", 2], ["N+8", 1], ["12*N*M-20*M", 4], ["7", 7], ["0", 0], ["8*floordiv(N,3)", 8]];
    for (const [text, divisor] of sizes) {
      const dim: Dim = parseDim(text);
      assert.equal(divisorOfDim(dim), divisor, text);
      if (divisor > 0) assert.equal(evaluateDim(dim, { N: 13, M: 5 }) % divisor, 0);
    }
  });
});
