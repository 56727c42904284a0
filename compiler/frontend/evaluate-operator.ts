/**
 * Operators on the three kinds of numbers. Two static numbers give a static one. A size that depends on named dims
 * stays an exact expression under + - * and exact division. A number of run time makes ops on f64, which is what
 * JavaScript computes with.
 */

import { ts } from "ts-morph";
import { addDims, type Dim, floorDivDims, modDims, mulDims, printDim, sameDim, subDims } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { tensorType } from "../../ir/type.ts";
import { isTensorClass } from "./evaluate-class.ts";
import { type Evaluation, known, makeOps, refuse, runtimeBooleanOf, runtimeNumberOf, use } from "./evaluation.ts";
import { isGlobal } from "./globals.ts";
import { mayBeSame } from "./journal.ts";
import { isBoolean, type Numeric } from "./join.ts";
import {
  asDim, ClassValue, CollectionValue, describe, DimQuotient, DimValue, dimValue, isArray, isInstance, isNumeric, isSameClass, ObjectValue, RuntimeBoolean, RuntimeNumber, type StaticValue, TensorValue,
  Unjoined,
} from "./value.ts";

export const f64 = tensorType("f64", []);
export const bool = tensorType("bool", []);

type NumberOperator = {
  readonly text: string;
  readonly ofNumbers: (left: number, right: number) => number;
  /** Undefined where the result is not a size. */
  readonly ofDims?: (left: Dim, right: Dim) => StaticValue;
  readonly op?: "add" | "sub" | "mul" | "div" | "rem" | "pow";
  /** The method of a tensor that does the same. */
  readonly method?: string;
};

const numberOperators: Partial<Record<ts.SyntaxKind, NumberOperator>> = {
  [ts.SyntaxKind.PlusToken]: { text: "+", ofNumbers: (l, r) => l + r, ofDims: (l, r) => dimValue(addDims(l, r)), op: "add", method: "add" },
  [ts.SyntaxKind.MinusToken]: { text: "-", ofNumbers: (l, r) => l - r, ofDims: (l, r) => dimValue(subDims(l, r)), op: "sub", method: "sub" },
  [ts.SyntaxKind.AsteriskToken]: { text: "*", ofNumbers: (l, r) => l * r, ofDims: (l, r) => dimValue(mulDims(l, r)), op: "mul", method: "mul" },
  [ts.SyntaxKind.SlashToken]: { text: "/", ofNumbers: (l, r) => l / r, ofDims: divideDims, op: "div", method: "div" },
  [ts.SyntaxKind.PercentToken]: { text: "%", ofNumbers: (l, r) => l % r, ofDims: (l, r) => dimValue(modDims(l, r)), op: "rem", method: "rem" },
  [ts.SyntaxKind.AsteriskAsteriskToken]: { text: "**", ofNumbers: (l, r) => l ** r, ofDims: powerOfDim, op: "pow", method: "pow" },
  [ts.SyntaxKind.AmpersandToken]: { text: "&", ofNumbers: (l, r) => l & r, method: "bitwiseAnd" },
  [ts.SyntaxKind.BarToken]: { text: "|", ofNumbers: (l, r) => l | r, method: "bitwiseOr" },
  [ts.SyntaxKind.CaretToken]: { text: "^", ofNumbers: (l, r) => l ^ r, method: "bitwiseXor" },
  [ts.SyntaxKind.LessThanLessThanToken]: { text: "<<", ofNumbers: (l, r) => l << r },
  [ts.SyntaxKind.GreaterThanGreaterThanToken]: { text: ">>", ofNumbers: (l, r) => l >> r },
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken]: { text: ">>>", ofNumbers: (l, r) => l >>> r },
};

interface Comparison {
  readonly text: string;
  readonly holds: (left: number | string, right: number | string) => boolean;
  /** The method of a tensor, and the op on numbers of run time. */
  readonly method: "lt" | "le" | "gt" | "ge";
}

const comparisons: Partial<Record<ts.SyntaxKind, Comparison>> = {
  [ts.SyntaxKind.LessThanToken]: { text: "<", holds: (l, r) => l < r, method: "lt" },
  [ts.SyntaxKind.LessThanEqualsToken]: { text: "<=", holds: (l, r) => l <= r, method: "le" },
  [ts.SyntaxKind.GreaterThanToken]: { text: ">", holds: (l, r) => l > r, method: "gt" },
  [ts.SyntaxKind.GreaterThanEqualsToken]: { text: ">=", holds: (l, r) => l >= r, method: "ge" },
};

