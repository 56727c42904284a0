/** cond, whileLoop and scan: op by op, under jit, in derivatives and under vmap, on every device; and in built models. */

import assert from "node:assert/strict";
import { type AnyTensor } from "../../lib/eager/handles.ts";
import { arange, cond, grad, jit, jvp, scan, tensor, type Tensor, valueAndGrad, vmap, whileLoop, withDevice, zeros } from "../../lib/index.ts";
import { useStandInNvrtc } from "../cuda/build-stand-in.ts";
import { isRealCuda } from "../require-device.ts";
import { machineOfEachTarget } from "../test-machine.ts";

type Scalar = Tensor<[]>;

async function numbers(value: unknown): Promise<readonly number[]> {
  return Array.from(await (value as AnyTensor).data() as ArrayLike<number>);
}

async function assertClose(value: unknown, expected: readonly number[], tolerance = 1e-5): Promise<void> {
  const actual = await numbers(value);
  assert.equal(actual.length, expected.length);
  actual.forEach((number, i) => assert(Math.abs(number - (expected[i] ?? NaN)) <= tolerance * Math.max(1, Math.abs(expected[i] ?? 0)), `element ${i} is ${number}, expected ${expected[i]}`));
}

const root = (x: Scalar): Scalar =>
  whileLoop(({ now }) => now.square().sub(x).abs().gt(1e-4), ({ now }) => ({ now: now.add(x.div(now)).mul(0.5) }), { now: x.maximum(1) as Scalar }).now;

const clip = (x: Tensor<[3]>): Tensor<[3]> => {
  const norm = x.square().sum().sqrt();
  return cond(norm.gt(1), (y: Tensor<[3]>) => y.div(norm), (y: Tensor<[3]>) => y.mul(2), x);
};

/** A linear recurrence: h = tanh(w h + x), and all h. */
const recur = (w: Scalar, xs: Tensor<[number, 2]>, reverse = false) =>
  scan((h: Tensor<[2]>, x: Tensor<[2]>) => {
    const next = h.mul(w).add(x).tanh();
    return [next, { h: next, positive: next.gt(0) }] as const;
  }, zeros([2]), xs, { reverse });

function recurrence(w: number, xs: readonly (readonly number[])[]): readonly (readonly number[])[] {
  let h: readonly number[] = [0, 0];
  return xs.map((x) => (h = h.map((value, i) => Math.tanh(value * w + (x[i] ?? 0)))));
}

const rows = [[0.5, -1], [0.25, 2], [-0.75, 0.125]];

for (const machine of await machineOfEachTarget()) {
  if (machine.limits.onlyFor !== undefined) continue;

  describe(`cond, whileLoop and scan on ${machine.title}`, function () {
    this.timeout(120_000);
    let restore = (): void => undefined;
    before(async function () {
      if (!(await machine.open())) this.skip();
      // Where CUDA is emulated, so is its compiler.
      if (machine.limits.target === "cuda" && !isRealCuda()) restore = await useStandInNvrtc();
    });
    after(() => {
      restore();
      machine.close();
    });
    const on = <T>(body: () => T): T => withDevice(machine.device(), body);

    for (const [way, wrap] of [["op by op", (f: unknown) => f], ["under jit", (f: unknown) => jit(f as (...args: never[]) => unknown)]] as const) {
      const wrapped = <F>(f: F): F => wrap(f) as F;

      it(`whileLoop and its gradient ${way}`, async () => {
        for (const x of [0.25, 2, 100]) {
          const [value, slope] = on(() => wrapped(valueAndGrad(root))(tensor(x)));
          await assertClose(value, [Math.sqrt(x)], 1e-3);
          await assertClose(slope, [0.5 / Math.sqrt(x)], 2e-2);
        }
      });

      it(`cond and its gradient ${way}`, async () => {
        await assertClose(on(() => wrapped(clip)(tensor([0.1, 0.2, 0.3]))), [0.2, 0.4, 0.6]);
        await assertClose(on(() => wrapped(clip)(tensor([3, 0, 4]))), [0.6, 0, 0.8]);
        await assertClose(on(() => wrapped(grad((x: Tensor<[3]>) => clip(x).sum()))(tensor([0.1, 0.2, 0.3]))), [2, 2, 2]);
        await assertClose(on(() => wrapped(grad((x: Tensor<[3]>) => clip(x).sum()))(tensor([3, 0, 4]))), [0.2 - 3 * 7 / 125, 0.2, 0.2 - 4 * 7 / 125]);
      });

      it(`scan and its gradient ${way}`, async () => {
        const expected = recurrence(0.5, rows);
        const [last, { h, positive }] = on(() => wrapped(recur)(tensor(0.5), tensor(rows) as unknown as Tensor<[number, 2]>));
        await assertClose(last, expected[2] ?? []);
        await assertClose(h, expected.flat());
        assert.equal(positive.dtype, "bool");
        assert.deepEqual(await numbers(positive), expected.flat().map((value) => (value > 0 ? 1 : 0)));
        const backwards = on(() => wrapped((w: Scalar, xs: Tensor<[number, 2]>) => recur(w, xs, true))(tensor(0.5), tensor(rows) as unknown as Tensor<[number, 2]>));
        await assertClose(backwards[1].h, [...recurrence(0.5, rows.toReversed())].reverse().flat());
        const loss = (w: Scalar, xs: Tensor<[number, 2]>): Scalar => recur(w, xs)[1].h.square().sum() as Scalar;
        const [dw, dx] = on(() => wrapped(grad(loss, { wrt: [0, 1] }))(tensor(0.5), tensor(rows) as unknown as Tensor<[number, 2]>));
        const lossOf = (w: number, xs: readonly (readonly number[])[]): number => recurrence(w, xs).flat().reduce((sum, value) => sum + value * value, 0);
        await assertClose(dw, [(lossOf(0.501, rows) - lossOf(0.499, rows)) / 0.002], 1e-3);
        const differences = rows.flatMap((row, i) => row.map((_, j) => {
          const moved = (by: number): readonly (readonly number[])[] => rows.map((other, k) => other.map((value, l) => (k === i && l === j ? value + by : value)));
          return (lossOf(0.5, moved(1e-3)) - lossOf(0.5, moved(-1e-3))) / 2e-3;
        }));
        await assertClose(dx, differences, 1e-3);
      });
    }

    it("scan over no rows gives results of no rows", async () => {
      const [last, { h }] = on(() => recur(tensor(0.5), zeros([0, 2])));
      await assertClose(last, [0, 0]);
      assert.deepEqual(h.shape, [0, 2]);
    });

    it("forward mode, and the second derivative under jit", async () => {
      const [, tangent] = on(() => jit((x: Scalar) => jvp(root, [x], [tensor(1)]))(tensor(4)));
      await assertClose(tangent, [0.25], 1e-2);
      const second = on(() => jit(grad((x: Scalar) => grad(root)(x)))(tensor(4)));
      assert.equal((await numbers(second)).length, 1);
    });

    it("one in another, with what is captured from around both", async () => {
      const f = (x: Tensor<[3]>, n: Tensor<[], "i32">) =>
        whileLoop(({ i }) => i.lt(n), ({ i, y }) => ({ i: i.add(1), y: cond(y.sum().gt(4), () => y.sub(x), () => y.add(x.mul(2))) }), { i: tensor(0, [], "i32"), y: x }).y;
      const expected = (x: readonly number[], n: number): readonly number[] => {
        let y = x;
        for (let i = 0; i < n; i++) y = y.reduce((sum, value) => sum + value, 0) > 4 ? y.map((value, j) => value - (x[j] ?? 0)) : y.map((value, j) => value + 2 * (x[j] ?? 0));
        return y;
      };
      for (const n of [0, 1, 5]) {
        await assertClose(on(() => f(tensor([1, 0.5, 0.25]), tensor(n, [], "i32"))), expected([1, 0.5, 0.25], n));
        await assertClose(on(() => jit(f)(tensor([1, 0.5, 0.25]), tensor(n, [], "i32"))), expected([1, 0.5, 0.25], n));
      }
    });

    it("under vmap, each example has its own turns", async () => {
      const roots = on(() => vmap(root)(tensor([0.25, 2, 100])));
      await assertClose(roots, [0.5, Math.SQRT2, 10], 1e-3);
    });
  });
}

