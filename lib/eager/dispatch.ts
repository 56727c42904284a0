/**
 * Eager execution: what a primitive of the library does when it is called as plain JavaScript.
 *
 * Calls that look alike (the same primitive, dtypes, shapes and settings) are worked out once. A number beside a tensor is
 * a tensor of rank 0, so that other numbers need no other kernel.
 */

import { ArgumentError, type Device, hostTensor, type NestedNumbers } from "tsdlc-runtime";
import { IrError } from "../../ir/builder.ts";
import { only } from "../../ir/expect.ts";
import { TypeFault } from "../../ir/op.ts";
import type { DType } from "../../ir/type.ts";
import type { DTypeName } from "../shape.ts";
import { PassError } from "../../passes/pipeline.ts";
import { checkNumber } from "../surface/argument.ts";
import { type AnyTensor, isLeaf, makeHandle } from "./handles.ts";
import { type Application, deviceOf, execute } from "./execute.ts";
import { type Argument, dependsOnDevice, type DeviceKind, generalize, specialize } from "./generalize.ts";
import { currentTrace } from "./trace.ts";
import { describeValue } from "./trees.ts";

/** The result of a primitive: a tensor, or a list of tensors. Throws an ArgumentError that says what is wrong. */
export function dispatch(name: string, args: readonly unknown[]): AnyTensor | readonly AnyTensor[] {
  return withFaults(name, () => {
    if (currentTrace() !== undefined) return writeDown(name, args);
    const shapeAt = madeShapes[name];
    if (shapeAt !== undefined) requireSizes(name, args[shapeAt]);
    const special = specialForms[name]?.(args);
    if (special !== undefined) return special;
    const given = withScalars(name, args);
    const tensors: AnyTensor[] = [];
    const what = describe(name, given, tensors);
    const kind = dependsOnDevice(name) ? deviceOf(tensors, name).kind : "cpu";
    const key = kind === "cpu" ? what : `${kind} ${what}`;
    const known = applications.get(key) ?? remember(key, name, given, kind);
    const results = execute(known, tensors, name);
    return known.isList ? results : only(results);
  });
}

/** In a trace: with numbers and sizes as they are, which the compiler folds and fuses. */
function writeDown(name: string, args: readonly unknown[]): AnyTensor | readonly AnyTensor[] {
  const tensors: AnyTensor[] = [];
  describe(name, args, tensors);
  const known = specialize(name, args.map(toArgument));
  const results = execute(known, tensors, name);
  return known.isList ? results : only(results);
}

/** Primitives that need no kernel of their own. */
const specialForms: Readonly<Record<string, (args: readonly unknown[]) => AnyTensor | readonly AnyTensor[]>> = {
  literal: ([values, dtype]) => fromNumbers(values as NestedNumbers, dtype as DTypeName),
  full: ([shape, value, dtype]) => {
    requireSizes("full", shape);
    if (typeof value !== "number" && typeof value !== "boolean") throw new ArgumentError(`full: the value to fill with must be a number, and it is ${describeValue(value)}`);
    return dispatch("expand", [scalar(Number(value), dtype as DTypeName, deviceOf([], "full")), shape]);
  },
};

/** Where a primitive takes the shape of what it makes. */
const madeShapes: Readonly<Record<string, number>> = { iota: 1, randomBits: 1 };

/** What a shape is made of; in reshape and expand -1 means something, and here it does not. */
function requireSizes(name: string, shape: unknown): void {
  if (!Array.isArray(shape)) throw new ArgumentError(`${name}: the shape must be a list of sizes, and it is ${describeValue(shape)}`);
  const wrong = shape.findIndex((size: unknown) => !Number.isInteger(size) || Number(size) < 0);
  if (wrong >= 0) throw new ArgumentError(`${name}: a size must be a whole number that is not negative, and size ${wrong} of the shape is ${describeValue(shape[wrong])}`);
}

function fromNumbers(values: NestedNumbers, dtype: DTypeName): AnyTensor {
  const { shape, data } = hostTensor(values, undefined, dtype);
  return makeHandle(dtype, shape, { kind: "host", data });
}

/* ---------------------------------------------------------------- numbers beside tensors */