export function evaluateBinaryOperator(run: Evaluation, operator: ts.SyntaxKind, left: StaticValue, right: StaticValue, node: ts.Node): StaticValue {
  const numeric = numberOperators[operator];
  if (numeric !== undefined) return evaluateNumberOperator(run, numeric, left, right, node);
  const comparison = comparisons[operator];
  if (comparison !== undefined) return compare(run, comparison, left, right, node);
  switch (operator) {
    case ts.SyntaxKind.EqualsEqualsEqualsToken: return areEqual(run, left, right, node);
    case ts.SyntaxKind.ExclamationEqualsEqualsToken: return not(run, areEqual(run, left, right, node), node);
    case ts.SyntaxKind.EqualsEqualsToken: return looselyEqual(run, left, right, node);
    case ts.SyntaxKind.ExclamationEqualsToken: return not(run, looselyEqual(run, left, right, node), node);
    case ts.SyntaxKind.InKeyword:
      if (right instanceof ObjectValue && (typeof left === "string" || typeof left === "number")) return hasField(run, right, String(left), node);
      return refuse(run, node, "TSDL2001", "in asks an object for a field's name", { label: `right is ${describe(right)}` });
    case ts.SyntaxKind.InstanceOfKeyword:
      return isInstanceOf(run, left, right, node);
    default: return refuse(run, node, "TSDL3002", `the operator ${ts.tokenToString(operator) ?? ""} is not compiled`);
  }
}

function evaluateNumberOperator(run: Evaluation, operator: NumberOperator, left: StaticValue, right: StaticValue, node: ts.Node): StaticValue {
  if (typeof left === "number" && typeof right === "number") return operator.ofNumbers(left, right);
  if (operator.text === "+" && (typeof left === "string" || typeof right === "string")) return textOf(run, left, node) + textOf(run, right, node);
  refuseTensors(run, operator.text, operator.method, left, right, node);
  if (!isNumeric(left) || !isNumeric(right)) {
    return refuse(run, node, "TSDL2001", `${operator.text} needs two numbers`, { label: `left is ${describe(left)}, right is ${describe(right)}` });
  }
  if (left instanceof RuntimeNumber || right instanceof RuntimeNumber) {
    const { op } = operator;
    if (op === undefined) return refuse(run, node, "TSDL2002", `${operator.text} on a number that is known only at run time is not compiled`);
    const l = runtimeOperand(run, left, node);
    const r = runtimeOperand(run, right, node);
    return runtimeNumberOf(run, makeOps(run, node, (b) => b[op](l, r)));
  }
  const l = asDim(left);
  const r = asDim(right);
  const result = l === undefined || r === undefined ? undefined : operator.ofDims?.(l, r);
  if (result !== undefined) return result;
  if (operator.op !== undefined) {
    // No longer a size: it is computed when the program runs, as any number.
    const op = operator.op;
    const [leftValue, rightValue] = [runtimeOperand(run, left, node), runtimeOperand(run, right, node)];
    return runtimeNumberOf(run, makeOps(run, node, (b) => b[op](leftValue, rightValue)));
  }
  return refuse(run, node, "TSDL2005", `${operator.text} does not work on sizes of named dims`, { label: `left is ${describe(left)}, right is ${describe(right)}` });
}

/** `"name" in object`: a field, or what its class has for it. */
function hasField(run: Evaluation, object: ObjectValue, name: string, node: ts.Node): boolean {
  if (object instanceof CollectionValue) return refuse(run, node, "TSDL3002", `in asks for a field, and this is ${describe(object)}`, { help: "write has(key)" });
  const field = object.fields.get(name);
  if (field instanceof Unjoined && field.mayBeAbsent) known(run, field, name, node);
  if (object.fields.has(name)) return true;
  for (let at = object.instanceOf; at !== undefined; at = at.superclass) {
    const { methods, getters, setters } = at.prototype;
    if (methods.has(name) || getters.has(name) || setters.has(name)) return true;
  }
  return false;
}

function isInstanceOf(run: Evaluation, left: StaticValue, right: StaticValue, node: ts.Node): boolean {
  if (right instanceof ClassValue) return isTensorClass(run, right) ? left instanceof TensorValue : isInstance(left, right);
  if (isGlobal(right, "Array")) return isArray(left);
  for (const kind of ["Map", "Set"]) if (isGlobal(right, kind)) return left instanceof CollectionValue && left.kind === kind;
  return refuse(run, node, "TSDL3002", "instanceof is compiled for classes of the program, Tensor, Array, Map and Set", { label: `right is ${describe(right)}`, help: "test a field of the object instead" });
}

function refuseTensors(run: Evaluation, text: string, method: string | undefined, left: StaticValue, right: StaticValue, node: ts.Node, isUnary = false): void {
  if (!(left instanceof TensorValue) && !(right instanceof TensorValue)) return;
  const other = left instanceof TensorValue ? right : left;
  refuse(run, node, "TSDL2001", `${text} works on numbers, not on tensors`, {
    label: isUnary ? `this is ${describe(left)}` : `left is ${describe(left)}, right is ${describe(right)}`,
    help: method === undefined ? "tensors have methods instead of operators" : `call the method: x.${method}(${isUnary ? "" : typeof other === "number" ? other : "y"})`,
  });
}

