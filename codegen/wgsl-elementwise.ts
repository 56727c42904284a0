/**
 * How WGSL spells each elementwise op. What WGSL leaves open (division by zero, NaN in max and min, large arguments of
 * tanh) is spelled out, so that every adapter gives what the op says.
 */

import { isFloat, type ScalarDType } from "../ir/type.ts";
import { infix } from "./spell.ts";
import type { ElementwiseName, Spelling } from "./target.ts";
import { wgslNames } from "./wgsl-types.ts";

function builtin(name: string): Spelling {
  return ({ operands }) => `${name}(${operands.join(", ")})`;
}

/** A function of the kernel file over x, y, z, for the type that it is used with. */
function defined(name: string, body: (type: string, dtype: ScalarDType) => string): Spelling {
  return ({ operands, type, result }, use) => {
    const element = typeName(type.dtype);
    const full = `${name}_${type.dtype}`;
    const parameters = operands.map((_, i) => `${"xyz"[i]}: ${element}`).join(", ");
    const text = (): string => `fn ${full}(${parameters}) -> ${typeName(result.dtype)} { ${body(element, type.dtype)} }`;
    return `${use({ name: full, text })}(${operands.join(", ")})`;
  };
}

function typeName(dtype: ScalarDType): string {
  const name = wgslNames[dtype];
  if (name === undefined) throw new Error(`WGSL has no ${dtype}`);
  return name;
}

/** By the bits: implementations may assume that there is no NaN, so x != x finds none. */
const isNaNBits = "(bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u";

function extremum(name: "max" | "min"): Spelling {
  const careful = defined(name, () => `if (${isNaNBits}) { return x; } if (${isNaNBits.replace("x)", "y)")}) { return y; } return ${name}(x, y);`);
  return (call, use) => (isFloat(call.type.dtype) ? careful(call, use) : builtin(name)(call, use));
}

const division = (operator: "/" | "%"): Spelling => {
  const careful = defined(operator === "/" ? "div" : "rem", (type) => `if (y == ${type}(0)) { return ${type}(0); } return x ${operator} y;`);
  return (call, use) => (isFloat(call.type.dtype) || call.type.dtype === "index" ? infix(operator)(call, use) : careful(call, use));
};

const cast: Spelling = (call, use) => {
  const { operands: [x = ""], type, result } = call;
  const target = typeName(result.dtype);
  if (target === typeName(type.dtype)) return x;
  if (!isFloat(type.dtype) || isFloat(result.dtype) || result.dtype === "bool") return `${target}(${x})`;
  return defined(`saturate_to_${target}`, () => `if (${isNaNBits}) { return ${target}(0); } return ${target}(x);`)(call, use);
};

/** Abramowitz and Stegun 7.1.26, off by at most 1.5e-7 (absolute): WGSL has no function for it. */
const errorFunction = defined("erf", () => `let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-x * x));`);

/** Of a 64-bit product by parts of 16 bits (Knuth, The Art of Computer Programming 4.3.1). */
const mulHigh = defined("mul_high", () => `let low = (x & 0xffffu) * (y & 0xffffu);
  let first = (x >> 16u) * (y & 0xffffu) + (low >> 16u);
  let second = (x & 0xffffu) * (y >> 16u) + (first & 0xffffu);
  return (x >> 16u) * (y >> 16u) + (first >> 16u) + (second >> 16u);`);

function shift(operator: "<<" | ">>"): Spelling {
  return ({ operands: [x, amount] }) => `${x} ${operator} (u32(${amount}) & 31u)`;
}

export const wgslElementwise: Readonly<Record<ElementwiseName, Spelling>> = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: division("/"),
  rem: division("%"),
  pow: defined("power", () => "if (y == 0.0) { return 1.0; } let magnitude = pow(abs(x), y); let isOdd = abs(y % 2.0) == 1.0; return select(magnitude, -magnitude, x < 0.0 && isOdd);"),
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
  ne: infix("!="),
  lt: infix("<"),
  le: infix("<="),
  gt: infix(">"),
  ge: infix(">="),
  select: ({ operands: [condition, onTrue, onFalse] }) => `select(${onFalse}, ${onTrue}, ${condition})`,
  cast,
  bitcast: ({ operands: [x], result }) => `bitcast<${typeName(result.dtype)}>(${x})`,
  neg: ({ operands: [x] }) => `-${x}`,
  abs: builtin("abs"),
  sign: builtin("sign"),
  floor: builtin("floor"),
  ceil: builtin("ceil"),
  round: builtin("round"),
  sqrt: builtin("sqrt"),
  rsqrt: builtin("inverseSqrt"),
  exp: builtin("exp"),
  expm1: defined("expm1", () => "if (abs(x) < 0.01) { return x * (1.0 + x * (0.5 + x * (1.0 / 6.0))); } return exp(x) - 1.0;"),
  log: builtin("log"),
  log1p: defined("log1p", () => "if (abs(x) < 0.01) { return x * (1.0 - x * (0.5 - x * (1.0 / 3.0))); } return log(1.0 + x);"),
  sin: builtin("sin"),
  cos: builtin("cos"),
  // Some adapters give NaN where e^2x overflows.
  tanh: ({ operands: [x] }) => `tanh(clamp(${x}, -15.0, 15.0))`,
  erf: errorFunction,
};
