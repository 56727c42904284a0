/** vmap in a jitted function whose axes have names: one compilation serves all numbers of examples. */

import assert from "node:assert/strict";
import { grad, jit, jvp, random, type Tensor, tensor, vmap, zeros } from "tsdlc";
import { ArgumentError, device } from "tsdlc-runtime";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
type Any = any;
const any = (value: unknown): Any => value;
const each = (fn: (...args: Any[]) => Any, axes: Any = 0, outAxes: Any = 0): ((...args: Any[]) => Any) => any(vmap(fn as never, axes as never, outAxes as never));
const slope = (fn: (...args: Any[]) => Any): ((...args: Any[]) => Any) => any(grad(fn as never));
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];
const draw = (shape: readonly number[], seed = 1): Any => random.normal(random.key(seed), shape);

function assertClose(actual: unknown, expected: unknown, what: string): void {
  if (Array.isArray(expected)) return expected.forEach((item, i) => assertClose((actual as readonly unknown[])[i], item, `${what}, item ${i}`));
  const [a, e] = [actual as Tensor, expected as Tensor];
  assert.deepEqual([a.dtype, a.shape], [e.dtype, e.shape], what);
  const wanted = numbers(e);
  numbers(a).forEach((value, i) => {
    const right = wanted[i] as number;
    assert.ok(Object.is(value, right) || Math.abs(value - right) <= 1e-5 * Math.max(1, Math.abs(right)), `${what}: element ${i} is ${value} in place of ${right}`);
  });
}

const weights = draw([4, 3], 9);

/** Functions of x: [N, 4] that map over it. */
const functions: Readonly<Record<string, (x: Any) => Any>> = {
  "over the named axis": each((row) => row.softmax().mul(row.mean())),
  "over the other, so that an example has the named axis": (x) => each((column) => column.sub(column.mean()).square().sum(), 1)(x),
  "with the examples last": each((row) => row.mul(2), 0, -1),
  "with a tensor from outside, and one that is the same for all": (x) => each((row, shared) => row.matmul(weights).add(shared), [0, null])(x, x.sum().mul(0.1)),
  "with what was computed outside": (x) => { const mean = x.mean(0); return each((row) => row.sub(mean))(x); },
  "of a function of the number of examples, read outside": (x) => { const count = x.shape[0]; return each((row) => row.div(count))(x); },
  "of a function that compares a size inside with the same outside": (x) => each((column) => (column.shape[0] === x.shape[0] ? column.add(1) : column.sub(1)), 1)(x),
  "of a gradient": each(slope((row) => row.tanh().square().sum())),
  "in a gradient, by what is mapped": slope((x) => each((row) => row.tanh().mul(row).sum())(x).sum()),
  "in a gradient, by what all examples share": (x) => slope((w) => each((row) => row.matmul(w).tanh().sum())(x).sum())(weights),
  "in forward mode": (x) => jvp(each((row: Any) => row.square().sum()) as never, [x] as never, [x] as never),
  "of forward mode": each((row) => jvp(((y: Any) => y.mul(y).sum()) as never, [row] as never, [row.add(1)] as never)),
  "in itself": (x) => each((row) => each((one) => one.exp().add(row.sum()))(row))(x),
  "in itself, over both sides of a matrix of examples": (x) => each((row) => each((other) => row.sub(other).square().sum())(x))(x),
  "twice, one after the other": (x) => each((value) => value.mul(3))(each((row) => row.sum())(x)),
  "with results of many kinds": (x) => each((row, y) => [row.sum(), row, y], [0, null], [0, 0, null])(x, x.sum(0)),
  "of a jitted function": each(jit((row: Any) => row.square().sum()) as never),
};

describe("vmap in jit with named axes", function () {
  this.timeout(120_000);
  before(() => device("cpu"));

  describe("compiles once, and gives what ops one by one give", () => {
    for (const [name, fn] of Object.entries(functions)) {
      it(name, () => {
        const fast = jit(fn, { dims: [["N", null]] });
        const sizes = [3, 1, 5, 3];
        for (const size of sizes) assertClose(fast(draw([size, 4], size)), fn(draw([size, 4], size)), `${name} at ${size}`);
        assert.deepEqual(jit.explain(fast), { hits: sizes.length - 1, compilations: 1, reasons: [], sideEffects: [] });
      });
    }
  });

  it("is what jit gets too, and no example is none", () => {
    const fast = jit(each((row) => row.mul(2).sum()), { dims: [["N", 3]] });
    for (const size of [2, 0, 3]) assert.deepEqual(numbers(fast(zeros([size, 3]).add(1))), Array.from({ length: size }, () => 6));
    assert.equal(jit.explain(fast).compilations, 1);
    const outer = slope((x) => fast(x).square().sum());
    assertClose(outer(draw([4, 3])), slope((x) => each((row) => row.mul(2).sum())(x).square().sum())(draw([4, 3])), "grad(jit(vmap))");
  });

  it("that does something else at other sizes is found out inside", () => {
    const fast = jit(function pool(x: Any): Any { return each((column) => (column.shape[0] === 1 ? column.mul(5) : column.cumsum(0)), 1, 1)(x); }, { dims: [["N", null]] });
    for (const size of [3, 1, 4, 1]) assertClose(fast(draw([size, 2])), size === 1 ? draw([size, 2]).mul(5) : draw([size, 2]).cumsum(0), `at ${size}`);
    assert.deepEqual(jit.explain(fast), {
      hits: 2, compilations: 2, sideEffects: [],
      reasons: ["with N = 1, pool does something else than at other sizes (in vmap of the function, it calls mul where, at other sizes, it goes on with cumsum): these sizes are compiled for themselves; leave axes whose size decides what is done out of dims"],
    });
    const shared = jit(function shared(x: Any): Any { return each((row) => row.add(x.shape[0] === 2 ? weights : x.sum()).sum())(x); }, { dims: [["N", null]] });
    for (const size of [3, 2]) assertClose(shared(draw([size, 3])), each((row) => row.add(size === 2 ? weights : draw([size, 3]).sum()).sum())(draw([size, 3])), `at ${size}`);
    assert.match(jit.explain(shared).reasons.join(), /with N = 2, shared does something else than at other sizes/);
  });

  it("says at the call which sizes its ops cannot take, and where axes need not agree", () => {
    const fast = jit(function parts(x: Any): Any { return each((column) => column.narrow(0, 1, 2), 1)(x); }, { dims: [["N", null]] });
    assert.deepEqual(fast(draw([3, 2])).shape, [2, 2]);
    assert.throws(() => fast(draw([2, 2])), (error) => error instanceof ArgumentError && /^parts: with N = 2, 3 <= N does not hold: 3 against 2/.test(error.message));
    const pairs = jit(function pairs(x: Any, y: Any): Any { return each((a, b) => a.add(b))(x, y); }, { dims: [["N", 2], ["M", 2]] });
    assert.throws(() => pairs(draw([3, 2]), draw([3, 2])), (error) => error instanceof ArgumentError
      && error.message === "vmap of the function: all mapped axes must have one size: argument 0, f32[N,2], has N along axis 0, and argument 1, f32[M,2], has M along axis 0: an argument that is the same for all examples has null in axes");
    assert.deepEqual(numbers(any(jit(each((row) => row.add(tensor(1)).sum()), { dims: [["N", "M"]] }))(zeros([2, 3]))), [3, 3]);
  });
});
