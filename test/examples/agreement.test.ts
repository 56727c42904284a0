/**
 * The agreement table: every example, in every way to run it, on every device that is here. A cell is equal to what the
 * reference interpreter says, to rounding, or an error that is meant; both are asserted, and the README's table is what
 * came of it (`npm run bless` writes it).
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withDevice } from "tsdlc";
import type { Device } from "tsdlc-runtime";
import { withFolder } from "../cli/run-cli.ts";
import { buildStandIn, compilerIdentity, useStandInNvrtc } from "../cuda/build-stand-in.ts";
import { buildTimeout } from "../cuda/present.ts";
import { isRealCuda } from "../require-device.ts";
import { machineOfEachTarget, type TestMachine } from "../test-machine.ts";
import { type AgreementCase, agreementCases, type Functions, type Kind, type Way, ways } from "./agreement-cases.ts";
import { type Cell, renderTable, replaceTable } from "./agreement-table.ts";
import { buildExample, functionsOf, interpretedFunctions, type Numbers, numbersIn } from "./ways.ts";

const readme = join(import.meta.dirname, "../../README.md");
const kinds: readonly Kind[] = ["cpu", "webgpu", "cuda"];

describe("every example, in every way, on every device", function () {
  this.timeout(buildTimeout);
  this.slow(30_000);

  const cells: Cell[] = [];
  let machines: readonly TestMachine[] = [];

  before(async () => {
    const found = await machineOfEachTarget();
    const opened = await Promise.all(found.map((machine) => machine.open()));
    machines = found.filter((_, i) => opened[i]);
  });
  after(() => machines.forEach((machine) => machine.close()));

  it("has every example", () => {
    const folders = readdirSync(join(import.meta.dirname, "../../examples"), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    // Its 200 kernels take a software driver minutes; l2hmc.test.ts compares it on each device with less.
    const elsewhere = ["l2hmc"];
    assert.deepEqual([...agreementCases.map(({ name }) => name), ...elsewhere].toSorted(), folders.toSorted());
  });

  for (const one of agreementCases) {
    it(`${one.name}: ${one.what}`, () =>
      withFolder(undefined, async (folder) => {
        const reference = one.expected === undefined ? await numbersIn(one.run(interpretedFunctions(one))) : new Map(one.expected().map((elements, i) => [`[${i}]`, plain(elements)]));
        let made: Promise<string> | undefined;
        const built = (): Promise<string> => (made ??= build(one, folder, machines));
        for (const machine of machines) {
          const on = machine.device();
          const kind = on.kind as Kind;
          const restore = kind === "cuda" && !isRealCuda() ? await useStandInNvrtc() : () => undefined;
          for (const way of ways) {
            const cell: Cell = { example: one.name, way, device: kind, outcome: await outcomeOf(one, way, on, built, reference) };
            assert.equal(cell.outcome, expectedOutcome(one, way, kind), `${one.name}, ${way}, on ${machine.title}`);
            cells.push(cell);
          }
          restore();
        }
      }));
  }

  it("is what README.md says", function () {
    const blessing = process.env["TSDLC_BLESS"] === "1";
    const complete = agreementCases.flatMap(({ name }) => ways.flatMap((way) => kinds.map((device) => ({ example: name, way, device }))));
    const outcomes = complete.map((cell): Cell => {
      const ran = cells.find(({ example, way, device }) => example === cell.example && way === cell.way && device === cell.device);
      if (ran !== undefined) return ran;
      assert.ok(!blessing, `README.md cannot be written: ${cell.example} did not run as ${cell.way} on ${cell.device}`);
      const isHere = machines.some((machine) => machine.device().kind === cell.device);
      assert.ok(!isHere, `${cell.example} did not run as ${cell.way} on ${cell.device}`);
      // The reason that the device is not here was printed; what would be asserted on it stands for it.
      const one = agreementCases.find(({ name }) => name === cell.example);
      assert.ok(one);
      return { ...cell, outcome: expectedOutcome(one, cell.way, cell.device) };
    });
    const text = readFileSync(readme, "utf8");
    const wanted = replaceTable(text, renderTable(agreementCases, outcomes));
    if (blessing) writeFileSync(readme, wanted);
    else assert.equal(text, wanted, 'the table of README.md is another: run "npm run bless" and read the diff');
  });
});

/** The package for all devices that are here at once. */
async function build(one: AgreementCase, folder: string, machines: readonly TestMachine[]): Promise<string> {
  const targets = machines.map(({ limits }) => limits.target);
  // One tier of the CPU is enough here; a real GPU takes what NVRTC makes of the source where it is loaded.
  const architectures = machines.flatMap(({ tier, limits }) => (limits.target === "cpu" ? [tier.replace(/^cpu-(x86-64-)?/, "")] : limits.target === "cuda" && !isRealCuda() ? ["sm_90"] : []));
  const restore = targets.includes("cuda") && !isRealCuda() && (await compilerIdentity()) !== undefined ? await useStandInNvrtc() : () => undefined;
  try {
    return await buildExample(one, folder, targets, architectures);
  } finally {
    restore();
  }
}

