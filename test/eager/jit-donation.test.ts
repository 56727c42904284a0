/** Donation under jit: results take over the memory of what is donated, and what may not be taken is said. */

import assert from "node:assert/strict";
import { jit, mapTree, optim, random, type Tensor, tensor, valueAndGrad, withDevice, zeros } from "tsdlc";
import { ArgumentError, type Device, device, HandleError } from "tsdlc-runtime";
import { createCpuDevice } from "tsdlc-runtime/cpu";
import { compilerIdentity, useStandInNvrtc } from "../cuda/build-stand-in.ts";
import { absent, cudaTitle, isRealCuda } from "../require-device.ts";
import { openStandIn } from "../runtime/cuda-machine.ts";
import { webgpuForTest } from "../webgpu-adapter.ts";
import { createCudaDevice } from "../../runtime/cuda-device.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- trees of parameters
type Any = any;
const any = (value: unknown): Any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];

const sizes = [256, 256, 128, 10];
const { init, update } = optim.adam({ learningRate: 0.01 });

function loss(p: Any, x: Any, y: Any): Any {
  return p.reduce((h: Any, { w, b }: Any, i: number) => (i === 0 ? h : h.relu()).matmul(w).add(b), x).softmaxCrossEntropy(y).mean();
}

function step(p: Any, state: Any, x: Any, y: Any): Any {
  const [value, g] = valueAndGrad(loss)(p, x, y);
  return { ...any(update(p, g, state)), value };
}

interface Trained {
  readonly peak: number;
  readonly live: number;
  readonly losses: readonly number[];
  readonly params: Any;
}

const batch = 32;

/** Bytes of parameters and of the state of Adam. */
const stateBytes = 4 * 3 * sizes.slice(1).reduce((sum, size, i) => sum + size * ((sizes[i] as number) + 1), 0);

/** A few steps on this device, each after the one before has ended, so that what is live is what a step needs. */
async function train(machine: Device, options: Any): Promise<Trained> {
  const fast: Any = jit(step, options);
  const there = (tree: Any): Any => mapTree((leaf: Any) => leaf.to(machine), tree);
  let params = there(sizes.slice(1).map((size, i) => ({ w: random.normal(random.key(i), [sizes[i] as number, size]).mul(0.1), b: zeros([size]) })));
  let state = there(init(params));
  const x = any(random.normal(random.key(9), [batch, sizes[0] as number])).to(machine);
  const y = any(tensor(Int32Array.from({ length: batch }, (_, row) => row % 10))).to(machine);
  const losses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const before = [params, state];
    const next = fast(params, state, x, y);
    ({ params, state } = next);
    losses.push(next.value.item());
    next.value.dispose();
    if (options.donate === undefined) mapTree((leaf: Any) => (leaf.dispose(), leaf), before);
    await machine.sync();
  }
  const { bytesPeak, bytesLive } = machine.memory();
  return { peak: bytesPeak, live: bytesLive, losses, params };
}

