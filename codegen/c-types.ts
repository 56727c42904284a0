/**
 * The C types of scalars and of vectors of lanes. A mask, a vector of bool, has 32-bit lanes of 0 and -1; f16 and bf16
 * are floats (c-half.ts).
 */

import { bytesOf, type ScalarDType, type ScalarType } from "../ir/type.ts";
import type { Definition, Use } from "./target.ts";

export const cNames: Readonly<Record<ScalarDType, string>> = {
  f64: "double", f32: "float", f16: "float", bf16: "float", i64: "int64_t", i32: "int32_t", i8: "int8_t",
  u32: "uint32_t", u8: "uint8_t", bool: "_Bool", index: "int64_t",
};

export function cTypeName(type: ScalarType, use: Use): string {
  return type.lanes === 1 ? cNames[type.dtype] : use(vectorType(type));
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

