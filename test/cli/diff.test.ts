/**
 * `tsdlc diff`: runs that agree, a line that parts because the model asks for less precision, edited programs that differ
 * in one op, rounding that grows, and inputs that do not fit.
 */

import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareSteps } from "../../compiler/diff/lockstep.ts";
import { type Numbers, sizesFrom } from "../../compiler/diff/op-by-op.ts";
import { type BothRuns, describeAgreement, partingOf } from "../../compiler/diff/parting.ts";
import { ulpAt, ulpsApart } from "../../compiler/diff/ulp.ts";
import { watch, type Watched } from "../../compiler/diff/watched.ts";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { parse } from "../../ir/parse.ts";
import { toNpz, writeSafetensors } from "../../lib/files/index.ts";
import { flatSignature } from "../../lib/flat-signature.ts";
import { initial, random, tensor, zeros } from "tsdlc";
import { device } from "tsdlc-runtime";
import { buildStandIn, compilerIdentity } from "../cuda/build-stand-in.ts";
import { buildTimeout } from "../cuda/present.ts";
import { absent } from "../require-device.ts";
import { example } from "../examples/digits.ts";
import { runCli, withFolder } from "./run-cli.ts";

const model = `import { model, type Tensor } from "tsdlc";

export const predict = model((p: { w: Tensor<[128, 64]> }, x: Tensor<["N", 128]>) => {
  const hidden = x.tanh().matmul(p.w);
  return hidden.exp();
}, { precision: "bf16" });
`;

const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i));
const arguments_ = { "p.w": tensor(numbers(128 * 64), [128, 64]), x: tensor(numbers(32 * 128), [32, 128]) };

