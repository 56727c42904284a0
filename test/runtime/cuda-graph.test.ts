/** CUDA graphs on the stand-in driver: when a run is captured, what a replay may change, and what is kept. */

import assert from "node:assert/strict";
import type { CudaStatistics } from "../../runtime/addon.ts";
import type { CudaDevice } from "../../runtime/cuda-device.ts";
import { tensor } from "../../runtime/tensor.ts";
import { bindCuda } from "./cuda-machine.ts";
import { anyFunction, kernel, launch, objectTree, program, tensorTree } from "./machine.ts";

/** step({ w }, x) = { w: w + x, loss: 2 (w + x) } over f32[N], where w is donated: two launches. */
const shape = ["N"];
const stepProgram = program({
  name: "step",
  dims: [{ name: "N", min: 64 }],
  parameters: [
    { name: "p", tree: objectTree({ w: tensorTree("f32", shape) }), donated: true },
    { name: "x", tree: tensorTree("f32", shape), donated: false },
  ],
  result: objectTree({ w: tensorTree("f32", shape), loss: tensorTree("f32", shape) }),
  buffers: [
    { dtype: "f32", shape, role: { kind: "parameter", leaf: 0 } },
    { dtype: "f32", shape, role: { kind: "parameter", leaf: 1 } },
    { dtype: "f32", shape, role: { kind: "result", reuses: 0 } },
    { dtype: "f32", shape, role: { kind: "result" } },
  ],
  // The first 64 elements are enough: what is tested are addresses, not kernels.
  kernels: [{ ...kernel("add_blocks", 1), threads: 64 }, kernel("twice", 64)],
  steps: [launch(0, 0, 1, 2), launch(1, 2, 3)],
  resultBuffers: [2, 3],
});

interface Training {
  readonly size: number;
  readonly input: (turn: number) => Float32Array | ReturnType<typeof tensor>;
  /** Turns that are not counted, then those that are. */
  readonly before?: number;
  readonly turns: number;
  /** Losses are read at the end, not as they come. */
  readonly keep?: boolean;
}

/** Trains, checks every loss, and says what happened meanwhile. */
async function trained(device: CudaDevice, { size, input, before: uncounted = 0, turns, keep = false }: Training): Promise<CudaStatistics> {
  const { functions } = await bindCuda([stepProgram], { device });
  const run = anyFunction(functions, "step");
  let before = device.statistics();
  let p = { w: tensor(new Float32Array(size)) };
  const losses: [number, ReturnType<typeof tensor>][] = [];
  let expected = 0;
  for (let turn = 0; turn < uncounted + turns; turn++) {
    if (turn === uncounted) {
      await device.sync();
      before = device.statistics();
    }
    const x = input(turn);
    expected += Number((x instanceof Float32Array ? x : await x.data())[0]);
    const { w, loss } = run(p, x);
    p = { w };
    losses.push([expected, loss]);
    if (!keep) {
      assert.equal((await loss.data())[0], 2 * expected);
      loss.dispose();
    }
  }
  if (keep) for (const [value, loss] of losses) assert.equal((await loss.data())[0], 2 * value, String(value));
  assert.equal((await p.w.data())[0], expected);
  const after = device.statistics();
  return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name as keyof CudaStatistics]])) as unknown as CudaStatistics;
}

describe("runtime: CUDA graphs (emulated)", () => {
  const small = 64, large = 1 << 19;

  it("captures the second run and replays the rest, though each has a batch and a loss of its own", async () => {
    const { device } = await bindCuda([]);
    const counted = await trained(device, { size: small, input: (turn) => new Float32Array(small).fill(turn % 7), turns: 40, keep: true });
    // How long a batch keeps its address depends on threads; that two runs come before the first replay does not.
    const { launches, graphCaptures, graphHits, graphCopies } = counted;
    assert.equal(launches, 2);
    assert.ok(graphHits >= 36 && graphCaptures <= 2, JSON.stringify(counted));
    assert.ok(graphCopies >= 38 && graphCopies <= 2 * 39, JSON.stringify(counted));
  });

  it("replays without copies where every address repeats", async () => {
    const { device } = await bindCuda([]);
    const x = tensor(new Float32Array(small).fill(1));
    const counted = await trained(device, { size: small, input: () => x, turns: 20 });
    assert.deepEqual(counted, { launches: 2, graphMisses: 2, graphCaptures: 1, graphHits: 18, graphCopies: 0 });
  });

  const alternating = (count: number): Training["input"] => {
    const inputs = Array.from({ length: count }, (_, i) => tensor(new Float32Array(large).fill(i)));
    return (turn) => inputs[turn % count] ?? assert.fail();
  };

  it("keeps a graph for each of a few large buffers that alternate", async () => {
    const { device } = await bindCuda([]);
    const counted = await trained(device, { size: large, input: alternating(3), before: 9, turns: 12 });
    assert.deepEqual(counted, { launches: 0, graphMisses: 0, graphCaptures: 0, graphHits: 12, graphCopies: 0 });
  });

  it("gives up the graph that was used the longest ago", async () => {
    const { device } = await bindCuda([]);
    const counted = await trained(device, { size: large, input: alternating(6), before: 18, turns: 12 });
    assert.deepEqual(counted, { launches: 0, graphMisses: 12, graphCaptures: 12, graphHits: 0, graphCopies: 0 });
  });

  it("stops copying what has settled", async () => {
    const { device } = await bindCuda([]);
    const settled = tensor(new Float32Array(small).fill(1));
    const input = (turn: number) => (turn < 3 ? new Float32Array(small) : settled);
    const moving = await trained(device, { size: small, input, turns: 20 });
    assert.ok(moving.graphCopies > 0 && moving.graphCaptures === 1, JSON.stringify(moving));
    const after = await trained(device, { size: small, input, before: 60, turns: 60 });
    assert.deepEqual(after, { launches: 0, graphMisses: 0, graphCaptures: 0, graphHits: 60, graphCopies: 0 });
  });

  it("can be switched off", async () => {
    const { device } = await bindCuda([], { graphs: false });
    const counted = await trained(device, { size: small, input: (turn) => new Float32Array(small).fill(turn), turns: 5 });
    assert.deepEqual(counted, { launches: 10, graphMisses: 0, graphCaptures: 0, graphHits: 0, graphCopies: 0 });
  });
});
