/** What NVIDIA's compiler makes of loads and stores of several elements: one instruction each, which is counted in PTX. */

import assert from "node:assert/strict";
import type { Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { compileModule } from "../../lib/compile.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";
import { compileForArchitecture } from "./real-compiler.ts";

const chain = (shape: string, dtype = "f32"): string => `
func @f(%x: ${dtype}[${shape}]) {
  %0: ${dtype}[${shape}] = add %x, %x
  %1: ${dtype}[${shape}] = mul %0, %x
  return %1
}`;

const softmax = `
func @f(%x: f32[1024,1024]) {
  %0: f32[1024] = reduce_max %x {"axes":[1]}
  %1: f32[1024,1024] = broadcast %0 {"axes":[0],"shape":[1024,1024]}
  %2: f32[1024,1024] = sub %x, %1
  %3: f32[1024,1024] = exp %2
  %4: f32[1024] = reduce_sum %3 {"axes":[1]}
  %5: f32[1024,1024] = broadcast %4 {"axes":[0],"shape":[1024,1024]}
  %6: f32[1024,1024] = div %3, %5
  return %6
}`;

/** Of which a thread multiplies eight rows, neighbours in shared memory. */
const product = `
func @f(%x: f32[1024,1024], %y: f32[1024,1024]) {
  %0: f32[1024,1024] = dot_general %x, %y {"leftBatch":[],"leftReduced":[0],"rightBatch":[],"rightReduced":[0]}
  return %0
}`;

/** Counts of instructions: all of a space, and those of so many elements. */
async function accesses(text: string, space: "global" | "shared"): Promise<Readonly<Record<string, number>>> {
  const module: Module = parse(text);
  const { tiers: [cuda] } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: ["cuda"] });
  assert.ok(cuda);
  const { ok, log, ptx } = await compileForArchitecture(cuda.source, { architecture: "sm_90a" });
  assert.ok(ok, log);
  const counts: Record<string, number> = {};
  for (const [, direction = "", elements] of ptx.matchAll(new RegExp(`^\\s*(?:@%p\\d+ )?(ld|st)\\.${space}(?:\\.nc)?(?:\\.(v\\d))?\\.`, "gm"))) {
    const key = `${direction} ${elements ?? "one"}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

describe("cuda: wide accesses in PTX", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
    needsToolkit(this);
  });

  it("are all of a chain over 4M elements", async () => assert.deepEqual(await accesses(chain("4194304"), "global"), { "ld v4": 1, "st v4": 1 }));
  it("are all of a chain over rows", async () => assert.deepEqual(await accesses(chain("N,512"), "global"), { "ld v4": 1, "st v4": 1 }));
  it("are pairs of f64", async () => assert.deepEqual(await accesses(chain("N,512", "f64"), "global"), { "ld v2": 2, "st v2": 2 }));
  it("are four elements of i32, f16, bf16 and u8", async () => {
    assert.deepEqual(await accesses(chain("N,512", "i32"), "global"), { "ld v4": 1, "st v4": 1 });
    for (const dtype of ["f16", "bf16", "u8"]) {
      const counts = await accesses(chain("N,512", dtype), "global");
      assert.deepEqual([counts["ld one"] ?? 0, counts["st one"] ?? 0], [0, 0], `${dtype}: ${JSON.stringify(counts)}`);
    }
  });
  it("are all of a softmax over rows", async () => {
    const counts = await accesses(softmax, "global");
    assert.ok((counts["ld v4"] ?? 0) > 0 && counts["st v4"] === 1 && counts["ld one"] === undefined && counts["st one"] === undefined, JSON.stringify(counts));
  });
  it("are none of what has no neighbours", async () => assert.deepEqual(await accesses(chain("N,3"), "global"), { "ld one": 1, "st one": 1 }));
  it("are loads of the rows of a tile from shared memory", async () => {
    const counts = await accesses(product, "shared");
    assert.ok((counts["ld v4"] ?? 0) > 0, JSON.stringify(counts));
  });
});
