/**
 * C with vector extensions, for the CPU: what GCC and Clang on x86-64 and ARM64 both take.
 *
 * Scalars are C's own types. A vector of lanes is `f32x16`; comparisons of vectors give masks of 0 and -1 in 32-bit
 * lanes, whatever they compared, and a select is made of and, andnot, or. Integers wrap (the compiler is given
 * -fwrapv). What has no vector form runs lane by lane through its scalar one.
 */

import { type Dim, foldDim } from "../ir/dim.ts";
import { roundTo } from "../ir/host.ts";
import { bytesOf, isFloat, type BufferType, type ScalarDType, type ScalarType, scalarType } from "../ir/type.ts";
import { cElementwise } from "./c-elementwise.ts";
import { isHalf, narrowFunction, widenFunction } from "./c-half.ts";
import { cNames, cTypeName } from "./c-types.ts";
import { indent } from "./spell.ts";
import type { Definition, Target, Use } from "./target.ts";

/** The C type of one element in memory: a bool is a byte, f16 and bf16 are their bits. */
function memoryName(memory: BufferType): string {
  return memory.dtype === "bool" ? "uint8_t" : isHalf(memory.dtype) ? "uint16_t" : cNames[memory.dtype];
}

/** How a vector stands in memory: anywhere its elements may, over any type; a bool is a byte. */
function memoryVectorType(memory: BufferType, lanes: number): Definition {
  const bytes = bytesOf(memory.dtype);
  const name = `${memory.dtype}x${lanes}_memory`;
  return { name, text: () => `typedef ${memoryName(memory)} ${name} __attribute__((vector_size(${bytes * lanes}), aligned(${bytes}), may_alias));` };
}

function splatFunction(type: ScalarType): Definition {
  const name = `splat_${type.dtype}x${type.lanes}`;
  const lanes = new Array(type.lanes).fill(type.dtype === "bool" ? "-x" : "x").join(", ");
  return { name, text: (use) => `static inline ${cTypeName(type, use)} ${name}(${cNames[type.dtype]} x) { return (${cTypeName(type, use)}){${lanes}}; }` };
}

function rampFunction(type: ScalarType): Definition {
  const name = `ramp_${type.dtype}x${type.lanes}`;
  const lanes = Array.from({ length: type.lanes }, (_, lane) => `start + ${lane}`).join(", ");
  return { name, text: (use) => `static inline ${cTypeName(type, use)} ${name}(${cNames[type.dtype]} start) { return (${cTypeName(type, use)}){${lanes}}; }` };
}

/** The value of one element of memory. */
function spellElement({ dtype }: BufferType, element: string, use: Use): string {
  if (dtype === "bool") return `${element} != 0`;
  return isHalf(dtype) ? `${use(widenFunction(dtype, 1))}(${element})` : element;
}

/** What one element of memory becomes. */
function spellStored({ dtype }: BufferType, value: string, use: Use): string {
  return isHalf(dtype) ? `${use(narrowFunction(dtype, 1))}(${value})` : value;
}

