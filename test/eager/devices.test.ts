/** Where ops run: devices that are listed, chosen and changed; and scopes, which give memory back early. */

import assert from "node:assert/strict";
import { devices, grad, jit, mapTree, model, scope, type Tensor, tensor, withDevice, zeros } from "tsdlc";
import { ArgumentError, device, DeviceError, HandleError, tensor as handleOfRuntime } from "tsdlc-runtime";
import { createCpuDevice } from "tsdlc-runtime/cpu";
import { webgpuForTest } from "../webgpu-adapter.ts";

type Vector = Tensor<["N"]>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
type Any = any;
const any = (value: unknown): Any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];

describe("devices of ops one by one", function () {
  this.timeout(60_000);
  before(() => device("cpu"));
  const other = createCpuDevice({ threads: 1 });
  const x = any(tensor([1, 2, 3]));

  it("are listed with why the others are missing, and none is chosen by that", async () => {
    const { present, absent } = await devices();
    assert.equal(present[0]?.name, "cpu");
    assert.deepEqual([...present.map(({ kind }) => kind), ...absent.map(({ name }) => name)].toSorted(), ["cpu", "cuda", "webgpu"]);
    for (const { name, reason } of absent) assert.match(reason, new RegExp(name === "cuda" ? "driver" : name));
    assert.equal(zeros([1]).device, "cpu");
  });

  it("withDevice is for tensors that are on none yet, and ends with its function", () => {
    const before = other.memory().bytesLive;
    const there = withDevice(other, () => zeros([10_000]));
    assert.equal(numbers(there).length, 10_000);
    assert.ok(other.memory().bytesLive >= before + 40_000);
    const used = other.memory().bytesLive;
    zeros([10_000]);
    assert.equal(other.memory().bytesLive, used);
    assert.throws(() => withDevice(other, () => { throw new RangeError("mine"); }), RangeError);
    zeros([10_000]);
    assert.equal(other.memory().bytesLive, used);
    assert.equal(there.sum().item(), 0, "ops on what is there run there");
  });

  it("to(device) copies, and gradients come back", () => {
    const y = x.add(1).to(other);
    assert.deepEqual([numbers(y), numbers(y.mul(2))], [[2, 3, 4], [4, 6, 8]]);
    assert.throws(() => x.add(1).add(y), (error) => error instanceof DeviceError && /bring both to one device/.test(error.message));
    const slope = grad((v: Vector) => any(v.mul(v)).to(other).sum())(x);
    assert.deepEqual(numbers(slope), [2, 4, 6]);
    assert.deepEqual(numbers(slope.add(x)), [3, 6, 9], "the gradient is where the argument is");
    const there = x.to(other);
    const slopes = any(grad((v: Any, w: Any) => v.mul(v).log().sum().mul(2), { wrt: [0, 1] } as Any))(any(tensor([2])).to(other), there);
    assert.deepEqual(slopes.map((one: Any) => numbers(one.add(there.mul(0)))), [[2, 2, 2], [0, 0, 0]], "also where that is not where tensors are made");
  });

  it("one that cannot be read without waiting says what to write", async function () {
    const webgpu = await webgpuForTest();
    if (webgpu === undefined) return this.skip();
    const there = any(tensor([1, 2])).to(webgpu).add(1);
    assert.deepEqual([...(await there.data())], [2, 3]);
    assert.throws(() => there.to(other), (error) => error instanceof DeviceError && /^f32\[2\] is on webgpu, which cannot be read without waiting: write tensor\(await x\.data\(\), x\.shape, x\.dtype\)$/.test(error.message));
    assert.throws(() => there.sum().item(), (error) => error instanceof DeviceError && /use await data\(\)/.test(error.message));
    webgpu.destroy();
    await webgpu.loss;
    assert.throws(() => there.add(1), (error) => error instanceof DeviceError && /was lost/.test(error.message));
  });

  it("a tensor is in no trace's way to a device", () => {
    assert.throws(() => jit((y: Vector) => any(y).to(other))(x), (error) => error instanceof HandleError && /has no elements while/.test(error.message));
  });
});

describe("scopes", () => {
  const x = any(tensor([3, 4]));

  it("release what they do not return, and give what they return to the scope around", () => {
    let inner: Tensor | undefined;
    const made: Tensor[] = [];
    const norm = scope(() => {
      const squares = scope(() => { made.push(x.mul(2)); return { both: [(inner = x.mul(x))] }; });
      return squares.both[0]!.sum().sqrt();
    });
    assert.equal(norm.item(), 5);
    for (const gone of [inner, ...made]) assert.throws(() => gone?.dataSync(), (error) => error instanceof HandleError && /disposed/.test(error.message));
    assert.deepEqual(numbers(x), [3, 4]);
  });

  it("release when the function throws, and refuse async ones", () => {
    let made: Tensor | undefined;
    assert.throws(() => scope(() => { made = x.mul(2); throw new RangeError("mine"); }), RangeError);
    assert.throws(() => made?.dataSync(), HandleError);
    assert.throws(() => scope(async () => x), (error) => error instanceof ArgumentError && /^scope: the function is async/.test(error.message));
  });

  it("keep under a gradient what it needs", () => assert.deepEqual(numbers(grad((y: Vector) => scope(() => y.mul(y).mul(y)).sum())(x)), [27, 48]));

  it("using releases at the end of a block", () => {
    const seen = (() => { using y = x.add(1); return y; })();
    assert.throws(() => seen.dataSync(), HandleError);
  });
});

describe("handles of built programs", () => {
  const given = (): Tensor => handleOfRuntime([[1, 2], [3, 4]]) as unknown as Tensor;

  it("are operands, arguments and leaves like others", () => {
    assert.deepEqual(numbers(any(tensor([[1, 1], [1, 1]])).add(given())), [2, 3, 4, 5]);
    assert.deepEqual(numbers(model((y: Tensor<[2, 2]>) => y.mul(2))(any(given()))), [2, 4, 6, 8]);
    assert.deepEqual(numbers(grad((y: Tensor<[2, 2]>) => y.mul(y).sum())(any(given()))), [2, 4, 6, 8]);
    assert.deepEqual(mapTree((leaf) => leaf.neg(), { w: given() }).w.dataSync(), Float32Array.of(-1, -2, -3, -4));
    assert.deepEqual(numbers(jit((p: { w: Tensor<[2, 2]> }) => p.w.sum())({ w: any(given()) })), [10]);
  });
});
