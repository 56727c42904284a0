/**
 * The global names that a model may use: Math, Array, Object, Number and their kin on static values. Everything else
 * that JavaScript has at the top is refused by name, with the reason: it depends on the world outside.
 */

import { ts } from "ts-morph";
import { ceilDivDims, floorDivDims, maxDims, minDims } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { integer } from "./array-methods.ts";
import { writeField } from "./assign.ts";
import { callValue } from "./evaluate-call.ts";
import { f64, isTruthy, runtimeOperand, textOf } from "./evaluate-operator.ts";
import { type Evaluation, makeOps, refuse, runtimeNumberOf } from "./evaluation.ts";
import { elementsOf, readFields } from "./read-member.ts";
import {
  asDim, CollectionValue, describe, DimQuotient, DimValue, dimValue, ExternalValue, isArray, isNumeric, NativeFunction, ObjectValue, ownEntry, RuntimeNumber,
  type StaticValue, TensorValue,
} from "./value.ts";

/** Whether a value is what JavaScript calls so. */
export function isGlobal(value: StaticValue, name: string): boolean {
  return Object.hasOwn(globals, name) && value === globals[name];
}

export function globalNamed(run: Evaluation, name: string, node: ts.Node): StaticValue {
  if (Object.hasOwn(globals, name)) return globals[name];
  const impure = ownEntry(impureGlobals, name);
  if (impure !== undefined) return new ExternalValue(name, impure.reason, impure.help);
  return new ExternalValue(name, `${name} is not a part of the language that is compiled`, callable);
}

const callable = "a model may call functions written in TypeScript files of the project, tsdlc itself, Math, and methods of arrays and strings";

const impureGlobals: Readonly<Record<string, { readonly reason: string; readonly help: string }>> = {
  console: { reason: "console prints when the model runs, which a built program cannot do", help: "return the tensor from the model and print it outside; static values are shown by throwing: throw new Error(`${value}`)" },
  Date: { reason: "Date depends on the time, and a built program computes the same from the same parameters", help: "pass the number in as a parameter" },
  performance: { reason: "performance depends on the time, and a built program computes the same from the same parameters", help: "measure around the call, outside of the model" },
  process: { reason: "process is the world outside, and a built program computes the same from the same parameters", help: "read it outside, and pass it in as a parameter" },
  globalThis: { reason: "globalThis is the world outside, and a built program computes the same from the same parameters", help: "pass what you need in as a parameter" },
  Promise: { reason: "a model runs without waiting", help: "await outside of the model, and pass the result in as a parameter" },
  setTimeout: { reason: "a model runs without waiting", help: "do it outside of the model" },
  fetch: { reason: "fetch is the world outside, and a built program computes the same from the same parameters", help: "load the data outside, and pass it in as a parameter" },
  WeakMap: { reason: "WeakMap is not compiled", help: "use a Map with names as keys, or a field of the object" },
  WeakSet: { reason: "WeakSet is not compiled", help: "use a Set of names, or a field of the object" },
  JSON: { reason: "JSON is not compiled", help: "write the data as an object in the source" },
  Symbol: { reason: "symbols are not compiled", help: "use strings" },
  eval: { reason: "eval is not compiled", help: "write the code in the source" },
};

/* ---------------------------------------------------------------- Math */

type RuntimeUnary = (run: Evaluation, x: Value, node: ts.Node) => Value;

const viaOp = (op: "abs" | "sign" | "floor" | "ceil" | "sqrt" | "exp" | "expm1" | "log" | "log1p" | "sin" | "cos" | "tanh"): RuntimeUnary =>
  (run, x, node) => makeOps(run, node, (b) => b[op](x));

