/**
 * Scalars in C, as the CPU's target and CUDA's both spell them: numbers, sizes, and what is between a value and memory.
 */

import { roundTo } from "../ir/host.ts";
import { type BufferType, isFloat, type ScalarDType } from "../ir/type.ts";
import { isHalf, narrowFunction, widenFunction } from "./c-half.ts";
import { dimSpelling } from "./spell.ts";
import type { Use } from "./target.ts";

/** A number as C spells it, with a suffix that keeps it from being widened. */
export function literal(dtype: ScalarDType, given: number): string {
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

export const spellDim = dimSpelling({
  constant: String,
  name: (name) => `dim_${name}`,
  min: (left, right) => `(${left} < ${right} ? ${left} : ${right})`,
  max: (left, right) => `(${left} > ${right} ? ${left} : ${right})`,
});

/** The value of one element of memory. */
export function spellElement({ dtype }: BufferType, element: string, use: Use): string {
  if (dtype === "bool") return `${element} != 0`;
  return isHalf(dtype) ? `${use(widenFunction(dtype, 1))}(${element})` : element;
}

/** memory[offset] += value where nobody else does anything meanwhile. */
export function spellAddition(buffer: string, memory: BufferType, offset: string, value: string, use: Use): string {
  const element = `${buffer}[${offset}]`;
  return `${element} = ${spellStored(memory, `${spellElement(memory, element, use)} + ${value}`, use)};`;
}

/** What one element of memory becomes. */
export function spellStored({ dtype }: BufferType, value: string, use: Use): string {
  return isHalf(dtype) ? `${use(narrowFunction(dtype, 1))}(${value})` : value;
}
