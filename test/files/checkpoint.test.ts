/** Checkpoints: any tree back as it was, training that goes on as if nothing had been, and files of other trees. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { mapTree, optim, random, type Tensor, tensor, valueAndGrad } from "tsdlc";
import { ArgumentError, device, HandleError, isTensor, tensor as packageTensor } from "tsdlc-runtime";
import { DataFormatError, loadCheckpoint, openSafetensors, saveCheckpoint, writeSafetensors } from "../../lib/files/index.ts";
import { anyTensor, facts, namesIn } from "./file-tensors.ts";

const anyKey = fc.string({ unit: "binary", maxLength: 6 }).filter((key) => !key.includes("."));
const { tree: anyTree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 4, withCrossShrink: true },
    anyTensor, fc.double(), fc.integer(), fc.string({ unit: "binary" }).filter((text) => !/\p{Surrogate}/u.test(text)), fc.boolean(), fc.constant(null),
    fc.array(tie("tree"), { maxLength: 4 }), fc.dictionary(anyKey, tie("tree"), { maxKeys: 4, noNullPrototype: true })),
}));

/** A tree with the facts of its tensors in their places, for comparison to the last bit. */
function described(tree: unknown): unknown {
  if (isTensor(tree)) return facts(tree);
  if (Array.isArray(tree)) return tree.map(described);
  if (typeof tree === "object" && tree !== null) return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, described(item)]));
  return tree;
}