/** Functions of one number, with what they are on a number of run time; undefined where nothing is. */
const unaryMath: Readonly<Record<string, readonly [(x: number) => number, RuntimeUnary | undefined]>> = {
  abs: [Math.abs, viaOp("abs")],
  sign: [Math.sign, viaOp("sign")],
  floor: [Math.floor, viaOp("floor")],
  ceil: [Math.ceil, viaOp("ceil")],
  sqrt: [Math.sqrt, viaOp("sqrt")],
  exp: [Math.exp, viaOp("exp")],
  expm1: [Math.expm1, viaOp("expm1")],
  log: [Math.log, viaOp("log")],
  log1p: [Math.log1p, viaOp("log1p")],
  sin: [Math.sin, viaOp("sin")],
  cos: [Math.cos, viaOp("cos")],
  tanh: [Math.tanh, viaOp("tanh")],
  tan: [Math.tan, (run, x, node) => makeOps(run, node, (b) => b.div(b.sin(x), b.cos(x)))],
  log2: [Math.log2, (run, x, node) => makeOps(run, node, (b) => b.mul(b.log(x), Math.LOG2E))],
  log10: [Math.log10, (run, x, node) => makeOps(run, node, (b) => b.mul(b.log(x), Math.LOG10E))],
  // Halves go up in JavaScript, and to the even neighbour in the IR's round.
  round: [Math.round, (run, x, node) => makeOps(run, node, (b) => b.floor(b.add(x, 0.5)))],
  trunc: [Math.trunc, (run, x, node) => makeOps(run, node, (b) => b.mul(b.sign(x), b.floor(b.abs(x))))],
  fround: [Math.fround, (run, x, node) => makeOps(run, node, (b) => b.cast(b.cast(x, { dtype: "f32" }), { dtype: "f64" }))],
  cbrt: [Math.cbrt, undefined],
  asin: [Math.asin, undefined],
  acos: [Math.acos, undefined],
  atan: [Math.atan, undefined],
  sinh: [Math.sinh, undefined],
  cosh: [Math.cosh, undefined],
};

function unaryFunction(name: string, ofNumber: (x: number) => number, atRunTime: RuntimeUnary | undefined): NativeFunction {
  return new NativeFunction(`Math.${name}`, (run, [x], node) => {
    if (typeof x === "number") return ofNumber(x);
    if (x instanceof DimValue && (name === "floor" || name === "ceil" || name === "round" || name === "trunc" || name === "abs")) return x;
    if (x instanceof DimQuotient && (name === "floor" || name === "trunc")) return dimValue(floorDivDims(x.left, x.right));
    if (x instanceof DimQuotient && name === "ceil" && typeof x.right === "number") return dimValue(ceilDivDims(x.left, x.right));
    refuseTensorArgument(run, name, [x], node);
    if (!isNumeric(x)) return refuse(run, node, "TSDL2001", `Math.${name} needs a number`, { label: `it is given ${describe(x)}` });
    if (atRunTime === undefined) return refuse(run, node, "TSDL2002", `Math.${name} is compiled only for static numbers`, { label: `it is given ${describe(x)}` });
    return runtimeNumberOf(run, atRunTime(run, runtimeOperand(run, x, node), node));
  });
}

/** Method names where they differ from Math's. */
const tensorMethods: Readonly<Record<string, string>> = { max: "maximum", min: "minimum" };

function refuseTensorArgument(run: Evaluation, name: string, args: readonly StaticValue[], node: ts.Node): void {
  const tensor = args.find((argument) => argument instanceof TensorValue);
  if (tensor === undefined) return;
  refuse(run, node, "TSDL2001", `Math.${name} works on numbers, and this is a tensor`, {
    label: `it is given ${describe(tensor)}`,
    help: `call the method: x.${tensorMethods[name] ?? name}()`,
  });
}

function extremum(name: "max" | "min"): NativeFunction {
  return new NativeFunction(`Math.${name}`, (run, args, node) => {
    refuseTensorArgument(run, name, args, node);
    return args.reduce<StaticValue>((total, item) => {
      if (typeof total === "number" && typeof item === "number") return Math[name](total, item);
      if (!isNumeric(item) || !isNumeric(total)) return refuse(run, node, "TSDL2001", `Math.${name} needs numbers`, { label: `it is given ${describe(item)}` });
      if (total === (name === "max" ? -Infinity : Infinity)) return item;
      const [left, right] = [asDim(total), asDim(item)];
      if (left !== undefined && right !== undefined) return dimValue(name === "max" ? maxDims(left, right) : minDims(left, right));
      const [l, r] = [runtimeOperand(run, total, node), runtimeOperand(run, item, node)];
      return runtimeNumberOf(run, makeOps(run, node, (b) => b[name](l, r)));
    }, name === "max" ? -Infinity : Infinity);
  });
}

