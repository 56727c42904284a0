/**
 * The runtime's own sources in a page: programs by hand, and every sample of the op table, give in Chromium what they
 * give in Node. There is one file for both, and this is the proof.
 */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { compileModule } from "../../lib/compile.ts";
import { findLimits } from "../../passes/limits.ts";
import type { Program } from "../../runtime/program.ts";
import { openSources, type SourcesPage } from "../browser.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { checkCase, hasOnly, type SampleCase, sampleCases } from "../compile/sample-cases.ts";
import { toleranceOn } from "../compile/tolerances.ts";
import { present } from "../run-sample.ts";
import type { PageApi, SentTensor } from "./in-browser/page.ts";
import { addOnGpu, controlOnGpu, stepOnGpu, unary, wgslText } from "./webgpu-machine.ts";

describe("runtime: in a browser", function () {
  this.timeout(240_000);
  let opened: SourcesPage;
  before(async function () {
    const found = await openSources("test/runtime/in-browser/index.html");
    if (found === undefined) return this.skip();
    opened = found;
  });
  after(() => opened?.close());

  const ask = <K extends keyof PageApi>(what: K, ...args: Parameters<PageApi[K]>): ReturnType<typeof askPage<K>> => askPage(opened.watched.page, what, args);
  const loadByHand = (...programs: readonly Program[]): Promise<void> => ask("load", { programs, text: wgslText });

  it("opens webgpu, and no other device", async () => {
    const { name, features } = await ask("open");
    assert.equal(name, "webgpu");
    // SwiftShader's have 4 threads.
    assert.ok(!features.includes("subgroups"), features.join());
    assert.deepEqual(opened.watched.faults, []);
  });

  it("adds at any size of a named dim, the empty one too", async () => {
    await loadByHand(addOnGpu);
    const sizes = [0, 1, 5, 1000, 70_000];
    const calls = sizes.map((size) => ({ name: "add", args: [f32(size, (i) => i), f32(size, (i) => i + 1)] }));
    assert.deepEqual(await ask("call", calls), sizes.map((size) => f32(size, (i) => 2 * i + 1)));
  });

  it("takes trees, and gives them", async () => {
    await loadByHand(stepOnGpu);
    const [w, x] = [f32(8, (i) => i), f32(2, (i) => -i)];
    const [result] = await ask("call", [{ name: "step", args: [{ w: { ...w, shape: [2, 4] } }, x] }]);
    assert.deepEqual(result, { w: { ...f32(8, (i) => 2 * i), shape: [2, 4] }, y: x });
  });

  it("loops and branches on values of the device", async () => {
    await loadByHand(controlOnGpu);
    const i32 = (value: number): SentTensor => ({ dtype: "i32", shape: [], data: [value] });
    const call = (n: number, limit: number, other: number) => ({ name: "control", args: [i32(n), i32(limit), i32(other), f32(3, (i) => i + 1)] });
    assert.deepEqual(await ask("call", [call(0, 5, 6), call(0, 5, 5), call(9, 5, 0)]), [
      { n: i32(5), x: f32(3, (i) => 2 * (i + 1)) },
      { n: i32(5), x: f32(3, (i) => 3 * (i + 1)) },
      { n: i32(9), x: f32(3, (i) => 3 * (i + 1)) },
    ]);
  });

  it("holds elements of one byte as words, and gives them back as bytes", async () => {
    await loadByHand(unary("not", "negate_bool", "bool"), unary("minus", "negate_i8", "i8"));
    const bits: SentTensor = { dtype: "bool", shape: [5], data: [0, 1, 1, 0, 1] };
    const bytes: SentTensor = { dtype: "i8", shape: [5], data: [0, 1, -1, 127, -127] };
    assert.deepEqual(await ask("call", [{ name: "not", args: [bits] }, { name: "minus", args: [bytes] }]), [
      { ...bits, data: [1, 0, 0, 1, 0] },
      { ...bytes, data: [0, -1, 1, -127, 127] },
    ]);
  });

  it("refuses what Node refuses, in the same words", async () => {
    await loadByHand(addOnGpu);
    const [refused] = await ask("call", [{ name: "add", args: [f32(2, () => 0), f32(3, () => 0)] }]);
    assert.match((refused as { error: string }).error, /^ArgumentError: add: .*y.*3.*2/);
  });

  it("shows no error or warning", () => assert.deepEqual(opened.watched.faults, []));

  describe("every sample of the op table", () => {
    const limits = findLimits("wgsl-base");
    const cases = sampleCases.filter((entry) => hasOnly(entry, limits.dtypes));
    // A module for each op: making one pipeline takes as long as its module is large.
    const load = async (entries: readonly SampleCase[]): Promise<void> => {
      const module = { functions: entries.map(({ func }) => func) };
      const { tiers: [tier], constants } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: [limits.tier] });
      const { programs, source } = present(tier);
      await ask("load", { programs, text: source, ...(constants === undefined ? {} : { constants: [...constants] }) });
    };
    const run = async (name: string, inputs: readonly HostArray[]): Promise<readonly HostArray[]> => {
      const [results] = await ask("call", [{ name, args: inputs.map(({ dtype, shape, data }) => ({ dtype, shape, data: Array.from(data, Number) })) }]);
      return (results as readonly SentTensor[]).map(({ dtype, shape, data }) => hostArray(dtype, shape, data));
    };
    for (const op of new Set(cases.map((entry) => entry.op))) {
      it(op, async () => {
        const own = cases.filter((candidate) => candidate.op === op);
        await load(own);
        for (const entry of own) await checkCase(entry, run, toleranceOn(limits, entry));
      });
    }
  });
});

interface Sent {
  readonly name: string;
  readonly given: readonly unknown[];
}

async function askPage<K extends keyof PageApi>(page: Page, what: K, args: Parameters<PageApi[K]>): Promise<Awaited<ReturnType<PageApi[K]>>> {
  const inPage = ({ name, given }: Sent): unknown => (globalThis as unknown as { tsdlcPage: Readonly<Record<string, (...given: readonly unknown[]) => unknown>> }).tsdlcPage[name]?.(...given);
  return (await page.evaluate<unknown, Sent>(inPage, { name: what, given: args })) as Awaited<ReturnType<PageApi[K]>>;
}

function f32(count: number, value: (i: number) => number): SentTensor {
  return { dtype: "f32", shape: [count], data: Array.from({ length: count }, (_, i) => value(i)) };
}
