/**
 * Programs by hand for the runtime's tests: C kernels through the toolchain, and Program JSON with little typing.
 */

import { codeFile, compileText } from "../../runtime/toolchain.ts";
import { createCpuDevice, type CpuOptions } from "../../runtime/cpu-device.ts";
import { bindPrograms, type Functions } from "../../runtime/package.ts";
import type { CodeFile, Device } from "../../runtime/device.ts";
import { type Program, programFormat, programVersion, type Tree, type Formula, type DTypeName } from "../../runtime/program.ts";

/** The signature that native/src/kernel-library.h gives all kernels. */
export const kernelsText = `
#include <stdint.h>
#define KERNEL(name) void name(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end)
KERNEL(add) {
  const float *x = buffers[0], *y = buffers[1]; float *z = buffers[2];
  for (int64_t i = begin; i < end; i++) z[i] = x[i] + y[i];
}
KERNEL(twice) {
  const float *x = buffers[0]; float *y = buffers[1];
  for (int64_t i = begin; i < end; i++) y[i] = 2 * x[i];
}
KERNEL(fill_dims) {
  int32_t *y = buffers[0];
  for (int64_t i = begin; i < end; i++) y[i] = (int32_t)(dims[0] * 1000 + dims[1]);
}
KERNEL(nothing) {}
KERNEL(increment) { int32_t *y = buffers[0]; y[0] += 1; }
KERNEL(below_limit) { *(uint8_t *)buffers[2] = *(const int32_t *)buffers[0] < *(const int32_t *)buffers[1]; }
KERNEL(count) {
  int32_t *seen = buffers[0];
  for (int64_t i = begin; i < end; i++) seen[i] += 1 + (int32_t)i;
}
KERNEL(slow) {
  const float *x = buffers[0]; float *y = buffers[1];
  for (int64_t i = begin; i < end; i++) {
    float v = x[0];
    for (int k = 0; k < 20000000; k++) v = v * 0.999f + 0.001f;
    y[i] = v;
  }
}
`;

export async function kernels(): Promise<CodeFile> {
  return codeFile(await compileText(kernelsText, ["-O2"]));
}

export const tensorTree = (dtype: DTypeName, shape: readonly Formula[]): Tree => ({ kind: "tensor", dtype, shape });
export const objectTree = (fields: Readonly<Record<string, Tree>>): Tree => ({ kind: "object", fields: Object.entries(fields) });

export function program(parts: Partial<Program> & Pick<Program, "name" | "result">): Program {
  return {
    format: programFormat, version: programVersion, dims: [], parameters: [], guards: [], buffers: [], kernels: [],
    steps: [], resultBuffers: [], mutations: [], ...parts,
  };
}

export const kernel = (entry: string, grid: Formula, work: Formula = 1): Program["kernels"][number] => ({ entry, grid, work, sources: ["model.ts:1:1"], summary: entry });

export const launch = (index: number, ...buffers: number[]): Program["steps"][number] => ({ kind: "launch", kernel: index, buffers });

/** add(x, y) = x + y over f32[N]. */
export const addProgram = program({
  name: "add",
  dims: [{ name: "N", min: 0 }],
  parameters: ["x", "y"].map((name) => ({ name, tree: tensorTree("f32", ["N"]), donated: false })),
  result: tensorTree("f32", ["N"]),
  buffers: [
    { dtype: "f32", shape: ["N"], role: { kind: "parameter", leaf: 0 } },
    { dtype: "f32", shape: ["N"], role: { kind: "parameter", leaf: 1 } },
    { dtype: "f32", shape: ["N"], role: { kind: "result" } },
  ],
  kernels: [kernel("add", "N")],
  steps: [launch(0, 0, 1, 2)],
  resultBuffers: [2],
});

