/**
 * What an expression evaluates to while a model is built.
 *
 * Everything JavaScript can compute now is held as itself: numbers, strings, arrays. Three things stand for what is
 * known only later: a tensor, a number of run time, and a size that depends on named dims. A tensor and a number
 * remember the function they were built in, because a value of one function must be captured by another to be used.
 */

import type { ts } from "ts-morph";
import { type DimExpression, printDim } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { printType } from "../../ir/type.ts";
import type { Dim } from "../../ir/dim.ts";
import type { TensorType } from "../../ir/type.ts";
import type { Evaluation } from "./evaluation.ts";
import type { FunctionBuild } from "./build-function.ts";
import type { Scope, SourceModule } from "./scope.ts";

export type StaticValue =
  | undefined
  | null
  | boolean
  | number
  | string
  | readonly StaticValue[]
  | ObjectValue
  | Callable
  | ModelValue
  | TensorValue
  | RuntimeNumber
  | RuntimeBoolean
  | Unjoined
  | DimValue
  | DimQuotient
  | ClassValue
  | NamespaceValue
  | ExternalValue;

export type Callable = Closure | NativeFunction;

export class TensorValue {
  readonly value: Value;
  readonly owner: FunctionBuild;
  readonly type: TensorType;
  constructor(value: Value, owner: FunctionBuild) {
    if (value.type.kind !== "tensor") throw new Error(`${printType(value.type)} is no tensor`);
    this.value = value;
    this.owner = owner;
    this.type = value.type;
  }
}

/** A `number` that is known only when the program runs: an f64 of rank 0. */
export class RuntimeNumber {
  readonly value: Value;
  readonly owner: FunctionBuild;
  constructor(value: Value, owner: FunctionBuild) {
    this.value = value;
    this.owner = owner;
  }
}

/** A `boolean` that is known only when the program runs: a bool of rank 0. */
export class RuntimeBoolean {
  readonly value: Value;
  readonly owner: FunctionBuild;
  constructor(value: Value, owner: FunctionBuild) {
    this.value = value;
    this.owner = owner;
  }
}

/** What a variable holds after a branch whose sides left values in it that no one value can stand for; an error once it is read. */
export class Unjoined {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A whole number that depends on named dims; one that does not is a plain number. */
export class DimValue {
  readonly dim: DimExpression;
  constructor(dim: DimExpression) {
    this.dim = dim;
  }
}

/** A division of sizes that may leave a rest, waiting for Math.floor or Math.ceil. */
export class DimQuotient {
  readonly left: Dim;
  readonly right: Dim;
  constructor(left: Dim, right: Dim) {
    this.left = left;
    this.right = right;
  }
}

export class ObjectValue {
  /** Read freely; write with `set`. */
  readonly fields: Map<string, StaticValue>;
  /** The interface or class a parameter was declared as; kept by mapTree, so that results have it too. */
  readonly declared: string | undefined;
  /** True for objects made at module level, which outlive a call. */
  isFrozen = false;
  constructor(fields: Iterable<readonly [string, StaticValue]> = [], declared?: string) {
    this.fields = new Map(fields);
    this.declared = declared;
    this.#putIndicesFirst();
  }

  set(key: string, value: StaticValue): void {
    this.fields.set(key, value);
    this.#putIndicesFirst();
  }

  /** The order of an object's fields in JavaScript: whole numbers ascending, then the others as they came. */
  #putIndicesFirst(): void {
    const keys = [...this.fields.keys()];
    const indices = keys.filter((key) => /^(0|[1-9]\d*)$/.test(key)).sort((left, right) => Number(left) - Number(right));
    if (indices.every((key, position) => keys[position] === key)) return;
    const ordered = [...indices, ...keys.filter((key) => !indices.includes(key))].map((key) => [key, this.fields.get(key)] as const);
    this.fields.clear();
    for (const [key, value] of ordered) this.fields.set(key, value);
  }
}

/** A function of the program: its syntax and the scope it was made in. */
export class Closure {
  readonly name: string;
  readonly node: ts.FunctionLikeDeclaration;
  readonly scope: Scope;
  /** What `this` is, for methods of the library. */
  readonly self: StaticValue;
  constructor(name: string, node: ts.FunctionLikeDeclaration, scope: Scope, self?: StaticValue) {
    this.name = name;
    this.node = node;
    this.scope = scope;
    this.self = self;
  }
}

