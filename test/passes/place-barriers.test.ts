/**
 * Where barriers go, on blocks of phases by hand. That each of them is needed, and none is missing, in what schedules
 * make is for blocks.test.ts, where the interpreter watches.
 */

import assert from "node:assert/strict";
import { buildFunction, type Builder } from "../../ir/builder.ts";
import type { Region, Value } from "../../ir/module.ts";
import type { BarrierAttrs } from "../../ir/ops/kernel.ts";
import { bufferType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { blocks, phase, registers, shared } from "../../passes/schedule/simt/block.ts";
import { serialLoop, when } from "../../passes/schedule/loops.ts";

const threads = 4;

interface Memory {
  readonly tile: Value;
  readonly other: Value;
  readonly own: Value;
  readonly result: Value;
}

type Build = (b: Builder, memory: Memory) => void;

const store = (where: keyof Memory): Build => (b, memory) =>
  phase(b, threads, (thread) => void b.store(memory[where], b.constantOf({ kind: "scalar", dtype: "f32", lanes: 1 }, 1), [thread]));

const load = (...where: readonly (keyof Memory)[]): Build => (b, memory) =>
  phase(b, threads, (thread) => where.forEach((each) => b.store(memory.own, b.load(memory[each], [thread]), [thread])));

/** A phase that loads from one and stores to another. */
const turn = (from: keyof Memory, to: keyof Memory): Build => (b, memory) =>
  phase(b, threads, (thread) => void b.store(memory[to], b.load(memory[from], [thread]), [thread]));

const loop = (...body: readonly Build[]): Build => (b, memory) =>
  void serialLoop(b, b.index(0), b.index(3), 1, [], () => (body.forEach((build) => build(b, memory)), []));

/** A condition that all threads of a block agree on. */
const branch = (...body: readonly Build[]): Build => (b, memory) =>
  void when(b, b.lt(b.index(1), b.index(2)), () => body.forEach((build) => build(b, memory)));

/**
 * The block in short: s and l for phases that store and load, | for a barrier that orders shared memory and # for one that
 * orders the device's, parentheses around a loop or a branch.
 */
function placed(...body: readonly Build[]): string {
  const func = buildFunction("k", [{ name: "y", type: bufferType("global", "f32", [threads]) }], (b, [result]) => {
    if (result === undefined) throw new RangeError("a kernel has a buffer");
    blocks(b, 1, threads, 1, () => {
      const memory: Memory = { tile: shared(b, "f32", [threads]), other: shared(b, "f32", [threads]), own: registers(b, "f32", threads, []), result };
      body.forEach((build) => build(b, memory));
    });
    return [];
  });
  const describe = ({ ops }: Region): string => ops.map((op) => {
    const [inner] = op.regions;
    if (op.name === "barrier") return (op.attrs as BarrierAttrs).orders.map((space) => (space === "shared" ? "|" : "#")).join("");
    if (inner === undefined) return "";
    if (op.attrs["kind"] === "thread") return inner.ops.some(({ name }) => name === "load") ? "l" : "s";
    return op.attrs["kind"] === "grid" ? describe(inner) : `(${describe(inner)})`;
  }).join("");
  const [kernel] = runPasses({ functions: [func] }, ["place-barriers"]).functions;
  return kernel === undefined ? "" : describe(kernel.body);
}

describe("place-barriers", () => {
  it("parts a store from a load, a load from a store, and a store from a store", () => {
    assert.equal(placed(store("tile"), load("tile")), "s|l");
    assert.equal(placed(load("tile"), store("tile")), "l|s");
    assert.equal(placed(store("tile"), store("tile")), "s|s");
    assert.equal(placed(load("tile"), load("tile")), "ll");
  });

  it("leaves alone what touches other memory, or what each thread has for itself", () => {
    assert.equal(placed(store("tile"), load("other")), "sl");
    assert.equal(placed(store("own"), load("own")), "sl");
  });

  it("counts buffers of the device as memory that threads share", () => {
    assert.equal(placed(store("result"), load("result")), "s#l");
  });

  it("orders the kind of memory that conflicts, and leaves the other for later", () => {
    assert.equal(placed(store("result"), store("tile"), load("tile"), load("result")), "ss|l#l");
    assert.equal(placed(store("tile"), store("result"), load("tile", "result")), "ss#|l");
    assert.equal(placed(loop(store("result"), load("tile"))), "(#sl)");
  });

  it("looks into branches, which may be taken or not", () => {
    assert.equal(placed(branch(store("tile")), load("tile")), "(s)|l");
    assert.equal(placed(store("tile"), branch(load("tile")), load("other")), "s(|l)l");
    assert.equal(placed(store("tile"), branch(load("tile")), load("tile")), "s(|l)|l");
  });

  it("needs one barrier a step for two stages of memory that take turns", () => {
    const [first, second] = [turn("tile", "other"), turn("other", "tile")];
    assert.equal(placed(store("tile"), loop(first, second)), "s(|l|l)");
    assert.equal(placed(store("tile"), loop(first, branch(second))), "s(|l(|l))");
  });

  it("needs one barrier for all that came before it", () => {
    assert.equal(placed(store("tile"), store("other"), load("tile"), load("other")), "ss|ll");
  });

  it("looks at a loop as if its end stood before it", () => {
    assert.equal(placed(loop(store("tile"), load("tile"))), "(|s|l)");
    assert.equal(placed(loop(load("tile"))), "(l)");
    assert.equal(placed(store("tile"), loop(load("tile"))), "s(|l)");
  });

  it("sees what a loop leaves behind, whether it ran or not", () => {
    assert.equal(placed(store("tile"), loop(load("other")), load("tile")), "s(l)|l");
    assert.equal(placed(loop(store("tile")), load("tile")), "(|s)|l");
  });

  it("looks into loops of loops", () => {
    assert.equal(placed(loop(store("tile"), loop(load("tile")))), "(|s(|l))");
  });
});
