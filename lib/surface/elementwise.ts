/** Elementwise primitives: one line each. Operands broadcast together and share a dtype (broadcast.ts). */

import type { Builder } from "../../ir/builder.ts";
import { Value } from "../../ir/module.ts";
import { type Operand, TypeFault } from "../../ir/op.ts";
import type { OpName } from "../../ir/ops/table.ts";
import { isFloat, printType } from "../../ir/type.ts";
import { readDType, readTensor, type SurfaceFunction } from "./argument.ts";
import { broadcastOperands, broadcastTo } from "./broadcast.ts";

export const elementwise = {
  add: broadcasting("add"),
  sub: broadcasting("sub"),
  mul: broadcasting("mul"),
  div: broadcasting("div"),
  rem: broadcasting("rem"),
  pow: broadcasting("pow"),
  maximum: broadcasting("max"),
  minimum: broadcasting("min"),
  logicalAnd: broadcasting("and"),
  logicalOr: broadcasting("or"),
  logicalXor: broadcasting("xor"),
  bitwiseAnd: broadcasting("and"),
  bitwiseOr: broadcasting("or"),
  bitwiseXor: broadcasting("xor"),
  shiftLeft: broadcasting("shiftLeft"),
  shiftRight: broadcasting("shiftRight"),
  eq: broadcasting("eq"),
  ne: broadcasting("ne"),
  lt: broadcasting("lt"),
  le: broadcasting("le"),
  gt: broadcasting("gt"),
  ge: broadcasting("ge"),
  neg: unary("neg"),
  abs: unary("abs"),
  sign: unary("sign"),
  floor: unary("floor"),
  ceil: unary("ceil"),
  round: unary("round"),
  logicalNot: unary("not"),
  stopGradient: unary("stopGradient"),
  sqrt: floatUnary("sqrt"),
  rsqrt: floatUnary("rsqrt"),
  exp: floatUnary("exp"),
  expm1: floatUnary("expm1"),
  log: floatUnary("log"),
  log1p: floatUnary("log1p"),
  sin: floatUnary("sin"),
  cos: floatUnary("cos"),
  tanh: floatUnary("tanh"),
  erf: floatUnary("erf"),

  to: (b, _context, x, dtype) => {
    const { value, type } = readTensor(x);
    const target = readDType(dtype);
    return target === type.dtype ? value : b.cast(value, { dtype: target });
  },

  /** The bits of a value as another dtype of the same width. */
  bitcast: (b, _context, x, dtype) => b.bitcast(readTensor(x).value, { dtype: readDType(dtype) }),

  /** where(condition, onTrue, onFalse): the condition is bool, the other two share a dtype, all broadcast. */
  where: (b, context, condition, onTrue, onFalse) => {
    const test = readTensor(condition, "the condition");
    if (test.type.dtype !== "bool") {
      throw new TypeFault("the condition of where must be a bool tensor", [`it is ${printType(test.type)}`], "compare it, as in .ne(0)");
    }
    const [yes, no] = broadcastOperands(b, context, [onTrue, onFalse], test.type.shape);
    if (yes === undefined || no === undefined) throw new TypeFault("where takes a condition and two values");
    const result = yes instanceof Value ? readTensor(yes) : readTensor(no as Value);
    return b.select(broadcastTo(b, test, result.type.shape), yes, no);
  },
} satisfies Record<string, SurfaceFunction>;

type UnaryName = OpsCalled<(x: Value) => Value>;
type BinaryName = OpsCalled<(left: Operand, right: Operand) => Value>;
type OpsCalled<Call> = { [Name in OpName]: Call extends Builder[Name] ? (Builder[Name] extends Call ? Name : never) : never }[OpName];

function unary(op: UnaryName): SurfaceFunction {
  return (b, _context, x) => b[op](readTensor(x).value);
}

/** Functions that are defined on the reals; an integer operand is an error rather than a silent promotion. */
function floatUnary(op: UnaryName): SurfaceFunction {
  return (b, _context, x) => {
    const { value, type } = readTensor(x);
    if (!isFloat(type.dtype)) {
      throw new TypeFault(`${op} needs a tensor of floats`, [`it is ${printType(type)}`], `convert it first, with .to("f32")`);
    }
    return b[op](value);
  };
}

function broadcasting(op: BinaryName): SurfaceFunction {
  return (b, context, left, right) => {
    const [l, r] = broadcastOperands(b, context, [left, right]);
    if (l === undefined || r === undefined) throw new TypeFault(`${op} takes two operands`);
    return b[op](l, r);
  };
}
