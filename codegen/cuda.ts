/**
 * CUDA C++: a block of threads for each item of the grid. Scalars are spelled as in C; lanes are threads, so the only
 * vectors are those of neighbouring elements that a thread loads or stores at once. They are CUDA's own types, and hold
 * what memory holds.
 *
 * The text stands alone: a few typedefs take the place of headers, which would cost more time to compile than most
 * kernels. It names no hardware feature but through CUDA's own built-in functions and the wrappers of
 * cuda-wrappers.ts, so that with other definitions of both it is C++ that runs on a CPU, for tests. Addresses are 32-bit
 * element numbers: the runtime refuses buffers of more elements.
 */

import { type BufferType, bufferType, bytesOf, type DType, isFloat, type ScalarType } from "../ir/type.ts";
import { cElementwise } from "./c-elementwise.ts";
import { literal, spellDim, spellElement, spellStored } from "./c-scalars.ts";
import { cMemoryName, cNames } from "./c-types.ts";
import { cudaMatrix } from "./cuda-wrappers.ts";
import { branch, indent } from "./spell.ts";
import type { Definition, Target, Use } from "./target.ts";

function typeName(type: ScalarType): string {
  return type.lanes === 1 ? cNames[type.dtype] : vectorName(type);
}

/** Of what is in memory: there are no arithmetic ops on vectors. */
const vectorNames: Readonly<Record<DType, string>> = {
  f64: "double", f32: "float", f16: "ushort", bf16: "ushort", i64: "longlong", i32: "int", i8: "char", u32: "uint", u8: "uchar", bool: "uchar",
};

function vectorName({ dtype, lanes }: ScalarType): string {
  const isVector = dtype !== "index" && (lanes === 2 || lanes === 4) && lanes * bytesOf(dtype) <= 16;
  if (!isVector) throw new Error(`a CUDA kernel has no vectors of ${lanes} ${dtype}`);
  return `${vectorNames[dtype]}${lanes}`;
}

/** Memory of a vector's elements: aligned to all of it, as the hardware wants and widen-accesses makes sure of. */
function elementsAt(buffer: string, offset: string, type: ScalarType, qualifier: string): string {
  return `*(${qualifier}${vectorName(type)} *)(${buffer} + ${offset})`;
}

function memoryOf({ dtype }: ScalarType): BufferType {
  if (dtype === "index") throw new Error("memory holds no addresses");
  return bufferType("local", dtype, []);
}

function noVectors(): never {
  throw new Error("a CUDA kernel has no vectors but of neighbouring elements");
}

/** Infinities and NaN by their bits: NVRTC has no math.h to name them. */
function constant({ dtype }: ScalarType, value: number, use: Use): string {
  if (!isFloat(dtype) || Number.isFinite(value)) return literal(dtype, value);
  const isDouble = dtype === "f64";
  const bits = Number.isNaN(value) ? (isDouble ? "0x7ff8" : "0x7fc0") : value > 0 ? (isDouble ? "0x7ff0" : "0x7f80") : isDouble ? "0xfff0" : "0xff80";
  return isDouble ? `${use(fromBits("uint64_t", "double"))}(${bits}000000000000u)` : `${use(fromBits("uint32_t", "float"))}(${bits}0000u)`;
}

function fromBits(from: string, to: string): Definition {
  const name = `bits_${from}_${to}`;
  return { name, text: () => `INLINE ${to} ${name}(${from} x) { union { ${from} from; ${to} to; } both = { x }; return both.to; }` };
}

/** Devices add to words of 32 and 64 bits; of a narrower element, to the word around it, until nobody came between. */
function spellAtomic(dtype: DType, address: string, value: string, use: Use): string {
  if (dtype === "i64") return `atomicAdd((unsigned long long *)(${address}), (unsigned long long)${value});`;
  if (bytesOf(dtype) >= 4) return `atomicAdd(${address}, ${value});`;
  return `${use(narrowAddition(dtype))}(${address}, ${value});`;
}

function narrowAddition(dtype: DType): Definition {
  const memory = bufferType("global", dtype, []);
  const [held, mask] = [cMemoryName(memory), bytesOf(dtype) === 2 ? "0xffffu" : "0xffu"];
  const name = `atomic_add_${dtype}`;
  return {
    name,
    text: (use) => `INLINE void ${name}(${held} *address, ${cNames[dtype]} x) {
  uint32_t *word = (uint32_t *)((uint64_t)address & ~3ull);
  const uint32_t shift = ((uint64_t)address & 3) * 8;
  uint32_t seen = *word, before;
  do {
    before = seen;
    const ${held} element = (${held})(before >> shift);
    const ${held} sum = ${spellStored(memory, `(${cNames[dtype]})(${spellElement(memory, "element", use)} + x)`, use)};
    seen = atomicCAS(word, before, (before & ~(${mask} << shift)) | (((uint32_t)sum & ${mask}) << shift));
  } while (seen != before);
}`,
  };
}

