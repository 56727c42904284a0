/**
 * Types narrower than a word in WGSL: an op on i8 or u8 is the op on words, wrapped; an op on f16 is native where that
 * rounds as it must, and else the op on f32, rounded.
 *
 * f16 arithmetic is defined as that of f32 followed by a rounding (ir/host.ts). WGSL rounds sums and products of f16
 * correctly, which is the same number: f32 has more than twice the bits of f16 and two (Figueroa 1995).
 */

import { type ScalarDType, scalarType, type ScalarType } from "../ir/type.ts";
import type { ElementwiseCall, ElementwiseName, Spelling, Use } from "./target.ts";
import { wgslTypeName } from "./wgsl-types.ts";

/** Ops that are exact in f16, or rounded once by WGSL. */
const nativeInF16: ReadonlySet<string> = new Set<ElementwiseName>(["add", "sub", "mul", "neg", "select", "eq", "ne", "lt", "le", "gt", "ge"]);

/** Ops whose result may leave the range of operands that are in it. */
const leavesRange: ReadonlySet<string> = new Set<ElementwiseName>(["add", "sub", "mul", "div", "neg", "abs", "not", "shift_left", "cast", "bitcast"]);

/** The spelling of an op for all dtypes, from one that knows f32 and words. */
export function narrowing(name: string, spelling: Spelling): Spelling {
  return (call, use) => {
    const involvesF16 = [call.result, ...call.operandTypes].some(({ dtype }) => dtype === "f16");
    if (involvesF16 && !nativeInF16.has(name)) return throughF32(call, spelling, use);
    const value = spelling(call, use);
    return leavesRange.has(name) ? wrapped(call.result.dtype, value) : value;
  };
}

/** The value of 32 bits that a narrow integer keeps of one. */
function wrapped(dtype: ScalarDType, value: string): string {
  switch (dtype) {
    case "i8": return `(${parenthesized(value)} << 24u) >> 24u`;
    case "u8": return `${parenthesized(value)} & 0xffu`;
    default: return value;
  }
}

function throughF32(call: ElementwiseCall, spelling: Spelling, use: Use): string {
  const widened: ElementwiseCall = {
    ...call,
    operands: call.operands.map((operand, i) => (call.operandTypes[i]?.dtype === "f16" ? `f32(${operand})` : operand)),
    operandTypes: call.operandTypes.map(asF32),
    type: asF32(call.type),
    result: asF32(call.result),
  };
  const value = spelling(widened, use);
  return call.result.dtype === "f16" ? `${wgslTypeName("f16", use)}(${value})` : value;
}

function asF32(type: ScalarType): ScalarType {
  return type.dtype === "f16" ? scalarType("f32") : type;
}

function parenthesized(value: string): string {
  return /^\w+$/.test(value) ? value : `(${value})`;
}