const math: Record<string, StaticValue> = {
  ...Object.fromEntries(["PI", "E", "LN2", "LN10", "LOG2E", "LOG10E", "SQRT2", "SQRT1_2"].map((name) => [name, Math[name as "PI"]])),
  ...Object.fromEntries(Object.entries(unaryMath).map(([name, [ofNumber, atRunTime]]) => [name, unaryFunction(name, ofNumber, atRunTime)])),
  max: extremum("max"),
  min: extremum("min"),
  pow: new NativeFunction("Math.pow", (run, [base, exponent], node) => {
    if (typeof base === "number" && typeof exponent === "number") return base ** exponent;
    refuseTensorArgument(run, "pow", [base, exponent], node);
    if (!isNumeric(base) || !isNumeric(exponent)) return refuse(run, node, "TSDL2001", "Math.pow needs numbers");
    const [b0, e0] = [runtimeOperand(run, base, node), runtimeOperand(run, exponent, node)];
    return runtimeNumberOf(run, makeOps(run, node, (b) => b.pow(b0, e0)));
  }),
  hypot: new NativeFunction("Math.hypot", (run, args, node) => {
    if (args.every((item) => typeof item === "number")) return Math.hypot(...args);
    const parts = args.map((item) => (isNumeric(item) ? runtimeOperand(run, item, node) : refuse(run, node, "TSDL2001", "Math.hypot needs numbers", { label: `it is given ${describe(item)}` })));
    return runtimeNumberOf(run, makeOps(run, node, (b) => b.sqrt(parts.map((part) => b.mul(part, part)).reduce((sum, part) => b.add(sum, part), b.constantOf(f64, 0)))));
  }),
  imul: new NativeFunction("Math.imul", (run, [left, right], node) => Math.imul(integer(run, left, 0, node), integer(run, right, 0, node))),
  atan2: new NativeFunction("Math.atan2", (run, [y, x], node) =>
    typeof y === "number" && typeof x === "number" ? Math.atan2(y, x) : refuse(run, node, "TSDL2002", "Math.atan2 is compiled only for static numbers")),
  random: new NativeFunction("Math.random", (run, _args, node) =>
    refuse(run, node, "TSDL3003", "Math.random gives another number each time, and a built program computes the same from the same parameters", {
      help: "draw from a key that is a parameter: random.uniform(key, shape)",
    })),
};

/* ---------------------------------------------------------------- the others */

const fieldsOf = (run: Evaluation, value: StaticValue, node: ts.Node): readonly (readonly [string, StaticValue])[] => {
  if (value instanceof ObjectValue) return readFields(run, value, node);
  if (isArray(value)) return value.map((item, i) => [String(i), item]);
  return refuse(run, node, "TSDL2001", "only an object has fields", { label: `this is ${describe(value)}` });
};

const object: Record<string, StaticValue> = {
  keys: new NativeFunction("Object.keys", (run, [value], node) => fieldsOf(run, value, node).map(([key]) => key)),
  values: new NativeFunction("Object.values", (run, [value], node) => fieldsOf(run, value, node).map(([, item]) => item)),
  entries: new NativeFunction("Object.entries", (run, [value], node) => fieldsOf(run, value, node).map(([key, item]) => [key, item])),
  fromEntries: new NativeFunction("Object.fromEntries", (run, [value], node) =>
    new ObjectValue(elementsOf(run, value, node).map((pair) => {
      const [key, item] = elementsOf(run, pair, node);
      return [textOf(run, key, node), item] as const;
    }))),
  assign: new NativeFunction("Object.assign", (run, [target, ...sources], node) => {
    if (!(target instanceof ObjectValue)) return refuse(run, node, "TSDL2001", "Object.assign needs an object", { label: `it is given ${describe(target)}` });
    for (const source of sources) for (const [key, item] of fieldsOf(run, source, node)) writeField(run, target, key, item, node);
    return target;
  }),
  hasOwn: new NativeFunction("Object.hasOwn", (run, [value, key], node) => fieldsOf(run, value, node).some(([name]) => name === textOf(run, key, node))),
  freeze: new NativeFunction("Object.freeze", (_run, [value]) => value),
};

function makeArray(run: Evaluation, args: readonly StaticValue[], node: ts.Node): StaticValue {
  const [length] = args;
  if (args.length !== 1 || !isNumeric(length)) return [...args];
  return new Array<StaticValue>(staticLength(run, length, node)).fill(undefined);
}

function staticLength(run: Evaluation, value: StaticValue, node: ts.Node): number {
  const length = integer(run, value, 0, node);
  if (length >= 0 && length <= 2 ** 24) return length;
  return refuse(run, node, "TSDL2004", `an array of length ${length} cannot be made while the program is built`);
}