describe("checkpoints", function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  before(async () => {
    await device("cpu");
    folder = mkdtempSync(join(tmpdir(), "tsdlc-checkpoints-"));
    path = join(folder, "run.safetensors");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("gives back any tree, as stored and like another of its kind", async () => {
    await fc.assert(fc.asyncProperty(anyTree, async (tree) => {
      await saveCheckpoint(path, tree);
      assert.deepEqual(described(await loadCheckpoint(path)), described(tree));
      assert.deepEqual(described(await loadCheckpoint(path, tree)), described(tree));
    }), { numRuns: 200 });
  });

  it("goes on with training as if it had not been interrupted", async () => {
    const optimizer = optim.adamW({ learningRate: 0.05 });
    type Params = { w: Tensor<[4, 3]>; b: Tensor<[3]> };
    const start: Params = { w: random.normal(random.key(1), [4, 3]), b: tensor(new Float32Array(3), [3]) };
    const step = (params: Params, state: ReturnType<typeof optimizer.init<Params>>, key: random.Key) => {
      const [next, now] = random.split(key);
      const x = random.normal(now, [8, 4]);
      const gradient = valueAndGrad((p: Params) => x.matmul(p.w).add(p.b).pow(2).mean())(params)[1] as Params;
      return { ...optimizer.update<Params>(params, gradient, state), key: next };
    };
    let run = { params: start, state: optimizer.init(start), key: random.key(7) };
    for (let i = 0; i < 3; i++) run = step(run.params, run.state, run.key);
    await saveCheckpoint(path, { ...run, epoch: 3, best: Infinity, name: "a", done: false, note: null });
    const { epoch, best, name, done, note, ...loaded } = await loadCheckpoint(path, { ...run, epoch: 0, best: 0, name: "", done: true, note: null });
    assert.deepEqual([epoch, best, name, done, note], [3, Infinity, "a", false, null]);
    let restored: typeof run = loaded;
    for (let i = 0; i < 4; i++) [run, restored] = [step(run.params, run.state, run.key), step(restored.params, restored.state, restored.key)];
    assert.deepEqual(described(restored), described(run));
    assert.ok([...run.params.w.dataSync()].some((w) => Math.abs(w) > 0.01));
  });

  it("names tensors by their paths, keeps one that is shared, and is a safetensors file like any other", async () => {
    const shared = tensor([1, 2]);
    await saveCheckpoint(path, { params: { layers: [{ w: shared }] }, tied: shared, absent: undefined });
    await using file = await openSafetensors(path);
    assert.deepEqual([...file.tensors.keys()], ["params.layers.0.w"]);
    assert.equal(file.metadata.get("tsdlc.tree"), `{"fields":{"params":{"fields":{"layers":[{"fields":{"w":{"tensor":"params.layers.0.w"}}}]}},"tied":{"tensor":"params.layers.0.w"}}}`);
    const back = await loadCheckpoint(path, { params: { layers: [{ w: shared }] }, tied: shared, absent: undefined });
    assert.equal(back.tied, back.params.layers[0]?.w);
    assert.ok(!("absent" in back));
  });

  it("takes what a built package returns, whose handles are the runtime's", async () => {
    const result = packageTensor([[1, 2]]);
    assert.ok(!("add" in result));
    await saveCheckpoint(path, { result });
    const { result: back } = await loadCheckpoint(path, { result });
    assert.deepEqual(facts(back), facts(result));
    assert.ok("add" in back);
  });

  it("gives instances of the classes that the other tree has", async () => {
    class Dense {
      readonly w: Tensor<[2]> = tensor([1, 2], [2]);
      get sum(): number { return this.w.sum().item(); }
    }
    await saveCheckpoint(path, new Dense());
    const back = await loadCheckpoint(path, new Dense());
    assert.ok(back instanceof Dense);
    assert.equal(back.sum, 3);
    const plain = await loadCheckpoint(path);
    assert.equal(Object.getPrototypeOf(plain), Object.prototype);
  });

  it("refuses a checkpoint of another tree, with every path and both types, and loads nothing", async () => {
    await saveCheckpoint(path, { params: { w: tensor([[1, 2, 3]]), b: tensor([1]), list: [1, 2] }, step: 3, name: "adam", extra: {}, best: 0.5, key: tensor(new Uint32Array(2)) });
    const like = { params: { w: tensor([[1], [2], [3]]), c: tensor([1]), list: [1, 2, 3] }, step: "three", name: "sgd", extra: [], best: null, key: { dtype: "i32", shape: [2] } as const };
    await assert.rejects(loadCheckpoint(path, like), new ArgumentError([
      `loadCheckpoint: ${path} has another tree: 2 missing, 1 not expected, 4 of another type`,
      "  missing:",
      "    params.c: f32[1] (is it params.b, f32[1], in the file?)",
      "    params.list[2]: a number",
      "  of another type:",
      "    params.w: the tree has f32[3,1], the file f32[1,3] (transposed: a dense layer of PyTorch has [out, in], as linear(x, w, b) takes it)",
      "    step: the tree has a string, the file a number",
      "    extra: the tree has an empty list, the file an object of no fields",
      `    key: the tree has i32[2], the file u32[2] (load it as u32, then convert it with .to("i32"))`,
      "  not expected:",
      "    params.b: f32[1]",
    ].join("\n")));
    await assert.rejects(loadCheckpoint(path, tensor([1])), /the tree: f32\[1\]/);
  });

  it("keeps the old checkpoint when a new one cannot be written", async () => {
    await saveCheckpoint(path, { epoch: 1, w: tensor([1]) });
    const gone = tensor([1, 2]);
    gone.dispose();
    await assert.rejects(saveCheckpoint(path, { epoch: 2, w: [tensor([2]), gone] }), new HandleError(`writeSafetensors: "w.1", f32[2], was disposed of and cannot be used again`));
    const trees: readonly (readonly [unknown, string])[] = [
      [{ a: [1, { b: 1n }] }, "saveCheckpoint: the leaves of a tree are tensors, numbers, strings, booleans and null, and a[1].b is the bigint 1"],
      [[undefined], "saveCheckpoint: the leaves of a tree are tensors, numbers, strings, booleans and null, and [0] is undefined"],
      [{ "a.0": tensor([1]), a: [tensor([1])] }, `saveCheckpoint: two tensors of the tree would be called "a.0" in the file: fields with dots in their names stand beside fields of fields`],
      [{ w: { dtype: "f32", shape: [2] } }, "saveCheckpoint: w is { dtype, shape }, which says what a tensor is like and is none"],
      [{ constructor: 1 }, `saveCheckpoint: constructor: the name "constructor" has the part constructor, which every JavaScript object inherits: rename it`],
    ];
    for (const [tree, message] of trees) await assert.rejects(saveCheckpoint(path, tree), new ArgumentError(message));
    assert.deepEqual(described(await loadCheckpoint(path)), described({ epoch: 1, w: tensor([1]) }));
    assert.deepEqual(namesIn(folder), ["run.safetensors"]);
  });

  it("is whole, the old or the new one, whenever its writer is killed", async () => {
    const killed = join(folder, "killed.safetensors");
    const script = `
      import { saveCheckpoint } from ${JSON.stringify(resolve(import.meta.dirname, "../../lib/files/index.ts"))};
      import { tensor } from "tsdlc";
      for (let epoch = 0; ; epoch++) {
        const w = Array.from({ length: 16 }, () => tensor(new Float32Array(2 ** 17).fill(epoch)));
        await saveCheckpoint(${JSON.stringify(killed)}, { epoch, w });
        process.stdout.write(".");
      }`;
    for (const delay of [0, 3, 11, 29]) {
      const writer = spawn(process.execPath, ["--conditions=source", "--import", "tsx", "--input-type=module", "-e", script], { cwd: resolve(import.meta.dirname, "../.."), stdio: ["ignore", "pipe", "inherit"] });
      let saved = 0;
      await new Promise<void>((done) => writer.stdout.on("data", (dots: Buffer) => void ((saved += dots.length) >= 3 && done())));
      await setTimeout(delay);
      const ended = new Promise((done) => writer.once("exit", done));
      writer.kill("SIGKILL");
      await ended;
      const { epoch, w } = await loadCheckpoint(killed, { epoch: 0, w: Array.from({ length: 16 }, () => ({ dtype: "f32", shape: [2 ** 17] }) as const) });
      assert.ok(epoch >= 2);
      for (const one of w) assert.ok(one.dataSync().every((value) => value === epoch));
    }
  });

  describe("a file that is no checkpoint", () => {
    const nested = (depth: number): string => `${`{"fields":{"a":`.repeat(depth)}1${"}}".repeat(depth)}`;
    const cases: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
      ["other weights", { format: "pt" }, "no checkpoint: its metadata has no tsdlc.checkpoint; read other safetensors files with openSafetensors and loadTree"],
      ["a later version", { "tsdlc.checkpoint": "2", "tsdlc.tree": "1" }, `a checkpoint of version "2", and this tsdlc reads version 1`],
      ["no tree", { "tsdlc.checkpoint": "1" }, "no checkpoint: its metadata has no tsdlc.tree; read other safetensors files with openSafetensors and loadTree"],
      ["no JSON", { "tsdlc.checkpoint": "1", "tsdlc.tree": "[" }, "the structure of the tree is not JSON (Unexpected end of JSON input)"],
      ["a field twice", { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"fields":{"a":1,"a":2}}` }, `the structure of the tree has the key "a" twice in one object`],
      ["an object of two fields", { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"fields":{"a":{"tensor":"w","number":"NaN"}}}` }, "the structure of the tree is damaged: a is an object of 2 fields, not of one"],
      ["an object of no field", { "tsdlc.checkpoint": "1", "tsdlc.tree": "[{}]" }, "the structure of the tree is damaged: [0] is an object of no fields, not of one"],
      ["an unknown kind", { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"number":"1"}` }, `the structure of the tree is damaged: the tree is "{\\"number\\":\\"1\\"}", not one of tensor, number and fields`],
      ["a tensor that is not there", { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"tensor":"v"}` }, `damaged: the tree has the tensor "v", and the file has not`],
      ["a tensor without a place", { "tsdlc.checkpoint": "1", "tsdlc.tree": "3" }, `damaged: the file has the tensor "w", and the tree has not`],
      ["__proto__", { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"fields":{"__proto__":{"fields":{"a":1}}}}` }, `the structure of the tree is damaged: the tree has a field that is refused: the name "__proto__" has the part __proto__, which every JavaScript object inherits: rename it`],
      ["no end of depth", { "tsdlc.checkpoint": "1", "tsdlc.tree": nested(100_000) }, "the structure of the tree is damaged: a.a.a.a.a.a.a.a... is deeper than 256"],
    ];
    for (const [what, metadata, message] of cases) {
      it(`is refused: ${what}`, async () => {
        await writeSafetensors(path, { w: tensor([1]) }, metadata);
        await assert.rejects(loadCheckpoint(path), new DataFormatError(`${path}: ${message}`));
      });
    }

    it("is refused: half a file", async () => {
      writeFileSync(path, new Uint8Array(20).fill(1, 0, 1));
      await assert.rejects(loadCheckpoint(path, mapTree((w) => w, { w: tensor([1]) })), DataFormatError);
    });
  });
});
