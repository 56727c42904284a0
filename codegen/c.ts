/**
 * C with vector extensions, for the CPU: what GCC and Clang on x86-64 and ARM64 both take.
 *
 * Scalars are C's own types. A vector of lanes is `f32x16`; comparisons of vectors give masks of 0 and -1 in 32-bit
 * lanes, whatever they compared, and a select is made of and, andnot, or. Integers wrap (the compiler is given
 * -fwrapv). What has no vector form runs lane by lane through its scalar one.
 */

import { bytesOf, type BufferType, type ScalarType, scalarType } from "../ir/type.ts";
import { cElementwise } from "./c-elementwise.ts";
import { isHalf, narrowFunction, widenFunction } from "./c-half.ts";
import { literal, spellAddition, spellDim, spellElement, spellStored } from "./c-scalars.ts";
import { cMemoryName, cNames, cTypeName } from "./c-types.ts";
import { branch, indent } from "./spell.ts";
import type { Definition, Target } from "./target.ts";

/** How a vector stands in memory: anywhere its elements may, over any type; a bool is a byte. */
function memoryVectorType(memory: BufferType, lanes: number): Definition {
  const bytes = bytesOf(memory.dtype);
  const name = `${memory.dtype}x${lanes}_memory`;
  return { name, text: () => `typedef ${cMemoryName(memory)} ${name} __attribute__((vector_size(${bytes * lanes}), aligned(${bytes}), may_alias));` };
}

function splatFunction(type: ScalarType): Definition {
  const name = `splat_${type.dtype}x${type.lanes}`;
  const lanes = new Array(type.lanes).fill(type.dtype === "bool" ? "-x" : "x").join(", ");
  return { name, text: (use) => `INLINE ${cTypeName(type, use)} ${name}(${cNames[type.dtype]} x) { return (${cTypeName(type, use)}){${lanes}}; }` };
}

function rampFunction(type: ScalarType): Definition {
  const name = `ramp_${type.dtype}x${type.lanes}`;
  const lanes = Array.from({ length: type.lanes }, (_, lane) => `start + ${lane}`).join(", ");
  return { name, text: (use) => `INLINE ${cTypeName(type, use)} ${name}(${cNames[type.dtype]} start) { return (${cTypeName(type, use)}){${lanes}}; }` };
}

function gatherFunction(memory: BufferType, result: ScalarType): Definition {
  const name = `gather_${result.dtype}x${result.lanes}`;
  return {
    name,
    text: (use) => {
      const type = cTypeName(result, use);
      const offsets = cTypeName(scalarType("index", result.lanes), use);
      const read = spellElement(memory, "memory[offset[lane]]", use);
      return `INLINE ${type} ${name}(const ${cMemoryName(memory)} *memory, ${offsets} offset) {
  ${type} result;
  for (int lane = 0; lane < ${result.lanes}; lane++) result[lane] = ${result.dtype === "bool" ? `-(${read})` : read};
  return result;
}`;
    },
  };
}

function scatterFunction(memory: BufferType, type: ScalarType): Definition {
  const name = `scatter_${type.dtype}x${type.lanes}`;
  return {
    name,
    text: (use) => `INLINE void ${name}(${cMemoryName(memory)} *memory, ${cTypeName(scalarType("index", type.lanes), use)} offset, ${cTypeName(type, use)} value) {
  for (int lane = 0; lane < ${type.lanes}; lane++) memory[offset[lane]] = ${type.dtype === "bool" ? "value[lane] != 0" : spellStored(memory, "value[lane]", use)};
}`,
  };
}

function shuffleFunction(lanes: readonly number[], type: ScalarType, result: ScalarType): Definition {
  const name = `shuffle_${type.dtype}x${type.lanes}_${lanes.join("_")}`;
  return {
    name,
    text: (use) => {
      const [vector, part] = [cTypeName(type, use), cTypeName(result, use)];
      const elements = lanes.map((lane) => (lane < type.lanes ? `x[${lane}]` : `y[${lane - type.lanes}]`));
      return `INLINE ${part} ${name}(${vector} x, ${vector} y) {
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(x, y, ${lanes.join(", ")});
#else
  return (${part}){${elements.join(", ")}};
#endif
}`;
    },
  };
}

