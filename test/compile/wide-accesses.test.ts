/**
 * Loads and stores of several elements at once, on every target that has them: maps and rows of whole fours and of any
 * other length, in every width, and where a result takes the memory of what it is computed from.
 */

import assert from "node:assert/strict";
import type { HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { compileModule } from "../../lib/compile.ts";
import { findMissingDTypes } from "../../passes/missing-dtypes.ts";
import { blockPrograms, inputsFor } from "../passes/block-programs.ts";
import { type Sizes, ulpsBetween } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest } from "./run-compiled.ts";
import { signatureOf } from "./signature-of.ts";

interface Case {
  readonly what: string;
  readonly func: Func;
  readonly inputs: readonly HostArray[];
  readonly sizes: Sizes;
}

const cases = Object.entries(blockPrograms).filter(([what]) => /^(a map|rows of|sums of rows)/.test(what)).map(([what, { text, sizes = {} }], i): Case => {
  const module = parse(text);
  const [func] = module.functions;
  assert.ok(func);
  return { what, func: { ...func, name: `f${i}` }, inputs: inputsFor(module, sizes, !/softmax|reduce/.test(text)), sizes };
});

/** With its first parameter donated, the sum is stored over it. */
const update = parse(`
func @update(%x: f32[N,8], %y: f32[N,8]) {
  %0: f32[N,8] = mul %y, %y
  %1: f32[N,8] = add %x, %0
  return %1
}

func @updateAny(%x: f32[N], %y: f32[N]) {
  %0: f32[N] = mul %y, %y
  %1: f32[N] = add %x, %0
  return %1
}
`);
const updateSignatures = update.functions.map((func) => signatureOf(func, [0]));

for (const machine of await testMachines()) {
  const possible = cases.filter(({ func, inputs }) => findMissingDTypes({ functions: [func] }, machine.limits).length === 0
    && (machine.limits.dtypes.includes("f64") || inputs.every(({ dtype }) => dtype !== "f64")));

  describe(`wide accesses on ${machine.title}`, function () {
    this.timeout(120_000);
    let run: (name: string, inputs: readonly HostArray[]) => Promise<readonly HostArray[]>;
    before(async function () {
      if (!(await machine.open())) this.skip();
      run = await compileForTest({ functions: possible.map(({ func }) => func) }, machine);
    });
    after(() => machine.close());

    for (const { what, func, inputs, sizes } of possible) {
      it(what, async () => assertClose(await run(func.name, inputs), interpret({ functions: [func] }, func.name, inputs, sizes)));
    }

    it("store a result over what it is computed from", async () => {
      const donating = await compileForTest(update, machine, updateSignatures);
      for (const [name, shape, count] of [["update", [131, 8], 131 * 8], ["updateAny", [1027], 1027], ["updateAny", [2], 2]] as const) {
        const inputs = [1, 3].map((factor): HostArray => ({ dtype: "f32", shape, data: Float64Array.from({ length: count }, (_, i) => (i * factor) % 251) }));
        assertClose(await donating(name, inputs), interpret(update, name, inputs, { N: shape[0] }));
      }
    });
  });
}

describe("wide accesses", () => {
  const compiled = (module: Module, tier: string, donated: readonly number[] = []) => {
    const { tiers: [found] } = compileModule(module, module.functions.map((func) => signatureOf(func, donated)), { tiers: [tier] });
    assert.ok(found);
    return found;
  };

  it("leave the memory of a parameter to the result that replaces it", () => {
    const { source, programs } = compiled(update, "cuda", [0]);
    for (const { buffers, name } of programs) assert.ok(buffers.some(({ role }) => role.kind === "result" && role.reuses === 0), name);
    assert.match(source, /\*\(const float4 \*\)\(in0 \+/);
    assert.match(source, /\*\(float4 \*\)\(out0 \+/);
    assert.doesNotMatch(source, /__restrict__/);
  });

  it("are in WGSL those of vectors alone", () => {
    const { source } = compiled(update, "wgsl-base");
    assert.match(source, /update_0_in0: array<vec4<f32>>;/);
    assert.match(source, /update_0_out0: array<vec4<f32>>;/);
    // Of any length: the last elements would be parts of a vector.
    assert.match(source, /updateAny_1_out0: array<f32>;/);
  });
});

function assertClose(actual: readonly HostArray[], expected: readonly HostArray[]): void {
  assert.equal(actual.length, expected.length);
  expected.forEach(({ dtype, shape, data }, i) => {
    assert.deepEqual(actual[i]?.shape, shape);
    data.forEach((value, at) => {
      const got = actual[i]?.data[at] ?? NaN;
      assert.ok(ulpsBetween(dtype, got, value) <= 64, `element ${at} of result ${i} is ${got}, expected ${value}`);
    });
  });
}