function takesOver(open: () => Promise<Device | undefined>): void {
  it("an Adam step needs less memory by the parameters and their state, and learns the same", async function () {
    const machines = [await open(), await open()];
    const [donating, plain] = machines;
    if (donating === undefined || plain === undefined) return this.skip();
    const [with_, without] = [await train(donating, { donate: [0, 1] }), await train(plain, {})];
    assert.deepEqual(with_.losses, without.losses);
    mapTree((a: Any, b: Any) => (assert.deepEqual(numbers(a), numbers(b)), a), with_.params, without.params);
    const saved = without.peak - with_.peak;
    assert.ok(saved > 0.8 * stateBytes && saved < 1.2 * stateBytes, `the peak is ${without.peak} bytes without donation and ${with_.peak} with: the difference should be about the ${stateBytes} of parameters and state`);
  });

  it("a tensor that another handle shares is left as it is, and one that is passed twice is refused", async function () {
    const machine = await open();
    if (machine === undefined) return this.skip();
    const bump: Any = jit(function bump(p: Any, x: Any): Any { return p.w.add(x); }, { donate: [0] });
    const large = (value: number): Any => any(tensor(new Float32Array(2048).fill(value))).to(machine);
    const w = large(1);
    const shared = any(w).reshape([2, 1024]);
    assert.equal(numbers(bump({ w }, large(2)))[7], 3);
    assert.equal(numbers(shared)[7], 1);
    assert.throws(() => numbers(w), (error) => error instanceof HandleError && /^this f32\[2048\] was donated to bump at .*jit-donation\.test\.ts:\d+:\d+ and cannot/.test(error.message));
    const twice = large(4);
    assert.throws(() => bump({ w: twice }, twice), (error) => error instanceof ArgumentError
      && error.message === "bump: argument 0.w and argument 1 are the same memory, and argument 0.w is donated: bump may overwrite it; pass a copy as one of them");
    assert.equal(numbers(twice)[7], 4, "what is refused has consumed nothing");
    const outside = large(5);
    const closed: Any = jit(function closed(x: Any): Any { return x.add(outside); }, { donate: [0] });
    assert.equal(numbers(closed(large(1)))[7], 6);
    assert.throws(() => closed(outside), (error) => error instanceof ArgumentError
      && error.message === "closed: argument 0 and a tensor from outside that it uses are the same memory, and argument 0 is donated: closed may overwrite it; pass a copy as one of them");
    assert.equal(numbers(outside)[7], 5);
  });

  it("nothing is taken under a gradient, which reads later on what ran", async function () {
    const machine = await open();
    if (machine === undefined) return this.skip();
    const square: Any = jit(function square(x: Any): Any { return x.mul(x).add(x).exp().sum(); }, { donate: [0] });
    const x = any(tensor(new Float32Array(2048).fill(0.5))).to(machine);
    const [, slope] = any(valueAndGrad(square))(x);
    assert.ok(Math.abs((numbers(slope)[5] as number) - 2 * Math.exp(0.75)) < 1e-5);
    assert.equal(numbers(x)[5], 0.5);
  });

  it("sizes that have names, large and small", async function () {
    const machine = await open();
    if (machine === undefined) return this.skip();
    const twice: Any = jit(function twice(x: Any): Any { return x.mul(2); }, { donate: [0], dims: [["N"]] });
    for (const size of [5000, 3, 0, 5000]) {
      const x: Any = any(tensor(new Float32Array(size).fill(1.5))).to(machine);
      assert.deepEqual(numbers(twice(x)), new Array<number>(size).fill(3));
      assert.throws(() => numbers(x), HandleError);
    }
    assert.equal(jit.explain(twice).compilations, 1);
  });
}

describe("donation under jit", function () {
  this.timeout(180_000);
  before(() => device("cpu"));

  describe("on the cpu", () => takesOver(async () => createCpuDevice({ threads: 1 })));

  describe(`on ${cudaTitle()}`, () => {
    let restore: (() => void) | undefined;
    let hasCompiler = false;
    before(async () => {
      hasCompiler = (await compilerIdentity()) !== undefined;
      if (hasCompiler && !isRealCuda()) restore = await useStandInNvrtc();
    });
    after(() => restore?.());
    takesOver(async () => {
      if (isRealCuda()) return createCudaDevice({});
      return hasCompiler ? openStandIn() : absent("cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
    });
  });

  it("on webgpu handles end, and what is made is right", async function () {
    const machine = await webgpuForTest();
    if (machine === undefined) return this.skip();
    const twice: Any = jit(function twice(x: Any): Any { return x.mul(2).sub(x.mean()); }, { donate: [0], dims: [["N"]] });
    for (const size of [5000, 3]) {
      const x: Any = any(tensor(new Float32Array(size).fill(1.5))).to(machine);
      assert.deepEqual([...(await twice(x).data())], new Array<number>(size).fill(1.5));
      await assert.rejects(async () => x.data(), HandleError);
    }
    machine.destroy();
  });

  it("a small tensor, whose memory is not worth it, ends all the same, and takes the short way", () => {
    const add: Any = jit(function add(x: Any, y: Any): Any { return x.add(y); }, { donate: [0] });
    const [x, y]: readonly Any[] = [tensor([1]), tensor([2])];
    withDevice(createCpuDevice({ threads: 1 }), () => {
      assert.deepEqual(numbers(add(x, y)), [3]);
      assert.throws(() => numbers(x), HandleError);
      const kept = any(tensor([4]));
      assert.deepEqual(numbers(add(kept, kept)), [8], "nothing was taken, so nothing is refused");
    });
  });
});
