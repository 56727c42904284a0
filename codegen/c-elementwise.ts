/**
 * How C spells each elementwise op, for scalars and for vectors.
 *
 * An op is an operator that both take, a scalar function that vectors call lane by lane, or both spelled apart. Masks
 * (vectors of bool) are 0 or -1 in 32-bit lanes.
 */

import { bytesOf, isFloat, type ScalarDType, type ScalarType, scalarType } from "../ir/type.ts";
import { cTypeName, laneBytes } from "./c-types.ts";
import type { Definition, ElementwiseCall, ElementwiseName, Spelling, Use } from "./target.ts";

/** An operator of C that means the same for scalars and vectors. */
function infix(operator: string): Spelling {
  return ({ operands: [left, right] }) => `${left} ${operator} ${right}`;
}

/** A scalar function, given as the C of its body over x, y, z; vectors call it lane by lane. */
function scalarFunction(name: string, body: (type: ScalarType) => string): Spelling {
  return (call, use) => {
    const scalar = scalarType(call.type.dtype);
    const result = scalarType(call.result.dtype);
    const definition: Definition = {
      name: `${name}_${scalar.dtype}${result.dtype === scalar.dtype ? "" : `_${result.dtype}`}`,
      text: (inner) => {
        const parameters = call.operands.map((_, i) => `${cTypeName(scalar, inner)} ${"xyz"[i]}`).join(", ");
        return `static inline ${cTypeName(result, inner)} ${definition.name}(${parameters}) { return ${body(scalar)}; }`;
      },
    };
    return call.result.lanes === 1
      ? `${use(definition)}(${call.operands.join(", ")})`
      : `${use(laneByLane(definition, call))}(${call.operands.join(", ")})`;
  };
}

function laneByLane(scalar: Definition, call: ElementwiseCall): Definition {
  const { lanes } = call.result;
  const name = `${scalar.name}x${lanes}`;
  return {
    name,
    text: (use) => {
      const type = cTypeName(call.result, use);
      const parameters = call.operands.map((_, i) => `${cTypeName(call.type, use)} ${"xyz"[i]}`).join(", ");
      const operands = call.operands.map((_, i) => `${"xyz"[i]}[lane]`).join(", ");
      const value = `${use(scalar)}(${operands})`;
      return `static inline ${type} ${name}(${parameters}) {
  ${type} result;
  for (int lane = 0; lane < ${lanes}; lane++) result[lane] = ${call.result.dtype === "bool" ? `-(${value})` : value};
  return result;
}`;
    },
  };
}

/** A function of math.h, by its name for doubles. */
function libm(name: string): Spelling {
  return scalarFunction(name, ({ dtype }) => `${name}${dtype === "f64" ? "" : "f"}(x)`);
}

function comparison(operator: string): Spelling {
  return ({ operands: [left, right], type, result }, use) => {
    const test = `${left} ${operator} ${right}`;
    if (type.lanes === 1) return test;
    const mask = cTypeName(result, use);
    return laneBytes(type.dtype) === 4 ? `(${mask})(${test})` : `__builtin_convertvector(${test}, ${mask})`;
  };
}

/** Lanes as wide as a type's, of 0 and -1, from a mask of 32-bit lanes. */
function widen(mask: string, type: ScalarType, use: Use): string {
  const bytes = laneBytes(type.dtype);
  if (bytes === 4) return mask;
  return `__builtin_convertvector(${mask}, ${cTypeName(scalarType(bytes === 8 ? "i64" : "i8", type.lanes), use)})`;
}

function blend(mask: string, onTrue: string, onFalse: string, type: ScalarType, use: Use): string {
  const wide = use(blendFunction(type));
  return `${wide}(${widen(mask, type, use)}, ${onTrue}, ${onFalse})`;
}

function blendFunction(type: ScalarType): Definition {
  const name = `blend_${type.dtype}x${type.lanes}`;
  return {
    name,
    text: (use) => {
      const bytes = laneBytes(type.dtype);
      const bits = cTypeName(scalarType(bytes === 8 ? "i64" : bytes === 4 ? "i32" : "i8", type.lanes), use);
      const value = cTypeName(type, use);
      const mask = bytes === 4 ? cTypeName(scalarType("bool", type.lanes), use) : bits;
      return `static inline ${value} ${name}(${mask} mask, ${value} onTrue, ${value} onFalse) {
  return (${value})(((${bits})mask & (${bits})onTrue) | (~(${bits})mask & (${bits})onFalse));
}`;
    },
  };
}

const select: Spelling = ({ operands: [condition = "", onTrue = "", onFalse = ""], result }, use) =>
  result.lanes === 1 ? `${condition} ? ${onTrue} : ${onFalse}` : blend(condition, onTrue, onFalse, result, use);

/** NaN wins. With a number known not to be NaN on the right one comparison is enough. */
function extremum(wins: ">" | "<"): Spelling {
  return (call, use) => {
    const { operands: [left = "", right = ""], type, literals, result } = call;
    const compare = comparison(wins);
    if (type.lanes === 1) {
      if (!isFloat(type.dtype)) return `${left} ${wins} ${right} ? ${left} : ${right}`;
      return literals[1] !== undefined && !Number.isNaN(literals[1])
        ? `${right} ${wins} ${left} ? ${right} : ${left}`
        : scalarFunction(wins === ">" ? "max" : "min", () => `x ${wins} y || x != x ? x : y`)(call, use);
    }
    const mask = { ...call, result: scalarType("bool", result.lanes) };
    if (!isFloat(type.dtype)) return blend(compare(mask, use), left, right, type, use);
    const isNumber = `${compare(mask, use)} | ${comparison("!=")({ ...mask, operands: [left, left] }, use)}`;
    return blend(`(${isNumber})`, left, right, type, use);
  };
}

