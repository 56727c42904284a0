/**
 * Small tensors on the CPU, which live in memory of JavaScript: they mix with large ones, built programs and donation, and
 * none is written over by what comes after.
 */

import assert from "node:assert/strict";
import { jit, model, type Tensor, tensor, withDevice } from "tsdlc";
import { device, HandleError, tensorBrand } from "tsdlc-runtime";
import { smallBytes, SmallMemory } from "../../runtime/small-memory.ts";
import { addProgram, anyFunction, bind } from "../runtime/machine.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
const any = (value: unknown): any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];
const isSmall = (value: unknown): boolean => {
  const state = (value as Tensor)[tensorBrand];
  return state.kind === "device" && "slab" in state.buffer;
};

describe("small tensors on the cpu", () => {
  before(() => device("cpu"));

  it("are computed at once, and stay what they are", async () => {
    const first = any(tensor([1, 2, 3])).mul(2);
    assert.ok(isSmall(first));
    const kept = Array.from({ length: 3000 }, (_, i) => first.add(i));
    assert.deepEqual(numbers(first), [2, 4, 6]);
    kept.forEach((one, i) => assert.deepEqual(numbers(one), [2 + i, 4 + i, 6 + i]));
    assert.deepEqual([...(await kept[7].data())], [9, 11, 13]);
    assert.equal(first.sum().item(), 12);
  });

  it("end where they are larger than a page, and mix with what is", () => {
    const [most, more] = [smallBytes / 4, smallBytes / 4 + 1].map((count) => any(tensor(new Float32Array(count).fill(1))).add(1));
    assert.deepEqual([isSmall(most), isSmall(more)], [true, false]);
    const scale = any(tensor(3)).add(0);
    assert.ok(isSmall(scale));
    const large = more.mul(scale);
    assert.deepEqual([numbers(large)[0], isSmall(large)], [6, false]);
    // What a large op leaves is the queue's, and so is what is made of it.
    assert.equal(large.sum().mul(scale).add(scale).item(), 3 * 6 * (smallBytes / 4 + 1) + 3);
    const wide = scale.expand([2000]);
    assert.deepEqual([numbers(wide).length, numbers(wide)[1999], numbers(scale)], [2000, 3, [3]]);
  });

  it("give copies, and shapes of the same memory go each their way", () => {
    const x = any(tensor([[1, 2], [3, 4]])).add(0);
    const flat = x.reshape([4]);
    x.dataSync()[0] = 9;
    x.dispose();
    assert.throws(() => x.add(1), HandleError);
    assert.deepEqual(numbers(flat.add(1)), [2, 3, 4, 5]);
  });

  it("are arguments of built programs", async () => {
    const { functions, device: own } = await bind([addProgram]);
    const x = withDevice(own, () => any(tensor([1, 2, 3])).add(1));
    assert.ok(isSmall(x));
    for (let i = 0; i < 3; i++) assert.deepEqual(numbers(anyFunction(functions, "add")(x, x)), [4, 6, 8]);
    assert.deepEqual(numbers(x), [2, 3, 4]);
  });

  it("are donated, and another handle of the same memory is not", () => {
    const step = jit(model((state: Tensor<["N"]>, by: Tensor<["N"]>) => state.add(by), { donate: [0] }));
    let state = any(tensor([1, 1])).add(0);
    const other = state.reshape([2, 1]);
    for (let i = 0; i < 4; i++) state = any(step)(state, any(tensor([1, 2])));
    assert.deepEqual([numbers(state), numbers(other), numbers(other.add(1))], [[5, 9], [1, 1], [2, 2]]);
  });

  it("lie at addresses of whole vectors", () => {
    const memory = new SmallMemory((slab) => [slab.byteLength + 24, {}]);
    const pieces = [0, 1, 64, 65, 4096, 3].map((bytes) => memory.allocate(bytes));
    for (const { address, bytes, offset, slab } of pieces) assert.ok(address % 64 === 0 && offset + bytes <= slab.memory.byteLength);
    pieces.forEach((piece, i) => pieces.slice(i + 1).forEach((other) => assert.ok(other.slab !== piece.slab || other.offset >= piece.offset + Math.max(piece.bytes, 1))));
    const slabs = new Set(Array.from({ length: 100 }, () => memory.allocate(4096).slab));
    assert.ok(slabs.size > 3);
  });
});
