/**
 * examples/l2hmc: its moves are what the paper asks of them (back undoes forward, and the determinant is that of the
 * map), training is the same compiled and op by op, on the devices too, it lowers the loss, and what was trained still
 * draws from the target.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { init, type Params, propose, sample, type State, train } from "../../examples/l2hmc/model.ts";
import { device, type Functions, type Tensor as Handle } from "tsdlc-runtime";
import { mapTree, tensor, withDevice } from "tsdlc";
import { bindForTest } from "../compile/run-compiled.ts";
import { buildTimeout } from "../cuda/present.ts";
import { cpuMachines, machineOfEachTarget, type TestMachine } from "../test-machine.ts";

const path = join(import.meta.dirname, "../../examples/l2hmc/model.ts");
const key = (seed: number): Uint32Array => new Uint32Array([seed, 7]);
const column = (values: readonly number[]) => tensor(Float32Array.from(values), [values.length, 1] as const) as never;
const rows = (values: readonly number[]) => tensor(Float32Array.from(values), [values.length / 2, 2] as const) as never;

/** Networks that do something: at first their last layers are next to nothing. */
function bentParams(): Params {
  const { params } = init(tensor(key(1), [2]) as never);
  const bend = (net: Params["place"]): Params["place"] => ({ ...net, w3: net.w3.mul(300), b3: net.b3.add(0.2), reach: net.reach.add(1) });
  return { ...params, place: bend(params.place as never), momentum: bend(params.momentum as never) } as Params;
}

/** x and v of one chain after a move, and the logarithm of the determinant. */
function moved(params: Params, xv: readonly number[], direction: number, steps: number): { xv: number[]; logDeterminant: number } {
  const noise = { momentum: rows(xv.slice(2)), direction: column([direction]), acceptance: tensor([0.5]) as never };
  const { x, v, logDeterminant } = propose(params, rows(xv.slice(0, 2)), noise, steps);
  return { xv: [...x.dataSync(), ...v.dataSync()], logDeterminant: Number(logDeterminant.item()) };
}

interface Trained { readonly state: State; readonly chains: Handle; readonly loss: Handle; readonly probability: Handle }

/** Losses of some steps, and where the chains are then. */
async function learn({ init: begin, train: step }: Functions, chainCount: number, count: number): Promise<{ state: State; losses: number[]; chains: ArrayLike<number | bigint> }> {
  assert.ok(begin !== undefined && step !== undefined);
  let state = begin(key(1)) as State;
  let chains: unknown = targetDraws(chainCount);
  const losses: number[] = [];
  for (let i = 0; i < count; i++) {
    const next = step(state, chains, key(10 + i), 1e-3, 10) as Trained;
    ({ state, chains } = next);
    losses.push(Number(await next.loss.itemAsync()));
  }
  return { state, losses, chains: await (chains as Handle).data() };
}

/** Independent draws from the target: 10 along the diagonal, 0.1 across it, by halves that are quasi-random normals. */
function targetDraws(count: number): Float32Array {
  const points = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const radius = Math.sqrt(-2 * Math.log((i + 0.5) / count));
    const angle = 2 * Math.PI * ((i * 0.6180339887498949) % 1);
    const [along, across] = [10 * radius * Math.cos(angle), 0.1 * radius * Math.sin(angle)];
    points.set([(along + across) * Math.SQRT1_2, (along - across) * Math.SQRT1_2], 2 * i);
  }
  return points;
}

async function onProcessor(): Promise<{ machine: TestMachine; functions: Functions }> {
  const [machine] = await cpuMachines();
  assert.ok(machine);
  const { module, signatures } = compileSource([path]);
  return { machine, functions: await bindForTest(module, machine, signatures) };
}