const limits: Readonly<Partial<Record<ScalarDType, readonly [low: string, high: string]>>> = {
  i64: ["INT64_MIN", "INT64_MAX"], i32: ["INT32_MIN", "INT32_MAX"], i8: ["INT8_MIN", "INT8_MAX"],
  u32: ["0", "UINT32_MAX"], u8: ["0", "UINT8_MAX"],
};

/** Floats to integers truncate and saturate, NaN to 0; anything to bool is x != 0; integers wrap. */
const cast: Spelling = (call, use) => {
  const { operands: [x = ""], type, result } = call;
  const from = type.dtype;
  const to = result.dtype;
  const target = cTypeName(result, use);
  if (from === to) return x;
  if (to === "bool") {
    const zero = type.lanes === 1 ? "0" : `(${cTypeName(type, use)}){}`;
    return comparison("!=")({ ...call, operands: [x, zero] }, use);
  }
  const [low, high] = limits[to] ?? [];
  if (isFloat(from) && low !== undefined && high !== undefined) {
    const wide = from === "f64" ? "double" : "float";
    const name = `saturate_${from}_to`;
    return scalarFunction(name, () => `x != x ? 0 : x <= (${wide})${low} ? ${low} : x >= (${wide})${high} ? ${high} : (${cTypeName(scalarType(to), use)})x`)(call, use);
  }
  if (result.lanes === 1) return `(${target})${x}`;
  return from === "bool" ? `__builtin_convertvector(-${x}, ${target})` : `__builtin_convertvector(${x}, ${target})`;
};

const bitcast: Spelling = (call, use) => {
  const { operands: [x = ""], type, result } = call;
  const target = cTypeName(result, use);
  if (result.lanes > 1) return `(${target})${x}`;
  const source = cTypeName(type, use);
  const definition: Definition = {
    name: `bits_${type.dtype}_${result.dtype}`,
    text: () => `static inline ${target} bits_${type.dtype}_${result.dtype}(${source} x) { union { ${source} from; ${target} to; } both = { x }; return both.to; }`,
  };
  return `${use(definition)}(${x})`;
};

const not: Spelling = ({ operands: [x], type }) => (type.dtype === "bool" && type.lanes === 1 ? `!${x}` : `~${x}`);

const abs: Spelling = (call, use) =>
  isFloat(call.type.dtype) ? libm("fabs")(call, use) : scalarFunction("abs", () => "x < 0 ? -x : x")(call, use);

const sign: Spelling = scalarFunction("sign", ({ dtype }) => (isFloat(dtype) ? "x != x ? x : (x > 0) - (x < 0)" : "(x > 0) - (x < 0)"));

/** The index type is never negative and never divided by zero; others give 0 for a zero divisor and wrap at -1. */
function division(operator: "/" | "%"): Spelling {
  const guarded = scalarFunction(operator === "/" ? "div" : "rem", ({ dtype }) =>
    dtype.startsWith("u") ? `y == 0 ? 0 : x ${operator} y` : `y == 0 ? 0 : y == -1 ? ${operator === "/" ? "-x" : "0"} : x ${operator} y`);
  const remainder = scalarFunction("fmod", ({ dtype }) => (dtype === "f64" ? "fmod(x, y)" : "fmodf(x, y)"));
  return (call, use) => {
    if (call.type.dtype === "index") return infix(operator)(call, use);
    if (!isFloat(call.type.dtype)) return guarded(call, use);
    return operator === "/" ? infix("/")(call, use) : remainder(call, use);
  };
}

function shift(operator: "<<" | ">>"): Spelling {
  return scalarFunction(operator === "<<" ? "shift_left" : "shift_right", ({ dtype }) =>
    `x ${operator} (y & ${dtype === "index" ? 63 : bytesOf(dtype) * 8 - 1})`);
}

export const cElementwise: Readonly<Record<ElementwiseName, Spelling>> = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: division("/"),
  rem: division("%"),
  pow: scalarFunction("pow", ({ dtype }) => (dtype === "f64" ? "pow(x, y)" : "powf(x, y)")),
  max: extremum(">"),
  min: extremum("<"),
  mul_high: scalarFunction("mul_high", () => "(uint32_t)(((uint64_t)x * y) >> 32)"),
  fma: scalarFunction("fma", ({ dtype }) => (dtype === "f64" ? "__builtin_fma(x, y, z)" : "__builtin_fmaf(x, y, z)")),
  and: infix("&"),
  or: infix("|"),
  xor: infix("^"),
  not,
  shift_left: shift("<<"),
  shift_right: shift(">>"),
  eq: comparison("=="),
  ne: comparison("!="),
  lt: comparison("<"),
  le: comparison("<="),
  gt: comparison(">"),
  ge: comparison(">="),
  select,
  cast,
  bitcast,
  neg: ({ operands: [x] }) => `-${x}`,
  abs,
  sign,
  floor: libm("floor"),
  ceil: libm("ceil"),
  round: libm("rint"),
  sqrt: libm("sqrt"),
  rsqrt: scalarFunction("rsqrt", ({ dtype }) => (dtype === "f64" ? "1.0 / sqrt(x)" : "1.0f / sqrtf(x)")),
  exp: libm("exp"),
  expm1: libm("expm1"),
  log: libm("log"),
  log1p: libm("log1p"),
  sin: libm("sin"),
  cos: libm("cos"),
  tanh: libm("tanh"),
  erf: libm("erf"),
};
