/**
 * WGSL, base tier: storage buffers, and a workgroup for each block of threads. Lanes are invocations, so kernels for it
 * have no vectors. Named dims arrive in a uniform buffer after the storage buffers.
 *
 * All kernels of a tier are entry points of one module. What a kernel binds has its name in front, since names of a
 * module must differ and bindings of different entry points need not; inside, a pointer has the short name. A dispatch
 * has at most 65,535 workgroups along an axis, so blocks are counted along two.
 */

import { type Dim, foldDim } from "../ir/dim.ts";
import { type BufferType, isFloat, type DType, type ScalarDType, type ScalarType } from "../ir/type.ts";
import { indent } from "./spell.ts";
import type { Target, Use } from "./target.ts";
import { wgslElementwise } from "./wgsl-elementwise.ts";
import { wgslNames } from "./wgsl-types.ts";

/** Workgroups along the first axis of a dispatch; the runtime divides blocks in the same way. */
const workgroupsAcross = 65535;

function typeName(type: ScalarType): string {
  if (type.lanes > 1) throw new Error("lanes of a WGSL kernel are invocations, not vectors");
  const name = wgslNames[type.dtype];
  if (name === undefined) throw new Error(`WGSL has no ${type.dtype}: convert it to another dtype in the model, or build without wgsl`);
  return name;
}

/** What an element is in a buffer: bool cannot be shared with the host, so it is a u32 there. */
function memoryName(memory: BufferType): string {
  return memory.dtype === "bool" ? "u32" : typeName({ kind: "scalar", dtype: memory.dtype, lanes: 1 });
}

/** WGSL refuses infinities and NaN as literals, so they are made of their bits where they are used. */
function literal(dtype: ScalarDType, value: number, use: Use): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (dtype === "u32" || dtype === "index") return `${value}u`;
  if (dtype === "u8") return `${value}u`;
  if (!isFloat(dtype)) return value === -(2 ** 31) ? "(-2147483647i - 1i)" : `${value}i`;
  if (Number.isFinite(value)) return `f32(${Object.is(value, -0) ? "-0.0" : /[.e]/.test(String(value)) ? value : `${value}.0`})`;
  const bits = Number.isNaN(value) ? "0x7fc00000u" : value > 0 ? "0x7f800000u" : "0xff800000u";
  return `bitcast<f32>(${use({ name: "opaque", text: () => "// Read at run time, so that bits made of it are no constant expression.\nvar<private> opaque: u32 = 0u;" })} | ${bits})`;
}

function spellDim(dim: Dim): string {
  return foldDim<string>(dim, {
    constant: (value) => (value < 0 ? `u32(${value}i)` : `${value}u`),
    name: (name) => `dims.${name}`,
    sum: (parts) => `(${parts.join(" + ")})`,
    product: (parts) => `(${parts.join(" * ")})`,
    operation: (operation, left, right) => {
      switch (operation) {
        case "floordiv": return `(${left} / ${right})`;
        case "mod": return `(${left} % ${right})`;
        case "min": return `min(${left}, ${right})`;
        case "max": return `max(${left}, ${right})`;
      }
    },
  });
}

/** Buffers of the device are behind pointers; scratch is a variable of the kernel. */
function elementOf(buffer: string, memory: BufferType, offset: string): string {
  return memory.space === "global" ? `(*${buffer})[${offset}]` : `${buffer}[${offset}]`;
}

/** What threads add to at once: there are atomics of words alone. */
function atomicName({ dtype }: BufferType): "i32" | "u32" {
  if (dtype === "bool" || dtype === "f16") throw new Error(`WGSL has no atomic addition of ${dtype}`);
  return dtype === "i32" || dtype === "i8" ? "i32" : "u32";
}

function roundedSum(dtype: DType, left: string, right: string, use: Use): string {
  const type: ScalarType = { kind: "scalar", dtype, lanes: 1 };
  return wgslElementwise.add({ operands: [left, right], type, operandTypes: [type, type], result: type, attrs: {}, literals: [undefined, undefined] }, use);
}

function noVectors(): never {
  throw new Error("a WGSL kernel has no vectors");
}