describe("examples/l2hmc", function () {
  this.timeout(buildTimeout);
  this.slow(30_000);

  it("goes back to where it came from, and its determinant is that of the map", async () => {
    await withDevice(await device("cpu"), () => {
      const params = bentParams();
      for (const [start, direction] of [[[0.6, 0.4, 0.5, -0.8], 1], [[-1.1, -1.3, 0.2, 0.9], -1]] as const) {
        const there = moved(params, start, direction, 3);
        assert.ok(Math.abs(there.logDeterminant) > 0.05, `the networks stretch: ${there.logDeterminant}`);
        const back = moved(params, there.xv, -direction, 3);
        back.xv.forEach((value, i) => assert.ok(Math.abs(value - (start[i] ?? NaN)) < 2e-3, `${value} came from ${start[i]}`));
        assert.ok(Math.abs(back.logDeterminant + there.logDeterminant) < 1e-3);
        const h = 1e-2;
        const jacobian = start.map((_, i) => {
          const at = (by: number): number[] => moved(params, start.map((value, k) => (k === i ? value + by : value)), direction, 3).xv;
          const [more, less] = [at(h), at(-h)];
          return more.map((value, k) => (value - (less[k] ?? NaN)) / (2 * h));
        });
        const byDifferences = Math.log(Math.abs(determinant(jacobian)));
        assert.ok(Math.abs(byDifferences - there.logDeterminant) < 0.05, `${there.logDeterminant}, and ${byDifferences} by differences`);
      }
    });
  });

  it("learns compiled what it learns op by op", async () => {
    const { functions } = await onProcessor();
    const { losses, chains } = await learn(functions, 12, 3);
    const eager = await withDevice(await device("cpu"), () => learn({
      init: (first: unknown) => init(tensor(first as Uint32Array, [2]) as never),
      train: (state: unknown, places: unknown, second: unknown, rate: unknown, steps: unknown) =>
        train(state as never, (places instanceof Float32Array ? rows([...places]) : places) as never, tensor(second as Uint32Array, [2]) as never, tensor(rate as number) as never, steps as number),
    } as unknown as Functions, 12, 3));
    requireClose("losses", losses, eager.losses);
    requireClose("chains", chains, eager.chains);
  });

  it("moves chains alike on each device", async () => {
    const { functions } = await onProcessor();
    const { module, signatures } = compileSource([path]);
    const start = targetDraws(12);
    const params = mapTree((w) => w, (functions["init"]?.(key(1)) as State).params);
    const wanted = await (functions["sample"]?.(params, start, key(3), 4) as Handle).data();
    for (const machine of await machineOfEachTarget()) {
      if (machine.limits.target === "cpu" || !(await machine.open())) continue;
      const there = await bindForTest(module, machine, signatures.filter(({ name }) => name === "init" || name === "sample"));
      const own = (there["init"]?.(key(1)) as State).params;
      requireClose(machine.title, await (there["sample"]?.(own, start, key(3), 4) as Handle).data(), wanted);
      machine.close();
    }
  });

  it("lowers its loss, and still draws from the target", async () => {
    const { functions } = await onProcessor();
    const { state, losses } = await learn(functions, 50, 300);
    const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
    assert.ok(mean(losses.slice(-50)) < 4 * mean(losses.slice(0, 50)), `${mean(losses.slice(0, 50))} at first, ${mean(losses.slice(-50))} at last`);
    let places: unknown = targetDraws(4000);
    for (let i = 0; i < 20; i++) places = functions["sample"]?.(state.params, places, key(100 + i), 10);
    const values = await (places as Handle).data();
    let [along, across] = [0, 0];
    for (let i = 0; i < values.length; i += 2) {
      const [x, y] = [Number(values[i]), Number(values[i + 1])];
      along += (x + y) ** 2 / values.length;
      across += (x - y) ** 2 / values.length;
    }
    // Of 4,000 chains a variance is known to 2.2 % (one deviation).
    assert.ok(Math.abs(along - 100) < 9, `along the diagonal the variance is ${along}, and 100 in the target`);
    assert.ok(Math.abs(across - 0.01) < 0.0009, `across it the variance is ${across}, and 0.01 in the target`);
  });
});

function requireClose(what: string, actual: ArrayLike<number | bigint>, wanted: ArrayLike<number | bigint>): void {
  assert.equal(actual.length, wanted.length, what);
  for (let i = 0; i < wanted.length; i++) {
    const [a, w] = [Number(actual[i]), Number(wanted[i])];
    assert.ok(Math.abs(a - w) <= 2e-3 * Math.max(1, Math.abs(w)), `${what}: element ${i} is ${a}, and should be ${w}`);
  }
}

/** Of a square matrix, by elimination. */
function determinant(matrix: readonly (readonly number[])[]): number {
  const [pivotRow = [], ...others] = [...matrix].sort((a, b) => Math.abs(b[0] ?? 0) - Math.abs(a[0] ?? 0));
  const [pivot = 1, ...rest] = pivotRow;
  const sub = others.map(([first = 0, ...row]) => row.map((value, k) => value - (first / pivot) * (rest[k] ?? 0)));
  return pivotRow.length === 0 ? 1 : Math.abs(pivot) * determinant(sub);
}
