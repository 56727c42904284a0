/**
 * How WGSL spells each elementwise op on f32 and on words; wgsl-narrow.ts makes the narrower types of that.
 *
 * What WGSL leaves open (integer division by zero, NaN in max and min, casts out of range, powers of negative numbers) is
 * spelled out, so that every adapter gives what the op says. WGSL lets an implementation assume that there are neither
 * NaN nor infinities and flush subnormal numbers; what is NaN is told by bits here, but sums and products of infinities
 * are the adapter's. expm1, log1p, tanh and erf, which WGSL lacks or computes badly, are arithmetic by now (expand-math).
 */

import { bytesOf, isFloat, type ScalarDType } from "../ir/type.ts";
import { infix } from "./spell.ts";
import type { Definition, ElementwiseName, Spelling, Use } from "./target.ts";
import { narrowing } from "./wgsl-narrow.ts";
import { wgslLiteral, wgslTypeName } from "./wgsl-types.ts";

function builtin(name: string): Spelling {
  return ({ operands }) => `${name}(${operands.join(", ")})`;
}

/** A function of the kernel file over x, y, z, for the type that it is used with; the body is indented lines. */
function defined(name: string, body: (dtype: ScalarDType, use: Use) => readonly string[]): Spelling {
  return ({ operands, type, result }, use) => {
    const full = `${name}_${type.dtype}`;
    const text = (inner: Use): string => {
      const parameters = operands.map((_, i) => `${"xyz"[i]}: ${wgslTypeName(type.dtype, inner)}`).join(", ");
      return `fn ${full}(${parameters}) -> ${wgslTypeName(result.dtype, inner)} {\n${body(type.dtype, inner).map((line) => `  ${line}\n`).join("")}}`;
    };
    return `${use({ name: full, text })}(${operands.join(", ")})`;
  };
}

/** By the bits: implementations may assume that there is no NaN, so x != x finds none. */
const isNaNDefinition: Definition = { name: "is_nan", text: () => "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }" };

/** Infinite or NaN. */
const isSpecialDefinition: Definition = { name: "is_special", text: () => "fn is_special(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }" };

function extremum(name: "max" | "min"): Spelling {
  const careful = defined(name, (_dtype, use) => [
    `if (${use(isNaNDefinition)}(x)) { return x; }`,
    `if (${use(isNaNDefinition)}(y)) { return y; }`,
    `return ${name}(x, y);`,
  ]);
  return (call, use) => {
    if (!isFloat(call.type.dtype)) return builtin(name)(call, use);
    const numbers = call.literals.map((literal) => literal !== undefined && !Number.isNaN(literal));
    // With one that is known to be a number, NaN must be the other.
    const [x = "", y = ""] = call.operands;
    if (numbers.some(Boolean)) return `select(${name}(${x}, ${y}), ${numbers[0] === true ? y : x}, ${use(isNaNDefinition)}(${numbers[0] === true ? y : x}))`;
    return careful(call, use);
  };
}

/** Of integers 0 where the divisor is. */
function division(operator: "/" | "%"): Spelling {
  const careful = defined(operator === "/" ? "div" : "rem", (dtype, use) => {
    const zero = wgslLiteral(dtype, 0, use);
    return [`if (y == ${zero}) { return ${zero}; }`, `return x ${operator} y;`];
  });
  return (call, use) => {
    if (call.type.dtype === "index") return infix(operator)(call, use);
    if (!isFloat(call.type.dtype)) return careful(call, use);
    return operator === "/" ? infix(operator)(call, use) : floatRemainder(call, use);
  };
}

/**
 * Long division of significands, bit by bit, as musl's fmodf has it: exact everywhere. WGSL's x - y trunc(x / y) is off by
 * y where the quotient is rounded up to an integer, and by much more where it is large.
 */
