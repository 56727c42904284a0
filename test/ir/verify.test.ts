/** One broken module for each rule of the verifier, and what it says about it. */

import assert from "node:assert/strict";
import { namedDim } from "../../ir/dim.ts";
import { type Func, type Module, type Op, Value } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { type Level, verify } from "../../ir/verify.ts";
import { tensorType } from "../../ir/type.ts";

const f32 = tensorType("f32", []);

describe("verify", () => {
  it("accepts a module of both levels", () => {
    verify(parse(`
      func @main(%x: f32[N]) {
        %0: f32[N] = launch %x {"callee":"double"}
        %1: f32[N] = call %0 {"callee":"square"}
        return %1
      }
      func @square(%x: f32[N]) {
        %0: f32[N] = mul %x, %x
        return %0
      }
      func @double(%in: global f32[N], %out: global f32[N]) {
        parallel {"extents":["N"]} {
          body(%i: index) {
            %x: f32 = load %in, %i
            %y: f32 = add %x, %x
            store %out, %y, %i
          }
        }
      }`));
  });

  const inText: readonly (readonly [rule: string, text: string, message: string, level?: Level])[] = [
    ["function names are unique", "func @f() { }\nfunc @f() { }", "@f: two functions have this name"],
    [
      "results have the inferred types",
      "func @f(%x: f32[N]) {\n  %0: f32[M] = neg %x\n  return %0\n}",
      "@f: its results are declared (f32[M]), and follow as (f32[N])\n  in %0: f32[M] = neg %x",
    ],
    [
      "operands fit",
      "func @f(%x: f32[N], %y: f32[M]) {\n  %0: f32[N] = add %x, %y\n  return %0\n}",
      "@f: all operands must have the same type; left is f32[N]; right is f32[M]\n  in %0: f32[N] = add %x, %y",
    ],
    [
      "regions take and yield what the op says",
      "func @f(%c: bool[], %x: f32[]) {\n  %0: f32[] = if %c {\n    then() {\n      yield %x\n    }\n    else() {\n      yield %c\n    }\n  }\n  return %0\n}",
      "@f: the two branches of an if must yield the same types; (f32[]) against (bool[])\n  in %0: f32[] = if %c",
    ],
    [
      "a group sees its parameters alone",
      "func @f(%x: f32[]) {\n  %0: f32[] = group %x {\n    body(%y: f32[]) {\n      %1: f32[] = neg %x\n      yield %1\n    }\n  }\n  return %0\n}",
      "@f: operand 0 (%x: f32[]) is not defined before it, in its region or one around it\n  in %2: f32[] = neg %x",
    ],
    [
      "callees exist",
      'func @f(%x: f32[]) {\n  %0: f32[] = call %x {"callee":"g"}\n  return %0\n}',
      '@f: there is no function @g\n  in %0: f32[] = call %x {"callee":"g"}',
    ],
    [
      "no function calls itself",
      'func @f(%x: f32[]) {\n  %0: f32[] = call %x {"callee":"g"}\n  return %0\n}\nfunc @g(%x: f32[]) {\n  %0: f32[] = call %x {"callee":"f"}\n  return %0\n}',
      "@f: a function may not call itself: @f calls @g calls @f",
    ],
    ["kernels return nothing", "func @f(%x: global f32[]) {\n  %0: f32 = load %x\n  return %0\n}", "@f: a kernel returns nothing; it stores to its buffers"],
    ["parameters are of one level", "func @f(%x: global f32[], %y: f32[]) { }", "@f: parameter 0 is global f32[]: parameters are all tensors, or all buffers in a kernel"],
    [
      "tensor functions hold tensors",
      'func @f(%x: f32[]) {\n  %0: index = dim {"size":"N"}\n}',
      '@f: a value of index cannot stand in a function of tensor level\n  in %0: index = dim {"size":"N"}',
    ],
    ...[["", "\n  in barrier"], [' {"orders":[]}', '\n  in barrier {"orders":[]}'], [' {"orders":["local"]}', '\n  in barrier {"orders":["local"]}']].map(([attrs, where]) => [
      `barriers say what they order, and not${attrs === "" ? "hing" : attrs}`,
      `func @f(%x: global f32[]) {\n  barrier${attrs}\n}`,
      `@f: attr orders must list "global", "shared" or both${where}`,
    ] as const),
    ["the level is the one asked for", "func @f(%x: f32[]) { }", "@f: it is of tensor level, and all functions should be of kernel level", "kernel"],
  ];
  for (const [rule, text, message, level] of inText) {
    it(rule, () => assert.throws(() => verify(parse(text), level), { name: "VerifyError", message }));
  }

  const x = new Value(f32);
  const y = new Value(f32);
  const z = new Value(f32);
  const negation = (operand: Value, result: Value): Op => ({ name: "neg", operands: [operand], results: [result], attrs: {}, regions: [], spans: [] });
  const moduleOf = (ops: readonly Op[], change: Partial<Func> = {}): Module => ({
    functions: [{ name: "f", parameterNames: ["x"], body: { parameters: [x], ops, yields: [y] }, ...change }],
  });
  const inData: readonly (readonly [rule: string, module: Module, message: RegExp])[] = [
    ["a parameter has a name", moduleOf([negation(x, y)], { parameterNames: [] }), /@f: it has 1 parameters and 0 names for them/],
    ["ops are known", moduleOf([{ ...negation(x, y), name: "negate" }]), /@f: there is no op "negate"\n  in %0: f32\[\] = negate %x/],
    ["values are defined once", moduleOf([negation(x, y), negation(x, y)]), /@f: a value is defined twice/],
    ["values are defined first", moduleOf([negation(y, z), negation(x, y)]), /@f: operand 0 \(%1: f32\[\]\) is not defined before it, in its region/],
    ["values are defined in the function", moduleOf([negation(new Value(f32), y)]), /@f: operand 0 \(%\?: f32\[\]\) is not defined in this function/],
    ["results of the function are defined", moduleOf([]), /@f: result 0 \(%\?: f32\[\]\) is not defined in this function/],
    ["ops have the regions of their record", moduleOf([{ ...negation(x, y), regions: [{ parameters: [], ops: [], yields: [] }] }]), /it has 1 regions, and neg has none/],
    ["attrs are plain data", moduleOf([{ ...negation(x, y), attrs: { extra: new Date() as unknown as string } }]), /attr extra is of type object, not plain data/],
    ["dims stand where the record says", moduleOf([{ ...negation(x, y), attrs: { extra: namedDim("N") } }]), /attr extra holds a dim, and the op's record does not say so/],
  ];
  for (const [rule, module, message] of inData) {
    it(rule, () => assert.throws(() => verify(module), { name: "VerifyError", message }));
  }

  it("tells the place in the source", () => {
    const text = 'func @f(%x: f32[N]) {\n  %0: f32[M] = neg %x @"model.ts:3:5+4"\n  return %0\n}';
    assert.throws(() => verify(parse(text)), { spans: [{ file: "model.ts", line: 3, column: 5, length: 4 }] });
  });
});