function noBlocks(): never {
  throw new Error("items of a kernel in C are no blocks of threads");
}

export const cTarget: Target = {
  name: "cpu",
  elementwise: cElementwise,
  typeName: cTypeName,
  constant: (type, value, use) =>
    type.lanes === 1 ? literal(type.dtype, value) : `${use(splatFunction(type))}(${literal(type.dtype, value)})`,
  dim: spellDim,
  define: (type, name, value, use) => `const ${cTypeName(type, use)} ${name} = ${value};`,
  declare: (type, name, value, use) => `${cTypeName(type, use)} ${name}${value === undefined ? "" : ` = ${value}`};`,
  branch,
  load: (buffer, memory, offset, result, use) => {
    if (result.lanes === 1) return spellElement(memory, `${buffer}[${offset}]`, use);
    const value = `*(const ${use(memoryVectorType(memory, result.lanes))} *)(${buffer} + ${offset})`;
    const type = cTypeName(result, use);
    if (isHalf(memory.dtype)) return `${use(widenFunction(memory.dtype, result.lanes))}(${value})`;
    return memory.dtype === "bool" ? `__builtin_convertvector(${value}, ${type}) != 0` : `(${type})${value}`;
  },
  store: (buffer, memory, offset, value, type, use) => {
    if (type.lanes === 1) return `${buffer}[${offset}] = ${spellStored(memory, value, use)};`;
    const vector = use(memoryVectorType(memory, type.lanes));
    const narrowed = isHalf(memory.dtype) ? `${use(narrowFunction(memory.dtype, type.lanes))}(${value})` : value;
    const stored = memory.dtype === "bool" ? `__builtin_convertvector(${value} & 1, ${vector})` : `(${vector})${narrowed}`;
    return `*(${vector} *)(${buffer} + ${offset}) = ${stored};`;
  },
  // One item does all additions of a kernel.
  atomicAdd: (buffer, memory, offset, value, use) => [spellAddition(buffer, memory, offset, value, use)],
  gather: (buffer, memory, offsets, result, use) => `${use(gatherFunction(memory, result))}(${buffer}, ${offsets})`,
  scatter: (buffer, memory, offsets, value, type, use) => `${use(scatterFunction(memory, type))}(${buffer}, ${offsets}, ${value});`,
  splat: (value, result, use) => `${use(splatFunction(result))}(${value})`,
  ramp: (start, result, use) => `${use(rampFunction(result))}(${start})`,
  extract: (vector, lane) => `${vector}[${lane}]`,
  compose: (elements, result, use) => `(${cTypeName(result, use)}){${elements.map((element) => (result.dtype === "bool" ? `-${element}` : element)).join(", ")}}`,
  shuffle: (left, right, lanes, type, result, use) => `${use(shuffleFunction(lanes, type, result))}(${left}, ${right})`,
  alloc: (name, memory, elements) => `${cMemoryName(memory)} ${name}[${elements}] __attribute__((aligned(64)));`,
  loop: (kind, index, start, stop, step, body) => [
    ...(kind === "unroll" ? ["#pragma GCC unroll 65534"] : []),
    `for (int64_t ${index} = ${start}; ${index} < ${stop}; ${index} += ${step}) {`,
    ...indent(body),
    "}",
  ],
  grid: (index, _items, body) => [`for (int64_t ${index} = begin; ${index} < end; ${index}++) {`, ...indent(body), "}"],
  phase: noBlocks,
  barrier: noBlocks,
  kernel: ({ name, parameters, dims, comment, body }) => [
    ...comment.map((line) => `// ${line}`),
    `void ${name}(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end) {`,
    ...dims.map((dim, position) => `  const int64_t dim_${dim} = dims[${position}]; (void)dim_${dim};`),
    ...parameters.map(({ name: parameter, type, isWritten }, position) =>
      `  ${isWritten ? "" : "const "}${cMemoryName(type)} *const ${parameter} = buffers[${position}];`),
    ...indent(body),
    "}",
  ].join("\n"),
  file: (definitions, kernels) => `${["#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n\n#define INLINE static inline\ntypedef int64_t index_t;", ...definitions, ...kernels].join("\n\n")}\n`,
};
