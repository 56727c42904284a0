/** The library that passes rebuild functions with: what a rule may do to an op, and the facts about uses. */

import assert from "node:assert/strict";
import { createBuilder } from "../../ir/builder.ts";
import type { Func, Op } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { print, printFunction } from "../../ir/print.ts";
import { capturedValues, definitions, functionsOf, inlineRegion, mapModule, rewriteFunction, useCounts, usedValues, usersOf } from "../../ir/rewrite.ts";
import { verify } from "../../ir/verify.ts";

const text = `func @f(%x: f32[3], %c: bool[]) {
  %0: f32[3] = abs %x @"model.ts:1:2+3"
  %1: f32[3] = if %c {
    then() {
      %2: f32[3] = abs %0
      %3: f32[3] = add %2, %x
      yield %3
    }
    else() {
      yield %0
    }
  }
  return %1
}
`;

function first(source: string): Func {
  const [func] = parse(source).functions;
  assert.ok(func !== undefined);
  return func;
}

function bodyOf(func: Func): string {
  verify({ functions: [func] });
  return printFunction(func, { spans: true });
}

describe("rewrite", () => {
  it("copies what no rule answers", () => assert.equal(bodyOf(rewriteFunction(first(text), () => undefined)), text));

  it("replaces ops in all regions, and gives new ones the spans of the old", () => {
    const rewritten = rewriteFunction(first(text), (b, op, [operand]) => (op.name === "abs" && operand !== undefined ? [b.neg(operand)] : undefined));
    assert.equal(bodyOf(rewritten), text.replaceAll("abs", "neg"));
  });

  it("removes ops, and says when one is still used", () => {
    const isAbs = (op: Op): boolean => op.name === "abs";
    const dead = first("func @f(%x: f32[3]) {\n  %0: f32[3] = abs %x\n  return %x\n}\n");
    assert.equal(bodyOf(rewriteFunction(dead, (_b, op) => (isAbs(op) ? [] : undefined))), "func @f(%x: f32[3]) {\n  return %x\n}\n");
    assert.throws(() => rewriteFunction(first(text), (_b, op) => (isAbs(op) ? [] : undefined)), /a result of abs is used, but the rewrite removed that op/);
  });

  it("wants a value for each result", () => {
    assert.throws(
      () => rewriteFunction(first(text), (_b, op, operands) => (op.name === "abs" ? [...operands, ...operands] : undefined)),
      /abs has 1 results, and the rewrite gave 2 values for them/,
    );
  });

  it("inlines a region where an op stood", () => {
    const rewritten = rewriteFunction(first(text), (_b, op, _operands, rewriter) => {
      const [then] = op.regions;
      return op.name === "if" && then !== undefined ? rewriter.inline(then, []) : undefined;
    });
    assert.equal(
      bodyOf(rewritten),
      'func @f(%x: f32[3], %c: bool[]) {\n  %0: f32[3] = abs %x @"model.ts:1:2+3"\n  %1: f32[3] = abs %0\n  %2: f32[3] = add %1, %x\n  return %2\n}\n',
    );
  });

  it("inlines a callee more than once", () => {
    const module = parse(`func @f(%x: f32[3]) {
      %0: f32[3] = call %x {"callee":"g"}
      %1: f32[3] = call %0 {"callee":"g"}
      return %1
    }
    func @g(%y: f32[3]) {
      %0: f32[3] = neg %y
      return %0
    }`);
    const functions = functionsOf(module);
    const inlined = mapModule(module, (func) =>
      rewriteFunction(func, (b, op, operands) => {
        const callee = op.name === "call" ? functions(String(op.attrs["callee"])) : undefined;
        return callee === undefined ? undefined : inlineRegion(b, callee.body, operands);
      }, functions),
    );
    verify(inlined);
    assert.match(print(inlined), /^func @f\(%x: f32\[3\]\) \{\n {2}%0: f32\[3\] = neg %x\n {2}%1: f32\[3\] = neg %0\n {2}return %1\n\}/);
  });

  it("wants as many values as the region has parameters", () => {
    const b = createBuilder();
    assert.throws(() => b.region([], () => inlineRegion(b, first(text).body, [])), /a region of 2 parameters was given 0 values/);
  });
});

describe("facts about uses", () => {
  const { body } = first(text);
  const [x, c] = body.parameters;
  const [abs, branch] = body.ops;
  const inner = branch?.regions[0]?.ops[0];
  assert.ok(x !== undefined && c !== undefined && abs !== undefined && branch !== undefined && inner !== undefined);
  const [absolute] = abs.results;
  assert.ok(absolute !== undefined);

  it("count operands and yields, inner ones too", () => {
    const counts = useCounts(body);
    assert.deepEqual([counts.get(x), counts.get(c), counts.get(absolute)], [2, 1, 2]);
  });

  it("tell users and definitions", () => {
    assert.deepEqual(usersOf(body).get(x)?.map((op) => op.name), ["abs", "add"]);
    assert.equal(definitions(body).get(absolute), abs);
    assert.equal(definitions(body).get(x), undefined);
    assert.equal(definitions(body).get(inner.results[0] ?? x), inner);
  });

  it("tell what a region captures", () => {
    assert.deepEqual(branch.regions.map((region) => capturedValues(region).length), [2, 1]);
    assert.deepEqual(capturedValues(body), []);
    assert.deepEqual(new Set(usedValues(branch)), new Set([c, absolute, x]));
  });
});