/** step({ w }, x) = { w: 2w, y: x }, consuming w: donation, a tree, and a result that is a parameter. */
export const stepProgram = program({
  name: "step",
  dims: [{ name: "N", min: 1 }],
  parameters: [
    { name: "p", tree: objectTree({ w: tensorTree("f32", ["N", 4]) }), donated: true },
    { name: "x", tree: tensorTree("f32", ["N"]), donated: false },
  ],
  result: objectTree({ w: tensorTree("f32", ["N", 4]), y: tensorTree("f32", ["N"]) }),
  buffers: [
    { dtype: "f32", shape: ["N", 4], role: { kind: "parameter", leaf: 0 } },
    { dtype: "f32", shape: ["N"], role: { kind: "parameter", leaf: 1 } },
    { dtype: "f32", shape: ["N", 4], role: { kind: "result", reuses: 0 } },
  ],
  kernels: [kernel("twice", ["*", "N", 4])],
  steps: [launch(0, 0, 2)],
  resultBuffers: [2, 1],
});

/** while (n < limit) n++, then if (n < other) result = 2x else result = x + x + x. */
export const controlProgram = ((): Program => {
  const i32 = { dtype: "i32", shape: [] } as const;
  const f32 = { dtype: "f32", shape: [3] } as const;
  return program({
    name: "control",
    parameters: [
      ...["n", "limit", "other"].map((name) => ({ name, tree: tensorTree("i32", []), donated: false })),
      { name: "x", tree: tensorTree("f32", [3]), donated: false },
    ],
    result: objectTree({ n: tensorTree("i32", []), x: tensorTree("f32", [3]) }),
    buffers: [
      { ...i32, role: { kind: "parameter", leaf: 0 } },
      { ...i32, role: { kind: "parameter", leaf: 1 } },
      { ...i32, role: { kind: "parameter", leaf: 2 } },
      { ...f32, role: { kind: "parameter", leaf: 3 } },
      { ...i32, role: { kind: "result" } },
      { ...f32, role: { kind: "result" } },
      { dtype: "bool", shape: [], role: { kind: "temporary", first: 0, last: 9 } },
      { ...f32, role: { kind: "temporary", first: 4, last: 9 } },
    ],
    kernels: [kernel("below_limit", 1), kernel("increment", 1), kernel("twice", 3), kernel("add", 3)],
    steps: [
      { kind: "copy", from: 0, to: 4 },
      { kind: "loop", head: [launch(0, 4, 1, 6)], condition: 6, body: [launch(1, 4)] },
      launch(0, 4, 2, 6),
      { kind: "if", condition: 6, then: [launch(2, 3, 5)], otherwise: [launch(3, 3, 3, 7), launch(3, 7, 3, 5)] },
    ],
    resultBuffers: [4, 5],
  });
})();

/** x doubled `links` times, by way of a temporary after each but the last. */
export function chainProgram(links: number, elements: Formula): Program {
  const f32 = { dtype: "f32", shape: [elements] } as const;
  return program({
    name: "chain",
    dims: typeof elements === "string" ? [{ name: elements, min: 0 }] : [],
    parameters: [{ name: "x", tree: tensorTree("f32", [elements]), donated: false }],
    result: tensorTree("f32", [elements]),
    buffers: [
      { ...f32, role: { kind: "parameter", leaf: 0 } },
      ...Array.from({ length: links - 1 }, (_, i) => ({ ...f32, role: { kind: "temporary", first: i, last: i + 1 } as const })),
      { ...f32, role: { kind: "result" } },
    ],
    kernels: [kernel("twice", elements)],
    steps: Array.from({ length: links }, (_, i) => launch(0, i, i + 1)),
    resultBuffers: [links],
  });
}

export async function bind(programs: readonly Program[], options: CpuOptions = {}): Promise<{ functions: Functions; device: Device }> {
  const device = createCpuDevice({ threads: 2, ...options });
  return { functions: await bindPrograms({ programs, code: await kernels() }, device), device };
}

export const anyFunction = (functions: Functions, name: string): Functions[string] => {
  const found = functions[name];
  if (found === undefined) throw new Error(`no function ${name}`);
  return found;
};