function expectedOutcome({ errors }: AgreementCase, way: Way, kind: Kind): string {
  return errors.find((error) => error.way === way && (error.device ?? kind) === kind)?.name ?? "equal";
}

/** "equal", what differs, or the name of the error that is meant; an error that says something else is thrown. */
async function outcomeOf(one: AgreementCase, way: Way, on: Device, built: () => Promise<string>, reference: ReadonlyMap<string, Numbers>): Promise<string> {
  try {
    const functions: Functions = await functionsOf(way, one, on, built);
    const result = await numbersIn(withDevice(on, () => one.run(functions)));
    return difference(result, reference, one.tolerance) ?? "equal";
  } catch (error) {
    const name = nameOf(error);
    const meant = one.errors.find((candidate) => candidate.way === way && candidate.name === name);
    if (!(error instanceof Error) || meant === undefined || !error.message.includes(meant.says)) throw error;
    return name;
  }
}

/** The code where the program is refused, else the class. */
function nameOf(error: unknown): string {
  const codes = (error as { readonly diagnostics?: readonly { readonly code: string }[] }).diagnostics?.map(({ code }) => code) ?? [];
  return codes.length > 0 ? [...new Set(codes)].join(", ") : error instanceof Error ? error.name : String(error);
}

function difference(result: ReadonlyMap<string, Numbers>, reference: ReadonlyMap<string, Numbers>, tolerance: number): string | undefined {
  const [paths, wanted] = [[...result.keys()].toSorted(), [...reference.keys()].toSorted()];
  if (paths.join() !== wanted.join()) return `there are ${paths.join(", ")}, and not ${wanted.join(", ")}`;
  for (const path of paths) {
    const [one, other] = [result.get(path), reference.get(path)];
    if (one === undefined || other === undefined) continue;
    if (one.dtype !== other.dtype || String(one.shape) !== String(other.shape)) return `${path} is ${one.dtype}[${String(one.shape)}], and not ${other.dtype}[${String(other.shape)}]`;
    const isFloat = /^b?f/.test(one.dtype) && one.dtype !== "bool";
    const scale = other.elements.reduce((largest, element) => Math.max(largest, Math.abs(element)), 0);
    const allowed = isFloat ? tolerance * scale : 0;
    const worst = one.elements.findIndex((element, i) => !(Math.abs(element - (other.elements[i] ?? NaN)) <= allowed));
    if (worst >= 0) return `element ${worst} of ${path} is ${one.elements[worst]}, and not ${other.elements[worst]}, where ${allowed} is allowed`;
  }
  return undefined;
}

function plain(elements: readonly number[]): Numbers {
  return { dtype: "f32", shape: [elements.length], elements };
}
