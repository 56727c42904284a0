/** loadTree: weights under dotted names as a tree, and what is said when the names or types do not agree. */

import assert from "node:assert/strict";
import { type Tensor, tensor } from "tsdlc";
import { ArgumentError } from "tsdlc-runtime";
import { loadTree, readSafetensors, type TensorSource, toSafetensors } from "../../lib/files/index.ts";

const spec = <const D extends "f32" | "bf16" | "i32", const S extends readonly number[]>(dtype: D, shape: S): { dtype: D; shape: S } => ({ dtype, shape });

/** A source of zeros with these types: "f32[2,3]". */
async function sourceOf(types: Readonly<Record<string, string>>, name = "w.safetensors"): Promise<TensorSource> {
  const tensors = Object.entries(types).map(([key, type]) => {
    const shape = (/\[(.*)\]/.exec(type)?.[1] ?? "").split(",").filter((size) => size !== "").map(Number);
    const count = shape.reduce((product, size) => product * size, 1);
    return [key, type.startsWith("f32") ? tensor(new Float32Array(count), shape) : type.startsWith("i32") ? tensor(new Int32Array(count), shape) : tensor(new Uint16Array(count), shape, "bf16")] as const;
  });
  return readSafetensors(await toSafetensors(new Map(tensors)), name);
}

