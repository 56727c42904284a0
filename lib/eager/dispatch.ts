/**
 * Eager execution: what a primitive of the library does when it is called as plain JavaScript.
 *
 * Calls that look alike (the same primitive, dtypes, shapes and settings) are worked out once. A number beside a tensor is
 * a tensor of rank 0, so that other numbers need no other kernel.
 */

import { ArgumentError, type Device, hostTensor, type NestedNumbers } from "tsdlc-runtime";
import { only } from "../../ir/expect.ts";
import type { DType } from "../../ir/type.ts";
import type { DTypeName } from "../shape.ts";
import { checkNumber } from "../surface/argument.ts";
import { type AnyTensor, isLeaf, makeHandle } from "./handles.ts";
import { type Application, deviceOf, execute } from "./execute.ts";
import { type Argument, dependsOnDevice, type DeviceKind, generalize, type TensorFacts } from "./generalize.ts";
import { faultOf } from "./faults.ts";
import { NamedSize } from "./named-size.ts";
import { currentTrace, type OpenTrace } from "./trace.ts";
import { describeValue, printNumber } from "./trees.ts";

export { withFaults } from "./faults.ts";

/** What is known of a primitive, and its calls of late. */
interface Primitive {
  readonly name: string;
  /** Where it needs no kernel of its own. */
  readonly special: ((args: readonly unknown[]) => AnyTensor | readonly AnyTensor[]) | undefined;
  /** Where it takes a number in place of a tensor; the other one of these operands says its dtype. */
  readonly numbers: readonly [number, number] | undefined;
  /** Where it takes the shape of what it makes. */
  readonly shapeAt: number | undefined;
  readonly dependsOnDevice: boolean;
  /** The last few that differ, the newest first. */
  readonly recent: Call[];
}

/** A call without lists, and what it came to. */
interface Call {
  /** Of each argument, the facts of a tensor or the value itself. */
  readonly pattern: readonly (TensorFacts | Settings)[];
  /** Which arguments are tensors. */
  readonly tensors: readonly number[];
  readonly kind: DeviceKind;
  readonly known: Known;
}

type Settings = number | string | boolean | undefined;

const callsKept = 8;

const primitives = new Map<string, Primitive>();

function primitiveOf(name: string): Primitive {
  const made: Primitive = {
    name, special: specialForms[name], numbers: numberOperands[name], shapeAt: madeShapes[name], dependsOnDevice: dependsOnDevice(name), recent: [],
  };
  primitives.set(name, made);
  return made;
}

/** The result of a primitive: a tensor, or a list of tensors. Throws an ArgumentError that says what is wrong. */
export function dispatch(name: string, args: readonly unknown[]): AnyTensor | readonly AnyTensor[] {
  try {
    return apply(primitives.get(name) ?? primitiveOf(name), args);
  } catch (thrown) {
    throw faultOf(name, thrown);
  }
}

function apply(primitive: Primitive, args: readonly unknown[]): AnyTensor | readonly AnyTensor[] {
  const { name, special, numbers, shapeAt } = primitive;
  const trace = currentTrace();
  if (trace !== undefined) return writeDown(trace, name, args);
  if (shapeAt !== undefined) requireSizes(name, args[shapeAt]);
  if (special !== undefined) return special(args);
  const given = numbers === undefined ? args : withScalars(name, numbers, args);
  for (const call of primitive.recent) {
    if (!isLike(call, given, primitive)) continue;
    const tensors: AnyTensor[] = [];
    for (const position of call.tensors) tensors.push(given[position] as AnyTensor);
    return resultOf(call.known, tensors, name);
  }
  const tensors: AnyTensor[] = [];
  const what = describe(name, given, tensors);
  const kind = primitive.dependsOnDevice ? deviceOf(tensors, name).kind : "cpu";
  const key = kind === "cpu" ? what : `${kind} ${what}`;
  const known = applications.get(key) ?? remember(key, name, given, kind);
  if (!given.some(Array.isArray)) keepCall(primitive, given, kind, known);
  return resultOf(known, tensors, name);
}

function resultOf(known: Known, tensors: readonly AnyTensor[], name: string): AnyTensor | readonly AnyTensor[] {
  const results = execute(known, tensors, name);
  return known.isList ? results : only(results);
}

/** Whether arguments are all that those of an earlier call were, but for the elements of tensors. */
function isLike({ pattern, kind, tensors }: Call, args: readonly unknown[], primitive: Primitive): boolean {
  if (args.length !== pattern.length) return false;
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i];
    const argument = args[i];
    if (typeof expected !== "object") {
      if (!Object.is(argument, expected)) return false;
    } else if (!isLeaf(argument) || argument.dtype !== expected.dtype || !isSameShape(argument.shape, expected.shape)) return false;
  }
  return !primitive.dependsOnDevice || deviceOf(tensors.map((position) => args[position] as AnyTensor), primitive.name).kind === kind;
}

