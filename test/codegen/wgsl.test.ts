/**
 * WGSL of one kernel of each compute form, and of every op's samples that WGSL has dtypes for, through a validator.
 *
 * The null backend of npm `webgpu` (Dawn) checks modules and pipelines as a browser does, against WebGPU's default
 * limits, and runs nothing: what kernels compute is the C target's to show, since both print the same loops.
 */

import assert from "node:assert/strict";
import { create } from "webgpu";
import { emitFile } from "../../codegen/emit.ts";
import { wgslTarget } from "../../codegen/wgsl.ts";
import { buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import { isKernel, type Module, type Value } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import { bufferType, scalarType, tensorType } from "../../ir/type.ts";
import { type CompiledTier, compileModule } from "../../lib/compile.ts";
import { findLimits } from "../../passes/limits.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { when } from "../../passes/schedule/loops.ts";
import { blocks, phase } from "../../passes/schedule/simt/block.ts";
import { hasOnly, sampleCases, standInCases } from "../compile/sample-cases.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { blockPrograms } from "../passes/block-programs.ts";

const forms = parse(`
func @map(%x: f32[N,M], %y: f32[M]) {
  %0: f32[N,M] = broadcast %y {"axes":[1],"shape":["N","M"]}
  %1: bool[N,M] = lt %x, %0
  %2: f32[N,M] = tanh %x
  %3: f32[N,M] = constant {"dtype":"f32","shape":["N","M"],"value":-Infinity}
  %4: f32[N,M] = select %1, %2, %3
  return %1, %4
}

func @reduce(%x: f32[N,100]) {
  %0: f32[N] = reduce_max %x {"axes":[1]}
  %1: f32[N,100] = broadcast %0 {"axes":[0],"shape":["N",100]}
  %2: f32[N,100] = sub %x, %1
  %3: f32[N,100] = exp %2
  %4: f32[N] = reduce_sum %3 {"axes":[1]}
  %5: i32[N] = argmax %x {"axis":1}
  return %3, %4, %5
}

func @scan(%x: f32[N,M]) {
  %0: f32[N,M] = cumsum %x {"axis":0,"reverse":true}
  return %0
}

func @kernel(%base: f32[N,4], %ids: i32[M], %updates: f32[M,4]) {
  %0: f32[N,4] = scatter_add %base, %ids, %updates {"axis":0}
  return %0
}

func @contraction(%x: f32[N,64], %w: f32[64,32], %b: f32[32]) {
  %0: f32[N,32] = dot_general %x, %w {"leftBatch":[],"leftReduced":[1],"rightBatch":[],"rightReduced":[0]}
  %1: f32[N,32] = broadcast %b {"axes":[1],"shape":["N",32]}
  %2: f32[N,32] = add %0, %1
  return %2
}

func @literal(%x: i32[7]) {
  %0: i32[7] = mul %x, %x
  return %0
}
`);

describe("WGSL", function () {
  this.timeout(240_000);
  // Dawn goes with the object that made it, whatever else still refers to its devices.
  const gpu = create(["backend=null"]);
  let device: GPUDevice;
  before(async () => {
    const adapter = await gpu.requestAdapter();
    assert.ok(adapter, "the null backend has an adapter");
    device = await adapter.requestDevice({ requiredFeatures: ["shader-f16", "subgroups"] });
  });
  after(() => device.destroy());

  it("has kernels of each form in one module, each a valid pipeline", async () => {
    const tier = compile(forms);
    const entries = tier.programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry));
    assert.ok(entries.length >= forms.functions.length);
    assert.deepEqual(await faults(device, tier.source, entries), []);
  });

  for (const [what, cases, tierName, least] of [
    ["as the table samples it", sampleCases, "wgsl-base", 250],
    ["of i8", standInCases("i8"), "wgsl-base", 25],
    ["of u8", standInCases("u8"), "wgsl-base", 25],
    ["of f16", standInCases("f16"), "wgsl-f16", 50],
  ] as const) {
    it(`spells every op ${what}`, async () => {
      const functions = cases.filter((entry) => hasOnly(entry, findLimits(tierName).dtypes)).map(({ func }) => func);
      const tier = compile({ functions }, tierName);
      const entries = tier.programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry));
      assert.ok(entries.length > least, `${entries.length} kernels`);
      assert.deepEqual(await faults(device, tier.source, entries), []);
    });
  }

  it("enables f16 where it is used, in front of everything else", () => {
    const module = parse("func @f(%x: f16[N]) {\n  %0: f16[N] = exp %x\n  return %0\n}\n");
    assert.match(compile(module, "wgsl-f16").source, /^enable f16;\n[^]*array<f16>/);
    assert.doesNotMatch(compile(forms, "wgsl-f16").source, /f16/);
  });

  it("enables subgroups where threads exchange registers", async () => {
    const { source, programs } = compile(forms, "wgsl-subgroups");
    assert.match(source, /^enable subgroups;\n[^]*subgroupShuffleXor\(\w+, 4u\)/);
    assert.doesNotMatch(source, /subgroupShuffleXor\(\w+, 8u\)/);
    assert.deepEqual(await faults(device, source, programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry))), []);
    assert.doesNotMatch(compile(forms).source, /subgroup/);
    const halves = parse('func @f(%x: f16[N,M]) {\n  %0: f16[N] = reduce_max %x {"axes":[1]}\n  %1: i32[N] = argmax %x {"axis":1}\n  return %0, %1\n}\n'.replaceAll("M", "100"));
    const both = compile(halves, "wgsl-f16-subgroups");
    assert.match(both.source, /^enable (f16|subgroups);\n\nenable (f16|subgroups);\n/);
    assert.deepEqual(await faults(device, both.source, both.programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry))), []);
  });

  for (const tierName of ["wgsl-base", "wgsl-subgroups"]) it(`has tiles, rows and sums in blocks of threads for ${tierName}`, async () => {
    const modules = Object.values(blockPrograms).map(({ text }) => parse(text));
    const possible = modules.flatMap(({ functions }) => functions).filter(({ body }) => body.parameters.every(({ type: { dtype } }) => dtype !== "index" && findLimits("wgsl-base").dtypes.includes(dtype)));
    const { source, programs } = compile({ functions: possible.map((func, i) => ({ ...func, name: `f${i}` })) }, tierName);
    assert.ok(programs.length > 15);
    assert.deepEqual(await faults(device, source, programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry))), []);
  });

  it("loads and stores vectors where a thread has four neighbours", () => {
    const { source } = compile(parse(`
func @f(%x: f32[4194304], %y: bool[4194304], %z: i8[4194304]) {
  %0: f32[4194304] = add %x, %x
  %1: f32[4194304] = select %y, %0, %x
  %2: bool[4194304] = lt %x, %1
  %3: i8[4194304] = add %z, %z
  return %1, %2, %3
}
`));
    assert.match(source, /f_0_in\d: array<vec4<f32>>;/);
    assert.match(source, /f_0_in\d: array<vec4<u32>>;/);
    assert.match(source, /f_0_out2: array<vec4<i32>>;/);
    assert.match(source, /let v\d+ = \(\*in\d\)\[\(v\d+\) >> 2u\] != vec4<u32>\(0u\);/);
    assert.match(source, /\(\*out1\)\[\(v\d+\) >> 2u\] = select\(vec4<u32>\(0u\), vec4<u32>\(1u\), v\d+\);/);
    assert.doesNotMatch(source, /array<(f32|u32|i32)>;/);
  });

  it("has vectors in memory of a workgroup, and finds elements in them", async () => {
    const number = (name: string, value: number): string => `  %${name}: index = constant {"dtype":"index","value":${value}}`;
    const each = (lines: (offset: number) => readonly string[]): string => [0, 1, 2, 3].flatMap(lines).map((line) => `          ${line}`).join("\n");
    const { functions } = runPasses(parse(`
func @f(%x: f32[64]) {
  %0: f32[64], %1: f32[16] = launch %x {"callee":"kernel"}
  return %0, %1
}

func @kernel(%x: global f32[64], %y: global f32[64], %z: global f32[16]) {
${[0, 1, 2, 3, 4, 16].map((value) => number(`c${value}`, value)).join("\n")}
  for %c0, %c1, %c1 {"kind":"grid","threads":16} {
    body(%block: index) {
      %tile: shared f32[4,16] = alloc {"dtype":"f32","shape":[4,16],"space":"shared"}
      for %c0, %c16, %c1 {"kind":"thread"} {
        body(%thread: index) {
          %row: index = div %thread, %c4
          %part: index = rem %thread, %c4
          %column: index = mul %part, %c4
          %first: index = mul %thread, %c4
${each((i) => [`%from${i}: index = add %first, %c${i}`, `%x${i}: f32 = load %x, %from${i}`, `%to${i}: index = add %column, %c${i}`, `store %tile, %x${i}, %row, %to${i}`])}
        }
      }
      for %c0, %c16, %c1 {"kind":"thread"} {
        body(%thread: index) {
          %row: index = rem %thread, %c4
          %part: index = div %thread, %c4
          %column: index = mul %part, %c4
          %first: index = mul %thread, %c4
${each((i) => [`%from${i}: index = add %column, %c${i}`, `%x${i}: f32 = load %tile, %row, %from${i}`, `%to${i}: index = add %first, %c${i}`, `store %y, %x${i}, %to${i}`])}
          %alone: f32 = load %tile, %c2, %thread
          store %z, %alone, %thread
        }
      }
    }
  }
}
`), ["simplify", "cse", "widen-accesses", "dce", "place-barriers"], { limits: findLimits("wgsl-base") });
    const source = emitFile(wgslTarget, functions.filter(isKernel).map((func) => ({ func, dims: [], comment: [], isInPlace: false })));
    assert.match(source, /var<workgroup> kernel_shared\d+: array<vec4<f32>, 64u \/ 4>;/);
    assert.match(source, /kernel_shared\d+\[\(.*\) >> 2u\] = v\d+;/);
    assert.match(source, /let v\d+ = kernel_shared\d+\[\(.*\) >> 2u\];/);
    assert.match(source, /let v\d+ = kernel_shared\d+\[\(.*\) >> 2u\]\[\(.*\) & 3u\];/);
    assert.deepEqual(await faults(device, source, ["kernel"]), []);
  });

  it("orders the memory that a barrier is for, and no other", async () => {
    const tiles = compile(parse(blockPrograms["a contraction of several tiles and steps"]?.text ?? ""));
    assert.match(tiles.source, /^ +workgroupBarrier\(\);$/m);
    assert.doesNotMatch(tiles.source, /storageBarrier/);
    // A block that reads what its threads have stored to a buffer of the device.
    const kernel = buildFunction("k", [{ name: "y", type: bufferType("global", "f32", [64]) }], (b, [y]) => {
      assert.ok(y);
      blocks(b, 1, 64, 1, () => {
        phase(b, 64, (thread) => void b.store(y, b.constantOf(scalarType("f32"), 1), [thread]));
        phase(b, 64, (thread) => when(b, b.lt(thread, b.index(1)), () => void b.store(y, b.load(y, [b.index(63)]), [thread])));
      });
      return [];
    });
    const { functions: [placed] } = runPasses({ functions: [kernel] }, ["place-barriers"]);
    assert.ok(placed);
    const source = emitFile(wgslTarget, [{ func: placed, dims: [], comment: [], isInPlace: false }]);
    assert.match(source, /^ +storageBarrier\(\);$/m);
    assert.doesNotMatch(source, /workgroupBarrier/);
    assert.deepEqual(await faults(device, source, ["k"]), []);
  });

  it("names no counter as a type", async () => {
    // The counter of what follows a sum has a higher number for each op before it.
    const functions = Array.from({ length: 30 }, (_, ops) => buildFunction(`f${ops}`, [{ name: "x", type: tensorType("f32", [namedDim("N"), 10]) }], (b, [x]) => {
      assert.ok(x);
      const element = Array.from({ length: ops }).reduce<Value>((value) => b.mul(b.abs(value), value), x);
      return [b.neg(b.sin(b.reduceSum(element, { axes: [1] })))];
    }));
    const { source, programs } = compile({ functions });
    const counters = [...new Set(source.match(/\bi\d+\b/g))].map((name) => Number(name.slice(1)));
    assert.ok(counters.some((number) => number < 32) && counters.some((number) => number > 32), counters.join());
    assert.deepEqual(await faults(device, source, programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry))), []);
  });

  it("is refused by the validator when it is wrong", async () => {
    const { source } = compile(forms);
    const [fault] = await faults(device, source.replace("(*in0)[", "(*in0)[1.5 + "), []);
    assert.match(fault ?? "", /f32|index|abstract/);
  });
});

function compile(module: Module, name = "wgsl-base"): CompiledTier {
  const { tiers: [tier] } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: [name] });
  assert.ok(tier);
  return tier;
}

/** What the validator says of a module and of a pipeline for each entry point, with the line it is about. */
async function faults(device: GPUDevice, code: string, entries: readonly string[]): Promise<readonly string[]> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const found = messages.filter(({ type }) => type === "error").map(({ message, lineNum }) => `${message} at line ${lineNum}: ${code.split("\n")[lineNum - 1] ?? ""}`);
  const error = await device.popErrorScope();
  if (error !== null && found.length === 0) found.push(error.message);
  for (const entryPoint of found.length > 0 ? [] : entries) {
    await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint } }).catch((refusal: unknown) => found.push(`${entryPoint}: ${String(refusal)}`));
  }
  return found;
}