const floatRemainder = defined("rem", (_dtype, use) => [
  "let sign = bitcast<u32>(x) & 0x80000000u;",
  "let a = bitcast<u32>(x) & 0x7fffffffu;",
  "let b = bitcast<u32>(y) & 0x7fffffffu;",
  `if (b == 0u || a >= 0x7f800000u || b > 0x7f800000u) { return ${wgslLiteral("f32", NaN, use)}; }`,
  "if (a < b) { return x; }",
  // Of subnormal numbers, what the exponent would be if it could be less than 1.
  "let shiftA = select(0u, countLeadingZeros(a) - 8u, a < 0x800000u);",
  "let shiftB = select(0u, countLeadingZeros(b) - 8u, b < 0x800000u);",
  "var exponent = select(i32(a >> 23u), 1i - i32(shiftA), shiftA > 0u);",
  "let last = select(i32(b >> 23u), 1i - i32(shiftB), shiftB > 0u);",
  "var rest = select((a & 0x7fffffu) | 0x800000u, a << shiftA, shiftA > 0u);",
  "let divisor = select((b & 0x7fffffu) | 0x800000u, b << shiftB, shiftB > 0u);",
  "for (; exponent > last; exponent--) {",
  "  if (rest >= divisor) { rest -= divisor; }",
  "  rest <<= 1u;",
  "}",
  "if (rest >= divisor) { rest -= divisor; }",
  "if (rest == 0u) { return bitcast<f32>(sign); }",
  "let shift = countLeadingZeros(rest) - 8u;",
  "exponent -= i32(shift);",
  "rest <<= shift;",
  "return bitcast<f32>(sign | select(rest >> u32(1i - exponent), (rest & 0x7fffffu) | (u32(exponent) << 23u), exponent > 0i));",
]);

/**
 * What IEEE 754-2008 says of pow where WGSL says nothing: bases that are negative or 0, infinities and NaN. The rest has
 * WGSL's accuracy, that of exp2(y * log2(x)).
 */
const power = defined("pow", (_dtype, use) => {
  const [isSpecial, infinity, nan] = [use(isSpecialDefinition), wgslLiteral("f32", Infinity, use), wgslLiteral("f32", NaN, use)];
  return [
    "let a = abs(x);",
    "let isOdd = abs(y) < 16777216.0 && y == floor(y) && abs(y - 2.0 * floor(y * 0.5)) == 1.0;",
    "if (y == 0.0 || x == 1.0) { return 1.0; }",
    `if (${use(isNaNDefinition)}(x) || ${use(isNaNDefinition)}(y)) { return ${nan}; }`,
    "var magnitude = 1.0;",
    `if (a == 0.0 || ${isSpecial}(x)) { magnitude = select(${infinity}, 0.0, (a == 0.0) == (y > 0.0)); }`,
    `else if (${isSpecial}(y)) { if (a != 1.0) { magnitude = select(0.0, ${infinity}, (a > 1.0) == (y > 0.0)); } }`,
    `else if (x < 0.0 && y != floor(y)) { return ${nan}; }`,
    "else { magnitude = pow(a, y); }",
    // By the bit, which -0 has too.
    "return select(magnitude, -magnitude, isOdd && (bitcast<u32>(x) >> 31u) == 1u);",
  ];
});

/** Conversions out of range are WGSL's to the nearest float that fits, which is not the largest integer. */
function saturation(to: ScalarDType): Spelling {
  return defined(`saturate_to_${to}`, (_dtype, use) => {
    const type = wgslTypeName(to, use);
    const [low, high] = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1], i8: [-128, 127], u8: [0, 255] }[to as string] ?? [];
    if (low === undefined || high === undefined) throw new Error(`floats are not converted to ${to}`);
    return [
      `if (${use(isNaNDefinition)}(x)) { return ${wgslLiteral(to, 0, use)}; }`,
      `if (x <= ${wgslLiteral("f32", low, use)}) { return ${wgslLiteral(to, low, use)}; }`,
      `if (x >= ${wgslLiteral("f32", high, use)}) { return ${wgslLiteral(to, high, use)}; }`,
      `return ${type}(x);`,
    ];
  });
}

