/** vmap as plain JavaScript: a loop over examples is what it means, whatever is inside of it and around it. */

import assert from "node:assert/strict";
import {
  arange, concat, customGrad, einsum, embedding, grad, jit, jvp, layerNorm, model, random, rmsNorm, scope, stack, stopGradient, type Tensor, tensor, valueAndGrad, vmap, where, zeros,
} from "tsdlc";
import { ArgumentError, device, HandleError } from "tsdlc-runtime";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
type Any = any;
const any = (value: unknown): Any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];
const wave = (shape: readonly number[], phase = 0): Any => tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 1.5 * Math.sin(1.7 * i + 0.3 + phase)), shape as Any);
const whole = (shape: readonly number[], below: number): Any => tensor(Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (7 * i + 3) % below), shape as Any);

/** fn called for each example, the results side by side along axis 0. */
function loop(fn: (...args: Any[]) => unknown, axes: readonly (number | null)[], args: readonly Any[]): Any {
  const size = args.map((arg, i) => (axes[i] === null ? undefined : arg.shape.at(axes[i]))).find((found) => found !== undefined);
  const each = Array.from({ length: size }, (_, e) => any(fn(...args.map((arg, i) => (axes[i] === null ? arg : arg.select(axes[i], e))))));
  return stack(each as Any);
}

function assertClose(actual: Any, expected: Any, tolerance = 2e-6): void {
  assert.deepEqual([actual.dtype, actual.shape], [expected.dtype, expected.shape]);
  const [got, wanted] = [numbers(actual), numbers(expected)];
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  wanted.forEach((value, i) => assert.ok(Object.is(got[i], value) || Math.abs((got[i] ?? NaN) - value) <= tolerance * largest, `element ${i} is ${got[i]}, expected ${value}`));
}