describe("tsdlc diff", function () {
  this.timeout(buildTimeout);
  this.slow(20_000);

  it("says that a step of MNIST agrees, and how well", () =>
    withFolder(undefined, async (folder) => {
      copyFileSync(join(example, "model.ts"), join(folder, "model.ts"));
      const weights = { w1: initial.kaimingUniform(random.key(1), [784, 128]), b1: zeros([128]), w2: initial.kaimingUniform(random.key(2), [128, 10]), b2: zeros([10]) };
      const state = Object.fromEntries(Object.entries(weights).flatMap(([name, one]) => [[`state.params.${name}`, one], [`state.velocity.${name}`, one]]));
      const labels = tensor(Array.from({ length: 20 }, (_, i) => i % 10), [20], "i32");
      await writeSafetensors(join(folder, "step.safetensors"), { ...state, images: tensor(numbers(20 * 784).map(Math.abs), [20, 784]), labels, learningRate: tensor(0.1) });
      const { exitCode, stdout, stderr } = runCli(["diff", "model.ts", "--function", "step", "--inputs", "step.safetensors"], { folder });
      assert.equal(exitCode, 0, stderr);
      assert.match(stdout, /^step: eager on the cpu and compiled for cpu agree: 6\d values, none more than 64 ulp apart\n/);
    }));

  it("names the line of a product whose factors are rounded, because the model says so", async function () {
    if ((await compilerIdentity()) === undefined) {
      absent("cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
      return this.skip();
    }
    await withFolder(undefined, async (folder) => {
      writeFileSync(join(folder, "model.ts"), model);
      writeFileSync(join(folder, "arguments.npz"), await toNpz(arguments_));
      const { libcuda, libnvrtc } = await buildStandIn();
      const environment = { TSDLC_DEVICE: "cuda", TSDLC_CUDA_DRIVER: libcuda, TSDLC_NVRTC: libnvrtc, TSDLC_STANDIN_PTX: "9.0" };
      const { exitCode, stdout, stderr } = runCli(["diff", "model.ts", "--inputs", "arguments.npz"], { folder, environment });
      assert.equal(exitCode, 1, stderr);
      assert.equal(stdout, "");
      const report = stderr.slice(stderr.indexOf("error"));
      assert.match(report, new RegExp(`^error TSDL6001: predict, compiled for cuda:0, parts from eager at dot_general
  --> model.ts:4:27
  4 \\|   const hidden = x.tanh\\(\\).matmul\\(p.w\\);
    \\|                           \\^{11} f32\\[32,64\\]: [0-9,]+ ulp of what it adds up apart at \\[\\d+,\\d+\\], eager -?[0-9.]+, compiled -?[0-9.]+
note: on the same operands it gives another result than by itself on the cpu; the 1 value before it: at most [0-9.]+ ulp of difference
note: of 1 results, in ulp of the largest element of each, 1 differ: the result by [0-9,]+ ulp
help: the model asks for it: precision "bf16" lets products of f32 round their factors

1 error
$`));
      const allowed = runCli(["diff", "model.ts", "--inputs", "arguments.npz", "--ulp", "1e6"], { folder, environment });
      assert.equal(allowed.exitCode, 0, allowed.stderr);
    });
  });

  describe("of programs that differ", () => {
    const text = (factor: number): string => `func @f(%x: f32[3]) {
  %0: f32[3] = constant {"dtype":"f32","shape":[3],"value":[${factor},${factor},${factor}]}
  %1: f32[3] = mul %x, %0
  %2: f32[3] = exp %1
  %3: f32[3] = sub %2, %x
  return %3
}`;

    it("names the first op that does something else, and leaves those behind it alone", async () => {
      const parting = await compared(text(3), text(2), [0.5, 1, -2]);
      assert.equal(parting?.code, "TSDL6001");
      assert.equal(parting.message, "f, compiled for a test, parts from eager at mul");
      assert.equal(parting.notes[0], "on the same operands it gives another result than by itself on the cpu; it is the first value of the program");
      assert.equal(parting.notes.length, 2);
    });

    it("says that rounding grows where every op is right", async () => {
      const cancelling = (factor: string): string => `func @f(%x: f32[4]) {
  %0: f32[4] = constant {"dtype":"f32","shape":[4],"value":[${factor},${factor},${factor},${factor}]}
  %1: f32[4] = mul %x, %0
  %2: f32[4] = sub %1, %x
  return %2
}`;
      const parting = await compared(cancelling("1.00001"), cancelling("1.000010130"), [3, 5, 7, 11]);
      assert.equal(parting?.code, "TSDL6002");
      assert.equal(parting.message, "f, compiled for a test, parts from eager at sub, by rounding that grows");
      assert.match(parting.notes[0] ?? "", /^no op is wrong: this one is within 0 ulp of what it gives by itself on the same operands; these are up to [1-9.]+ ulp apart/);
    });

    it("says so where only the function whose values are not kept differs", async () => {
      const runs = await runsOf(text(3), text(3), [0.5, 1, -2]);
      assert.match(describeAgreement(runs, 64), /^f: eager on the cpu and compiled for a test agree: 3 values, none more than 64 ulp apart\n/);
      const [result] = runs.compiled;
      assert.ok(result);
      const parting = partingOf({ ...runs, compiled: [{ ...result, elements: result.elements.map((element) => element * 1.001) }] }, runs.watched.func, 64);
      assert.equal(parting?.code, "TSDL6003");
    });

    /** Eager by one text, compiled by the other, whose values are those of the interpreter. */
    async function runsOf(eager: string, compiled: string, x: readonly number[]): Promise<BothRuns & { readonly watched: Watched }> {
      await device("cpu");
      const [ours, theirs] = [eager, compiled].map((one) => {
        const module = parse(one);
        const [func] = module.functions;
        const signature = func === undefined ? undefined : flatSignature(func, "f.ir");
        assert.ok(signature);
        return watch(module, signature);
      });
      assert.ok(ours && theirs);
      const inputs: Numbers[] = [{ dtype: "f32", shape: [x.length], elements: Float64Array.from(x, Math.fround) }];
      const all = interpret({ functions: [theirs.watching] }, theirs.watching.name, [hostArray("f32", [x.length], x)])
        .map(({ dtype, shape, data }): Numbers => ({ dtype, shape, elements: Float64Array.from(data) }));
      const sizes = sizesFrom(ours.func, inputs, ours.signature.dims.map(({ name }) => name));
      const { steps, results } = compareSteps(ours, inputs, all.slice(1), sizes, await device("cpu"), 16);
      return { name: "f", steps, results, compiled: all.slice(0, 1), resultNames: ["the result"], precision: undefined, deviceName: "a test", watched: ours };
    }

    async function compared(eager: string, compiled: string, x: readonly number[]): Promise<ReturnType<typeof partingOf>> {
      const runs = await runsOf(eager, compiled, x);
      return partingOf(runs, runs.watched.func, 16);
    }
  });

  it("counts ulps as the formats have them", () => {
    assert.equal(ulpAt("f32", 1), 2 ** -23);
    assert.equal(ulpAt("f32", 1.999), 2 ** -23);
    assert.equal(ulpAt("f64", 8), 2 ** -49);
    assert.equal(ulpAt("bf16", 0.5), 2 ** -8);
    assert.equal(ulpAt("f16", 0), 2 ** -24);
    assert.equal(ulpsApart("f32", 1, 1 + 2 ** -23), 1);
    assert.equal(ulpsApart("i32", 3, 5), 2);
    assert.equal(ulpsApart("f32", NaN, NaN), 0);
    assert.equal(ulpsApart("f32", NaN, 1), Infinity);
    assert.equal(ulpsApart("f32", Infinity, 1), Infinity);
    assert.equal(ulpsApart("f32", 1e-40, 0), 0);
    assert.equal(ulpsApart("f32", 2 ** -20, 0, 1), 8);
  });

  describe("refuses", () => {
    const cases: readonly (readonly [what: string, name: string, bytes: () => Promise<Uint8Array> | Uint8Array, message: string])[] = [
      ["names that are missing, and says which are near", "x.npz", () => toNpz({ w: arguments_["p.w"], x: arguments_.x }),
        "error: x.npz does not fit the arguments of predict: 1 missing, 1 not expected, 0 of another type\n  missing:\n    p.w: f32[128,64] (is it w, f32[128,64], in the file?)\n  not expected:\n    w: f32[128,64]\n"],
      ["another shape", "x.npz", () => toNpz({ "p.w": tensor(numbers(64), [64, 1]), x: arguments_.x }),
        "error: x.npz does not fit the arguments of predict: 0 missing, 0 not expected, 1 of another type\n  of another type:\n    p.w: the tree has f32[128,64], the file f32[64,1]\n"],
      ["a damaged file", "x.npz", async () => (await toNpz(arguments_)).subarray(0, 1000), "error: x.npz: not a zip archive, or a truncated one: there is no directory at its end\n"],
      ["a file that is no safetensors", "x.safetensors", () => new TextEncoder().encode("no tensors at all"), "error: x.safetensors: "],
      ["JSON that leaves an argument out", "x.json", () => new TextEncoder().encode("[]"), "error: the inputs do not give p.w\nhelp: zeros would hide what differs: give each argument a value\n"],
    ];
    for (const [what, name, bytes, message] of cases) {
      it(what, () =>
        withFolder(undefined, async (folder) => {
          writeFileSync(join(folder, "model.ts"), model);
          writeFileSync(join(folder, name), await bytes());
          const { exitCode, stdout, stderr } = runCli(["diff", "model.ts", "--inputs", name], { folder });
          assert.equal(exitCode, 2, stderr);
          assert.equal(stdout, "");
          assert.ok(stderr.includes(message), stderr);
          assert.doesNotMatch(stderr, /bug in tsdlc/);
        }));
    }

    it("to run without inputs, and counts that are none", () =>
      withFolder(undefined, (folder) => {
        writeFileSync(join(folder, "model.ts"), model);
        const without = runCli(["diff", "model.ts"], { folder });
        assert.deepEqual([without.exitCode, without.stderr], [2, "error: diff needs a file with every argument\nhelp: add --inputs, as in: tsdlc diff model.ts --inputs arguments.safetensors\n"]);
        const many = runCli(["diff", "model.ts", "--inputs", "x.npz", "--ulp", "many"], { folder });
        assert.deepEqual([many.exitCode, many.stderr], [2, `error: "many" is no number of ulps\nhelp: write --ulp 64\n`]);
      }));
  });
});