/** A function that the compiler knows: Math.sqrt, an array's map, valueAndGrad. */
export class NativeFunction {
  readonly name: string;
  readonly call: (run: Evaluation, args: readonly StaticValue[], node: ts.Node) => StaticValue;
  /** Members: Number.isInteger, random.normal. */
  readonly members: Readonly<Record<string, StaticValue>>;
  constructor(name: string, call: NativeFunction["call"], members: Readonly<Record<string, StaticValue>> = {}) {
    this.name = name;
    this.call = call;
    this.members = members;
  }
}

/** What `model(f, options)` gives; calling it inlines f. */
export class ModelValue {
  readonly body: StaticValue;
  readonly options: StaticValue;
  constructor(body: StaticValue, options: StaticValue) {
    this.body = body;
    this.options = options;
  }
}

/** A class declaration: only the library's Tensor has a use here, in `instanceof`. */
export class ClassValue {
  readonly node: ts.ClassDeclaration;
  readonly module: SourceModule;
  constructor(node: ts.ClassDeclaration, module: SourceModule) {
    this.node = node;
    this.module = module;
  }
}

/** `import * as name`. */
export class NamespaceValue {
  readonly module: SourceModule;
  constructor(module: SourceModule) {
    this.module = module;
  }
}

/** A thing that exists in JavaScript but cannot be compiled; an error once it is used. */
export class ExternalValue {
  readonly name: string;
  readonly reason: string;
  readonly help: string | undefined;
  constructor(name: string, reason: string, help?: string) {
    this.name = name;
    this.reason = reason;
    this.help = help;
  }
}

export function isArray(value: StaticValue): value is readonly StaticValue[] {
  return Array.isArray(value);
}

export function isCallable(value: StaticValue): value is Callable | ModelValue {
  return value instanceof Closure || value instanceof NativeFunction || value instanceof ModelValue;
}

/** True for numbers of all kinds, as the type `number` says it. */
export function isNumeric(value: StaticValue): value is number | RuntimeNumber | DimValue | DimQuotient {
  return typeof value === "number" || value instanceof RuntimeNumber || value instanceof DimValue || value instanceof DimQuotient;
}

export function dimValue(dim: Dim): number | DimValue {
  return typeof dim === "number" ? dim : new DimValue(dim);
}

/** The dim that a static number or a symbolic one is, or undefined. */
export function asDim(value: StaticValue): Dim | undefined {
  if (value instanceof DimValue) return value.dim;
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

/** An entry of a table by a name that the program wrote, which may be one that every object inherits. */
export function ownEntry<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** How messages name a value: "a tensor f32[N,10]", "the string \"relu\"". */
export function describe(value: StaticValue): string {
  if (value === undefined) return "undefined";
  if (value === null) return "null";
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  if (isArray(value)) return value.length === 0 ? "an empty array" : `an array of ${value.length}`;
  if (value instanceof TensorValue) return `a tensor ${printType(value.type)}`;
  if (value instanceof RuntimeNumber) return "a number that is known only at run time";
  if (value instanceof RuntimeBoolean) return "a boolean that is known only at run time";
  if (value instanceof Unjoined) return `more than one value: ${value.reason}`;
  if (value instanceof DimValue) return `the size ${printDim(value.dim)}`;
  if (value instanceof DimQuotient) return `the quotient of sizes ${printDim(value.left)} / ${printDim(value.right)}`;
  if (value instanceof ObjectValue) {
    const names = [...value.fields.keys()];
    return names.length === 0 ? "an object with no fields" : `an object with ${names.join(", ")}`;
  }
  if (value instanceof Closure || value instanceof NativeFunction) return value.name === "" ? "a function" : `the function ${value.name}`;
  if (value instanceof ModelValue) return "a model";
  if (value instanceof ClassValue) return `the class ${value.node.name?.text ?? ""}`;
  if (value instanceof NamespaceValue) return "a module";
  return value.name;
}