/** Floats to integers truncate and saturate, NaN to 0; anything to bool is x != 0; integers wrap. */
const cast: Spelling = (call, use) => {
  const { operands: [x = ""], type, result } = call;
  const target = wgslTypeName(result.dtype, use);
  if (target === wgslTypeName(type.dtype, use)) return x;
  if (!isFloat(type.dtype) || isFloat(result.dtype)) return `${target}(${x})`;
  // By the bits, so that NaN and subnormal numbers count.
  if (result.dtype === "bool") return `(bitcast<u32>(${x}) << 1u) != 0u`;
  return saturation(result.dtype)(call, use);
};

/** Of a 64-bit product by parts of 16 bits (Knuth, The Art of Computer Programming 4.3.1). */
const mulHigh = defined("mul_high", () => [
  "let low = (x & 0xffffu) * (y & 0xffffu);",
  "let first = (x >> 16u) * (y & 0xffffu) + (low >> 16u);",
  "let second = (x & 0xffffu) * (y >> 16u) + (first & 0xffffu);",
  "return (x >> 16u) * (y >> 16u) + (first >> 16u) + (second >> 16u);",
]);

/** Amounts are taken modulo the width; indices are words here. */
function shift(operator: "<<" | ">>"): Spelling {
  return ({ operands: [x, amount], type: { dtype } }) => `${x} ${operator} (u32(${amount}) & ${dtype === "index" ? 31 : bytesOf(dtype) * 8 - 1}u)`;
}

const sign: Spelling = (call, use) => {
  const [x = ""] = call.operands;
  return isFloat(call.type.dtype) ? `select(sign(${x}), ${x}, ${use(isNaNDefinition)}(${x}))` : `sign(${x})`;
};

const expanded: Spelling = () => {
  throw new Error("expand-math leaves no such op in a WGSL kernel");
};

const spellings: Readonly<Record<ElementwiseName, Spelling>> = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: division("/"),
  rem: division("%"),
  pow: power,
  max: extremum("max"),
  min: extremum("min"),
  mul_high: mulHigh,
  fma: builtin("fma"),
  and: infix("&"),
  or: infix("|"),
  xor: ({ operands: [left, right], type }) => `${left} ${type.dtype === "bool" ? "!=" : "^"} ${right}`,
  not: ({ operands: [x], type }) => `${type.dtype === "bool" ? "!" : "~"}${x}`,
  shift_left: shift("<<"),
  shift_right: shift(">>"),
  eq: infix("=="),
  // Of NaN true, where != may be false.
  ne: ({ operands: [left, right], type }) => (isFloat(type.dtype) ? `!(${left} == ${right})` : `${left} != ${right}`),
  lt: infix("<"),
  le: infix("<="),
  gt: infix(">"),
  ge: infix(">="),
  select: ({ operands: [condition, onTrue, onFalse] }) => `select(${onFalse}, ${onTrue}, ${condition})`,
  cast,
  bitcast: ({ operands: [x], result }, use) => `bitcast<${wgslTypeName(result.dtype, use)}>(${x})`,
  neg: ({ operands: [x] }) => `-(${x})`,
  abs: builtin("abs"),
  sign,
  floor: builtin("floor"),
  ceil: builtin("ceil"),
  round: builtin("round"),
  sqrt: builtin("sqrt"),
  rsqrt: builtin("inverseSqrt"),
  exp: builtin("exp"),
  expm1: expanded,
  log: builtin("log"),
  log1p: expanded,
  sin: builtin("sin"),
  cos: builtin("cos"),
  tanh: expanded,
  erf: expanded,
};

export const wgslElementwise: Readonly<Record<ElementwiseName, Spelling>> = Object.fromEntries(
  Object.entries(spellings).map(([name, spelling]) => [name, narrowing(name, spelling)]),
) as Record<ElementwiseName, Spelling>;
