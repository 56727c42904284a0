/**
 * Emitted kernels in other orders of threads and blocks than the first, and under AddressSanitizer with each buffer an
 * allocation of its own: every sample of the op table and programs of many tiles, all in one process for each setting. In the first order the
 * samples run through the runtime (test/compile), which this repeats so that an order is compared with an oracle and not
 * with another order.
 */

import assert from "node:assert/strict";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { compileModule } from "../../lib/compile.ts";
import { type SampleCase, sampleCases } from "../compile/sample-cases.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { blockPrograms, inputsFor } from "../passes/block-programs.ts";
import { inputsOf } from "../run-sample.ts";
import { compileEmulated } from "./build-stand-in.ts";
import { runScript, success } from "./driver.ts";
import { buildTimeout, needsEmulator } from "./present.ts";
import { type ProgramCall, programScript } from "./program-script.ts";

/** Sums in other orders than the interpreter's, and functions of the host's C library; a wrong index is far off. */
const tolerance = 1e-4;

const settings = {
  forward: { threads: "forward", blocks: "forward", copies: "early" },
  reverse: { threads: "reverse", blocks: "reverse" },
  shuffled: { threads: "shuffled", blocks: "shuffled" },
} as const;

/** A function and what it is called with. */
interface Called {
  readonly what: string;
  readonly func: Func;
  readonly calls: readonly Pick<ProgramCall, "sizes" | "inputs">[];
}

const samples: readonly Called[] = sampleCases.map(calledSample);

/** Programs of many tiles, whose blocks and threads have something to wait for. */
const blocks: readonly Called[] = Object.entries(blockPrograms).map(([what, { text, sizes = {} }], i) => {
  const module = parse(text);
  const [func] = module.functions;
  assert.ok(func);
  return { what, func: { ...func, name: `blocks_${i}` }, calls: [{ sizes, inputs: inputsFor(module, sizes, /f16|precision/.test(text)) }] };
});

function calledSample({ func, sample, sizes }: SampleCase): Called {
  return { what: func.name, func, calls: sizes.map((each, seed) => ({ sizes: each, inputs: inputsOf(sample, each, seed + 1) })) };
}

interface OrderCase {
  readonly call: ProgramCall;
  readonly func: Func;
  readonly where: string;
}

/** The functions as one file of kernels, and calls of them. */
function emit(called: readonly Called[]): { readonly source: string; readonly cases: readonly OrderCase[] } {
  const module: Module = { functions: called.map(({ func }) => func) };
  const { tiers: [cuda] } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: ["cuda"] });
  assert.ok(cuda);
  const programs = new Map(cuda.programs.map((program) => [program.name, program]));
  const cases = called.flatMap(({ func, calls }) => {
    const program = programs.get(func.name);
    assert.ok(program, func.name);
    return calls.map((each): OrderCase => ({ call: { program, ...each }, func, where: `${func.name} at ${JSON.stringify(each.sizes)}` }));
  });
  return { source: cuda.source, cases };
}

/** Runs all calls in one process and compares them with the interpreter. */
async function check(source: string, cases: readonly OrderCase[], order: Readonly<Record<string, string>>, sanitize: boolean): Promise<void> {
  const scripts = cases.map(({ call }, i) => programScript(call, `c${i}`));
  const image = await compileEmulated(source, { sanitize });
  const outcome = await runScript(["init", "context", `library image ${image}`, ...scripts.flatMap(({ lines }) => lines)], {
    settings: { ...order, lag: "0" }, sanitize, files: Object.assign({}, ...scripts.map(({ files }) => files)),
  });
  const failed = outcome.answers.find(({ result }) => result !== success);
  assert.equal(outcome.status, 0, outcome.errors);
  assert.equal(failed, undefined, `${failed?.call} gives ${failed?.result}\n${outcome.errors}`);
  cases.forEach(({ call, func, where }, i) => {
    const expected = interpret({ functions: [func] }, func.name, call.inputs, call.sizes);
    const results = scripts[i]?.results(outcome.files) ?? [];
    assert.equal(results.length, expected.length, where);
    expected.forEach(({ shape, data }, position) => {
      const got = results[position];
      assert.deepEqual(got?.shape, shape, where);
      data.forEach((wanted, at) => {
        const value = got?.data[at] ?? NaN;
        const isNear = Object.is(value, wanted) || value === wanted || Math.abs(value - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
        assert.ok(isNear, `${where}: element ${at} of result ${position} is ${value}, not ${wanted}`);
      });
    });
  });
}

describe("cuda: emitted kernels in any order", function () {
  this.timeout(buildTimeout);
  let all: ReturnType<typeof emit>;

  before(async function () {
    await needsEmulator(this);
    all = emit([...samples, ...blocks]);
    assert.ok(all.cases.length > 500, `${all.cases.length} cases`);
  });

  for (const [name, order] of Object.entries(settings)) {
    it(`${name}`, () => check(all.source, all.cases, order, false));
  }

  it("touch nothing outside of their buffers", () => check(all.source, all.cases, settings.reverse, true));

  describe("would be noticed", () => {
    const sums = (): ReturnType<typeof emit> => emit(sampleCases.filter(({ op }) => op === "reduce_sum").map(calledSample));

    it("without their barriers", async () => {
      const { source, cases } = sums();
      assert.match(source, /__syncthreads\(\);/);
      const broken = source.replaceAll("__syncthreads();", "");
      const outcomes = await Promise.allSettled(Object.values(settings).map((order) => check(broken, cases, order, false)));
      assert.ok(outcomes.some(({ status }) => status === "rejected"));
    });

    it("with an exchange between other threads", async () => {
      const { source, cases } = emit(blocks);
      assert.match(source, /__shfl_xor_sync\(0xffffffffu, \w+, 4\)/);
      const broken = source.replaceAll(/(__shfl_xor_sync\(0xffffffffu, \w+,) 4\)/g, "$1 2)");
      await assert.rejects(check(broken, cases, settings.forward, false), /element \d+ of result/);
    });

    it("with an exchange that some threads of a warp never reach", async () => {
      const { source, cases } = emit(blocks);
      const broken = source.replaceAll(/(\w+ = __shfl_xor_sync\([^;]*;)/g, "if (threadIdx.x != 3) { $1 }");
      assert.notEqual(broken, source);
      await assert.rejects(check(broken, cases, settings.forward, false), /__shfl_xor_sync/);
    });

    it("with a load of four elements where none may start", async () => {
      const { source, cases } = emit(blocks.filter(({ what }) => what === "a map of whole fours"));
      assert.match(source, /\(const float4 \*\)\(in\d \+ /);
      const broken = source.replace(/\(const float4 \*\)\((in\d) \+ /g, "(const float4 *)($1 + 1 + ");
      await assert.rejects(check(broken, cases, settings.forward, true), /misaligned address .* requires 16 byte alignment/);
    });

    it("with a store one element further", async () => {
      const { source, cases } = sums();
      assert.match(source, /out0\[/);
      await assert.rejects(check(source.replaceAll("out0[", "out0[1 + "), cases, settings.reverse, true), /AddressSanitizer: heap-buffer-overflow/);
    });
  });
});