function isSameShape(left: readonly number[], right: readonly number[]): boolean {
  if (left.length !== right.length) return false;
  for (let axis = 0; axis < left.length; axis++) if (left[axis] !== right[axis]) return false;
  return true;
}

function keepCall({ recent }: Primitive, args: readonly unknown[], kind: DeviceKind, known: Known): void {
  const tensors = args.flatMap((argument, i) => (isLeaf(argument) ? [i] : []));
  recent.unshift({ pattern: args.map((argument) => toArgument(argument) as TensorFacts | Settings), tensors, kind, known });
  if (recent.length > callsKept) recent.pop();
}

/** In a trace: with numbers and sizes as they are, which the compiler folds and fuses. */
function writeDown(trace: OpenTrace, name: string, args: readonly unknown[]): AnyTensor | readonly AnyTensor[] {
  const tensors: AnyTensor[] = [];
  const what = describe(name, args, tensors);
  const known = trace.isStatic ? written.get(what) : undefined;
  const found = known ?? trace.call(name, args, (all) => all.map(toArgument));
  if (trace.isStatic && known === undefined) keep(written, what, found, applicationsKept);
  return resultOf(found, tensors, name);
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

const numberOperands: Readonly<Record<string, readonly [number, number]>> = {
  add: [0, 1], sub: [0, 1], mul: [0, 1], div: [0, 1], rem: [0, 1], maximum: [0, 1], minimum: [0, 1],
  eq: [0, 1], ne: [0, 1], lt: [0, 1], le: [0, 1], gt: [0, 1], ge: [0, 1], where: [1, 2],
  bitwiseAnd: [0, 1], bitwiseOr: [0, 1], bitwiseXor: [0, 1], shiftLeft: [0, 1], shiftRight: [0, 1],
};

function withScalars(name: string, [first, second]: readonly [number, number], args: readonly unknown[]): readonly unknown[] {
  const [left, right] = [args[first], args[second]];
  if (typeof right === "number" && isLeaf(left)) return args.with(second, scalar(right, left.dtype, deviceOf([left], name)));
  if (typeof left === "number" && isLeaf(right)) return args.with(first, scalar(left, right.dtype, deviceOf([right], name)));
  return args;
}

/** Scalars that were used lately on a device: most programs have few. */
const scalars = new WeakMap<Device, Map<DTypeName, Map<number, AnyTensor>>>();
const scalarsKept = 256;

function scalar(value: number, dtype: DTypeName, device: Device): AnyTensor {
  // A map holds -0 for 0.
  if (Object.is(value, -0)) return fromNumbers(value, dtype);
  const there = scalars.get(device) ?? new Map<DTypeName, Map<number, AnyTensor>>();
  scalars.set(device, there);
  const ofDType = there.get(dtype) ?? new Map<number, AnyTensor>();
  there.set(dtype, ofDType);
  const known = ofDType.get(value);
  if (known !== undefined) return known;
  const made = fromNumbers(checkNumber(value, dtype), dtype);
  keep(ofDType, value, made, scalarsKept);
  return made;
}

/* ---------------------------------------------------------------- calls that look alike */

interface Known extends Application {
  readonly isList: boolean;
}

const applications = new Map<string, Known>();
/** Those of traces: a function that is traced again, as one under vmap is, finds its derivatives made. */
const written = new Map<string, Known>();
const applicationsKept = 4096;

function remember(key: string, name: string, args: readonly unknown[], kind: DeviceKind): Known {
  const made: Known = generalize(name, args.map(toArgument), kind);
  keep(applications, key, made, applicationsKept);
  return made;
}

function keep<K, T>(map: Map<K, T>, key: K, value: T, most: number): void {
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
  if (argument instanceof NamedSize && currentTrace() !== undefined) return String(argument);
  switch (typeof argument) {
    case "number": return printNumber(argument);
    case "string": return JSON.stringify(argument);
    case "boolean":
    case "undefined": return String(argument);
    default: throw new ArgumentError(`${name}: ${describeValue(argument)} is no operand of a tensor op: operands are tensors, numbers, sizes and lists of these`);
  }
}

function toArgument(argument: unknown): Argument {
  if (isLeaf(argument)) return { dtype: argument.dtype as DType, shape: argument.shape };
  if (Array.isArray(argument)) return argument.map(toArgument);
  return argument as Argument;
}
