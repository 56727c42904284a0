/**
 * The functions of the library that are written in the DSL: compiled from their TypeScript by the frontend, run by the
 * interpreter and on one tier of each target, and as plain JavaScript, op by op and under jit; all compared with their
 * formulas in JavaScript's doubles.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { printDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { findFunction } from "../../ir/module.ts";
import type { Signature, SignatureTree } from "../../ir/signature.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { compileForTest, type RunCompiled } from "../compile/run-compiled.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { roundingFactorOn } from "../compile/tolerances.ts";
import { jit, withDevice } from "tsdlc";
import { growTree, leavesOf } from "../eager/host-tensors.ts";
import { isRealCuda } from "../require-device.ts";
import { machineOfEachTarget, machinesForModels, type TestMachine } from "../test-machine.ts";

const f32 = (shape: readonly number[], values: readonly number[]): HostArray => hostArray("f32", shape, values);
const i32 = (shape: readonly number[], values: readonly number[]): HostArray => hostArray("i32", shape, values);
const key = hostArray("u32", [2], [20, 26]);

/** Paths of the leaves of a result, in order: "adam.deep.0". */
function leafNames(tree: SignatureTree, path: readonly (string | number)[] = []): readonly string[] {
  switch (tree.kind) {
    case "array": return tree.items.flatMap((item, i) => leafNames(item, [...path, i]));
    case "object": return tree.fields.flatMap((field) => leafNames(field.tree, [...path, field.name]));
    default: return [path.join(".")];
  }
}

