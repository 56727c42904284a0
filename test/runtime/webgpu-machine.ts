/** Programs by hand for the tests of the webgpu device: WGSL kernels, as the compiler would lay them out. */

import { bindPrograms, type Functions } from "../../runtime/package.ts";
import type { ProgramSource } from "../../runtime/device.ts";
import type { Formula, Program } from "../../runtime/program.ts";
import type { WebGpuDevice } from "../../runtime/webgpu-device.ts";
export { anyFunction } from "./machine.ts";
import { addProgram, controlProgram, launch, program, stepProgram, tensorTree } from "./machine.ts";

/** The threads of a block, in the text and in every kernel's record. */
const threads = 64;

const blocks = (items: Formula): Formula => ["floordiv", ["+", items, threads - 1], threads];

/** A kernel's record: so many items, `inputs` buffers that are only read. */
export const wgslKernel = (entry: string, items: Formula, inputs: number): Program["kernels"][number] => ({
  entry, grid: blocks(items), threads, inputs, work: threads, sources: ["model.ts:3:5", "model.ts:9:1"], summary: entry,
});

/** One kernel's text. `buffers` are written "x: f32"; the last ones after `inputs` are written. */
function kernelText(entry: string, inputs: number, buffers: readonly string[], dims: readonly string[], body: string): string {
  return [
    ...buffers.map((buffer, i) => {
      const [name, type] = buffer.split(": ");
      return `@group(0) @binding(${i}) var<storage, ${i < inputs ? "read" : "read_write"}> ${entry}_${name}: array<${type}>;`;
    }),
    ...(dims.length === 0 ? [] : [
      `struct ${entry}_Dims { ${dims.map((dim) => `${dim}: u32`).join(", ")} }`,
      `@group(0) @binding(${buffers.length}) var<uniform> ${entry}_dims: ${entry}_Dims;`,
    ]),
    `@compute @workgroup_size(${threads})`,
    `fn ${entry}(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {`,
    ...buffers.map((buffer) => `  let ${buffer.split(":")[0]} = &${entry}_${buffer.split(":")[0]};`),
    `  let i = (group.x + group.y * 65535u) * ${threads}u + thread;`,
    `  ${body}`,
    "}",
  ].join("\n");
}

export const wgslText = [
  kernelText("add", 2, ["x: f32", "y: f32", "z: f32"], ["N"], "if (i < add_dims.N) { z[i] = x[i] + y[i]; }"),
  kernelText("add3", 2, ["x: f32", "y: f32", "z: f32"], [], "if (i < 3u) { z[i] = x[i] + y[i]; }"),
  // The length of a binding is the buffer's, up to the next whole vector of four words.
  kernelText("twice", 1, ["x: f32", "y: f32"], ["N"], "if (i < arrayLength(y) && twice_dims.N > 0u) { y[i] = 2.0f * x[i]; }"),
  kernelText("twice3", 1, ["x: f32", "y: f32"], [], "if (i < 3u) { y[i] = 2.0f * x[i]; }"),
  kernelText("fill_dims", 0, ["y: i32"], ["A", "B"], "if (i == 0u) { y[0] = i32(fill_dims_dims.A * 1000u + fill_dims_dims.B); }"),
  kernelText("below_limit", 2, ["n: i32", "limit: i32", "below: u32"], [], "if (i == 0u) { below[0] = select(0u, 1u, n[0] < limit[0]); }"),
  kernelText("increment", 0, ["n: i32"], [], "if (i == 0u) { n[0] += 1; }"),
  kernelText("negate_bool", 1, ["x: u32", "y: u32"], ["N"], "if (i < negate_bool_dims.N) { y[i] = select(0u, 1u, x[i] == 0u); }"),
  kernelText("negate_i8", 1, ["x: i32", "y: i32"], ["N"], "if (i < negate_i8_dims.N) { y[i] = -x[i]; }"),
  kernelText("turn_vectors", 1, ["x: vec4<f32>", "y: f32"], ["N"], "if (i < turn_vectors_dims.N) { let j = turn_vectors_dims.N - 1u - i; y[i] = x[j / 4u][j % 4u]; }"),
  kernelText("mark_blocks", 0, ["seen: i32"], ["N"], "if (i < mark_blocks_dims.N * 64u && thread == 0u) { seen[i / 64u] += 1 + i32(i / 64u); }"),
  kernelText("slow", 1, ["x: f32", "y: f32"], [], "var v = x[0]; for (var k = 0u; k < 300000u; k++) { v = v * 0.999f + 0.001f; } y[i] = v;"),
  kernelText("too_long", 1, ["x: f32", "y: f32"], [], "y[0] = x[99];").replaceAll("array<f32>", "array<f32, 100>"),
].join("\n\n");

export const text = (code: string, path = "kernels.wgsl"): ProgramSource["code"] => ({ path, read: async () => new TextEncoder().encode(code) });

export async function bindWgsl(device: WebGpuDevice, programs: readonly Program[], parts: Partial<ProgramSource> = {}): Promise<Functions> {
  return bindPrograms({ programs, code: text(wgslText), ...parts }, device);
}

export const addOnGpu = { ...addProgram, kernels: [wgslKernel("add", "N", 2)] };
export const stepOnGpu = { ...stepProgram, kernels: [wgslKernel("twice", ["*", "N", 4], 1)] };

/** y = f(x) of one kernel and N elements. */
export const unary = (name: string, entry: string, dtype: "f32" | "bool" | "i8" | "u8" | "i32"): Program => program({
  name, dims: [{ name: "N", min: 0 }],
  parameters: [{ name: "x", tree: tensorTree(dtype, ["N"]), donated: false }],
  result: tensorTree(dtype, ["N"]),
  buffers: [
    { dtype, shape: ["N"], role: { kind: "parameter", leaf: 0 } },
    { dtype, shape: ["N"], role: { kind: "result" } },
  ],
  kernels: [wgslKernel(entry, "N", 1)], steps: [{ kind: "launch", kernel: 0, buffers: [0, 1] }], resultBuffers: [1],
});

export const controlOnGpu = {
  ...controlProgram,
  kernels: [wgslKernel("below_limit", 1, 2), wgslKernel("increment", 1, 0), wgslKernel("twice3", 3, 1), wgslKernel("add3", 3, 2)],
};

/** A run that WebGPU refuses when it is submitted: the kernel's array is longer than its buffer; other steps before. */
export const failingAfter = (name: string, steps: Program["steps"]): Program => program({
  name, parameters: [{ name: "x", tree: tensorTree("f32", [3]), donated: false }], result: tensorTree("f32", [3]),
  buffers: [{ dtype: "f32", shape: [3], role: { kind: "parameter", leaf: 0 } }, { dtype: "f32", shape: [3], role: { kind: "result" } }],
  kernels: [wgslKernel("too_long", 1, 1), wgslKernel("twice3", 3, 1)], steps: [...steps, launch(0, 0, 1)], resultBuffers: [1],
});
