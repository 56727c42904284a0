/**
 * Types narrower than a word in WGSL: an op on i8 or u8 is the op on words, wrapped; an op on f16 is native where that
 * rounds as it must, and else the op on f32, rounded.
 *
 * f16 arithmetic is defined as that of f32 followed by a rounding (ir/host.ts). WGSL rounds sums and products of f16
 * correctly, which is the same number: f32 has more than twice the bits of f16 and two (Figueroa 1995). Its conversion
 * from f32 may round in either direction and has no value out of range, and compilers take f32(f16(x)) for x; so results
 * are rounded by their bits first.
 */

import { type ScalarDType, scalarType, type ScalarType } from "../ir/type.ts";
import type { Definition, ElementwiseCall, ElementwiseName, Spelling, Use } from "./target.ts";
import { wgslTypeName } from "./wgsl-types.ts";

/** Ops that are exact in f16, or rounded once by WGSL. */
const nativeInF16: ReadonlySet<string> = new Set<ElementwiseName>(["add", "sub", "mul", "neg", "select", "eq", "ne", "lt", "le", "gt", "ge"]);

/** Ops whose result is one of their operands or a whole number no larger, or a remainder: f16 has it. */
const exactInF16: ReadonlySet<string> = new Set<ElementwiseName>(["max", "min", "abs", "sign", "floor", "ceil", "round", "rem"]);

/** Ops whose result may leave the range of operands that are in it. */
const leavesRange: ReadonlySet<string> = new Set<ElementwiseName>(["add", "sub", "mul", "div", "neg", "abs", "not", "shift_left", "cast", "bitcast"]);

/** The spelling of an op for all dtypes, from one that knows f32 and words. */
export function narrowing(name: string, spelling: Spelling): Spelling {
  return (call, use) => {
    const involvesF16 = [call.result, ...call.operandTypes].some(({ dtype }) => dtype === "f16");
    if (involvesF16 && !nativeInF16.has(name)) return throughF32(name, call, spelling, use);
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

function throughF32(name: string, call: ElementwiseCall, spelling: Spelling, use: Use): string {
  const widened: ElementwiseCall = {
    ...call,
    operands: call.operands.map((operand, i) => (call.operandTypes[i]?.dtype === "f16" ? `f32(${operand})` : operand)),
    operandTypes: call.operandTypes.map(asF32),
    type: asF32(call.type),
    result: asF32(call.result),
  };
  const value = spelling(widened, use);
  if (call.result.dtype !== "f16") return value;
  return exactInF16.has(name) ? `${wgslTypeName("f16", use)}(${value})` : `${use(roundToF16)}(${value})`;
}

/** To the nearest f16, the even one of two, as codegen/c-half.ts has it; from 65520 on infinity. */
const roundToF16: Definition = {
  name: "round_to_f16",
  text: (use) => `fn round_to_f16(x: f32) -> ${wgslTypeName("f16", use)} {
  let sign = bitcast<u32>(x) & 0x80000000u;
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  // Below 2^-14 the last place is 2^-24, which is that of 0.5 in an f32: the addition rounds.
  let small = f32(bitcast<u32>(bitcast<f32>(bits) + 0.5) - 0x3f000000u) * 0x1p-24;
  var rounded = (bits + 0xfffu + ((bits >> 13u) & 1u)) & 0x7fffe000u;
  if (bits < 0x38800000u) { rounded = bitcast<u32>(small); }
  else if (bits > 0x7f800000u) { rounded = 0x7fc00000u; }
  else if (rounded >= 0x47800000u) { rounded = 0x7f800000u; }
  return f16(bitcast<f32>(sign | rounded));
}`,
};

function asF32(type: ScalarType): ScalarType {
  return type.dtype === "f16" ? scalarType("f32") : type;
}

function parenthesized(value: string): string {
  return /^\w+$/.test(value) ? value : `(${value})`;
}
