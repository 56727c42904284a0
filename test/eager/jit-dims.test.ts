/** jit with names for axes: one compilation for all sizes, and what is said where that cannot be. */

import assert from "node:assert/strict";
import {
  arange, concat, embedding, grad, jit, jvp, layerNorm, linear, mapTree, model, optim, random, rmsNorm, type Tensor, tensor, valueAndGrad, where, zeros,
} from "tsdlc";
import { ArgumentError, device } from "tsdlc-runtime";
import { jit as jitOfSource } from "../../lib/jit.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
type Any = any;
const any = (value: unknown): Any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];
const draw = (shape: readonly number[], seed = 1): Any => random.normal(random.key(seed), shape);
const refuses = (message: string) => (error: unknown): true => {
  assert.ok(error instanceof ArgumentError);
  assert.equal(error.message, message);
  return true;
};

function assertClose(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [actual as Tensor, expected as Tensor];
  assert.deepEqual([a.dtype, a.shape], [e.dtype, e.shape], what);
  const wanted = numbers(e);
  numbers(a).forEach((value, i) => {
    const right = wanted[i] as number;
    assert.ok(Object.is(value, right) || (Number.isNaN(value) && Number.isNaN(right)) || Math.abs(value - right) <= 1e-5 * Math.max(1, Math.abs(right)), `${what}: element ${i} is ${value} in place of ${right}`);
  });
}

/** Functions of x: [N, 4] and sizes for which they are defined. */
const functions: Readonly<Record<string, readonly [(x: Any) => Any, readonly number[]]>> = {
  "mean, and the mean of one axis": [(x) => concat([x.mean(0), x.mean().reshape([1])]), [3, 1, 5]],
  "means over several axes": [(x) => x.unsqueeze(2).mean([0, 2]).add(x.std([0, 1])), [3, 2, 0]],
  "variance": [(x) => x.variance(0), [3, 2]],
  "softmax, logSoftmax and logSumExp along the named axis": [(x) => x.softmax(0).add(x.logSoftmax(0)).add(x.logSumExp(0)), [3, 1]],
  "softmax beside the named axis": [(x) => x.softmax(), [3, 0, 1]],
  "flatten, transpose and unsqueeze": [(x) => x.flatten().reshape([4, -1]).add(x.reshape([4, -1])).unsqueeze(0).transpose(1, 2), [3, 1, 0]],
  "a part of the shape in another shape": [(x) => x.reshape([x.shape[0], 2, 2]).reshape([...x.shape.slice(0, 1), 4]), [3, 1, 0]],
  "the shape taken apart": [(x) => { const [n, d] = x.shape; return zeros([d, n]).add(x.transpose(0, 1)); }, [3, 1, 0]],
  "division by a size, and by the number of elements": [(x) => x.div(x.shape[0]).add(x.sum().div(x.size)), [3, 1]],
  "counters and random numbers": [(x) => x.add(arange(x.shape[0], "f32").unsqueeze(1)).mul(random.uniform(random.key(2), x.shape)).dropout(random.key(3), 0.5), [3, 1, 0]],
  "cumsum, flip, pad and concat": [(x) => concat([x.cumsum(0), x.flip(0)]).pad([[1, 0], [0, 0]]), [3, 1, 0]],
  "narrow, slice and select from either end": [(x) => x.narrow(0, 1, 1).add(x.slice(0, 1)).add(x.select(0, -1)), [2]],
  "argmax and oneHot": [(x) => x.argmax(1).oneHot(4).add(x.argmax(0).to("f32")), [3, 1]],
  "split and chunk beside the named axis": [(x) => x.split(2, 1)[1].add(x.chunk(2, 1)[0]), [3, 1]],
  "layers": [(x) => rmsNorm(layerNorm(linear(x, draw([4, 4]), draw([4])), draw([4])).gelu(), draw([4], 2)), [3, 1, 0]],
  "a batch norm": [(x) => x.sub(x.mean(0)).div(x.sub(x.mean(0)).square().mean([0]).add(1e-5).sqrt()), [3, 2]],
  "a size that is a result": [(x) => x.shape[0], [3, 1, 0]],
};