describe("vmap op by op", function () {
  this.timeout(120_000);
  before(() => device("cpu"));

  const gain = (): Any => wave([4], 1);
  const cases: Readonly<Record<string, readonly [fn: (...args: Any[]) => unknown, shapes: readonly (readonly number[])[]]>> = {
    softmax: [(x) => x.softmax(), [[3, 4]]],
    "softmax over the first axis": [(x) => x.softmax(0), [[3, 4]]],
    logSumExp: [(x) => x.logSumExp(-1), [[3, 4]]],
    layerNorm: [(x, g) => layerNorm(x, g, gain()), [[3, 4], [4]]],
    rmsNorm: [(x, g) => rmsNorm(x, g), [[3, 4], [4]]],
    attention: [(q, k, v) => q.matmul(k.transpose(-1, -2)).div(2).softmax().matmul(v), [[3, 4], [5, 4], [5, 2]]],
    "matmul of vectors and matrices": [(x, w) => x.matmul(w), [[3], [3, 4]]],
    "matmul in batches": [(x, y) => x.matmul(y), [[2, 3, 4], [2, 4, 2]]],
    einsum: [(x, y) => einsum("ij,kj->ki", x, y), [[3, 4], [2, 4]]],
    variance: [(x) => x.variance(-1), [[3, 4]]],
    gelu: [(x) => x.gelu(), [[3]]],
    "a running sum": [(x) => x.cumsum(0, { reverse: true }), [[3, 2]]],
    "slices, padding and parts": [(x, y) => concat([x.slice(0, 1, 4, 2), y.narrow(1, 1, 2).expand([2, 2])], 0).reshape([2, 4]).permute([1, 0]), [[4, 2], [1, 3]]],
    where: [(x, y) => where(x.gt(0), x, y), [[3], []]],
    largest: [(x) => x.max(0).mul(x.argmax(-1).to("f32").sum()), [[3, 4]]],
    conditions: [(x) => x.gt(0).logicalAnd(x.lt(1)).logicalNot(), [[3]]],
  };
  for (const [name, [fn, shapes]] of Object.entries(cases)) {
    it(name, () => {
      for (let mask = 1; mask < 2 ** shapes.length; mask++) {
        // The first of those that are mapped has its examples at the end, the others in front.
        const last = Math.log2(mask & -mask);
        const axes = shapes.map((shape, i) => ((mask >> i) % 2 === 0 ? null : i === last ? shape.length : 0));
        const args = shapes.map((shape, i) => wave(axes[i] == null ? shape : shape.toSpliced(axes[i] ?? 0, 0, 3), i));
        const expected = loop(fn, axes, args);
        assertClose(any(vmap(fn, axes as Any))(...args), expected);
        assertClose(any(jit(vmap(fn, axes as Any)))(...args), expected);
      }
    });
  }

  it("rows by index, where the table, the indices or both are mapped", () => {
    const fn = (table: Any, ids: Any): Any => embedding(table, ids);
    for (const axes of [[0, 0], [2, 1], [0, null], [null, 0], [null, 2]] as const) {
      const args = [wave(axes[0] === null ? [5, 4] : [5, 4].toSpliced(axes[0], 0, 3)), whole(axes[1] === null ? [2, 3] : [2, 3].toSpliced(axes[1], 0, 3), 5)];
      assert.deepEqual(numbers(any(vmap(fn, axes as Any))(...args)), numbers(loop(fn, axes, args)));
      const total = (table: Any, ids: Any): Any => vmap(fn, axes as Any)(table, ids).square().sum();
      const ofLoop = (table: Any, ids: Any): Any => loop(fn, axes, [table, ids]).square().sum();
      assertClose(any(grad(total as Any))(...args), any(grad(ofLoop as Any))(...args));
      const added = (table: Any, ids: Any): Any => table.indexAdd(0, ids, any(zeros([2, 3, 4])).add(2));
      assert.deepEqual(numbers(any(vmap(added, axes as Any))(...args)), numbers(loop(added, axes, args)));
    }
  });

  describe("with derivatives", () => {
    const loss = (p: { w: Any; b: Any }, x: Any, label: Any): Any => x.matmul(p.w).add(p.b).tanh().softmaxCrossEntropy(label);
    const params = (): Any => ({ w: wave([3, 4]), b: wave([4], 2) });
    const [x, labels] = [wave([5, 3], 1), whole([5], 4)];

    it("inside: a gradient for each example", () => {
      const [value, all] = any(vmap(valueAndGrad(loss as Any), [null, 0, 0] as Any))(params(), x, labels);
      for (const key of ["w", "b"] as const) assertClose(all[key], loop((row, label) => any(grad(loss as Any))(params(), row, label)[key], [0, 0], [x, labels]));
      assertClose(value, loop((row, label) => loss(params(), row, label), [0, 0], [x, labels]));
    });

    it("around it: of what is mapped, what is not, and what is captured", () => {
      const total = (p: Any, rows: Any): Any => vmap(loss, [null, 0, 0] as Any)(p, rows, labels).sum();
      const [dp, dx] = any(grad(total as Any, { wrt: [0, 1] } as Any))(params(), x);
      const [expectedP, expectedX] = any(grad(((p: Any, rows: Any) => loop((row, label) => loss(p, row, label), [0, 0], [rows, labels]).sum()) as Any, { wrt: [0, 1] } as Any))(params(), x);
      assertClose(dp.w, expectedP.w);
      assertClose(dx, expectedX);
      const captured = any(grad(((w: Any) => vmap(((row: Any) => row.mul(w).sin().sum()) as Any)(x).square().sum()) as Any));
      assertClose(captured(wave([3])), any(grad(((w: Any) => loop((row) => row.mul(w).sin().sum(), [0], [x]).square().sum()) as Any))(wave([3])));
    });

    it("of any order, in all orders of nesting", () => {
      const f = (p: Any): Any => p.sin().mul(p.cumsum(0)).sum();
      const slope = any(grad(f as Any));
      const unit = arange(3).unsqueeze(1).eq(arange(3)).to("f32");
      const hessian = (p: Any): Any => vmap(((v: Any) => jvp(slope, [p] as Any, [v] as Any)[1]) as Any)(unit as Any);
      const byHand = (p: Any): Any => stack([0, 1, 2].map((i) => any(grad(((q: Any) => slope(q).select(0, i)) as Any))(p)) as Any);
      assertClose(vmap(hessian as Any)(x), loop(byHand, [0], [x]), 1e-5);
      assertClose(jit(vmap(jit(hessian as Any) as Any))(x), loop(byHand, [0], [x]), 1e-5);
      const [, along] = any(jvp(vmap(f as Any) as Any, [x] as Any, [wave([5, 3], 4)] as Any));
      assertClose(along, loop((p, v) => jvp(f as Any, [p] as Any, [v] as Any)[1], [0, 0], [x, wave([5, 3], 4)]));
      const penalty = (rows: Any): Any => vmap(slope)(rows).square().sum();
      assertClose(any(grad(penalty as Any))(x), any(grad(((rows: Any) => loop(slope, [0], [rows]).square().sum()) as Any))(x), 1e-5);
    });

    it("stops where stopGradient stops, and follows a rule of one's own inside", () => {
      assert.deepEqual(numbers(any(vmap(grad(((p: Any) => any(stopGradient(p)).mul(p).sum()) as Any)))(x)), numbers(x));
      const reversed = customGrad(function reversed(p: Any): Any { return p.mul(1); }, (g: Any) => [g.neg()]);
      assert.deepEqual(numbers(any(vmap(grad(((p: Any) => reversed(p).sum()) as Any)))(x)), numbers(x).map(() => -1));
      assert.deepEqual(numbers(any(vmap(reversed))(x)), numbers(x));
      assert.throws(() => any(grad(((p: Any) => any(vmap(reversed))(p).sum()) as Any))(x), (error) => error instanceof ArgumentError
        && error.message === "customGrad: reversed runs in vmap of the function, and a gradient that is taken outside of it does not see the rule: take it inside, as in vmap(grad(f)), or use stopGradient");
      assert.deepEqual(numbers(any(grad(((p: Any) => p.sum()) as Any))(wave([2]))), [1, 1], "nothing is left behind");
    });
  });

  it("draws for each key what the key alone draws", () => {
    const keys = stack(random.split(random.key(3), 4) as Any);
    const draws: Readonly<Record<string, (key: Any) => Any>> = {
      normal: (key) => random.normal(key, [3, 2]), uniform: (key) => random.uniform(key, [], { low: 2, high: 5 }), bits: (key) => random.randomBits(key, [7]),
      coins: (key) => random.bernoulli(key, 0.5, [9]), "of keys of its own": (key) => random.normal(random.split(key)[1], [5]), folded: (key) => random.foldIn(key, 7),
    };
    for (const [name, draw] of Object.entries(draws)) assert.deepEqual(numbers(vmap(draw as Any)(keys)), numbers(loop(draw, [0], [keys])), name);
    const folded = (key: Any, step: Any): Any => random.foldIn(key, step);
    assert.deepEqual(numbers(vmap(folded, [null, 0] as Any)(random.key(1), whole([5], 9))), numbers(loop(folded, [null, 0], [random.key(1), whole([5], 9)])));
    assert.deepEqual(numbers(vmap(((row: Any) => row.add(random.uniform(random.key(1), [3]))) as Any)(zeros([2, 3]) as Any)).slice(0, 3), numbers(random.uniform(random.key(1), [3])), "a key that is not mapped draws once");
  });

  it("takes trees of axes, and gives trees along axes", () => {
    class Pair { left: Any; right: Any; constructor(left: Any, right: Any) { [this.left, this.right] = [left, right]; } both(): Any { return this.left.mul(this.right); } }
    const fn = (pair: Pair, rest: { list: readonly Any[]; name: string; rate: number }): Any => ({ both: pair.both(), list: [rest.list[0].mul(rest.rate), rest.list[1]], name: rest.name });
    const [left, right] = [wave([2, 3]), wave([3, 2], 1)];
    const result = any(vmap(fn, [{ left: 0, right: 1 }, { list: [0, null], rate: null }] as Any, { both: 1, list: [0, null], name: 0 } as Any))(new Pair(left, right), { list: [wave([2]), wave([4])], name: "n", rate: 3 });
    assertClose(result.both, left.mul(right.transpose(0, 1)).transpose(0, 1));
    assert.deepEqual([numbers(result.list[0]), numbers(result.list[1]), result.name], [numbers(wave([2]).mul(3)), numbers(wave([4])), "n"]);
    assert.deepEqual(any(vmap(((p: Any) => [p, p.sum()]) as Any, -1 as Any, [-1, 0] as Any))(wave([3, 2])).map((leaf: Any) => leaf.shape), [[3, 2], [2]]);
  });

  it("gives what does not depend on the example for every example, or once", () => {
    const shared = (_p: Any, q: Any): Any => q.mul(2);
    assert.deepEqual(any(vmap(shared, [0, null] as Any, 1 as Any))(wave([3, 2]), wave([4])).shape, [4, 3]);
    assert.deepEqual(numbers(vmap(shared, [0, null] as Any, null as Any)(wave([3, 2]), tensor([4, 5]))), [8, 10]);
    assert.deepEqual(any(vmap(((p: Any) => p.softmax()) as Any))(zeros([0, 3]) as Any).shape, [0, 3], "no examples");
  });

  it("takes models, and scopes are as they are", () => {
    const scaled = model((p: Tensor<[3]>, k: number) => scope(() => p.mul(k).sum()));
    assert.deepEqual(numbers(vmap(scaled as Any, [0, null] as Any)(wave([4, 3]), 2 as Any)), numbers(loop((p) => p.mul(2).sum(), [0], [wave([4, 3])])));
  });

  it("follows the function anew in each call, and has as many calls as there are examples in no loop", () => {
    let calls = 0;
    let offset = 1;
    const counted = vmap(((p: Any) => { calls++; return p.add(offset); }) as Any);
    assert.deepEqual(numbers(counted(tensor([1, 2, 3]) as Any)), [2, 3, 4]);
    offset = 10;
    assert.deepEqual(numbers(counted(tensor([1, 2, 3, 4]) as Any)), [11, 12, 13, 14]);
    assert.equal(calls, 2);
  });

  describe("says what is wrong", () => {
    const dot = function dot(p: Any, q: Any): Any { return p.mul(q).sum(); };
    const rows = wave([5, 3]);
    const cases: readonly (readonly [what: string, call: () => unknown, message: string])[] = [
      ["sizes that differ", () => vmap(dot)(rows, wave([4, 3])), "vmap of dot: all mapped axes must have one size: argument 0, f32[5,3], has 5 along axis 0, and argument 1, f32[4,3], has 4 along axis 0: an argument that is the same for all examples has null in axes"],
      ["sizes that differ in a tree", () => vmap(((p: Any) => p.a.sum()) as Any, [{ a: 0, b: [null, 1] }] as Any)({ a: rows, b: [rows, wave([2, 4])] } as Any), "vmap of the function: all mapped axes must have one size: argument 0.a, f32[5,3], has 5 along axis 0, and argument 0.b[1], f32[2,4], has 4 along axis 1: an argument that is the same for all examples has null in axes"],
      ["an axis that is not there", () => vmap(dot, [2, null] as Any)(rows, rows), "vmap of dot: axes names axis 2 of argument 0, which is f32[5,3]: its axes are 0 to 1"],
      ["an axis of a number", () => vmap(dot, [0, 0] as Any)(rows, any(tensor(2))), "vmap of dot: axes names axis 0 of argument 1, which is f32[]: it has no axes: say null if it is the same for all examples"],
      ["no axis", () => vmap(dot, [0.5, null] as Any)(rows, rows), "vmap of dot: axes must name axes by whole numbers, and for argument 0 it is 0.5"],
      ["nothing mapped", () => vmap(dot, [null, null] as Any)(rows, rows), "vmap of dot: no tensor of the arguments is mapped: axes must name an axis of at least one of them, as in vmap(f, [0, null])"],
      ["too few entries", () => vmap(dot, [0] as Any)(rows, rows), "vmap of dot: axes has 1 entry, and the function is called with 2 arguments: it needs one for each, null where an argument is the same for all examples"],
      ["an axis for a plain number", () => vmap(dot, [0, 0] as Any)(rows, any(3)), "vmap of dot: argument 1 is the number 3, which has no axes: its entry in axes must be null"],
      ["a tree that is not the argument's", () => vmap(((p: Any) => p.a) as Any, [{ a: 0 }] as Any)({ a: rows, b: rows } as Any), "vmap of the function: axes says nothing of argument 0.b, f32[5,3]: name its axis, or null if it is the same for all examples"],
      ["a field that is not there", () => vmap(((p: Any) => p.a) as Any, [{ a: 0, c: 1 }] as Any)({ a: rows } as Any), "vmap of the function: axes has a field c for argument 0, which has none: it is an object with a"],
      ["a list for a tensor", () => vmap(dot, [[0], null] as Any)(rows, rows), "vmap of dot: axes has a list of 1 for argument 0, which is f32[5,3]: it needs an entry for each item, or one axis for all of them"],
      ["something else for an axis", () => vmap(dot, ["first", null] as Any)(rows, rows), "vmap of dot: axes must say an axis, null, or a tree of those for argument 0, and it says \"first\""],
      ["a result that is there once, and is not", () => vmap(((p: Any) => ({ own: p, twice: p.mul(2) })) as Any, 0, { own: 0, twice: null } as Any)(rows), "vmap of the function: the result.twice, f32[3] for one example, depends on the example: outAxes must say along which axis the examples are to be, and it is null"],
      ["an axis of a result that is not there", () => vmap(dot, [0, null] as Any, 1 as Any)(rows, wave([3])), "vmap of dot: outAxes names axis 1 of the result, which is f32[] for one example: the examples can be along axis 0 to 0"],
      ["a field that is assigned", () => vmap(((p: Any) => { p.a = p.a.mul(2); return p.a; }) as Any)({ a: rows } as Any), "vmap of the function: the function assigns to argument 0.a, which is of one example there: return the new value instead"],
      ["an async function", () => vmap((async (p: Any) => p) as Any)(rows), "vmap of the function: the function is async, and it runs once for all examples before it returns: leave out async and await"],
      ["a typed array", () => vmap(dot as Any)(new Float32Array(3) as Any, rows), "vmap of dot: argument 0 is a Float32Array, whose shape nobody knows when ops run one by one: pass tensor(data, shape)"],
      ["what the function itself does wrong", () => vmap(((p: Any) => p.matmul(wave([4, 2]))) as Any)(rows), "matmul needs the last axis of its left operand to match the first axis of its right operand (left is f32[3], right is f32[4,2]: 3 against 4)"],
    ];
    for (const [what, call, message] of cases) {
      it(what, () => assert.throws(call, (error) => {
        assert.ok(error instanceof ArgumentError, String(error));
        assert.equal(error.message, message);
        return true;
      }));
    }

    it("a value that is read", () => {
      assert.throws(() => vmap(((p: Any) => (p.sum().item() > 0 ? p : p.neg())) as Any)(rows), (error) => error instanceof HandleError
        && error.message === "this f32[] has no elements while vmap of the function is traced: choose with where(condition, a, b) or cond(condition, f, g), loop with whileLoop or scan, or return it and read it after the call; a model that is built may branch on item() itself");
    });

    it("a tensor that left the function", () => {
      let kept: Any;
      vmap(((p: Any) => (kept = p.mul(2))) as Any)(rows);
      assert.throws(() => kept.add(1), (error) => error instanceof HandleError && /was made while vmap of the function was traced and has no elements: return it/.test(error.message));
    });
  });
});