describe("cond, whileLoop and scan: what is wrong", () => {
  const x = () => tensor([1, 2, 3]);

  it("conditions that are none", () => {
    assert.throws(() => cond(x().sum() as never, () => 1, () => 2), { message: "cond: the condition must be a bool of rank 0, and it is f32[]: compare it, as in x.gt(0)" });
    assert.throws(() => jit((y: Tensor<[3]>) => cond(y.gt(0) as never, () => y, () => y))(x()), { message: "cond: its first argument must be a bool of rank 0, and it is bool[3]: reduce it with .any() or .all()" });
    assert.throws(() => jit((y: Tensor<[3]>) => whileLoop(() => true as never, (s) => s, y))(x()), { message: "whileLoop: what its condition returns must be a bool of rank 0, and it is the boolean true: compare tensors with x.gt(y), not with >" });
  });

  it("branches that differ, under jit", () => {
    const differing = jit((y: Tensor<[3]>) => cond(y.sum().gt(0), () => ({ a: y as Tensor }), () => ({ a: y.sum() as Tensor })));
    assert.throws(() => differing(x()), { message: "cond: the two functions must return the same: the result.a is f32[3] the first and f32[] the second" });
  });

  it("a state that changes its shape, or has numbers in it", () => {
    const growing = jit((y: Tensor<[3]>) => whileLoop((s) => s.y.sum().lt(10), (s) => ({ y: s.y.sum() as Tensor }), { y: y as Tensor }));
    assert.throws(() => growing(x()), { message: "whileLoop: the body must return a state like the one that it is given: the state.y is f32[3] before a turn and f32[] after it" });
    assert.throws(() => jit((y: Tensor<[3]>) => whileLoop((s) => s.y.sum().lt(10), (s) => s, { y, i: 0 }))(x()), { message: "whileLoop: the initial state.i is the number 0, and only tensors can change from turn to turn: pass tensor(0)" });
  });

  it("rows that are none, or not as many", () => {
    const step = (c: Scalar) => [c, c] as const;
    assert.throws(() => scan(step, tensor(0), tensor(1)), { message: "scan: xs is f32[], which has no rows" });
    assert.throws(() => scan(step, tensor(0), [arange(3), arange(4)]), { message: "scan: all tensors of xs must have as many rows: xs[0] is i32[3], and xs[1] is i32[4]" });
    assert.throws(() => scan(() => tensor(0) as never, tensor(0), arange(3)), { message: "scan: the step must return [next carry, result], and it returns f32[]" });
  });

  it("item() while a function is traced names what to write", () => {
    assert.throws(() => jit((y: Tensor<[3]>) => (y.sum().item() > 0 ? y : y.neg()))(x()), /cond\(condition, f, g\), loop with whileLoop or scan/);
  });
});
