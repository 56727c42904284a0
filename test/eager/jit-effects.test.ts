/** jit of functions that do more than return: fields that they assign, what they print, and numbers that they take from the machine. */

import assert from "node:assert/strict";
import { grad, jit, model, scope, type Tensor, tensor, valueAndGrad, zeros } from "tsdlc";
import { ArgumentError, device } from "tsdlc-runtime";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- trees whose fields change from test to test
type Any = any;
const any = (value: unknown): Any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];
const vector = (...values: readonly number[]): Any => tensor(values);
const refuses = (message: string) => (error: unknown): true => {
  assert.ok(error instanceof ArgumentError);
  assert.equal(error.message, message);
  return true;
};

/** What console.warn is given while `body` runs. */
function warningsOf(body: () => void): readonly string[] {
  const warnings: string[] = [];
  const warn = console.warn;
  console.warn = (...args: unknown[]) => warnings.push(args.join(" "));
  try {
    body();
  } finally {
    console.warn = warn;
  }
  return warnings;
}

describe("jit and what a function assigns", function () {
  this.timeout(60_000);
  before(() => device("cpu"));

  /** Batch normalization with running statistics, as one writes it in PyTorch. */
  class Norm {
    mean: Any = zeros([2]);
    square: Any = zeros([2]).add(1);
    readonly gain: Any = vector(1, 2);
    seen = 0;
    forward(x: Any): Any {
      const mean = x.mean(0);
      const centered = x.sub(mean);
      const square = centered.square().mean(0);
      this.mean = this.mean.mul(0.9).add(mean.mul(0.1));
      this.square = this.square.mul(0.9).add(square.mul(0.1));
      return centered.div(square.add(1e-5).sqrt()).mul(this.gain);
    }
  }

  it("running statistics in an instance of a class, for every size of the batch", () => {
    const [eager, jitted] = [new Norm(), new Norm()];
    const forward = (norm: Norm, x: Any): Any => norm.forward(x);
    const fast = jit(forward, { dims: [undefined, ["N", 2]] });
    for (const rows of [[[1, 2], [3, 5]], [[0, 1], [2, 2], [5, 1]], [[1, 2], [3, 5]]]) {
      const [expected, actual] = [forward(eager, tensor(rows)), fast(jitted, tensor(rows))];
      for (const [a, e] of [[actual, expected], [jitted.mean, eager.mean], [jitted.square, eager.square]]) {
        numbers(a).forEach((value, i) => assert.ok(Math.abs(value - (numbers(e)[i] as number)) < 1e-5));
      }
    }
    assert.ok(jitted instanceof Norm);
    assert.equal(jit.explain(fast).compilations, 1);
  });

  it("numbers, new fields, deleted fields, trees and arrays", () => {
    const change = (state: Any, x: Any): Any => {
      state.count = state.count + 1;
      state.note = "done";
      state.made = { twice: x.mul(2), list: [x, 7] };
      delete state.old;
      state.items.push(x.add(1));
      state.inner.items.length = 1;
      state.inner.items[0] = state.x;
      state.shared = state.inner;
      return x.sum();
    };
    const start = (): Any => ({ count: 1, old: 5, x: vector(4, 4), items: [vector(0)], inner: { items: [vector(1), vector(2)] } });
    const fast = jit(change);
    const plain = start();
    change(plain, vector(1, 2));
    const seen = [1, 2].map(() => {
      const state = start();
      const { inner } = state;
      assert.deepEqual(numbers(fast(state, vector(1, 2))), [3]);
      assert.equal(state.inner, inner, "objects stay the caller's");
      assert.equal(state.shared, inner);
      return state;
    });
    const values = (tree: Any): unknown => JSON.parse(JSON.stringify(tree, (_, item: Any) => (item?.dataSync === undefined ? item : numbers(item))));
    for (const state of seen) assert.deepEqual(values(state), values(plain));
    assert.deepEqual(values(plain), {
      count: 2, note: "done", x: [4, 4], items: [[0], [2, 3]], inner: { items: [[4, 4]] }, shared: { items: [[4, 4]] }, made: { twice: [2, 4], list: [[1, 2], 7] },
    });
    assert.deepEqual(jit.explain(fast).compilations, 1);
  });

  it("a count that is a number is another kind each time, and one that is a tensor is not", () => {
    const count = jit((state: Any): Any => { state.n = state.n + 1; state.steps = state.steps.add(1); return state.steps; });
    const state: Any = { n: 0, steps: vector(0) };
    for (let i = 0; i < 3; i++) count(state);
    assert.deepEqual([state.n, numbers(state.steps)], [3, [3]]);
    assert.equal(jit.explain(count).reasons[0], "argument 0.n was 0 and is 1: a number is part of the program; pass tensor(1) if it changes from call to call");
  });

  it("under gradients inside and around, in another jitted function, and in a scope", () => {
    const loss = (state: Any, x: Any): Any => { state.last = x.mul(state.w); return state.last.sum(); };
    const expected = [3, 6];
    const run: Readonly<Record<string, (state: Any, x: Any) => Any>> = {
      "jit(grad)": jit(grad(loss, { wrt: 1 }) as Any),
      "grad(jit)": grad(jit(loss), { wrt: 1 }),
      "grad by the state": (state, x) => { const [value, g] = any(valueAndGrad(jit(loss)))(any(state), x); assert.deepEqual([numbers(value), numbers(g.w)], [[9], [1, 2]]); return state.w; },
      "jit(jit)": jit((state: Any, x: Any) => { jit(loss)(state, x); return state.w; }),
      "scope(jit)": (state, x) => scope(() => { jit(loss)(state, x); state.last = state.last.add(0); return { w: state.w, last: state.last }; }).w,
    };
    for (const [name, fn] of Object.entries(run)) {
      const state: Any = { w: vector(3, 3), last: vector(0, 0) };
      assert.deepEqual(numbers(fn(state, vector(1, 2))), [3, 3], name);
      assert.deepEqual(numbers(state.last), expected, name);
    }
  });

  it("is refused where the caller's object cannot take it, before anything ran", () => {
    const set = jit(function set(state: Any, other: Any): Any { state.x = state.x.add(other.x); return state.x; });
    assert.throws(() => set(Object.freeze({ x: vector(1) }), { x: vector(2) }),
      refuses("set: argument 0.x cannot be assigned, and set assigns it: its object is frozen or read-only; pass a copy, as in { ...object }"));
    const state = { x: vector(1) };
    assert.throws(() => set(state, state), refuses("set: argument 0 and argument 1 are one object, and set assigns its fields: pass a copy as one of them"));
    assert.deepEqual(numbers(state.x), [1]);
    set(state, { x: vector(2) });
    assert.deepEqual(numbers(state.x), [3]);
    assert.throws(() => jit(function keep(s: Any): Any { s.cache = { map: new Map() }; return s.x; })({ x: vector(1) }),
      refuses("keep: argument 0.cache.map is assigned a Map: a jitted function may assign trees of tensors, numbers, strings and booleans"));
  });

  it("a private member of JavaScript, which no copy of an object has, is named", () => {
    class Counter {
      #steps = 1;
      readonly x: Any = vector(2);
      get scaled(): Any { return this.x.mul(this.#steps); }
    }
    assert.throws(() => jit(function run(counter: Counter): Any { return counter.scaled; })(new Counter()),
      refuses("run: Cannot read private member #steps from an object whose class did not declare it: jit runs run on copies of its arguments, which have their fields and methods, and no private members of JavaScript: write TypeScript's private in place of #"));
  });

  it("with what is donated: the old handles end, and what was assigned is good", () => {
    const step = model(function step(state: Any, x: Any) { state.n = state.n.add(x); return state.n.mul(2); }, { donate: [0] }) as Any;
    for (const way of [step, jit(step) as Any]) {
      const state: Any = { n: vector(1, 2) };
      const first = state.n;
      const results = [1, 2, 3].map(() => numbers(way(state, vector(1, 1))));
      assert.deepEqual([results, numbers(state.n)], [[[4, 6], [6, 8], [8, 10]], [4, 5]]);
      assert.throws(() => numbers(first), /was donated to step at .*jit-effects\.test\.ts/);
    }
  });
});

describe("jit and side effects", function () {
  this.timeout(60_000);
  before(() => device("cpu"));

  it("are reported once, with their lines", () => {
    const printed: unknown[] = [];
    const log = console.log;
    console.log = (...args: unknown[]) => printed.push(args);
    const loud = jit(function loud(x: Any): Any {
      console.log("shape", x.shape);
      return x.mul(Math.random() < 2 ? 1 : 0).add(Date.now() > 0 ? 1 : 0);
    });
    let warnings: readonly string[];
    try {
      warnings = warningsOf(() => { loud(vector(1)); loud(vector(1)); loud(vector(1, 2)); });
    } finally {
      console.log = log;
    }
    assert.equal(printed.length, 2, "it prints when it is traced, and not when it runs");
    assert.equal(warnings.length, 1);
    const place = String.raw`[^ ]*jit-effects\.test\.ts:\d+:\d+`;
    assert.match(warnings[0] ?? "", new RegExp(String.raw`^tsdlc: while loud was traced it called console\.log at ${place}, Math\.random at ${place}, Date\.now at ${place}\. What is compiled does not: it prints nothing, and a number that it took stays the same in every call\. Do it outside of loud, or pass the number in; for random numbers pass a key and use random\.uniform\(key, shape\)\.$`));
    assert.deepEqual(jit.explain(loud).sideEffects.map((effect) => effect.replace(/ at .*/, "")), ["console.log", "Math.random", "Date.now"]);
  });

  it("are watched for only while a function is traced, and not where it does nothing of the kind", () => {
    const before = [console.log, Math.random, Date.now, performance.now];
    const during: unknown[] = [];
    const quiet = jit((x: Any): Any => { during.push(Math.random); return x.add(1); });
    assert.deepEqual(warningsOf(() => quiet(vector(1))), []);
    assert.notEqual(during[0], before[1]);
    assert.deepEqual([console.log, Math.random, Date.now, performance.now], before);
    assert.equal(Object.hasOwn(performance, "now"), false, "what was inherited is inherited again");
    assert.throws(() => jit((): Any => { throw new RangeError("mine"); })(), RangeError);
    assert.deepEqual([console.log, Math.random, Date.now, performance.now], before, "also after a failure");
  });
});
