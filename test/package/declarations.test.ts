/**
 * index.d.ts as text: what each kind of tree, dim and comment becomes. That the types do what they promise to a
 * caller is tested in test/cli/build.test.ts, by the TypeScript compiler.
 */

import assert from "node:assert/strict";
import { printDeclarations } from "../../compiler/package/declarations.ts";
import { addDims, type Dim, mulDims, namedDim } from "../../ir/dim.ts";
import type { ObjectTree, Signature, SignatureTree } from "../../ir/signature.ts";
import { type DType, tensorType } from "../../ir/type.ts";

const N = namedDim("N");

describe("declarations of a package", () => {
  it("labels named dims, keeps literal ones and describes expressions", () => {
    const text = declare(signature("f", [["x", tensor("f32", [N, 784])]], tensor("i32", [mulDims(N, 2), addDims(N, 1)])));
    assert.equal(text, [
      "/** net */\n",
      `import type { Argument, Tensor } from "tsdlc-runtime";\n`,
      `export declare function f(x: Argument<Tensor<[N: number, 784]>>): Tensor<[number /* N*2 */, number /* N+1 */], "i32">;\n`,
    ].join("\n"));
  });

  it("imports nothing that it does not use", () => {
    assert.match(declare(signature("init", [], tensor("f32", [2]))), /^import type \{ Tensor \} from "tsdlc-runtime";$/m);
  });

  it("declares interfaces once, in order of use, with their comments", () => {
    const layer = { ...object("Layer", [["w", tensor("f32", [4, 4]), "The weights."], ["b", tensor("f32", [4])]]), doc: "One layer." };
    const params = object("Params", [["first", layer], ["second", layer]]);
    const text = declare(signature("f", [["p", params]], params));
    assert.match(text, /export interface Params \{\n {2}first: Layer;\n {2}second: Layer;\n\}\n\n\/\*\* One layer. \*\/\nexport interface Layer \{\n {2}\/\*\* The weights. \*\/\n {2}w: Tensor<\[4, 4\]>;\n {2}b: Tensor<\[4\]>;\n\}/);
    assert.equal(text.match(/interface Layer/g)?.length, 1);
    assert.match(text, /f\(p: Argument<Params>\): Params;/);
  });

  it("spells out the second of two types with one name", () => {
    const one = object("State", [["x", tensor("f32", [1])]]);
    const two = object("State", [["y", tensor("f32", [2])]]);
    const text = declare(signature("f", [["s", one]], two));
    assert.match(text, /export interface State \{\n {2}x: Tensor<\[1\]>;\n\}/);
    assert.match(text, /f\(s: Argument<State>\): \{\n {2}y: Tensor<\[2\]>;\n\};/);
  });

  it("uses the name of an interface for an object literal with the same fields", () => {
    const fields = [["x", tensor("f32", [N]), "The input."]] as const;
    const literal = object(undefined, [["x", tensor("f32", [N])]]);
    assert.match(declare(signature("f", [["s", object("State", fields)]], literal)), /f\(s: Argument<State>\): State;/);
  });

  it("spells out types whose names would hide what is imported, or that are no names", () => {
    for (const name of ["Tensor", "Argument", "Moments<Params>", "import"]) {
      const text = declare(signature("f", [["s", object(name, [["x", tensor("f32", [1])]])]], tensor("f32", [])));
      assert.match(text, /f\(s: Argument<\{\n {2}x: Tensor<\[1\]>;\n\}>\): Tensor<\[\]>;/);
    }
  });

  it("keeps tuples, odd field names and numbers, and returns numbers as tensors", () => {
    const tree: SignatureTree = { kind: "array", items: [number(), object(undefined, [["a b", tensor("bool", [])]])] };
    assert.match(declare(signature("f", [["t", tree]], number())), /f\(t: Argument<\[number, \{\n {2}"a b": Tensor<\[\], "bool">;\n\}\]>\): Tensor<\[\], "f64">;/);
  });

  it("names parameters that are patterns in the source, or reserved words", () => {
    const text = declare(signature("f", [["{ w, b }", tensor("f32", [1])], ["in", tensor("f32", [2])]], tensor("f32", [])));
    assert.match(text, /f\(argument0: Argument<Tensor<\[1\]>>, argument1: Argument<Tensor<\[2\]>>\)/);
  });

  it("writes the doc comment of the source, ranges and donation, and cannot be broken out of", () => {
    const base = signature("f", [["s", tensor("f32", [N])]], tensor("f32", [N]));
    const text = declare({
      ...base,
      doc: "Steps once.\n\nEnds */ here.",
      dims: [{ name: "N", min: 1, max: 64 }],
      parameters: base.parameters.map((parameter) => ({ ...parameter, donated: true })),
    });
    assert.ok(text.includes([
      "/**",
      " * Steps once.",
      " *",
      " * Ends *\\/ here.",
      " *",
      " * Sizes: N is 1 to 64.",
      " *",
      " * Consumes `s`: the tensors passed there cannot be used afterwards.",
      " */",
      "export declare function f(",
    ].join("\n")), text);
  });

  it("breaks long parameter lists", () => {
    const long = Array.from({ length: 5 }, (_, i) => [`parameter${i}`, tensor("f32", [N, 784])] as const);
    assert.match(declare(signature("f", long, tensor("f32", []))), /f\(\n {2}parameter0: Argument<Tensor<\[N: number, 784\]>>,\n/);
  });

  it("indents what is spelled out in a long list", () => {
    const inner = object(undefined, [["y", tensor("f32", [2])]]);
    const long = Array.from({ length: 4 }, (_, i) => [`parameter${i}`, object(undefined, [["x", inner]])] as const);
    assert.match(declare(signature("f", long, tensor("f32", []))), /f\(\n {2}parameter0: Argument<\{\n {4}x: \{\n {6}y: Tensor<\[2\]>;\n {4}\};\n {2}\}>,\n/);
  });
});

function declare(one: Signature): string {
  return printDeclarations([one], "net");
}

function signature(name: string, parameters: readonly (readonly [string, SignatureTree])[], result: SignatureTree): Signature {
  return {
    name,
    dims: [],
    parameters: parameters.map(([parameter, tree]) => ({ name: parameter, tree, donated: false })),
    result,
    mutations: [],
    guards: [],
    doc: undefined,
    span: { file: "model.ts", line: 1, column: 1, length: 1 },
  };
}

function tensor(dtype: DType, shape: readonly Dim[]): SignatureTree {
  return { kind: "tensor", type: tensorType(dtype, shape) };
}

function number(): SignatureTree {
  return { kind: "number", type: tensorType("f64", []) };
}

function object(declared: string | undefined, fields: readonly (readonly [name: string, tree: SignatureTree, doc?: string])[]): ObjectTree {
  return { kind: "object", declared, doc: undefined, fields: fields.map(([name, tree, doc]) => ({ name, tree, doc })) };
}