/** The value of a number as an f64 of rank 0. */
export function runtimeOperand(run: Evaluation, value: number | RuntimeNumber | DimValue | DimQuotient, node: ts.Node): Value {
  if (value instanceof RuntimeNumber) return use(run, value, node);
  return makeOps(run, node, (b) => {
    if (typeof value === "number") return b.constantOf(f64, value);
    if (value instanceof DimValue) return b.size({ size: value.dim, dtype: "f64" });
    const part = (dim: Dim): Value => (typeof dim === "number" ? b.constantOf(f64, dim) : b.size({ size: dim, dtype: "f64" }));
    return b.div(part(value.left), part(value.right));
  });
}

/** Exact when the divisor divides every term; otherwise it waits for Math.floor or Math.ceil. */
function divideDims(left: Dim, right: Dim): StaticValue {
  const quotient = floorDivDims(left, right);
  return sameDim(mulDims(quotient, right), left) ? dimValue(quotient) : new DimQuotient(left, right);
}

function powerOfDim(left: Dim, right: Dim): StaticValue {
  if (typeof right !== "number" || right < 0 || right > 8) return undefined;
  return dimValue(mulDims(1, ...Array.from({ length: right }, () => left)));
}

export function evaluateUnary(run: Evaluation, operator: ts.PrefixUnaryOperator, operand: StaticValue, node: ts.PrefixUnaryExpression): StaticValue {
  if (operator === ts.SyntaxKind.ExclamationToken) return not(run, truthOf(run, operand, node.operand), node);
  const text = ts.tokenToString(operator) ?? "";
  refuseTensors(run, text, operator === ts.SyntaxKind.MinusToken ? "neg" : undefined, operand, undefined, node, true);
  if (operator === ts.SyntaxKind.PlusToken && typeof operand === "string") return Number(operand);
  if (!isNumeric(operand)) return refuse(run, node, "TSDL2001", `${text} needs a number`, { label: `this is ${describe(operand)}` });
  if (operator === ts.SyntaxKind.PlusToken) return operand;
  if (operator === ts.SyntaxKind.MinusToken) {
    if (typeof operand === "number") return -operand;
    return evaluateBinaryOperator(run, ts.SyntaxKind.AsteriskToken, operand, -1, node);
  }
  if (typeof operand === "number") return ~operand;
  return refuse(run, node, "TSDL2002", "~ needs a number that is known when the program is built", { label: `this is ${describe(operand)}` });
}

function compare(run: Evaluation, comparison: Comparison, left: StaticValue, right: StaticValue, node: ts.Node): boolean | RuntimeBoolean {
  const comparable = (value: StaticValue): value is number | string => typeof value === "number" || typeof value === "string";
  if (comparable(left) && comparable(right)) return comparison.holds(left, right);
  refuseTensors(run, comparison.text, comparison.method, left, right, node);
  if ((left instanceof RuntimeNumber && isNumeric(right)) || (right instanceof RuntimeNumber && isNumeric(left))) {
    const [l, r] = [runtimeOperand(run, left as Numeric, node), runtimeOperand(run, right as Numeric, node)];
    return runtimeBooleanOf(run, makeOps(run, node, (b) => b[comparison.method](l, r)));
  }
  const l = asDim(left);
  const r = asDim(right);
  const difference = l === undefined || r === undefined ? undefined : subDims(l, r);
  if (typeof difference === "number") return comparison.holds(difference, 0);
  if (difference !== undefined) return refuseDimCondition(run, node, left, right);
  return refuse(run, node, "TSDL2001", `${comparison.text} compares numbers or strings`, { label: `left is ${describe(left)}, right is ${describe(right)}` });
}

/** `===`, where the answer must be known now. */
export function equalValues(run: Evaluation, left: StaticValue, right: StaticValue, node: ts.Node): boolean {
  const equal = areEqual(run, left, right, node);
  return equal instanceof RuntimeBoolean ? refuseRuntimeCondition(run, node, "a comparison of a number that is known only at run time") : equal;
}