/** Where a primitive takes a number in place of a tensor; the other one of these operands says its dtype. */
const numberOperands: Readonly<Record<string, readonly [number, number]>> = {
  add: [0, 1], sub: [0, 1], mul: [0, 1], div: [0, 1], rem: [0, 1], maximum: [0, 1], minimum: [0, 1],
  eq: [0, 1], ne: [0, 1], lt: [0, 1], le: [0, 1], gt: [0, 1], ge: [0, 1], where: [1, 2],
  bitwiseAnd: [0, 1], bitwiseOr: [0, 1], bitwiseXor: [0, 1], shiftLeft: [0, 1], shiftRight: [0, 1],
};

function withScalars(name: string, args: readonly unknown[]): readonly unknown[] {
  const positions = numberOperands[name];
  if (positions === undefined) return args;
  for (const [position, other] of [positions, [positions[1], positions[0]] as const]) {
    const [number, beside] = [args[position], args[other]];
    if (typeof number === "number" && isLeaf(beside)) return args.with(position, scalar(number, beside.dtype, deviceOf([beside], name)));
  }
  return args;
}

/** Scalars that were used lately on a device: most programs have few. */
const scalars = new WeakMap<Device, Map<string, AnyTensor>>();
const scalarsKept = 256;

function scalar(value: number, dtype: DTypeName, device: Device): AnyTensor {
  const there = scalars.get(device) ?? new Map<string, AnyTensor>();
  scalars.set(device, there);
  const key = `${dtype} ${printNumber(value)}`;
  const known = there.get(key);
  if (known !== undefined) return known;
  const made = fromNumbers(checkNumber(value, dtype), dtype);
  keep(there, key, made, scalarsKept);
  return made;
}

/* ---------------------------------------------------------------- calls that look alike */

interface Known extends Application {
  readonly isList: boolean;
}

const applications = new Map<string, Known>();
const applicationsKept = 4096;

function remember(key: string, name: string, args: readonly unknown[], kind: DeviceKind): Known {
  const made: Known = generalize(name, args.map(toArgument), kind);
  keep(applications, key, made, applicationsKept);
  return made;
}

function keep<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  const oldest = map.keys().next().value;
  if (map.size >= most && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}

/** All that a call means but for the elements of its tensors, which are collected on the way. */
function describe(name: string, args: readonly unknown[], tensors: AnyTensor[]): string {
  let text = name;
  for (const argument of args) text += ` ${describeOne(name, argument, tensors)}`;
  return text;
}

function describeOne(name: string, argument: unknown, tensors: AnyTensor[]): string {
  if (isLeaf(argument)) {
    tensors.push(argument);
    return `${argument.dtype}[${argument.shape.join()}]`;
  }
  if (Array.isArray(argument)) return `[${argument.map((item) => describeOne(name, item, tensors)).join()}]`;
  switch (typeof argument) {
    case "number": return printNumber(argument);
    case "string": return JSON.stringify(argument);
    case "boolean":
    case "undefined": return String(argument);
    default: throw new ArgumentError(`${name}: ${describeValue(argument)} is no operand of a tensor op: operands are tensors, numbers, sizes and lists of these`);
  }
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function toArgument(argument: unknown): Argument {
  if (isLeaf(argument)) return { dtype: argument.dtype as DType, shape: argument.shape };
  if (Array.isArray(argument)) return argument.map(toArgument);
  return argument as Argument;
}

/* ---------------------------------------------------------------- faults */

/** What a rule of the surface table or of the IR says, as the error of the call. */
export function withFaults<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    const error = thrown instanceof PassError ? thrown.cause : thrown;
    if (!(error instanceof TypeFault || error instanceof IrError)) throw thrown;
    const facts = error.facts.length === 0 || error.message.includes(error.facts.join(", ")) ? "" : ` (${error.facts.join(", ")})`;
    const help = error.help === undefined ? "" : `: ${error.help}`;
    const message = error instanceof IrError ? error.message.replace(/^\w+: /, "") : error.message;
    const place = message.startsWith(`${name} `) ? "" : `${name}: `;
    throw new ArgumentError(`${place}${message}${facts}${help}`, { cause: error });
  }
}
