/** One model of classes, three ways: its own source op by op, under jit, and built. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { jit, type Tensor, tensor } from "tsdlc";
import { device } from "tsdlc-runtime";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { present } from "../../ir/expect.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { bindForTest } from "../compile/run-compiled.ts";
import { cpuMachines } from "../test-machine.ts";
import { Linear, Net, predict, step, unrolled } from "./class-models.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- three functions that take and give the same trees
type Run = (...args: any[]) => any;

const numbers = (rows: number, columns: number, seed: number): number[][] =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => Math.sin(seed + i * columns + j)));

const newNet = (): Net => new Net([
  new Linear(tensor(numbers(4, 8, 1)) as Tensor<[4, 8]>, tensor(numbers(1, 8, 2)[0] ?? []) as Tensor<[8]>),
  new Linear(tensor(numbers(8, 2, 3)) as Tensor<[8, 2]>, tensor(numbers(1, 2, 4)[0] ?? []) as Tensor<[2]>),
], tensor([0.1, 0.2, 0.3, 0.4]) as Tensor<[4]>);

describe("a model of classes", function () {
  this.timeout(60_000);
  let built: Readonly<Record<string, Run>> = {};

  before(async () => {
    await device("cpu");
    const [machine] = await cpuMachines();
    const { module, signatures } = compileSource([fileURLToPath(new URL("class-models.ts", import.meta.url))]);
    built = (await bindForTest(runPasses(module, ["transform"], {}), present(machine, "no CPU tier"), signatures)) as Readonly<Record<string, Run>>;
  });

  const ways = (): readonly (readonly [string, Run, Run])[] => [
    ["op by op", predict as Run, step as Run],
    ["under jit", jit(predict as Run), jit(step as Run)],
    ["built", present(built["predict"], "predict"), present(built["step"], "step")],
  ];
  const x = tensor(numbers(5, 4, 5));
  const y = tensor(numbers(5, 2, 6));

  it("gives the same, and the caller's instance has what forward assigned to it", async () => {
    const results = await Promise.all(ways().map(async ([, run]) => {
      const net = newNet();
      const result = run(net, x) as Tensor;
      return [...(await result.data()), ...(await net.mean.data())].map(Number);
    }));
    compare(results);
  });

  it("trains the same, and next is a net again where there are classes", async () => {
    const results = await Promise.all(ways().map(async ([way, , run]) => {
      const { loss, next, after } = run(newNet(), x, y) as { loss: Tensor; next: Net; after: Tensor };
      assert.equal(next instanceof Net, way !== "built", way);
      const leaves = [loss, after, next.mean, ...next.layers.flatMap(({ w, b }) => [w, b])];
      const read = await Promise.all(leaves.map((leaf) => (leaf as Tensor).data()));
      return read.flatMap((data) => Array.from(data, Number));
    }));
    compare(results);
    assert.ok((results[0]?.[1] ?? 1) < (results[0]?.[0] ?? 0), "the loss falls");
  });

  it("has one gradient through a loop that changes an instance, however many turns run time counts", async () => {
    for (const most of [0, 1, 5]) {
      const w = tensor([0.5, -1.2, 2]);
      // jit is left out: item() has no value while it follows a function.
      const results = await Promise.all([unrolled as Run, present(built["unrolled"], "unrolled")].map(async (run) => {
        const [loss, gradient] = run(w, tensor([0.1, 0.2, -0.3]), most) as [Tensor, Tensor];
        return [...(await loss.data()), ...(await gradient.data())].map(Number);
      }));
      compare(results);
      assert.equal(results[0]?.some((value) => value !== 0), most > 0);
    }
  });

  it("takes a plain object with the fields of an instance in the place of one", async () => {
    const { layers, mean } = newNet();
    const plain = { layers: layers.map(({ w, b }) => ({ w, b })), mean };
    const results = await Promise.all([plain, newNet()].map(async (net) => Array.from(await (built["predict"]?.(net, x) as Tensor).data(), Number)));
    compare(results);
  });
});

function compare(results: readonly (readonly number[])[]): void {
  const [expected = [], ...others] = results;
  assert.ok(expected.length > 0 && expected.every(Number.isFinite));
  for (const [way, actual] of others.entries()) {
    assert.equal(actual.length, expected.length);
    expected.forEach((value, i) => assert.ok(Math.abs(value - (actual[i] ?? NaN)) <= 1e-5 * Math.max(1, Math.abs(value)), `way ${way + 1}, element ${i}: ${actual[i]} and ${value}`));
  }
}
