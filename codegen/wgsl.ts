/**
 * WGSL: storage buffers, and a workgroup for each block of threads. Lanes are invocations, so the only vectors are those
 * of four neighbouring elements that an invocation loads or stores at once: memory with such accesses is an array of
 * vectors, in which another load finds its element. Named dims arrive in a uniform buffer after the storage buffers.
 *
 * All kernels of a tier are entry points of one module. What a kernel binds has its name in front, since names of a
 * module must differ and bindings of different entry points need not; inside, a pointer has the short name. A dispatch
 * has at most 65,535 workgroups along an axis, so blocks are counted along two.
 */

import { type BufferType, type DType, type ScalarType, scalarType } from "../ir/type.ts";
import { branch, dimSpelling, indent } from "./spell.ts";
import type { Definition, KernelMemory, Target, Use } from "./target.ts";
import { wgslElementwise } from "./wgsl-elementwise.ts";
import { wgslLiteral, wgslTypeName } from "./wgsl-types.ts";

/** Workgroups along the first axis of a dispatch; the runtime divides blocks in the same way. */
const workgroupsAcross = 65535;

/** Elements of a vector. */
const wideLanes = 4;

function typeName({ dtype, lanes }: ScalarType, use: Use): string {
  if (lanes !== 1 && lanes !== wideLanes) throw new Error(`a WGSL kernel has vectors of ${wideLanes} elements, not of ${lanes}`);
  const element = wgslTypeName(dtype, use);
  return lanes === 1 ? element : `vec4<${element}>`;
}

/** What an element is in a buffer, or four of them: bool cannot be shared with the host, so it is a u32 there. */
function memoryName({ dtype, isWide }: KernelMemory, use: Use): string {
  return typeName(scalarType(dtype === "bool" ? "u32" : dtype, isWide ? wideLanes : 1), use);
}

const spellDim = dimSpelling({
  constant: (value) => (value < 0 ? `u32(${value}i)` : `${value}u`),
  name: (name) => `dims.${name}`,
  min: (left, right) => `min(${left}, ${right})`,
  max: (left, right) => `max(${left}, ${right})`,
});

/** Buffers of the device are behind pointers; scratch is a variable of the kernel. */
function elementOf(buffer: string, memory: KernelMemory, offset: string): string {
  const elements = memory.space === "global" ? `(*${buffer})` : buffer;
  return memory.isWide ? `${elements}[(${offset}) >> 2u][(${offset}) & 3u]` : `${elements}[${offset}]`;
}

/** The vector whose first element is at an offset, a multiple of four. */
function vectorOf(buffer: string, memory: KernelMemory, offset: string): string {
  return elementOf(buffer, { ...memory, isWide: false }, `(${offset}) >> 2u`);
}

/** A store to one element of a vector may write all of it (WGSL's memory model), and would race with another thread's. */
function elementAlone(buffer: string, memory: KernelMemory, offset: string): string {
  if (memory.isWide) throw new Error(`${buffer} is an array of vectors, and one element of a vector is stored to`);
  return elementOf(buffer, memory, offset);
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

/** Threads that the runtime makes sure are neighbours in one subgroup before it takes such a kernel. */
const subgroup = 8;

/** A directive, for the head of the file. */
const enableSubgroups: Definition = { name: "subgroups", text: () => "enable subgroups;" };

function noVectors(): never {
  throw new Error("a WGSL kernel has no vectors but of neighbouring elements");
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
  load: (buffer, memory, offset, { lanes }) => {
    const held = lanes > 1 ? vectorOf(buffer, memory, offset) : elementOf(buffer, memory, offset);
    return memory.dtype === "bool" ? `${held} != ${lanes > 1 ? "vec4<u32>(0u)" : "0u"}` : held;
  },
  store: (buffer, memory, offset, value, { lanes }) => {
    const place = lanes > 1 ? vectorOf(buffer, memory, offset) : elementAlone(buffer, memory, offset);
    const [no, yes] = lanes > 1 ? ["vec4<u32>(0u)", "vec4<u32>(1u)"] : ["0u", "1u"];
    return `${place} = ${memory.dtype === "bool" ? `select(${no}, ${yes}, ${value})` : value};`;
  },
  atomicAdd: (buffer, memory, offset, value, use) => {
    const place = elementAlone(buffer, memory, offset);
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
  shuffleXor: (register, { dtype }, mask, _threads, use) => {
    if (mask >= subgroup) throw new Error(`a kernel for WGSL exchanges registers by the mask ${mask}, and subgroups have ${subgroup} threads or more`);
    use(enableSubgroups);
    return dtype === "bool" ? `subgroupShuffleXor(select(0u, 1u, ${register}), ${mask}u) != 0u` : `subgroupShuffleXor(${register}, ${mask}u)`;
  },
  gather: noVectors,
  scatter: noVectors,
  splat: noVectors,
  ramp: noVectors,
  extract: (vector, lane) => `${vector}.${"xyzw"[lane]}`,
  compose: (elements, result, use) => `${typeName(result, use)}(${elements.join(", ")})`,
  shuffle: noVectors,
  alloc: (name, memory, elements, use) =>
    `var${memory.space === "shared" ? "<workgroup>" : ""} ${name}: array<${memoryName(memory, use)}, ${elements}${memory.isWide ? ` / ${wideLanes}` : ""}>;`,
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
