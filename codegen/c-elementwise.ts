/**
 * How C spells each elementwise op, for scalars and for vectors.
 *
 * An op is an operator that both take, a scalar function that vectors call lane by lane, an instruction that compilers
 * have for vectors too (c-vector-functions.ts), or both spelled apart. Masks (vectors of bool) are 0 or -1 in 32-bit lanes.
 */

import { bytesOf, isFloat, type ScalarDType, type ScalarType, scalarType } from "../ir/type.ts";
import { roundingHalves } from "./c-half.ts";
import { cTypeName, laneBytes } from "./c-types.ts";
import { type VectorFunction, vectorFunction } from "./c-vector-functions.ts";
import { infix } from "./spell.ts";
import type { Definition, ElementwiseCall, ElementwiseName, Spelling, Use } from "./target.ts";

/** A scalar function, given as the C of its body over x, y, z; vectors call it lane by lane. */
function scalarFunction(name: string, body: (type: ScalarType) => string): Spelling {
  return (call, use) => {
    const definition = scalarDefinition(name, body, call);
    return call.result.lanes === 1
      ? `${use(definition)}(${call.operands.join(", ")})`
      : `${use(laneByLane(definition, call))}(${call.operands.join(", ")})`;
  };
}

function scalarDefinition(name: string, body: (type: ScalarType) => string, call: ElementwiseCall): Definition {
  const scalar = scalarType(call.type.dtype);
  const result = scalarType(call.result.dtype);
  const full = `${name}_${scalar.dtype}${result.dtype === scalar.dtype ? "" : `_${result.dtype}`}`;
  return {
    name: full,
    text: (use) => {
      const parameters = call.operands.map((_, i) => `${cTypeName(scalar, use)} ${"xyz"[i]}`).join(", ");
      return `INLINE ${cTypeName(result, use)} ${full}(${parameters}) { return ${body(scalar)}; }`;
    },
  };
}

function laneByLane(scalar: Definition, call: ElementwiseCall): Definition {
  const name = `${scalar.name}x${call.result.lanes}`;
  return {
    name,
    text: (use) => {
      const parameters = call.operands.map((_, i) => `${cTypeName(call.type, use)} ${"xyz"[i]}`).join(", ");
      return `INLINE ${cTypeName(call.result, use)} ${name}(${parameters}) {\n${laneLoop(scalar, call, use)}\n}`;
    },
  };
}

function laneLoop(scalar: Definition, { operands, type, result }: ElementwiseCall, use: Use): string {
  const value = `${use(scalar)}(${operands.map((_, i) => `${"xyz"[i]}[lane]`).join(", ")})`;
  if (laneBytes(result.dtype) === 8 && laneBytes(type.dtype) < 8) {
    // GCC 12 fails inside (store_constructor) where such lanes are set one by one in a vector.
    return `  union { ${cTypeName(scalarType(result.dtype), use)} lanes[${result.lanes}]; ${cTypeName(result, use)} vector; } result;
  for (int lane = 0; lane < ${result.lanes}; lane++) result.lanes[lane] = ${value};
  return result.vector;`;
  }
  return `  ${cTypeName(result, use)} result;
  for (int lane = 0; lane < ${result.lanes}; lane++) result[lane] = ${result.dtype === "bool" ? `-(${value})` : value};
  return result;`;
}

/** A function that compilers have for vectors as well; `body` is its scalar form. */
function instruction(name: VectorFunction, body: (type: ScalarType) => string): Spelling {
  return (call, use) => {
    const scalar = scalarDefinition(name, body, call);
    const definition = call.result.lanes === 1 ? scalar : vectorFunction(name, call.result, (inner) => laneLoop(scalar, call, inner));
    return `${use(definition)}(${call.operands.join(", ")})`;
  };
}

/** A function of math.h, by its name for doubles. */
function libm(name: string): Spelling {
  return scalarFunction(name, ({ dtype }) => `${name}${dtype === "f64" ? "" : "f"}(x)`);
}

/**
 * A function of math.h that a formula leaves its rare cases to, with 0 in all other lanes: a vector of zeros is answered
 * without a call.
 */
function rareLibm(name: string): Spelling {
  const body = ({ dtype }: ScalarType): string => `${name}${dtype === "f64" ? "" : "f"}(x)`;
  return (call, use) => {
    const { type: { dtype, lanes } } = call;
    const bytes = laneBytes(dtype) * lanes;
    if (lanes === 1 || bytes % 8 !== 0) return scalarFunction(name, body)(call, use);
    const scalar = scalarDefinition(name, body, call);
    const full = `${scalar.name}x${lanes}`;
    const definition: Definition = {
      name: full,
      text: (inner) => {
        const type = cTypeName(call.type, inner);
        const words = cTypeName(scalarType("i64", bytes / 8), inner);
        const ofZero = new Array(lanes).fill(`${inner(scalar)}(0)`).join(", ");
        return `INLINE ${type} ${full}(${type} x) {
  ${words} words = (${words})x;
  int64_t any = 0;
  for (int word = 0; word < ${bytes / 8}; word++) any |= words[word];
  if (any == 0) return (${type}){${ofZero}};
${laneLoop(scalar, call, inner)}
}`;
      },
    };
    return `${use(definition)}(${call.operands.join(", ")})`;
  };
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
      return `INLINE ${value} ${name}(${mask} mask, ${value} onTrue, ${value} onFalse) {
  return (${value})(((${bits})mask & (${bits})onTrue) | (~(${bits})mask & (${bits})onFalse));
}`;
    },
  };
}