describe("loadTree", () => {
  it("puts tensors at their dotted paths, typed as the tree says", async () => {
    const file = readSafetensors(await toSafetensors({
      "layers.0.weight": tensor([[1, 2], [3, 4]]), "layers.0.bias": tensor([5, 6]), "layers.1.weight": tensor([[7, 8]]), scale: tensor(9),
    }));
    const like = { layers: [{ weight: spec("f32", [2, 2]), bias: spec("f32", [2]) }, { weight: spec("f32", [1, 2]) }], scale: tensor(0), depth: 2, kind: "mlp", none: null, absent: undefined };
    const { tree, report } = await loadTree(like, file);
    const scale: Tensor<readonly number[]> = tree.scale;
    const [first, second] = tree.layers;
    assert.ok(first?.bias !== undefined && second !== undefined);
    assert.deepEqual([...first.weight.dataSync(), ...first.bias.dataSync(), ...second.weight.dataSync(), scale.item()], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual([tree.depth, tree.kind, tree.none], [2, "mlp", null]);
    assert.deepEqual(report, { missing: [], unexpected: [], mismatched: [] });
  });

  it("takes names with dots, a tree of one leaf, and keeps the classes of a tree", async () => {
    const file = readSafetensors(await toSafetensors({ "a.b": tensor([1]) }));
    assert.deepEqual([...(await loadTree({ "a.b": tensor([0]) }, file)).tree["a.b"].dataSync()], [1]);
    class Holder {
      b = tensor([0]);
      get first(): number { return this.b.dataSync()[0] ?? NaN; }
    }
    const { tree } = await loadTree({ a: new Holder() }, file);
    assert.ok(tree.a instanceof Holder);
    assert.equal(tree.a.first, 1);
    assert.equal((await loadTree(tensor(0), readSafetensors(await toSafetensors({ value: tensor(3) })))).tree.item(), 3);
  });

  it("renames, leaves out, and takes weights in several parts", async () => {
    const parts = [await sourceOf({ "model.embed.weight": "f32[5,2]" }, "part-1"), await sourceOf({ "model.norm.weight": "f32[2]", "inv_freq": "i32[3]" }, "part-2")];
    const rename = (name: string): string | undefined => (name.endsWith("inv_freq") ? undefined : name.replace(/^model[.]/, "").replace(/[.]weight$/, ""));
    const { tree } = await loadTree({ embed: spec("f32", [5, 2]), norm: spec("f32", [2]) }, parts, { rename });
    assert.deepEqual([tree.embed.shape, tree.norm.shape], [[5, 2], [2]]);
    await assert.rejects(loadTree({ embed: spec("f32", [5, 2]) }, parts, { rename: (name) => (name === "inv_freq" ? undefined : "embed") }),
      new ArgumentError(`loadTree: "model.norm.weight" of part-2 and "model.embed.weight" of part-1 are both "embed" of the tree: let rename give one of them another name, or undefined`));
  });

  it("says all that does not agree at once, with names that are nearly right", async () => {
    const file = await sourceOf({
      "model.layers.0.weight": "f32[2,2]", "layers.1.weigth": "f32[2,2]", "layers.2.weight": "f32[2,3]", "head.weight": "bf16[4]", "head.bias": "i32[3]", position: "i32[8]",
    });
    const layer = spec("f32", [2, 2]);
    const like = { layers: [{ weight: layer }, { weight: layer }, { weight: spec("f32", [3, 2]) }], head: { weight: spec("f32", [4]), bias: spec("f32", [4]) }, zebra: layer };
    await assert.rejects(loadTree(like, file), new ArgumentError([
      "loadTree: w.safetensors does not fit the tree: 3 missing, 3 not expected, 3 of another type",
      "  missing:",
      "    layers.0.weight: f32[2,2] (is it model.layers.0.weight, f32[2,2], in the file?)",
      "    layers.1.weight: f32[2,2] (is it layers.1.weigth, f32[2,2], in the file?)",
      "    zebra: f32[2,2]",
      "  of another type:",
      "    layers.2.weight: the tree has f32[3,2], the file f32[2,3] (transposed: a dense layer of PyTorch has [out, in], as linear(x, w, b) takes it)",
      `    head.weight: the tree has f32[4], the file bf16[4] (load it as bf16, then convert it with .to("f32"))`,
      "    head.bias: the tree has f32[4], the file i32[3]",
      "  not expected:",
      "    layers.1.weigth: f32[2,2]",
      "    model.layers.0.weight: f32[2,2]",
      "    position: i32[8]",
    ].join("\n")));
  });

  it("shows the first dozen of many", async () => {
    const like = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`w${i}`, spec("f32", [1])]));
    await assert.rejects(loadTree(like, await sourceOf({})), (error) => error instanceof ArgumentError && error.message.split("\n").length === 15 && error.message.endsWith("    w11: f32[1]\n    and 28 more"));
  });

  it("reports names alone when it is not strict, and types as ever", async () => {
    const file = await sourceOf({ a: "f32[1]", c: "f32[1]" });
    const b = tensor([7]);
    const { tree, report } = await loadTree({ a: spec("f32", [1]), b }, file, { strict: false });
    assert.equal(tree.b, b);
    assert.deepEqual(tree.a.shape, [1]);
    assert.deepEqual(report, { missing: ["b"], unexpected: ["c"], mismatched: [] });
    await assert.rejects(loadTree({ b: spec("f32", [1]) }, file, { strict: false }), /1 missing, 2 not expected, 0 of another type/);
    await assert.rejects(loadTree({ a: spec("f32", [2]), b }, file, { strict: false }), /a: the tree has f32\[2\], the file f32\[1\]/);
  });

  it("reads nothing before all agrees, and gives nothing when a read fails", async () => {
    const file = await sourceOf({ a: "f32[1]", b: "f32[1]" });
    const names: string[] = [];
    const watched: TensorSource = { ...file, read: (name) => (names.push(name), name === "b" ? Promise.reject(new Error("the disk is gone")) : file.read(name)) };
    await assert.rejects(loadTree({ a: spec("f32", [1]) }, watched));
    assert.deepEqual(names, []);
    await assert.rejects(loadTree({ a: spec("f32", [1]), b: spec("f32", [1]) }, watched), { message: "the disk is gone" });
  });

  it("refuses trees that are none, with the path", async () => {
    const file = await sourceOf({});
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const a = spec("f32", [1]);
    const cases: readonly (readonly [unknown, string | RegExp])[] = [
      [{ a: [new Map()] }, "loadTree: the leaves of a tree are tensors, numbers, strings, booleans and null, and a[0] is a Map"],
      [{ a: { b: () => 1 } }, /^loadTree: .* and a\.b is the function /],
      [{ a: new Float32Array(2) }, "loadTree: the leaves of a tree are tensors, numbers, strings, booleans and null, and a is a Float32Array"],
      [cyclic, "loadTree: the tree is deeper than 256 at self.self.self.self.self.self.self.self...: does it contain itself?"],
      [{ "a.b": a, a: { b: a } }, `loadTree: two leaves of the tree are called "a.b": fields with dots in their names stand beside fields of fields`],
      [{ x: JSON.parse(`{"__proto__":1}`) as unknown }, `loadTree: x.__proto__: the name "__proto__" has the part __proto__, which every JavaScript object inherits: rename it`],
      [{ constructor: a }, `loadTree: constructor: the name "constructor" has the part constructor, which every JavaScript object inherits: rename it`],
    ];
    for (const [like, message] of cases) {
      await assert.rejects(loadTree(like, file), (error) => {
        assert.ok(error instanceof ArgumentError);
        if (typeof message === "string") assert.equal(error.message, message);
        else assert.match(error.message, message);
        return true;
      });
    }
  });
});