const array: Record<string, StaticValue> = {
  isArray: new NativeFunction("Array.isArray", (_run, [value]) => isArray(value)),
  of: new NativeFunction("Array.of", (_run, args) => [...args]),
  from: new NativeFunction("Array.from", (run, [source, callback], node) => {
    const length = source instanceof ObjectValue ? source.fields.get("length") : undefined;
    const items = length === undefined ? elementsOf(run, source, node) : new Array<StaticValue>(staticLength(run, length, node)).fill(undefined);
    return callback === undefined ? [...items] : items.map((item, i) => callValue(run, callback, [item, i], node));
  }),
};

const isWhole = (value: StaticValue): boolean => value instanceof DimValue || Number.isInteger(value);

const number: Record<string, StaticValue> = {
  isInteger: new NativeFunction("Number.isInteger", (run, [value], node) => (refuseRuntime(run, value, node), isWhole(value))),
  isSafeInteger: new NativeFunction("Number.isSafeInteger", (run, [value], node) => (refuseRuntime(run, value, node), isWhole(value))),
  isFinite: new NativeFunction("Number.isFinite", (run, [value], node) => (refuseRuntime(run, value, node), value instanceof DimValue || Number.isFinite(value))),
  isNaN: new NativeFunction("Number.isNaN", (run, [value], node) => (refuseRuntime(run, value, node), Number.isNaN(value))),
  parseFloat: new NativeFunction("Number.parseFloat", (run, [value], node) => Number.parseFloat(textOf(run, value, node))),
  parseInt: new NativeFunction("Number.parseInt", (run, [value, radix], node) => Number.parseInt(textOf(run, value, node), integer(run, radix, 10, node))),
  EPSILON: Number.EPSILON,
  MAX_VALUE: Number.MAX_VALUE,
  MIN_VALUE: Number.MIN_VALUE,
  MAX_SAFE_INTEGER: Number.MAX_SAFE_INTEGER,
  MIN_SAFE_INTEGER: Number.MIN_SAFE_INTEGER,
  POSITIVE_INFINITY: Infinity,
  NEGATIVE_INFINITY: -Infinity,
  NaN: NaN,
};

function refuseRuntime(run: Evaluation, value: StaticValue, node: ts.Node): void {
  if (value instanceof RuntimeNumber) refuse(run, node, "TSDL2002", "this question needs a number that is known when the program is built", { label: `it is ${describe(value)}` });
}

const globals: Readonly<Record<string, StaticValue>> = {
  undefined: undefined,
  NaN: NaN,
  Infinity: Infinity,
  Math: new NativeFunction("Math", (run, _args, node) => refuse(run, node, "TSDL3003", "Math is not a function"), math),
  Object: new NativeFunction("Object", (run, _args, node) => refuse(run, node, "TSDL3003", "Object() is not compiled", { help: "write { }" }), object),
  Array: new NativeFunction("Array", makeArray, array),
  Map: new NativeFunction("Map", (run, _args, node) => refuse(run, node, "TSDL3003", "a Map is made with new", { help: "write new Map([[key, value]])" })),
  Set: new NativeFunction("Set", (run, _args, node) => refuse(run, node, "TSDL3003", "a Set is made with new", { help: "write new Set([item])" })),
  Number: new NativeFunction("Number", (run, [value], node) => {
    if (isNumeric(value)) return value;
    if (value instanceof TensorValue) return refuse(run, node, "TSDL2001", "a tensor is not a number while the program is built", { help: "use the tensor itself: one of rank 0 works with every op" });
    return Number(value === null || value === undefined || typeof value === "boolean" ? value : textOf(run, value, node));
  }, number),
  String: new NativeFunction("String", (run, [value], node) => textOf(run, value, node)),
  Boolean: new NativeFunction("Boolean", (run, [value], node) => isTruthy(run, value, node)),
  isNaN: number["isNaN"],
  isFinite: number["isFinite"],
  parseFloat: number["parseFloat"],
  parseInt: number["parseInt"],
  structuredClone: new NativeFunction("structuredClone", (run, [value], node) => cloneTree(run, value, node)),
};

/** As in JavaScript, a copy has the fields of an instance and is none itself. */
function cloneTree(run: Evaluation, value: StaticValue, node: ts.Node): StaticValue {
  if (isArray(value)) return value.map((item) => cloneTree(run, item, node));
  if (value instanceof CollectionValue) return value.like([...value.fields].map(([key, item]) => [key, cloneTree(run, item, node)]));
  if (value instanceof ObjectValue) return new ObjectValue(readFields(run, value, node).map(([key, item]) => [key, cloneTree(run, item, node)]), value.declared);
  return value;
}