function gatherFunction(memory: BufferType, result: ScalarType): Definition {
  const name = `gather_${result.dtype}x${result.lanes}`;
  return {
    name,
    text: (use) => {
      const type = cTypeName(result, use);
      const offsets = cTypeName(scalarType("index", result.lanes), use);
      const read = spellElement(memory, "memory[offset[lane]]", use);
      return `static inline ${type} ${name}(const ${memoryName(memory)} *memory, ${offsets} offset) {
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
    text: (use) => `static inline void ${name}(${memoryName(memory)} *memory, ${cTypeName(scalarType("index", type.lanes), use)} offset, ${cTypeName(type, use)} value) {
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
      return `static inline ${part} ${name}(${vector} x, ${vector} y) {
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(x, y, ${lanes.join(", ")});
#else
  return (${part}){${elements.join(", ")}};
#endif
}`;
    },
  };
}

/** A number as C spells it, with a suffix that keeps it from being widened. */
function literal(dtype: ScalarDType, given: number): string {
  const value = isHalf(dtype) ? roundTo(dtype, given) : given;
  if (!isFloat(dtype)) {
    if (dtype === "bool") return value === 0 ? "0" : "1";
    if (dtype === "u32") return `${value}u`;
    if (dtype === "i32" && value === -(2 ** 31)) return "(-2147483647 - 1)";
    if (dtype === "index") return String(value);
    if (dtype === "i64") return value <= -(2 ** 63) ? "INT64_MIN" : value >= 2 ** 63 ? "INT64_MAX" : `INT64_C(${BigInt(value)})`;
    return String(value);
  }
  const suffix = dtype === "f64" ? "" : "f";
  if (Number.isNaN(value)) return `__builtin_nan${suffix}("")`;
  if (!Number.isFinite(value)) return `${value < 0 ? "-" : ""}__builtin_inf${suffix}()`;
  const text = Object.is(value, -0) ? "-0" : String(value);
  return `${/[.e]/.test(text) ? text : `${text}.0`}${suffix}`;
}

function spellDim(dim: Dim): string {
  return foldDim<string>(dim, {
    constant: (value) => String(value),
    name: (name) => `dim_${name}`,
    sum: (parts) => `(${parts.join(" + ")})`,
    product: (parts) => `(${parts.join(" * ")})`,
    operation: (operation, left, right) => {
      switch (operation) {
        case "floordiv": return `(${left} / ${right})`;
        case "mod": return `(${left} % ${right})`;
        case "min": return `(${left} < ${right} ? ${left} : ${right})`;
        case "max": return `(${left} > ${right} ? ${left} : ${right})`;
      }
    },
  });
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
  branch: (condition, then, otherwise) => [
    `if (${condition}) {`,
    ...indent(then),
    ...(otherwise.length > 0 ? ["} else {", ...indent(otherwise)] : []),
    "}",
  ],
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
  gather: (buffer, memory, offsets, result, use) => `${use(gatherFunction(memory, result))}(${buffer}, ${offsets})`,
  scatter: (buffer, memory, offsets, value, type, use) => `${use(scatterFunction(memory, type))}(${buffer}, ${offsets}, ${value});`,
  splat: (value, result, use) => `${use(splatFunction(result))}(${value})`,
  ramp: (start, result, use) => `${use(rampFunction(result))}(${start})`,
  extract: (vector, lane) => `${vector}[${lane}]`,
  shuffle: (left, right, lanes, type, result, use) => `${use(shuffleFunction(lanes, type, result))}(${left}, ${right})`,
  alloc: (name, memory, elements) => `${memoryName(memory)} ${name}[${elements}] __attribute__((aligned(64)));`,
  loop: (kind, index, start, stop, step, body) => [
    ...(kind === "unroll" ? ["#pragma GCC unroll 65534"] : []),
    `for (int64_t ${index} = ${start}; ${index} < ${stop}; ${index} += ${step}) {`,
    ...indent(body),
    "}",
  ],
  grid: (index, _items, body) => [`for (int64_t ${index} = begin; ${index} < end; ${index}++) {`, ...indent(body), "}"],
  kernel: (name, parameters, dims, comment, body) => [
    ...comment.map((line) => `// ${line}`),
    `void ${name}(void *const *buffers, const int64_t *dims, int64_t begin, int64_t end) {`,
    ...dims.map((dim, position) => `  const int64_t dim_${dim} = dims[${position}]; (void)dim_${dim};`),
    ...parameters.map(({ name: parameter, type, isWritten }, position) =>
      `  ${isWritten ? "" : "const "}${memoryName(type)} *const ${parameter} = buffers[${position}];`),
    ...indent(body),
    "}",
  ].join("\n"),
  file: (definitions, kernels) => `${["#include <math.h>\n#include <stdint.h>", ...definitions, ...kernels].join("\n\n")}\n`,
};