function assertCloseTo(tolerance: number, actual: HostArray | undefined, expected: readonly number[], what: string): void {
  assert.ok(actual, `${what} is a result`);
  assert.equal(actual.data.length, expected.length, `${what} has as many elements as expected`);
  expected.forEach((value, i) => {
    const got = actual.data[i] ?? NaN;
    const isClose = Object.is(got, value) || Math.abs(got - value) <= tolerance * Math.max(1, Math.abs(value));
    assert.ok(isClose, `${what}[${i}] is ${got}, and should be ${value}`);
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const variance = (values: readonly number[], correction = 1): number => sum(values.map((value) => (value - mean(values)) ** 2)) / (values.length - correction);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softmax = (row: readonly number[]): number[] => row.map((value) => Math.exp(value) / sum(row.map(Math.exp)));

let compiled: ReturnType<typeof compileAll> | undefined;

/** The models of composite-models.ts, their derivatives made ops. */
function compileAll() {
  const { module, signatures } = compileSource([fileURLToPath(new URL("composite-models.ts", import.meta.url))]);
  return { module: runPasses(module, ["transform"], {}), signatures: new Map(signatures.map((signature) => [signature.name, signature])) };
}

interface Host {
  readonly title: string;
  readonly roundingFactor: number;
  /** Undefined where a device is absent. */
  open(): Promise<RunCompiled | undefined>;
  close(): void;
}

const interpreter: Host = {
  title: "in the interpreter",
  roundingFactor: 1,
  open: async () => async (name, inputs) => interpret(models().module, name, inputs),
  close: () => undefined,
};

/** Leaf by leaf: how calls take trees is for other tests. */
function hostOn(machine: TestMachine): Host {
  return {
    title: `on ${machine.title}`,
    roundingFactor: roundingFactorOn(machine.limits),
    open: async () => {
      if (!(await machine.open())) return undefined;
      const { module, signatures } = models();
      return compileForTest(module, machine, [...signatures.keys()].map((name) => signatureOf(findFunction(module, name))));
    },
    close: () => machine.close(),
  };
}

type AnyFunction = (...args: readonly unknown[]) => unknown;

/** How the very functions are called as plain JavaScript: one op at a time, or traced with the names of their types. */
const ways: Readonly<Record<string, (call: AnyFunction, signature: Signature) => AnyFunction>> = {
  "one op at a time": (call) => call,
  "in jit": (call) => jit(call as never) as AnyFunction,
  "in jit with named axes": (call, { parameters }) => {
    const fast = jit(call as never, { dims: parameters.map(({ tree }) => namesOf(tree)) as never });
    return (...args) => {
      const result = (fast as AnyFunction)(...args);
      assert.deepEqual(jit.explain(fast).reasons, [], "one compilation serves all sizes");
      return result;
    };
  },
};

/** Axes with the names that they have in the types; sizes that are known stay known. */
function namesOf(tree: SignatureTree): unknown {
  switch (tree.kind) {
    case "tensor": return tree.type.shape.map(printDim).map((text) => (/^\d+$/.test(text) ? Number(text) : text));
    case "number": return undefined;
    case "array": return tree.items.map(namesOf);
    case "object": return Object.fromEntries(tree.fields.map((field) => [field.name, namesOf(field.tree)]));
  }
}

const calledOn = (machine: TestMachine, way: string, wrap: (call: AnyFunction, signature: Signature) => AnyFunction): Host => ({
  title: `${way} on ${machine.title}`,
  roundingFactor: roundingFactorOn(machine.limits),
  open: async () => {
    if (!(await machine.open())) return undefined;
    const functions = (await import("./composite-models.ts")) as unknown as Readonly<Record<string, AnyFunction>>;
    const wrapped = new Map<string, AnyFunction>();
    return async (name, inputs) => {
      const signature = models().signatures.get(name);
      const call = functions[name];
      assert.ok(signature && call);
      const made = wrapped.get(name) ?? wrap(call, signature);
      wrapped.set(name, made);
      const leaves = inputs[Symbol.iterator]();
      return leavesOf(signature.result, withDevice(machine.device(), () => made(...signature.parameters.map(({ tree }) => growTree(tree, leaves)))));
    };
  },
  close: () => machine.close(),
});

/** An op takes g++ half a second where CUDA is emulated: the examples of reference.test.ts are enough there. */
async function eagerMachines(): Promise<readonly TestMachine[]> {
  return (await machineOfEachTarget()).filter(({ limits }) => limits.target !== "cuda" || isRealCuda());
}

function models(): ReturnType<typeof compileAll> {
  return (compiled ??= compileAll());
}

for (const host of [interpreter, ...(await machinesForModels()).map(hostOn), ...(await eagerMachines()).flatMap((machine) => Object.entries(ways).map(([way, wrap]) => calledOn(machine, way, wrap)))]) describe(`functions of the library in the DSL ${host.title}`, function () {
  this.timeout(120_000);
  let runLeaves: RunCompiled;
  before(async function () {
    const opened = await host.open();
    if (opened === undefined) return this.skip();
    runLeaves = opened;
  });
  after(() => host.close());

  const assertClose = (actual: HostArray | undefined, expected: readonly number[], what: string): void =>
    assertCloseTo(2e-6 * host.roundingFactor, actual, expected, what);

  async function run(name: string, ...inputs: HostArray[]): Promise<Readonly<Record<string, HostArray>>> {
    const signature: Signature | undefined = models().signatures.get(name);
    assert.ok(signature);
    const results = await runLeaves(name, inputs);
    return Object.fromEntries(leafNames(signature.result).map((leaf, i) => [leaf, results[i]] as const).filter((pair): pair is [string, HostArray] => pair[1] !== undefined));
  }

  describe("control flow", () => {
    const xs = [[0.5, -1, 2], [0.25, 2, -1], [-0.75, 0.125, 0.5], [1, -2, 0.25]];
    const rate = 0.75;
    const inputs = (x: readonly number[]): readonly HostArray[] => [hostArray("f32", [3], x), hostArray("f32", [4, 3], xs.flat()), hostArray("f32", [], [rate])];
    const recur = (rows: readonly (readonly number[])[]): readonly (readonly number[])[] => {
      let h: readonly number[] = [0, 0, 0];
      return rows.map((row) => (h = h.map((value, i) => value * rate + (row[i] ?? 0))));
    };

    for (const x of [[3, -1, 0.5], [-3, 0.25, 0.125], [40, 0, -50]]) {
      it(`on ${x.join(", ")}`, async () => {
        const turns = Math.max(0, Math.ceil(Math.log2(Math.max(...x))));
        const isPositive = x.reduce((sum, value) => sum + value, 0) > 0;
        const results = await run("controls", ...inputs(x));
        const [forwards, backwards] = [recur(xs), [...recur(xs.toReversed())].reverse()];
        assertClose(results["halved"], x.map((value) => value / 2 ** turns), "halved");
        assertClose(results["bent"], x.map((value) => (isPositive ? value * value : 3 * value)), "bent");
        assertClose(results["last"], forwards[3] ?? [], "last");
        assertClose(results["h"], forwards.flat(), "h");
        assertClose(results["positive"], forwards.flat().map((value) => (value > 0 ? 1 : 0)), "positive");
        assertClose(results["first"], backwards[0] ?? [], "first");
        assertClose(results["backwards"], backwards.flat(), "backwards");

        const gradients = await run("controlGradients", ...inputs(x));
        assertClose(gradients["halved"], x.map(() => 1 / 2 ** turns), "gradient of halved");
        assertClose(gradients["bent"], x.map((value) => (isPositive ? 2 * value : 3)), "gradient of bent");
        // Backwards through h[t] = rate h[t-1] + x[t], for the loss sum h^2.
        const pulled: number[][] = [];
        let [ahead, ofRate] = [[0, 0, 0], 0];
        for (let t = 3; t >= 0; t--) {
          ahead = ahead.map((value, i) => value * rate + 2 * (forwards[t]?.[i] ?? 0));
          ofRate += ahead.reduce((sum, value, i) => sum + value * (forwards[t - 1]?.[i] ?? 0), 0);
          pulled.unshift(ahead);
        }
        assertClose(gradients["scan.0"], pulled.flat(), "gradient by the rows");
        assertClose(gradients["scan.1"], [ofRate], "gradient by the rate");
      });
    }
  });

  describe("activations", () => {
    // The ends are where exp overflows in a careless formula; 0 is where one-sided gradients differ.
    const points = [-100, -3, -1, -0.5, 0, 0.5, 1, 3, 100];
    /** Phi, the distribution function of the normal distribution, by its Taylor series around 0 (it is exact to 1e-15 here). */
    const phi = (x: number): number => {
      if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
      let term = x;
      let total = x;
      for (let n = 1; n < 200; n++) {
        term *= (x * x) / (2 * n + 1);
        total += term;
      }
      return 0.5 + (total * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
    };
    const inner = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    const formulas: Readonly<Record<string, (x: number) => number>> = {
      relu: (x) => Math.max(x, 0),
      leakyRelu: (x) => (x > 0 ? x : 0.1 * x),
      sigmoid,
      silu: (x) => x * sigmoid(x),
      gelu: (x) => x * phi(x),
      geluTanh: (x) => 0.5 * x * (1 + Math.tanh(inner(x))),
      softplus: (x) => (x > 30 ? x : Math.log1p(Math.exp(x))),
      clamp: (x) => Math.min(Math.max(x, -1), 2),
      square: (x) => x * x,
    };
    const gradients: Readonly<Record<string, (x: number) => number>> = {
      relu: (x) => (x > 0 ? 1 : 0),
      leakyRelu: (x) => (x > 0 ? 1 : 0.1),
      sigmoid: (x) => sigmoid(x) * sigmoid(-x),
      silu: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
      gelu: (x) => phi(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
      geluTanh: (x) => 0.5 * (1 + Math.tanh(inner(x))) + 0.5 * x * (1 - Math.tanh(inner(x)) ** 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x),
      softplus: sigmoid,
    };
    for (const [name, formula] of Object.entries(formulas)) {
      it(name, async () => assertClose((await run("activations", f32([points.length], points)))[name], points.map(formula), name));
    }
    for (const [name, formula] of Object.entries(gradients)) {
      it(`the gradient of ${name}`, async () => assertClose((await run("activationGradients", f32([points.length], points)))[name], points.map(formula), name));
    }
  });

  describe("statistics", () => {
    const rows = [[1, 2, 4], [-3, 0.5, 2.5]] as const;
    const columns = [0, 1, 2].map((i) => rows.map((row) => row[i] ?? NaN));
    const all = rows.flat();
    const expected: Readonly<Record<string, readonly number[]>> = {
      mean: columns.map(mean), meanAll: [mean(all)],
      variance: rows.map((row) => variance(row)), biased: rows.map((row) => variance(row, 0)), std: columns.map((column) => Math.sqrt(variance(column))),
      norm: [Math.sqrt(sum(all.map((value) => value ** 2)))],
      logSumExp: rows.map((row) => Math.log(sum(row.map(Math.exp)))),
      softmax: rows.flatMap(softmax), softmaxFirst: [0, 1].flatMap((i) => columns.map((column) => softmax(column)[i] ?? NaN)),
      logSoftmax: rows.flatMap((row) => softmax(row).map(Math.log)),
      any: [1, 1], all: [1, 0], elements: all.map(() => 6),
    };
    for (const [name, values] of Object.entries(expected)) {
      it(name, async () => assertClose((await run("statistics", f32([2, 3], all)))[name], values, name));
    }

    it("logSumExp of infinities", async () => {
      assertClose((await run("infinite", f32([3, 2], [-Infinity, -Infinity, Infinity, 0, 1000, 1000])))[""], [-Infinity, Infinity, 1000 + Math.log(2)], "logSumExp");
    });

    it("softmaxCrossEntropy and its gradient, (softmax - one hot) / N", async () => {
      const logits = [[1, -2, 3], [100, -100, 0], [0, 0, 0], [-1, 5, 2]];
      const labels = [2, 0, 1, 0];
      const each = logits.map((row, i) => {
        const largest = Math.max(...row);
        return largest + Math.log(sum(row.map((value) => Math.exp(value - largest)))) - (row[labels[i] ?? 0] ?? NaN);
      });
      const got = await run("crossEntropy", f32([4, 3], logits.flat()), i32([4], labels));
      assertClose(got["each"], each, "each");
      assertClose(got["value"], [mean(each)], "value");
      assertClose(got["gradient"], logits.flatMap((row, i) => softmax(row).map((p, c) => (p - (labels[i] === c ? 1 : 0)) / 4)), "gradient");
    });
  });

  it("layers", async () => {
    const x = [[1, 2, 4], [-3, 0.5, 2.5]];
    const w = Array.from({ length: 5 }, (_, o) => [0, 1, 2].map((i) => o - i / 2));
    const b = [1, 2, 3, 4, 5];
    const gain = [1, 2, 3];
    const bias = [0.5, 0, -0.5];
    const got = await run("layers", f32([2, 3], x.flat()), f32([5, 3], w.flat()), f32([5], b), f32([3], gain), f32([3], bias), i32([2, 2], [4, 0, 1, 4]));
    const product = x.map((row) => w.map((weights) => sum(weights.map((weight, i) => weight * (row[i] ?? NaN)))));
    assertClose(got["noBias"], product.flat(), "noBias");
    assertClose(got["linear"], product.flatMap((row) => row.map((value, o) => value + (b[o] ?? NaN))), "linear");
    assertClose(got["layerNorm"], x.flatMap((row) => row.map((value, i) => ((value - mean(row)) / Math.sqrt(variance(row, 0) + 1e-3)) * (gain[i] ?? NaN) + (bias[i] ?? NaN))), "layerNorm");
    assertClose(got["rmsNorm"], x.flatMap((row) => row.map((value, i) => (value / Math.sqrt(mean(row.map((each) => each ** 2)) + 1e-6)) * (gain[i] ?? NaN))), "rmsNorm");
    assertClose(got["rows"], [4, 0, 1, 4].flatMap((row) => w[row] ?? []), "rows");
    assert.deepEqual(got["rows"]?.shape, [2, 2, 3]);
  });

  it("arrangement", async () => {
    const x = Array.from({ length: 24 }, (_, i) => i);
    const got = await run("arrangement", f32([2, 3, 4], x));
    const at = (i: number, j: number, k: number): number => i * 12 + j * 4 + k;
    const grid = (shape: readonly [number, number, number], value: (i: number, j: number, k: number) => number): number[] =>
      Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, n) => value(Math.floor(n / (shape[1] * shape[2])), Math.floor(n / shape[2]) % shape[1], n % shape[2]));
    const expected: Readonly<Record<string, readonly [readonly number[], readonly number[]]>> = {
      flat: [[24], x], flatTail: [[2, 12], x], transposed: [[4, 3, 2], grid([4, 3, 2], (k, j, i) => at(i, j, k))], unsqueezed: [[2, 1, 3, 4], x],
      selected: [[2, 3], grid([2, 3, 1], (i, j) => at(i, j, 2))],
      "split.0": [[2, 3, 2], grid([2, 3, 2], (i, j, k) => at(i, j, k))], "split.1": [[2, 3, 2], grid([2, 3, 2], (i, j, k) => at(i, j, k + 2))],
      "sections.0": [[2, 1, 4], grid([2, 1, 4], at)], "sections.1": [[2, 2, 4], grid([2, 2, 4], (i, j, k) => at(i, j + 1, k))],
      "chunk.0": [[2, 2, 4], grid([2, 2, 4], at)], "chunk.1": [[2, 1, 4], grid([2, 1, 4], (i, _j, k) => at(i, 2, k))],
      stacked: [[2, 3, 4, 2], x.flatMap((value) => [value, 0 - value])],
      oneHot: [[2, 3], [0, 0, 1, 1, 0, 0]], outer: [[2, 2], [3, 4, 6, 8]], dot: [[], [11]],
    };
    for (const [name, [shape, values]] of Object.entries(expected)) {
      assert.deepEqual(got[name]?.shape, shape, name);
      assertClose(got[name], values, name);
    }
    assert.deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
  });

  describe("random", () => {
    const values = async (name: string): Promise<number[]> => [...((await run("draws", key))[name]?.data ?? [])];
    /** Five standard deviations of the estimate, so that a fair generator all but never fails, and the seed is fixed. */
    it("uniform fills its range evenly", async () => {
      const got = await values("uniform");
      assert.ok(got.every((value) => value >= -1 && value < 3));
      assert.ok(Math.abs(mean(got) - 1) < 5 * Math.sqrt(16 / 12 / 4096), `the mean is ${mean(got)}`);
      assert.ok(Math.abs(variance(got) - 16 / 12) < 0.08, `the variance is ${variance(got)}`);
    });
    it("normal has mean 0, variance 1 and the right tails", async () => {
      const got = await values("normal");
      assert.ok(got.every(Number.isFinite));
      assert.ok(Math.abs(mean(got)) < 5 / 64, `the mean is ${mean(got)}`);
      assert.ok(Math.abs(variance(got) - 1) < 5 * Math.sqrt(2 / 4096), `the variance is ${variance(got)}`);
      const within = got.filter((value) => Math.abs(value) < 1).length / 4096;
      assert.ok(Math.abs(within - 0.6827) < 5 * Math.sqrt((0.6827 * 0.3173) / 4096), `${within} are within one deviation`);
    });
    it("bernoulli is true as often as asked", async () => {
      const share = mean(await values("coin"));
      assert.ok(Math.abs(share - 0.25) < 5 * Math.sqrt((0.25 * 0.75) / 4096), `it is true in ${share}`);
    });
    it("keys that are split or folded all differ, and the seed's two words are the key", async () => {
      const got = await run("draws", key);
      const keys = ["keys.0", "keys.1", "keys.2", "folded.0", "folded.1"].map((name) => [...(got[name]?.data ?? [])].join());
      assert.equal(new Set([...keys, "20,26"]).size, 6);
      assert.deepEqual([...(got["seeded"]?.data ?? [])], [5, 2]);
    });
    it("initial values have the deviation that the fans ask for", async () => {
      const deviation = async (name: string): Promise<number> => Math.sqrt(variance(await values(name)));
      assert.ok(Math.abs((await deviation("kaiming")) / Math.sqrt(2 / 256) - 1) < 0.05);
      assert.ok(Math.abs((await deviation("kaimingNormal")) / Math.sqrt(2 / 256) - 1) < 0.06);
      assert.ok(Math.abs((await deviation("xavier")) / Math.sqrt(2 / 150) - 1) < 0.05);
    });
    it("dropout zeroes a quarter, keeps the mean, and its gradient has the same mask", async () => {
      const got = await run("dropped", f32([1000], Array.from({ length: 1000 }, () => 3)), key);
      const out = [...(got["out"]?.data ?? [])];
      const kept = out.filter((value) => value !== 0);
      assert.ok(kept.every((value) => value === 4), "what is kept is divided by 3/4");
      assert.ok(Math.abs(kept.length / 1000 - 0.75) < 5 * Math.sqrt((0.25 * 0.75) / 1000), `${kept.length} of 1000 are kept`);
      assertClose(got["gradient"], out.map((value) => value / 3), "gradient");
      assertClose(got["value"], [sum(out)], "value");
      assert.deepEqual(new Set(got["same"]?.data), new Set([3]));
    });
  });

  describe("optimizers", () => {
    const start = [1, -2, 0.5];
    /** Three steps of one weight whose gradient is the weight itself. */
    const train = (step: (w: number, g: number, t: number) => number) => start.map((first) => [1, 2, 3].reduce((w, t) => step(w, w, t), first));
    function trainWith<S>(state: () => S, step: (w: number, g: number, t: number, s: S) => number): number[] {
      return start.map((first) => {
        const own = state();
        return [1, 2, 3].reduce((w, t) => step(w, w, t, own), first);
      });
    }
    const adam = (decay: number) =>
      trainWith(() => ({ m: 0, v: 0 }), (w, g, t, s) => {
        s.m = 0.9 * s.m + 0.1 * g;
        s.v = 0.999 * s.v + 0.001 * g * g;
        return w - 0.1 * decay * w - (0.1 * (s.m / (1 - 0.9 ** t))) / (Math.sqrt(s.v / (1 - 0.999 ** t)) + 1e-8);
      });
    const expected: Readonly<Record<string, readonly number[]>> = {
      sgd: train((w, g) => w - 0.1 * g),
      momentum: trainWith(() => ({ v: 0 }), (w, g, _t, s) => w - 0.1 * (s.v = 0.9 * s.v + g)),
      nesterov: trainWith(() => ({ v: 0 }), (w, g, _t, s) => {
        s.v = 0.9 * s.v + g;
        return w - 0.1 * (g + 0.9 * s.v);
      }),
      adam: adam(0),
      adamW: adam(0.1),
    };
    for (const [name, values] of Object.entries(expected)) {
      it(name, async () => {
        const got = await run("optimizers", f32([2], start.slice(0, 2)), f32([], start.slice(2)), f32([], [0.1]));
        assertClose(got[`${name}.w`], values.slice(0, 2), `${name}.w`);
        assertClose(got[`${name}.deep.0`], values.slice(2), `${name}.deep.0`);
      });
    }
  });
});
