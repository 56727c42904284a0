/**
 * WGSL: storage buffers, and a workgroup for each block of threads. Lanes are invocations, so kernels for it
 * have no vectors. Named dims arrive in a uniform buffer after the storage buffers.
 *
 * All kernels of a tier are entry points of one module. What a kernel binds has its name in front, since names of a
 * module must differ and bindings of different entry points need not; inside, a pointer has the short name. A dispatch
 * has at most 65,535 workgroups along an axis, so blocks are counted along two.
 */

import type { BufferType, DType, ScalarType } from "../ir/type.ts";
import { branch, dimSpelling, indent } from "./spell.ts";
import type { Target, Use } from "./target.ts";
import { wgslElementwise } from "./wgsl-elementwise.ts";
import { wgslLiteral, wgslTypeName } from "./wgsl-types.ts";

/** Workgroups along the first axis of a dispatch; the runtime divides blocks in the same way. */
const workgroupsAcross = 65535;

function typeName(type: ScalarType, use: Use): string {
  if (type.lanes > 1) throw new Error("lanes of a WGSL kernel are invocations, not vectors");
  return wgslTypeName(type.dtype, use);
}

/** What an element is in a buffer: bool cannot be shared with the host, so it is a u32 there. */
function memoryName({ dtype }: BufferType, use: Use): string {
  return dtype === "bool" ? "u32" : wgslTypeName(dtype, use);
}

const spellDim = dimSpelling({
  constant: (value) => (value < 0 ? `u32(${value}i)` : `${value}u`),
  name: (name) => `dims.${name}`,
  min: (left, right) => `min(${left}, ${right})`,
  max: (left, right) => `max(${left}, ${right})`,
});

/** Buffers of the device are behind pointers; scratch is a variable of the kernel. */
function elementOf(buffer: string, memory: BufferType, offset: string): string {
  return memory.space === "global" ? `(*${buffer})[${offset}]` : `${buffer}[${offset}]`;
}

/** What threads add to at once: there are atomics of words alone. */
function atomicName({ dtype }: BufferType): "i32" | "u32" {
  if (dtype === "bool") throw new Error("WGSL has no atomic addition of bool");
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
  constant: ({ dtype }, value, use) => wgslLiteral(dtype, value, use),
  dim: spellDim,
  define: (_type, name, value) => `let ${name} = ${value};`,
  declare: (type, name, value, use) => `var ${name}: ${typeName(type, use)}${value === undefined ? "" : ` = ${value}`};`,
  branch,
  load: (buffer, memory, offset) => (memory.dtype === "bool" ? `${elementOf(buffer, memory, offset)} != 0u` : elementOf(buffer, memory, offset)),
  store: (buffer, memory, offset, value) => `${elementOf(buffer, memory, offset)} = ${memory.dtype === "bool" ? `select(0u, 1u, ${value})` : value};`,
  atomicAdd: (buffer, memory, offset, value, use) => {
    const place = elementOf(buffer, memory, offset);
    if (memory.dtype === "i32" || memory.dtype === "u32") return [`atomicAdd(&${place}, ${value});`];
    // Kernels for it have one thread (the limits say so), as there are atomics of words alone.
    if (memory.dtype === "f16") return [`${place} = ${roundedSum("f16", place, value, use)};`];
    // There are no atomic floats: the sum takes the place of what it was made of, until nobody came between.
    const { element, word } = { element: wgslTypeName(memory.dtype, use), word: atomicName(memory) };
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
  alloc: (name, memory, elements, use) => `var${memory.space === "shared" ? "<workgroup>" : ""} ${name}: array<${memoryName(memory, use)}, ${elements}>;`,
  barrier: (orders) => orders.map((space) => (space === "shared" ? "workgroupBarrier();" : "storageBarrier();")).join(" "),
  phase: (index, body) => ["{", ...indent([`let ${index} = thread;`, ...body]), "}"],
  loop: (_kind, index, start, stop, step, body) => [
    `for (var ${index} = ${start}; ${index} < ${stop}; ${index} += ${step}) {`,
    ...indent(body),
    "}",
  ],
  grid: (index, items, body) => [`let ${index} = workgroup.x + workgroup.y * ${workgroupsAcross}u;`, `if (${index} < ${items}) {`, ...indent(body), "}"],
  kernel: ({ name, parameters, dims, comment, shared, threads, body }, use) => [
    ...comment.map((line) => `// ${line}`),
    ...parameters.map(({ name: parameter, type, isWritten, isAtomic }, binding) =>
      `@group(0) @binding(${binding}) var<storage, ${isWritten ? "read_write" : "read"}> ${name}_${parameter}: array<${isAtomic && type.dtype !== "f16" ? `atomic<${atomicName(type)}>` : memoryName(type, use)}>;`),
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
  file: (definitions, kernels) => {
    const directives = definitions.filter((text) => text.startsWith("enable "));
    return `${[...directives, ...definitions.filter((text) => !directives.includes(text)), ...kernels].join("\n\n")}\n`;
  },
};