export const wgslTarget: Target = {
  name: "wgsl",
  elementwise: wgslElementwise,
  typeName,
  constant: (type, value, use) => literal(type.dtype, value, use),
  dim: spellDim,
  define: (_type, name, value) => `let ${name} = ${value};`,
  declare: (type, name, value) => `var ${name}: ${typeName(type)}${value === undefined ? "" : ` = ${value}`};`,
  branch: (condition, then, otherwise) => [
    `if (${condition}) {`,
    ...indent(then),
    ...(otherwise.length > 0 ? ["} else {", ...indent(otherwise)] : []),
    "}",
  ],
  load: (buffer, memory, offset) => (memory.dtype === "bool" ? `${elementOf(buffer, memory, offset)} != 0u` : elementOf(buffer, memory, offset)),
  store: (buffer, memory, offset, value) => `${elementOf(buffer, memory, offset)} = ${memory.dtype === "bool" ? `select(0u, 1u, ${value})` : value};`,
  atomicAdd: (buffer, memory, offset, value, use) => {
    const place = elementOf(buffer, memory, offset);
    if (memory.dtype === "i32" || memory.dtype === "u32") return [`atomicAdd(&${place}, ${value});`];
    // There are no atomic floats: the sum takes the place of what it was made of, until nobody came between.
    const { element, word } = { element: typeName({ kind: "scalar", dtype: memory.dtype, lanes: 1 }), word: atomicName(memory) };
    const sum = roundedSum(memory.dtype, `bitcast<${element}>(before)`, value, use);
    return [
      "{",
      ...indent([
        `var before = atomicLoad(&${place});`,
        "loop {",
        `  let exchange = atomicCompareExchangeWeak(&${place}, before, bitcast<${word}>(${sum}));`,
        "  if (exchange.exchanged) { break; }",
        "  before = exchange.old_value;",
        "}",
      ]),
      "}",
    ];
  },
  gather: noVectors,
  scatter: noVectors,
  splat: noVectors,
  ramp: noVectors,
  extract: noVectors,
  shuffle: noVectors,
  alloc: (name, memory, elements) => `var${memory.space === "shared" ? "<workgroup>" : ""} ${name}: array<${memoryName(memory)}, ${elements}>;`,
  // Both kinds of memory: a phase may store to a buffer of the device what another one loads.
  barrier: "storageBarrier(); workgroupBarrier();",
  phase: (index, body) => ["{", ...indent([`let ${index} = thread;`, ...body]), "}"],
  loop: (_kind, index, start, stop, step, body) => [
    `for (var ${index} = ${start}; ${index} < ${stop}; ${index} += ${step}) {`,
    ...indent(body),
    "}",
  ],
  grid: (index, items, body) => [`let ${index} = workgroup.x + workgroup.y * ${workgroupsAcross}u;`, `if (${index} < ${items}) {`, ...indent(body), "}"],
  kernel: ({ name, parameters, dims, comment, shared, threads, body }) => [
    ...comment.map((line) => `// ${line}`),
    ...parameters.map(({ name: parameter, type, isWritten, isAtomic }, binding) =>
      `@group(0) @binding(${binding}) var<storage, ${isWritten ? "read_write" : "read"}> ${name}_${parameter}: array<${isAtomic ? `atomic<${atomicName(type)}>` : memoryName(type)}>;`),
    ...(dims.length === 0 ? [] : [
      `struct ${name}_Dims { ${dims.map((dim) => `${dim}: u32`).join(", ")} }`,
      `@group(0) @binding(${parameters.length}) var<uniform> ${name}_dims: ${name}_Dims;`,
    ]),
    ...shared,
    `@compute @workgroup_size(${threads})`,
    `fn ${name}(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {`,
    ...indent([
      ...parameters.map(({ name: parameter }) => `let ${parameter} = &${name}_${parameter};`),
      ...(dims.length === 0 ? [] : [`let dims = ${name}_dims;`]),
      ...body,
    ]),
    "}",
  ].join("\n"),
  file: (definitions, kernels) => `${[...definitions, ...kernels].join("\n\n")}\n`,
};
