/**
 * The C types of scalars and of vectors of lanes. A mask, a vector of bool, has 32-bit lanes of 0 and -1; f16 and bf16
 * are floats (c-half.ts).
 *
 * Text made of these is C for the CPU and C++ for CUDA: the head of a file says what `index_t` and `INLINE` are there.
 */

import { type BufferType, bytesOf, type ScalarDType, type ScalarType } from "../ir/type.ts";
import type { Definition, Use } from "./target.ts";

export const cNames: Readonly<Record<ScalarDType, string>> = {
  f64: "double", f32: "float", f16: "float", bf16: "float", i64: "int64_t", i32: "int32_t", i8: "int8_t",
  u32: "uint32_t", u8: "uint8_t", bool: "bool", index: "index_t",
};

export function cTypeName(type: ScalarType, use: Use): string {
  return type.lanes === 1 ? cNames[type.dtype] : use(vectorType(type));
}

/** What a buffer holds: a bool is a byte, f16 and bf16 are their bits. */
export function cMemoryName({ dtype }: BufferType): string {
  if (dtype === "bool") return "uint8_t";
  return dtype === "f16" || dtype === "bf16" ? "uint16_t" : cNames[dtype];
}

/** Of a lane in a register. */
export function laneBytes(dtype: ScalarDType): number {
  switch (dtype) {
    case "index": return 8;
    case "bool":
    case "f16":
    case "bf16": return 4;
    default: return bytesOf(dtype);
  }
}

function vectorType({ dtype, lanes }: ScalarType): Definition {
  const element = dtype === "bool" ? "int32_t" : cNames[dtype];
  const name = `${dtype}x${lanes}`;
  return { name, text: () => `typedef ${element} ${name} __attribute__((vector_size(${laneBytes(dtype) * lanes})));` };
}