const select: Spelling = ({ operands: [condition = "", onTrue = "", onFalse = ""], result }, use) =>
  result.lanes === 1 ? `${condition} ? ${onTrue} : ${onFalse}` : blend(condition, onTrue, onFalse, result, use);

/**
 * NaN wins. An instruction gives its second operand where the comparison fails, NaN included; so with a number known
 * not to be NaN first, one is enough.
 */
function extremum(wins: ">" | "<"): Spelling {
  return (call, use) => {
    const { operands: [left = "", right = ""], type, literals, result } = call;
    const compare = comparison(wins);
    if (!isFloat(type.dtype)) {
      if (type.lanes === 1) return `${left} ${wins} ${right} ? ${left} : ${right}`;
      return blend(compare({ ...call, result: scalarType("bool", result.lanes) }, use), left, right, type, use);
    }
    const [leftIsNumber, rightIsNumber] = literals.map((literal) => literal !== undefined && !Number.isNaN(literal));
    if (type.lanes === 1) {
      if (rightIsNumber === true) return `${right} ${wins} ${left} ? ${right} : ${left}`;
      return scalarFunction(wins === ">" ? "max" : "min", () => `x ${wins} y || x != x ? x : y`)(call, use);
    }
    const winner = use(vectorFunction(wins === ">" ? "larger" : "smaller", type, (inner) => {
      const mask = comparison(wins)({ ...call, operands: ["x", "y"], result: scalarType("bool", type.lanes) }, inner);
      return `  return ${blend(mask, "x", "y", type, inner)};`;
    }));
    if (rightIsNumber === true) return `${winner}(${right}, ${left})`;
    if (leftIsNumber === true) return `${winner}(${left}, ${right})`;
    const isNaN = comparison("!=")({ ...call, operands: [left, left], result: scalarType("bool", result.lanes) }, use);
    return blend(isNaN, left, `${winner}(${left}, ${right})`, type, use);
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
    text: () => `INLINE ${target} bits_${type.dtype}_${result.dtype}(${source} x) { union { ${source} from; ${target} to; } both = { x }; return both.to; }`,
  };
  return `${use(definition)}(${x})`;
};

const not: Spelling = ({ operands: [x], type }) => (type.dtype === "bool" && type.lanes === 1 ? `!${x}` : `~${x}`);

/** Of float vectors by the bits, all but the highest. */
const abs: Spelling = (call, use) => {
  const { operands: [x], type } = call;
  if (!isFloat(type.dtype)) return scalarFunction("abs", () => "x < 0 ? -x : x")(call, use);
  const bytes = laneBytes(type.dtype);
  if (type.lanes === 1 || bytes < 4) return libm("fabs")(call, use);
  const bits = cTypeName(scalarType(bytes === 8 ? "i64" : "i32", type.lanes), use);
  return `(${cTypeName(type, use)})((${bits})${x} & ${bytes === 8 ? "INT64_MAX" : "INT32_MAX"})`;
};

const squareRoot = instruction("sqrt", ({ dtype }) => (dtype === "f64" ? "sqrt(x)" : "sqrtf(x)"));

const reciprocalSquareRoot: Spelling = (call, use) => {
  const { dtype, lanes } = call.type;
  if (lanes === 1 || (dtype !== "f32" && dtype !== "f64")) {
    return scalarFunction("rsqrt", ({ dtype: scalar }) => (scalar === "f64" ? "1.0 / sqrt(x)" : "1.0f / sqrtf(x)"))(call, use);
  }
  return `1${dtype === "f32" ? ".0f" : ".0"} / ${squareRoot(call, use)}`;
};

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

/** C leaves amounts of the width and more open. */
function shift(operator: "<<" | ">>"): Spelling {
  return ({ operands: [x, amount], type, literals: [, literal] }) => {
    const width = type.dtype === "index" ? 64 : bytesOf(type.dtype) * 8;
    const isInRange = literal !== undefined && literal >= 0 && literal < width;
    return `${x} ${operator} ${isInRange ? amount : `(${amount} & ${width - 1})`}`;
  };
}

const spellings: Readonly<Record<ElementwiseName, Spelling>> = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: division("/"),
  rem: division("%"),
  pow: scalarFunction("pow", ({ dtype }) => (dtype === "f64" ? "pow(x, y)" : "powf(x, y)")),
  max: extremum(">"),
  min: extremum("<"),
  mul_high: scalarFunction("mul_high", () => "(uint32_t)(((uint64_t)x * y) >> 32)"),
  fma: instruction("fma", ({ dtype }) => (dtype === "f64" ? "fma(x, y, z)" : "fmaf(x, y, z)")),
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
  floor: instruction("floor", ({ dtype }) => (dtype === "f64" ? "floor(x)" : "floorf(x)")),
  ceil: instruction("ceil", ({ dtype }) => (dtype === "f64" ? "ceil(x)" : "ceilf(x)")),
  round: instruction("round", ({ dtype }) => (dtype === "f64" ? "rint(x)" : "rintf(x)")),
  sqrt: squareRoot,
  rsqrt: reciprocalSquareRoot,
  exp: libm("exp"),
  expm1: libm("expm1"),
  log: libm("log"),
  log1p: libm("log1p"),
  sin: rareLibm("sin"),
  cos: rareLibm("cos"),
  tanh: libm("tanh"),
  erf: libm("erf"),
};

export const cElementwise: Readonly<Record<ElementwiseName, Spelling>> = Object.fromEntries(
  Object.entries(spellings).map(([name, spelling]) => [name, roundingHalves(name, spelling)]),
) as Record<ElementwiseName, Spelling>;
