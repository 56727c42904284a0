/** Which tiers a module is compiled for, and what their Programs say of numbers. */

import assert from "node:assert/strict";
import { parse } from "../../ir/parse.ts";
import type { Signature } from "../../ir/signature.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { compileModule } from "../../lib/compile.ts";
import { MissingDTypeError } from "../../passes/missing-dtypes.ts";
import { signatureOf } from "./signature-of.ts";

const doubling = (dtype: string): string => `func @${dtype}(%x: ${dtype}[N]) {\n  %0: ${dtype}[N] = add %x, %x\n  return %0\n}\n`;

function tiersOf(text: string, tiers: readonly string[]): readonly string[] {
  const module = parse(text);
  return compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers }).tiers.map(({ name }) => name);
}

const wgsl = ["wgsl-f16", "wgsl-base"];

describe("the tiers of a module", () => {
  it("leave out the one for f16 where nothing is f16", () => {
    assert.deepEqual(tiersOf(doubling("f32"), wgsl), ["wgsl-base"]);
    assert.deepEqual(tiersOf(doubling("u8"), [...wgsl, "cuda"]), ["wgsl-base", "cuda"]);
  });

  it("are those that have the dtypes of all functions", () => {
    assert.deepEqual(tiersOf(doubling("f16"), wgsl), ["wgsl-f16"]);
    assert.deepEqual(tiersOf(doubling("f32") + doubling("f16"), ["cpu-x86-64-v3", ...wgsl]), ["cpu-x86-64-v3", "wgsl-f16"]);
  });

  it("are what was asked for when that is one alone", () => assert.deepEqual(tiersOf(doubling("f32"), ["wgsl-f16"]), ["wgsl-f16"]));

  describe("with subgroups", () => {
    const all = ["wgsl-f16-subgroups", "wgsl-f16", "wgsl-subgroups", "wgsl-base"];
    const sums = (dtype: string): string => `func @sums(%x: ${dtype}[N,M]) {\n  %0: ${dtype}[N] = reduce_sum %x {"axes":[1]}\n  return %0\n}\n`;

    it("are there where a kernel of any function exchanges registers", () => {
      assert.deepEqual(tiersOf(sums("f32"), all), ["wgsl-subgroups", "wgsl-base"]);
      assert.deepEqual(tiersOf(doubling("i32") + sums("f32"), [...all, "cuda"]), ["wgsl-subgroups", "wgsl-base", "cuda"]);
      assert.deepEqual(tiersOf(sums("f16"), all), ["wgsl-f16-subgroups", "wgsl-f16"]);
      assert.deepEqual(tiersOf(doubling("f16") + sums("f32"), all), ["wgsl-f16-subgroups", "wgsl-f16"]);
    });

    it("are left out where none does", () => {
      assert.deepEqual(tiersOf(doubling("f32"), all), ["wgsl-base"]);
      assert.deepEqual(tiersOf(doubling("f16"), all), ["wgsl-f16"]);
    });

    it("are what was asked for when that is one alone", () => {
      for (const tier of all) assert.deepEqual(tiersOf(doubling("f32"), [tier]), [tier]);
      assert.deepEqual(tiersOf(doubling("f32"), ["wgsl-subgroups", "wgsl-f16"]), ["wgsl-subgroups"]);
    });

    it("are not what an error is about", () => {
      assert.throws(() => tiersOf(sums("bf16"), all), /and the tier wgsl-base has no bf16/);
      assert.throws(() => tiersOf(sums("bf16") + doubling("f16"), all), /and the tier wgsl-f16 has no bf16/);
    });
  });

  for (const dtype of ["f64", "i64", "bf16"]) {
    it(`of a target that has no ${dtype} are an error, whatever other targets have`, () => {
      assert.throws(() => tiersOf(doubling("f32") + doubling(dtype), ["cuda", ...wgsl]), (error) => {
        assert.ok(error instanceof MissingDTypeError);
        assert.deepEqual(error.missing.map((missing) => missing.fact), [`parameter x of ${dtype} is ${dtype}[N]`]);
        return true;
      });
    });
  }

  it("name f16 where only the base tier was asked for", () => {
    assert.throws(() => tiersOf(doubling("f16"), ["wgsl-base"]), /parameter x of f16 is f16\[N\], and the tier wgsl-base has no f16: declare it/);
  });
});

describe("numbers of JavaScript", () => {
  const module = parse(`
func @step(%lr: f64[], %p.scale: f64[], %p.w: f32[3]) {
  %0: f64[] = mul %p.scale, %lr
  %1: f32[] = cast %0 {"dtype":"f32"}
  %2: f32[3] = broadcast %1 {"axes":[],"shape":[3]}
  %3: f32[3] = mul %p.w, %2
  return %3, %0, %lr, %3
}
`);
  const tensor = (type: TensorType) => ({ kind: "tensor", type }) as const;
  const number = { kind: "number", type: tensorType("f64", []) } as const;
  const field = (name: string, tree: typeof number | ReturnType<typeof tensor>) => ({ name, tree, doc: undefined });
  const signature: Signature = {
    name: "step", dims: [], guards: [], doc: undefined, span: { file: "model.ts", line: 1, column: 1, length: 1 },
    parameters: [
      { name: "lr", tree: number, donated: false },
      { name: "p", tree: { kind: "object", fields: [field("scale", number), field("w", tensor(tensorType("f32", [3])))], declared: undefined, doc: undefined }, donated: true },
    ],
    result: { kind: "array", items: [tensor(tensorType("f32", [3])), number] },
    mutations: [{ path: [1, "scale"], type: tensorType("f64", []) }, { path: [1, "w"], type: tensorType("f32", [3]) }],
  };

  it("are f32 in the Programs of a tier without f64: arguments, results, and what a call changes", () => {
    const { tiers: [cpu, webgpu] } = compileModule(module, [signature], { tiers: ["cpu-x86-64-v3", "wgsl-base"] });
    const dtypes = (tier: typeof cpu): unknown => tier?.programs.map(({ parameters, result, buffers }) => [
      JSON.stringify([parameters, result]).match(/"kind":"number","dtype":"\w+"/g),
      [...new Set(buffers.flatMap(({ dtype, shape }) => (shape.length === 0 ? [dtype] : [])))],
    ]);
    const leaves = (dtype: string): readonly string[] => new Array<string>(3).fill(`"kind":"number","dtype":"${dtype}"`);
    assert.deepEqual(dtypes(cpu), [[leaves("f64"), ["f64"]]]);
    assert.deepEqual(dtypes(webgpu), [[leaves("f32"), ["f32"]]]);
    assert.match(webgpu?.source ?? "", /array<f32>/);
  });

  it("are tensors where the caller has tensors, and then refused", () => {
    const [lr, p] = signature.parameters;
    assert.ok(lr !== undefined && p !== undefined);
    const asTensor = { ...signature, parameters: [{ ...lr, tree: tensor(tensorType("f64", [])) }, p] };
    assert.throws(() => compileModule(module, [asTensor], { tiers: ["wgsl-base"] }), /parameter lr of step is f64\[\], and the tier wgsl-base has no f64/);
    const asResult = { ...signature, result: { kind: "array", items: [tensor(tensorType("f32", [3])), tensor(tensorType("f64", []))] } } as const;
    assert.throws(() => compileModule(module, [asResult], { tiers: ["wgsl-base"] }), /1 in the result of step is f64\[\]/);
  });
});
