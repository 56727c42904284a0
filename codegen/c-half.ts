/**
 * f16 and bf16 in C: 16 bits in memory, floats in registers.
 *
 * An op on them is the op on f32 followed by a rounding, which is how their arithmetic is defined here (ir/host.ts), so
 * no compiler and no machine needs to know either type. Conversions are integer arithmetic on the bits, the same text
 * for one float and for a vector of them. Values from f64 pass through f32 on their way.
 */

import { type ScalarDType, type ScalarType, scalarType } from "../ir/type.ts";
import { cTypeName } from "./c-types.ts";
import type { Definition, Spelling, Use } from "./target.ts";

export type HalfDType = "f16" | "bf16";

export function isHalf(dtype: ScalarDType): dtype is HalfDType {
  return dtype === "f16" || dtype === "bf16";
}

/** Ops whose result is one of their operands or a whole number no larger: there is nothing to round. */
const exact = new Set(["max", "min", "select", "neg", "abs", "sign", "floor", "ceil", "round"]);

/** The spelling of an op for all dtypes, from one that knows f32. */
export function roundingHalves(name: string, spelling: Spelling): Spelling {
  return (call, use) => {
    const { type, result, operandTypes } = call;
    const value = spelling({ ...call, type: asFloat(type), result: asFloat(result), operandTypes: operandTypes.map(asFloat) }, use);
    return isHalf(result.dtype) && !exact.has(name) ? `${use(roundFunction(result.dtype, result.lanes))}(${value})` : value;
  };
}

function asFloat(type: ScalarType): ScalarType {
  return isHalf(type.dtype) ? scalarType("f32", type.lanes) : type;
}

/** From what is in memory, `uint16_t` or a vector of them, to floats. */
export function widenFunction(dtype: HalfDType, lanes: number): Definition {
  return conversion(`widen_${dtype}`, lanes, (c) => ({
    parameter: c.halves,
    result: c.floats,
    body: dtype === "bf16"
      ? [`return ${c.bitsToFloats(`${c.convert("x", c.words)} << 16`)};`]
      : [
        `${c.words} half = ${c.convert("x", c.words)};`,
        `${c.words} bits = (half & 0x7fff) << 13;`,
        `${c.words} exponent = bits & 0x0f800000;`,
        // The exponent is biased by 15, and by 127 in a float; of infinities and NaN it is the highest of both.
        `${c.words} normal = bits + 0x38000000 + (${c.mask("exponent == 0x0f800000")} & 0x38000000);`,
        // Subnormal: 2^-14 + fraction, which a float can hold, less 2^-14.
        `${c.floats} small = ${c.bitsToFloats("bits + 0x38800000")} - 0x1p-14f;`,
        `${c.words} isSmall = ${c.mask("exponent == 0")};`,
        `return ${c.bitsToFloats(`(isSmall & ${c.floatsToBits("small")}) | (~isSmall & normal) | ((half & 0x8000) << 16)`)};`,
      ],
  }));
}

/** From floats to what is in memory, rounded to nearest even. */
export function narrowFunction(dtype: HalfDType, lanes: number): Definition {
  return conversion(`narrow_${dtype}`, lanes, (c) => ({
    parameter: c.floats,
    result: c.halves,
    body: dtype === "bf16"
      ? [
        `${c.words} bits = ${c.floatsToBits("x")};`,
        `${c.words} isNaN = ${c.mask("x != x")};`,
        `return ${c.convert("(isNaN & 0x7fc0) | (~isNaN & ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16))", c.halves)};`,
      ]
      : [
        `${c.words} bits = ${c.floatsToBits("x")};`,
        `${c.words} sign = (bits >> 16) & 0x8000;`,
        "bits &= 0x7fffffff;",
        `${c.words} isSmall = ${c.mask("bits < 0x38800000")};`,
        `${c.words} isLarge = ${c.mask("bits >= 0x47800000")};`,
        `${c.words} isNaN = ${c.mask("bits > 0x7f800000")};`,
        // Below 2^-14 the last place is 2^-24, which is that of 0.5 in a float: the addition rounds.
        `${c.words} small = ${c.floatsToBits(`${c.bitsToFloats("bits")} + 0.5f`)} - 0x3f000000;`,
        `${c.words} normal = (bits - 0x38000000 + 0xfff + ((bits >> 13) & 1)) >> 13;`,
        `${c.words} half = (isSmall & small) | (isLarge & (0x7c00 | (isNaN & 0x200))) | (~isSmall & ~isLarge & normal);`,
        `return ${c.convert("half | sign", c.halves)};`,
      ],
  }));
}

/** Floats to the nearest that the dtype has, as floats. */
function roundFunction(dtype: HalfDType, lanes: number): Definition {
  return conversion(`round_${dtype}`, lanes, (c, use) => ({
    parameter: c.floats,
    result: c.floats,
    body: [`return ${use(widenFunction(dtype, lanes))}(${use(narrowFunction(dtype, lanes))}(x));`],
  }));
}

/** What C says for one float and for a vector of them: types, and how bits and masks come from values. */
interface Wording {
  readonly floats: string;
  readonly words: string;
  readonly halves: string;
  readonly convert: (value: string, type: string) => string;
  readonly floatsToBits: (value: string) => string;
  readonly bitsToFloats: (value: string) => string;
  /** All bits where the test holds. */
  readonly mask: (test: string) => string;
}

function conversion(
  name: string,
  lanes: number,
  make: (wording: Wording, use: Use) => { readonly parameter: string; readonly result: string; readonly body: readonly string[] },
): Definition {
  const full = lanes === 1 ? name : `${name}x${lanes}`;
  return {
    name: full,
    text: (use) => {
      const { parameter, result, body } = make(lanes === 1 ? scalarWording(use) : vectorWording(lanes, use), use);
      return `INLINE ${result} ${full}(${parameter} x) {\n${body.map((line) => `  ${line}`).join("\n")}\n}`;
    },
  };
}

function scalarWording(use: Use): Wording {
  const reinterpret = (from: string, to: string, value: string): string => {
    const name = `bits_${from}_${to}`;
    return `${use({ name, text: () => `INLINE ${to} ${name}(${from} x) { union { ${from} from; ${to} to; } both = { x }; return both.to; }` })}(${value})`;
  };
  return {
    floats: "float",
    words: "uint32_t",
    halves: "uint16_t",
    convert: (value, type) => `(${type})(${value})`,
    floatsToBits: (value) => reinterpret("float", "uint32_t", value),
    bitsToFloats: (value) => reinterpret("uint32_t", "float", value),
    mask: (test) => `-(uint32_t)(${test})`,
  };
}

function vectorWording(lanes: number, use: Use): Wording {
  const words = cTypeName(scalarType("u32", lanes), use);
  const floats = cTypeName(scalarType("f32", lanes), use);
  const halves = use({ name: `u16x${lanes}`, text: () => `typedef uint16_t u16x${lanes} __attribute__((vector_size(${2 * lanes})));` });
  return {
    floats,
    words,
    halves,
    convert: (value, type) => `__builtin_convertvector(${value}, ${type})`,
    floatsToBits: (value) => `(${words})(${value})`,
    bitsToFloats: (value) => `(${floats})(${value})`,
    mask: (test) => `(${words})(${test})`,
  };
}
