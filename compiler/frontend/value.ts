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
  | Accessor
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
  /** For a field that one side made: whether it is there is not known either. */
  readonly mayBeAbsent: boolean;
  constructor(reason: string, mayBeAbsent = false) {
    this.reason = reason;
    this.mayBeAbsent = mayBeAbsent;
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
  /** Read freely; write with `set`. Private fields are among them (see privateKey in class-members.ts). */
  readonly fields: Map<string, StaticValue>;
  /** The interface or class a parameter was declared as; kept by mapTree, so that results have it too. */
  readonly declared: string | undefined;
  /** What it is an instance of. */
  readonly instanceOf: ClassValue | undefined;
  /** True for objects made at module level, which outlive a call. */
  isFrozen = false;
  constructor(fields: Iterable<readonly [string, StaticValue]> = [], declared?: string, instanceOf?: ClassValue) {
    this.fields = new Map(fields);
    this.declared = declared;
    this.instanceOf = instanceOf;
    this.#putIndicesFirst();
  }

  /** An object of the same kind with other fields. */
  like(fields: Iterable<readonly [string, StaticValue]>): ObjectValue {
    return new ObjectValue(fields, this.declared, this.instanceOf);
  }

  isOneKindWith(other: ObjectValue): boolean {
    return !(other instanceof CollectionValue) && isSameClass(this.instanceOf, other.instanceOf);
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

/** A Map or a Set: its keys are the names of its fields, written so that 1 and "1" are two (collections.ts). */
export class CollectionValue extends ObjectValue {
  readonly kind: "Map" | "Set";
  constructor(kind: "Map" | "Set", fields: Iterable<readonly [string, StaticValue]> = []) {
    super(fields);
    this.kind = kind;
  }

  override like(fields: Iterable<readonly [string, StaticValue]>): CollectionValue {
    return new CollectionValue(this.kind, fields);
  }

  override isOneKindWith(other: ObjectValue): boolean {
    return other instanceof CollectionValue && other.kind === this.kind;
  }
}

/** A field of an object literal that is written `get` or `set`. */
export class Accessor {
  readonly get: Closure | undefined;
  readonly set: Closure | undefined;
  constructor(get: Closure | undefined, set: Closure | undefined) {
    this.get = get;
    this.set = set;
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

/** What a class has for its instances, or for itself: methods and accessors, by name. */
export interface ClassMembers {
  readonly methods: ReadonlyMap<string, ts.MethodDeclaration>;
  readonly getters: ReadonlyMap<string, ts.GetAccessorDeclaration>;
  readonly setters: ReadonlyMap<string, ts.SetAccessorDeclaration>;
}

/** A field that each instance gets, in the order of the source. */
export interface ClassField {
  readonly key: string;
  readonly node: ts.PropertyDeclaration;
}

/** A class of the program (evaluate-class.ts), or the library's Tensor, of which only `instanceof` is asked. */
export class ClassValue {
  readonly name: string;
  readonly node: ts.ClassLikeDeclaration;
  /** What its members see; the scope around it tells apart two evaluations of one declaration. */
  readonly scope: Scope;
  readonly superclass: ClassValue | undefined;
  readonly prototype: ClassMembers;
  readonly statics: ClassMembers;
  readonly fields: readonly ClassField[];
  /** Its static fields. */
  readonly own: ObjectValue = new ObjectValue();
  constructor(name: string, node: ts.ClassLikeDeclaration, scope: Scope, superclass: ClassValue | undefined, members: Pick<ClassValue, "prototype" | "statics" | "fields">) {
    this.name = name;
    this.node = node;
    this.scope = scope;
    this.superclass = superclass;
    this.prototype = members.prototype;
    this.statics = members.statics;
    this.fields = members.fields;
  }
}

/** A class at module level is evaluated once in each function that is built, and stays one class. */
export function isSameClass(left: ClassValue | undefined, right: ClassValue | undefined): boolean {
  return left === right || (left !== undefined && right !== undefined && left.node === right.node && left.scope.parent === right.scope.parent);
}

export function isInstance(value: StaticValue, of: ClassValue): boolean {
  if (!(value instanceof ObjectValue)) return false;
  for (let at = value.instanceOf; at !== undefined; at = at.superclass) if (isSameClass(at, of)) return true;
  return false;
}

/** Before the name of a private field, so that no other field is called so. */
export const privateMark = "\u0000";

/** Own fields as JavaScript lists them: no private ones, and none of a Map or Set. */
export function ownFields(object: ObjectValue): readonly (readonly [string, StaticValue])[] {
  if (object instanceof CollectionValue) return [];
  return [...object.fields].filter(([key]) => !key.startsWith(privateMark));
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

/** What a run computes: a tensor, a number or a boolean that has a value of the IR. */
export type RuntimeLeaf = TensorValue | RuntimeNumber | RuntimeBoolean;

export function isRuntimeLeaf(value: StaticValue): value is RuntimeLeaf {
  return value instanceof TensorValue || value instanceof RuntimeNumber || value instanceof RuntimeBoolean;
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
  if (value instanceof CollectionValue) return `a ${value.kind} of ${value.fields.size}`;
  if (value instanceof ObjectValue) {
    const names = ownFields(value).map(([name]) => name);
    const what = value.instanceOf === undefined ? "an object" : `an instance of ${value.instanceOf.name}`;
    if (names.length === 0) return value.instanceOf === undefined ? "an object with no fields" : what;
    return `${what} with ${names.join(", ")}`;
  }
  if (value instanceof Accessor) return "a field with get or set";
  if (value instanceof Closure || value instanceof NativeFunction) return value.name === "" ? "a function" : `the function ${value.name}`;
  if (value instanceof ModelValue) return "a model";
  if (value instanceof ClassValue) return value.name === "" ? "a class" : `the class ${value.name}`;
  if (value instanceof NamespaceValue) return "a module";
  return value.name;
}