/** `===` */
export function areEqual(run: Evaluation, left: StaticValue, right: StaticValue, node: ts.Node): boolean | RuntimeBoolean {
  if (isBoolean(left) && isBoolean(right) && (left instanceof RuntimeBoolean || right instanceof RuntimeBoolean)) {
    const [l, r] = [left, right].map((side) => booleanOperand(run, side, node));
    return l === undefined || r === undefined ? false : runtimeBooleanOf(run, makeOps(run, node, (b) => b.eq(l, r)));
  }
  if (isNumeric(left) && isNumeric(right)) {
    if (left instanceof RuntimeNumber || right instanceof RuntimeNumber) {
      const [l, r] = [runtimeOperand(run, left, node), runtimeOperand(run, right, node)];
      return runtimeBooleanOf(run, makeOps(run, node, (b) => b.eq(l, r)));
    }
    const l = asDim(left);
    const r = asDim(right);
    if (l === undefined || r === undefined) return left === right;
    const difference = subDims(l, r);
    if (typeof difference === "number") return difference === 0;
    return refuseDimCondition(run, node, left, right);
  }
  if (left instanceof ClassValue && right instanceof ClassValue) return isSameClass(left, right);
  const [first, second] = [left, right].filter((side) => isArray(side) || side instanceof ObjectValue);
  if (first !== undefined && second !== undefined && mayBeSame(first, second)) {
    refuse(run, node, "TSDL3004", "whether these are one object is known only at run time", {
      label: "a branch or a loop chose the object",
      help: "compare what tells them apart: a field, or the condition itself",
    });
  }
  return left === right;
}

function looselyEqual(run: Evaluation, left: StaticValue, right: StaticValue, node: ts.Node): boolean | RuntimeBoolean {
  if (left === null || left === undefined || right === null || right === undefined) return (left ?? undefined) === (right ?? undefined);
  if (isNumeric(left) !== isNumeric(right) || isBoolean(left) !== isBoolean(right)) refuse(run, node, "TSDL3002", "== between different kinds of values is not compiled", { help: "write ===" });
  return areEqual(run, left, right, node);
}

/** Whether a value counts as true, where that must be known now. */
export function isTruthy(run: Evaluation, value: StaticValue, node: ts.Node): boolean {
  const truth = truthOf(run, value, node);
  return truth instanceof RuntimeBoolean ? refuseRuntimeCondition(run, node, value instanceof RuntimeBoolean ? "a boolean that is known only at run time" : "a number that is known only at run time") : truth;
}

/** Whether a value counts as true; a number does when it is neither 0 nor NaN. */
export function truthOf(run: Evaluation, value: StaticValue, node: ts.Node): boolean | RuntimeBoolean {
  if (value instanceof TensorValue) {
    return refuse(run, node, "TSDL3004", "a tensor cannot be a condition", {
      label: `this is ${describe(value)}`,
      help: value.type.shape.length === 0
        ? "write .item() to branch on its value, or choose between two tensors with where(condition, onTrue, onFalse)"
        : "choose element by element with where(condition, onTrue, onFalse), or branch on one value: .any().item()",
    });
  }
  if (value instanceof RuntimeBoolean) return value;
  if (value instanceof RuntimeNumber) {
    const operand = use(run, value, node);
    return runtimeBooleanOf(run, makeOps(run, node, (b) => b.and(b.ne(operand, 0), b.eq(operand, operand))));
  }
  if (value instanceof DimValue || value instanceof DimQuotient) return refuseDimCondition(run, node, value, 0);
  return Boolean(value);
}

export function not(run: Evaluation, truth: boolean | RuntimeBoolean, node: ts.Node): boolean | RuntimeBoolean {
  if (typeof truth === "boolean") return !truth;
  const operand = use(run, truth, node);
  return runtimeBooleanOf(run, makeOps(run, node, (b) => b.not(operand)));
}

/** A boolean as a bool of rank 0. */
export function booleanOperand(run: Evaluation, value: boolean | RuntimeBoolean, node: ts.Node): Value {
  return value instanceof RuntimeBoolean ? use(run, value, node) : makeOps(run, node, (b) => b.constantOf(bool, value ? 1 : 0));
}

function refuseRuntimeCondition(run: Evaluation, node: ts.Node, what: string): never {
  return refuse(run, node, "TSDL3004", `${what} cannot decide what the program does`, {
    label: "not known when the program is built",
    help: "this place needs a static answer: write an if around it, or choose between tensors with where(condition, onTrue, onFalse)",
  });
}

function refuseDimCondition(run: Evaluation, node: ts.Node, left: StaticValue, right: StaticValue): never {
  const dims = [asDim(left), asDim(right)].filter((dim) => dim !== undefined && typeof dim !== "number").map((dim) => printDim(dim ?? 0));
  return refuse(run, node, "TSDL3004", `the size ${dims.join(" and ") || describe(left)} is not known when the program is built`, {
    label: "a named dim can be any size",
    help: "write the size as a number in the type of the parameter, or do without the condition",
  });
}

/** A static value as text, for template strings and messages. */
export function textOf(run: Evaluation, value: StaticValue, node: ts.Node): string {
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return value;
  if (value instanceof DimValue) return printDim(value.dim);
  if (isArray(value)) return value.map((item) => (item === undefined || item === null ? "" : textOf(run, item, node))).join(",");
  return refuse(run, node, "TSDL2001", "only static values can be text", { label: `this is ${describe(value)}` });
}