/** Which lanes of each warp a block has: all, or the first ones of its only warp. */
function lanesOfWarp(threads: number, mask: number): string {
  if (mask >= 32 || (threads > 32 && threads % 32 !== 0)) throw new Error(`${threads} threads cannot exchange registers by the mask ${mask}: CUDA does it in whole warps of 32, or in one that is the block`);
  return `0x${(2 ** Math.min(threads, 32) - 1).toString(16)}u`;
}

const head = `#ifdef TSDLC_EMULATED
#include "cuda-on-cpu.h"
#define INLINE static inline
#else
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INT32_MAX 2147483647
#define INT32_MIN (-INT32_MAX - 1)
#define UINT32_MAX 4294967295u
#define INT64_MAX 9223372036854775807ll
#define INT64_MIN (-INT64_MAX - 1)
#define INT64_C(x) x##ll
#define INT8_MAX 127
#define INT8_MIN (-128)
#define UINT8_MAX 255
#define INLINE static __device__ __forceinline__
#endif
typedef uint32_t index_t;`;

export const cudaTarget: Target = {
  name: "cuda",
  elementwise: cElementwise,
  typeName,
  constant,
  dim: spellDim,
  place: ({ file, line }) => `#line ${line} ${JSON.stringify(file)}`,
  define: (type, name, value) => `const ${typeName(type)} ${name} = ${value};`,
  declare: (type, name, value) => `${typeName(type)} ${name}${value === undefined ? "" : ` = ${value}`};`,
  branch,
  load: (buffer, memory, offset, result, use) =>
    result.lanes > 1 ? elementsAt(buffer, offset, result, "const ") : spellElement(memory, `${buffer}[${offset}]`, use),
  store: (buffer, memory, offset, value, type, use) =>
    type.lanes > 1 ? `${elementsAt(buffer, offset, type, "")} = ${value};` : `${buffer}[${offset}] = ${spellStored(memory, value, use)};`,
  atomicAdd: (buffer, { dtype }, offset, value, use) => [spellAtomic(dtype, `${buffer} + ${offset}`, value, use)],
  matrix: cudaMatrix,
  shuffleXor: (register, _type, mask, threads) => `__shfl_xor_sync(${lanesOfWarp(threads, mask)}, ${register}, ${mask})`,
  gather: noVectors,
  scatter: noVectors,
  splat: noVectors,
  ramp: noVectors,
  extract: (vector, lane, type, use) => spellElement(memoryOf(type), `${vector}.${"xyzw"[lane]}`, use),
  compose: (elements, result, use) => `make_${vectorName(result)}(${elements.map((element) => spellStored(memoryOf(result), element, use)).join(", ")})`,
  shuffle: noVectors,
  alloc: (name, memory, elements) =>
    `${memory.space === "shared" ? "__shared__ " : ""}${memory.isWide ? "__align__(16) " : ""}${cMemoryName(memory)} ${name}[${elements}];`,
  // It orders both kinds of memory.
  barrier: () => "__syncthreads();",
  phase: (index, body) => ["{", ...indent([`const index_t ${index} = threadIdx.x;`, ...body]), "}"],
  loop: (kind, index, start, stop, step, body) => [
    ...(kind === "unroll" ? ["#pragma unroll"] : []),
    `for (index_t ${index} = ${start}; ${index} < ${stop}; ${index} += ${step}) {`,
    ...indent(body),
    "}",
  ],
  grid: (index, items, body) => [`const index_t ${index} = blockIdx.x;`, `if (${index} < ${items}) {`, ...indent(body), "}"],
  kernel: ({ name, parameters, dims, comment, isInPlace, shared, threads, body }) => [
    ...comment.map((line) => `// ${line}`),
    `extern "C" __global__ void __launch_bounds__(${threads}) ${name}(${[
      ...parameters.map(({ name: parameter, type, isWritten }) => `${isWritten ? "" : "const "}${cMemoryName(type)} *${isInPlace ? "" : "__restrict__ "}${parameter}`),
      ...dims.map((dim) => `index_t dim_${dim}`),
    ].join(", ")}) {`,
    ...indent([...shared, ...body]),
    "}",
  ].join("\n"),
  file: (definitions, kernels) => `${[head, ...definitions, ...kernels].join("\n\n")}\n`,
};