describe("jit with named axes", function () {
  this.timeout(120_000);
  before(() => device("cpu"));

  describe("compiles once, and gives what ops one by one give", () => {
    for (const [name, [fn, sizes]] of Object.entries(functions)) {
      it(name, () => {
        const fast = jit(fn, { dims: [["N", null]] });
        for (const size of sizes) {
          const x = draw([size, 4], size + 1);
          const expected = fn(x) as unknown;
          assertClose(fast(x), typeof expected === "number" ? tensor(expected, [], "f64") : expected, `${name} at ${size}`);
        }
        assert.deepEqual(jit.explain(fast), { hits: sizes.length - 1, compilations: 1, reasons: [], sideEffects: [] });
      });
    }
  });

  it("a training step of a classifier, with its last and smaller batch", () => {
    const { init, update } = optim.adam({ learningRate: 0.01 });
    const loss = (p: Any, x: Any, y: Any): Any => x.matmul(p.w1).add(p.b1).relu().matmul(p.w2).softmaxCrossEntropy(y).mean();
    const step = (p: Any, state: Any, x: Any, y: Any): Any => {
      const [value, g] = valueAndGrad(loss)(p, x, y);
      return { ...update(p, g as Any, state), value };
    };
    const params = { w1: draw([6, 5]), b1: zeros([5]), w2: draw([5, 3], 2) };
    const fast = jit(step, { dims: [undefined, undefined, ["N", 6], ["N"]] });
    let [eager, jitted]: Any[] = [{ params, state: init(params) }, { params, state: init(params) }];
    for (const [i, size] of [8, 8, 3, 1, 8].entries()) {
      const [x, y] = [draw([size, 6], i), any(tensor(Int32Array.from({ length: size }, (_, row) => row % 3)))];
      eager = step(eager.params, eager.state, x, y);
      jitted = fast(jitted.params, jitted.state, x, y);
      mapTree((a: Any, b: Any) => (assertClose(a, b, `step ${i}`), a), jitted, eager);
    }
    assert.deepEqual(jit.explain(fast), { hits: 4, compilations: 1, reasons: [], sideEffects: [] });
  });

  it("attention over a batch and a length that are both named", () => {
    const heads = 2;
    const block = (p: Any, ids: Any): Any => {
      const x = embedding(p.table, ids) as Any;
      const [batch, time, width] = x.shape;
      const split = (w: Any): Any => x.matmul(w).reshape([batch, time, heads, width / heads]).transpose(1, 2);
      const scores = split(p.q).matmul(split(p.k).transpose(-1, -2)).mul(1 / Math.sqrt(width / heads));
      const isPast = any(arange(time)).unsqueeze(1).ge(arange(time));
      const mixed = (where as Any)(isPast, scores, -Infinity).softmax(-1).matmul(split(p.v));
      return layerNorm(x.add(mixed.transpose(1, 2).reshape([batch, time, width])), p.gain).square().mean([0, 1, 2]);
    };
    const p = { table: draw([7, 4]), q: draw([4, 4], 2), k: draw([4, 4], 3), v: draw([4, 4], 4), gain: draw([4], 5) };
    const ids = (batch: number, time: number): Any => tensor(Int32Array.from({ length: batch * time }, (_, i) => (i * 5) % 7), [batch, time]);
    const fast = jit(valueAndGrad(block) as Any, { dims: [undefined, ["B", "T"]] });
    for (const [batch, time] of [[2, 5], [1, 3], [3, 1]] as const) {
      const [value, slopes] = valueAndGrad(block)(p, ids(batch, time));
      const [fastValue, fastSlopes] = any(fast)(p, ids(batch, time));
      assertClose(fastValue, value, "the value");
      mapTree((a: Any, b: Any) => (assertClose(a, b, "a gradient"), a), fastSlopes, slopes);
    }
    assert.equal(jit.explain(fast).compilations, 1);
  });

  it("composes with gradients both ways, forward mode, and other jitted functions", () => {
    const cubes = (y: Any): Any => y.mul(y).mul(y).mean();
    const named = { dims: [["N"]] } as const;
    const inner = jit(cubes, named);
    const around = grad(inner as Any);
    const second = grad((y: Any) => any(grad(inner as Any))(y).sum());
    const within = jit(grad(cubes) as Any, named);
    const nested = jit(((y: Any) => any(grad(inner as Any))(y).mul(jit((z: Any) => z.sum())(y))) as Any, named);
    const along = jit(((y: Any) => jvp(cubes as Any, [y] as never, [y] as never)) as Any, named);
    for (const values of [[1, 2, 3], [2], [1, 4]]) {
      const y = any(tensor(values));
      const slopes = values.map((value) => (3 * value * value) / values.length);
      const total = values.reduce((sum, value) => sum + value, 0);
      assertClose(any(around)(y), tensor(slopes), "grad(jit)");
      assertClose(any(within)(y), tensor(slopes), "jit(grad)");
      assertClose(any(second)(y), tensor(values.map((value) => (6 * value) / values.length)), "grad(grad(jit))");
      assertClose(any(nested)(y), tensor(slopes.map((slope) => slope * total)), "jit(grad(jit))");
      assertClose(any(along)(y)[1], tensor(slopes.reduce((sum, slope, i) => sum + slope * (values[i] as number), 0)), "jit(jvp)");
    }
    for (const fast of [inner, within, nested, along]) assert.equal(jit.explain(fast as Any).compilations, 1);
  });

  it("takes any word for a name, also one of the languages that kernels are printed in", () => {
    for (const name of ["for", "int64_t", "x0", "d0", "float", "n"]) {
      const fast: Any = jit((x: Any): Any => x.mean(0).add(x.shape[0]), { dims: [[name, 3]] });
      assertClose(fast(draw([5, 3])), draw([5, 3]).mean(0).add(5), name);
    }
  });

  it("names axes in trees, where some have names", () => {
    const fast = jit((batch: { x: Any; more: readonly Any[]; how: string }, w: Any) => batch.x.matmul(w).add(batch.more[1]), { dims: [{ x: ["N", null], more: [undefined, ["N", 1]] }] });
    for (const size of [2, 4]) {
      const batch = { x: draw([size, 3]), more: [draw([2]), draw([size, 1], 3)], how: "sum" };
      assertClose(fast(batch, draw([3, 2])), batch.x.matmul(draw([3, 2])).add(batch.more[1]), "the sum");
    }
    assert.equal(jit.explain(fast).compilations, 1);
  });

  describe("what the function does by the size of a named axis", () => {
    it("is found out at the sizes that it is called with, and compiled for them alone", () => {
      const fast = jit(function pool(x: Any): Any { return x.shape[0] === 1 ? x.mul(5) : x.mean(0, { keepdim: true }).add(x); }, { dims: [["N", null]] });
      for (const size of [3, 1, 4, 1]) {
        const x = draw([size, 2]);
        assertClose(fast(x), size === 1 ? x.mul(5) : x.mean(0, { keepdim: true }).add(x), `at ${size}`);
      }
      assert.deepEqual(jit.explain(fast), {
        hits: 2, compilations: 2, sideEffects: [],
        reasons: ["with N = 1, pool does something else than at other sizes (it calls mul where, at other sizes, it goes on with sum): these sizes are compiled for themselves; leave axes whose size decides what is done out of dims"],
      });
    });

    it("also where only the result tells, and where the first call is the odd one", () => {
      const pick = jit((x: Any): Any => { const [a, b]: readonly Any[] = [x.add(1), x.add(2)]; return x.shape[0] ? a : b; }, { dims: [["N"]] });
      for (const size of [0, 2, 0, 3]) assertClose(pick(zeros([size])), size === 0 ? zeros([0]) : zeros([size]).add(1), `at ${size}`);
      const table: Readonly<Record<string, number>> = { 2: 10 };
      const look = jit((x: Any): Any => x.add(table[x.shape[0]] ?? 1), { dims: [["N"]] });
      for (const size of [2, 3]) assertClose(look(zeros([size])), zeros([size]).add(size === 2 ? 10 : 1), `at ${size}`);
      assert.deepEqual([jit.explain(pick).compilations, jit.explain(look).compilations], [2, 2]);
    });

    it("where only at other sizes there is a part to take, and where a list of sizes is changed after its use", () => {
      const head = jit((x: Any): Any => (x.shape[0] === 1 ? x : x.narrow(0, 0, 2)), { dims: [["N"]] });
      for (const size of [3, 1]) assertClose(head(draw([size])), draw([size]).slice(0, 0, 2), `at ${size}`);
      const wide = jit((x: Any): Any => { const shape = [x.shape[0], 2]; const y = x.reshape(shape); shape[1] = 7; return y; }, { dims: [["N", null, 1]] });
      for (const size of [3, 1]) assert.deepEqual(wide(zeros([size, 2, 1])).shape, [size, 2]);
      assert.deepEqual([jit.explain(head).compilations, jit.explain(wide).compilations], [2, 1]);
    });

    it("keeps equal sizes equal, and numbers that are made in the function", () => {
      const fast = jit((x: Any, y: Any): Any => {
        if (x.shape[0] !== y.shape[0]) throw new RangeError("lengths differ");
        return x.mul(y).mul(tensor([2])).sum();
      }, { dims: [["N"], ["N"]] });
      for (const size of [2, 3, 4]) assert.deepEqual(numbers(fast(zeros([size]).add(1), zeros([size]).add(1))), [2 * size]);
      assert.equal(jit.explain(fast).compilations, 1);
    });

    const noNumber = (name: string): string =>
      `the size N is no number while ${name} is traced, since one compilation serves every size: pass it to ops as it is, as in x.reshape([n, -1]), zeros([n, 3]) or x.div(n), let an op work it out (-1 in reshape; mean, softmax and others take an axis), or leave the axis without a name in dims`;

    it("is refused at the line where it would have to be a number", () => {
      const x = draw([3, 2]);
      const cases: Readonly<Record<string, (x: Any) => Any>> = {
        product: (x) => x.mul(x.shape[0] * 2),
        loop: (x) => { let sum = x; for (let i = 0; i < x.shape[0]; i++) sum = sum.add(i); return sum; },
        comparison: (x) => (x.shape[0] > 2 ? x : x.add(1)),
        root: (x) => x.div(Math.sqrt(x.shape[0])),
        pieces: (x) => x.split(1)[0],
      };
      for (const [name, fn] of Object.entries(cases)) {
        Object.defineProperty(fn, "name", { value: name });
        assert.throws(() => jit(fn, { dims: [["N", null]] })(x), (error) => {
          assert.match((error as Error).stack ?? "", /jit-dims\.test\.ts/);
          return refuses(noNumber(name))(error);
        });
      }
    });

    it("a size that outlives its trace", () => {
      let kept: unknown;
      jit(function keeps(x: Any): Any { kept = x.shape[0]; return x; }, { dims: [["N"]] })(zeros([2]));
      // The replay at the sizes of the call comes last, and has numbers.
      assert.equal(kept, 2);
      const sizes: Any[] = [];
      jit(function keeps(x: Any): Any { sizes.push(x.shape[0]); return x; }, { dims: [["N"]] })(zeros([2]));
      assert.throws(() => jit(function other(x: Any): Any { return x.div(sizes[0]); })(zeros([2])),
        refuses("div: the size N was read while keeps was traced, and has no meaning after it: read it from the shape of a tensor"));
      assert.throws(() => zeros([2]).div(sizes[0]), refuses("div: the size N of a function that was traced is no operand of a tensor op: operands are tensors, numbers, sizes and lists of these"));
    });
  });

  describe("what is wrong", () => {
    const add = function add(x: Any, y: Any): Any { return x.add(y); };
    const x = any(tensor([1, 2, 3]));

    it("axes of one name with two sizes", () => {
      assert.throws(() => jit(add, { dims: [["N"], ["N"]] })(x, any(tensor([1]))),
        refuses("add: axis 0 of argument 0 and axis 0 of argument 1 are both named N, and they have sizes 3 and 1: axes of one name have one size in a call"));
    });

    it("a named axis that would have to stretch, or to be a size", () => {
      assert.throws(() => jit(add, { dims: [["N"]] })(any(tensor([1])), x),
        refuses('add: operands must have shapes that broadcast together ([N] with [3]: N against 3) (N can be any size): leave "N" out of dims, if it is always 3'));
      assert.throws(() => jit(add, { dims: [["N"], ["M"]] })(x, x),
        refuses("add: operands must have shapes that broadcast together ([N] with [M]: N against M) (N and M can be any size): give both axes one name in dims, if they are always equal"));
    });

    it("a size that ops cannot take, at the call that has it", () => {
      const last = jit(function last(v: Any): Any { return v.narrow(0, 1, 2); }, { dims: [["N"]] });
      assert.deepEqual(numbers(last(x)), [2, 3]);
      assert.throws(() => last(any(tensor([1, 2]))), refuses("last: with N = 2, 3 <= N does not hold: 3 against 2; narrow must stay inside the axis (2 elements from 1 of an axis of N)"));
      assert.deepEqual(numbers(last(x)), [2, 3]);
    });

    it("sizes that a model does not take", () => {
      const fast: Any = jit(model(function few(v: Tensor<["N"]>) { return v.add(1); }, { dims: { N: { min: 2, max: 3 } } }), { dims: [["N"]] });
      assert.deepEqual(numbers(fast(x)), [2, 3, 4]);
      assert.throws(() => fast(any(tensor([1]))), refuses("few: N is 1: it must be at least 2"));
      assert.throws(() => fast(zeros([4])), refuses("few: N is 4: few is declared for at most 3"));
    });

    it("dims that are not those of the arguments", () => {
      const wrong = (dims: Any, args: readonly Any[], message: string): void => assert.throws(() => any(jit(add as Any, { dims }))(...args), refuses(message));
      wrong([["N", null]], [x, x], "add: dims for argument 0: it has 2 items, and argument 0 has 1 axis: it is [3]");
      wrong([[4]], [x, x], "add: axis 0 of argument 0 has size 3, and dims says that it is 4");
      wrong([["a b"]], [x, x], 'add: dims for argument 0: item 0 is "a b", and it must be a name such as "N", a size, or null');
      wrong([{ x: ["N"] }], [x, x], 'add: dims for argument 0: it is an object with x, and a tensor has a list with one item for each axis, as in ["N", null]');
      wrong([["N"]], [{ x }, x], "add: dims for argument 0: it is an array of 1, and argument 0 is an object with x: dims has the structure of the arguments");
      wrong([{ y: ["N"] }], [{ x }, x], "add: dims for argument 0: it names y, and argument 0 is an object with x");
      wrong([[["N"], ["N"]]], [[x], x], "add: dims for argument 0: it has 2 entries, and argument 0 is an array of 1");
      wrong([undefined, ["N"]], [x, 2], "add: dims for argument 1: argument 1 is the number 2, which has no axes");
      wrong([undefined, undefined, ["N"]], [x, x], "add: dims has an entry for argument 2, and the call has 2 arguments");
    });
  });

  describe("jit.explain says what to write", () => {
    const reasonsOf = (dims: Any, calls: readonly (readonly Any[])[]): readonly string[] => {
      const fast: Any = jit(((...args: readonly Any[]) => any(args.flat())[0]) as Any, dims === undefined ? {} : { dims });
      for (const args of calls) fast(...args);
      return jit.explain(fast).reasons;
    };
    const each = "each shape is compiled for itself; pass";

    it("for one axis, and for several that changed alike or apart", () => {
      const [a, b] = [zeros([32, 784]), zeros([16, 784])];
      assert.deepEqual(reasonsOf(undefined, [[1, a], [1, b]]), [`argument 1 was f32[32,784] and is f32[16,784]: ${each} { dims: [undefined, ["N", null]] } to jit to compile once for every size of axis 0`]);
      assert.deepEqual(reasonsOf(undefined, [[a, zeros([32])], [b, zeros([16])]]), [`argument 0 was f32[32,784] and is f32[16,784]: ${each} { dims: [["N", null], ["N"]] } to jit to compile once for every size of N`]);
      assert.deepEqual(reasonsOf(undefined, [[zeros([2, 3])], [zeros([4, 5])]]), [`argument 0 was f32[2,3] and is f32[4,5]: ${each} { dims: [["N", "M"]] } to jit to compile once for every size of N and M`]);
    });

    it("beside what has names already, in trees", () => {
      assert.deepEqual(reasonsOf([["N", null]], [[zeros([2, 3]), [zeros([1]), { "a b": zeros([2]) }]], [zeros([5, 4]), [zeros([1]), { "a b": zeros([3]) }]]]),
        [`argument 0 was f32[N,3] and is f32[N,4]: ${each} { dims: [["N", "M"], [undefined, { "a b": ["K"] }]] } to jit to compile once for every size of M and K`]);
    });

    it("what it says is what helps", () => {
      const written = /\{ dims: (.*) \} to jit/.exec(reasonsOf(undefined, [[zeros([2]), [zeros([2])]], [zeros([3]), [zeros([3])]]])[0] ?? "")?.[1];
      assert.equal(written, '[["N"], [["N"]]]');
      const fast: Any = jitOfSource(((x: Any, ys: readonly Any[]) => x.add(ys[0])) as Any, { dims: JSON.parse(String(written)) });
      for (const size of [2, 3, 4]) fast(zeros([size]), [zeros([size])]);
      assert.deepEqual(jitOfSource.explain(fast).reasons, []);
    });

    it("other dtypes, ranks and structures", () => {
      assert.deepEqual(reasonsOf(undefined, [[zeros([2])], [zeros([2], "i32")], [zeros([2, 1], "i32")], [zeros([2, 1], "i32"), 1], [zeros([2, 1], "i32")]]), [
        'argument 0 was f32[2] and is i32[2]: each dtype is compiled for itself; convert it with .to("f32") before the call if it should not change',
        "argument 0 was i32[2] and is i32[2,1]: each rank is compiled for itself; reshape it before the call if it should not change",
        "argument 1 was not there before",
      ]);
    });
  });
});
