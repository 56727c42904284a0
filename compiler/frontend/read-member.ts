/** Members of values: fields of objects, elements and methods of arrays and strings, and everything a tensor has. */

import { ts } from "ts-morph";
import { elementCount } from "../../ir/dim.ts";
import { arrayMethods } from "./array-methods.ts";
import { readField, readStaticMember } from "./class-members.ts";
import { entriesOf, presentFields, readCollectionMember } from "./collections.ts";
import { callValue, evaluateClosure } from "./evaluate-call.ts";
import { isFloat } from "../../ir/type.ts";
import { type Evaluation, known, makeOps, refuse, runtimeNumberOf, use } from "./evaluation.ts";
import { exportedNames, exportedValue, moduleOf } from "./source-module.ts";
import { stringMethods } from "./string-methods.ts";
import {
  Accessor, ClassValue, Closure, CollectionValue, describe, DimValue, dimValue, ExternalValue, isArray, NamespaceValue, NativeFunction, ObjectValue, ownEntry, ownFields,
  type StaticValue, TensorValue, Unjoined,
} from "./value.ts";

export function readMember(run: Evaluation, object: StaticValue, name: string, node: ts.Node): StaticValue {
  if (object === undefined || object === null) {
    return refuse(run, node, "TSDL2004", `${object} has no field ${name}`, { label: `the object is ${object}` });
  }
  known(run, object, `what ${name} is read of`, node);
  if (object instanceof TensorValue) return readTensorMember(run, object, name, node);
  if (object instanceof CollectionValue) return readCollectionMember(run, object, name, node);
  if (object instanceof ObjectValue) return readField(run, object, name, node);
  if (object instanceof ClassValue) return readStaticMember(run, object, name, node);
  if (object instanceof NamespaceValue) {
    const found = exportedValue(run, object.module, name, node);
    if (found !== undefined) return found.value;
    return refuse(run, node, "TSDL2004", `the module has no export named ${name}`, { label: `it exports ${exportedNames(run, object.module).join(", ")}` });
  }
  if (object instanceof ExternalValue) refuseExternal(run, object, node);
  if (object instanceof NativeFunction) {
    const member = ownEntry(object.members, name);
    if (member !== undefined) return member;
    return refuse(run, node, "TSDL3003", `${object.name}.${name} is not compiled`, { help: helpFor(object) });
  }
  if (isArray(object)) {
    if (!/^\d+$/.test(name)) requireLength(run, object, node);
    if (name === "length") return object.length;
    const method = ownEntry(arrayMethods, name);
    if (method !== undefined) return new NativeFunction(name, (inner, args, at) => method(inner, object, args, at));
    if (/^\d+$/.test(name)) return object[Number(name)];
    return refuse(run, node, "TSDL3003", `the array method ${name} is not compiled`, { help: `these are: ${Object.keys(arrayMethods).join(", ")}` });
  }
  if (typeof object === "string") {
    if (name === "length") return object.length;
    const method = ownEntry(stringMethods, name);
    if (method !== undefined) return new NativeFunction(name, (inner, args, at) => method(inner, object, args, at));
    return refuse(run, node, "TSDL3003", `the string method ${name} is not compiled`, { help: `these are: ${Object.keys(stringMethods).join(", ")}` });
  }
  if (typeof object === "number" && (name === "toString" || name === "toFixed")) {
    return new NativeFunction(name, (_run, [digits]) => (name === "toFixed" ? object.toFixed(Number(digits ?? 0)) : object.toString(digits === undefined ? 10 : Number(digits))));
  }
  return refuse(run, node, "TSDL3003", `${describe(object)} has no member ${name} that is compiled`);
}

/** `object.#x`, by its key. */
export function readPrivate(run: Evaluation, object: StaticValue, key: string, node: ts.Node): StaticValue {
  if (object instanceof ClassValue) return readStaticMember(run, object, key, node);
  if (object instanceof ObjectValue) return readField(run, object, key, node);
  throw new Error(`${describe(object)} has no private fields`);
}

function helpFor(object: NativeFunction): string {
  const names = Object.keys(object.members);
  return names.length === 0 ? `${object.name} has no members that are compiled` : `these are: ${names.join(", ")}`;
}

export function refuseExternal(run: Evaluation, value: ExternalValue, node: ts.Node): never {
  return refuse(run, node, "TSDL3003", value.reason, { help: value.help });
}

/** `object[key]` */
export function readElement(run: Evaluation, object: StaticValue, key: StaticValue, node: ts.Node): StaticValue {
  if (object instanceof TensorValue) {
    return refuse(run, node, "TSDL2001", "a tensor has no elements in brackets", {
      label: `this is ${describe(object)}`,
      help: "take a row with x.select(0, i), several with x.slice(0, start, stop), or by indices with x.indexSelect(0, indices)",
    });
  }
  if (typeof key === "string") return readMember(run, object, key, node);
  if (typeof key === "number" && isArray(object)) {
    if (Number.isInteger(key) && key >= 0 && key >= object.length) {
      return refuse(run, node, "TSDL2004", `there is no element ${key} in ${describe(object)}`, { label: `elements are 0 to ${object.length - 1}` });
    }
    return known(run, object[key], `element ${key}`, node);
  }
  if (typeof key === "number" && typeof object === "string") return object[key];
  if (typeof key === "number") return readMember(run, object, String(key), node);
  if (key instanceof DimValue || (typeof key === "object" && key !== null)) {
    return refuse(run, node, "TSDL2002", "an index must be known when the program is built", {
      label: `the index is ${describe(key)}`,
      help: "take rows of a tensor by indices of run time with x.indexSelect(0, indices)",
    });
  }
  return refuse(run, node, "TSDL2001", `${describe(key)} cannot be an index`);
}

/** Own fields as Object.entries gives them: getters are called, and private fields are none. */
export function readFields(run: Evaluation, object: ObjectValue, node: ts.Node): readonly (readonly [string, StaticValue])[] {
  presentFields(run, object, node);
  return ownFields(object).map(([key, value]) => [key, value instanceof Accessor ? readField(run, object, key, node) : value] as const);
}

/** The items that `...` and `for of` go over. */
export function elementsOf(run: Evaluation, value: StaticValue, node: ts.Node): readonly StaticValue[] {
  known(run, value, "what is gone over", node);
  if (isArray(value)) {
    requireLength(run, value, node);
    return [...value];
  }
  if (typeof value === "string") return [...value];
  if (value instanceof CollectionValue) return value.kind === "Set" ? entriesOf(run, value, node).map(([key]) => key) : entriesOf(run, value, node);
  if (value instanceof TensorValue) return rowsOf(run, value, node);
  return refuse(run, node, "TSDL2001", "only an array, a Map, a Set, a string or a tensor has items to go over", {
    label: `this is ${describe(value)}`,
    ...(value instanceof ObjectValue ? { help: "write Object.entries(object), Object.keys(object) or Object.values(object)" } : {}),
  });
}

/* ---------------------------------------------------------------- tensors */

/** What a handle has when a program runs, and what to say to those who want it while the program is built. */
const handleMembers: Readonly<Record<string, string>> = {
  data: "return the tensor from the model, and read it with await result.data() outside",
  dataSync: "return the tensor from the model, and read it outside",
  text: "return the tensor from the model, and print it outside",
  toString: "return the tensor from the model, and print it outside",
  dispose: "remove the call: a compiled program frees its tensors at their last use",
  device: "a model does not know its device; choose it when the package is imported",
};

function readTensorMember(run: Evaluation, tensor: TensorValue, name: string, node: ts.Node): StaticValue {
  if (name === "item") return new NativeFunction("item", (inner, _args, at) => itemOf(inner, tensor, at));
  if (name === "shape") return shapeOf(tensor);
  if (name === "dtype") return tensor.type.dtype;
  if (name === "size") return dimValue(elementCount(tensor.type.shape));
  if (name === "rank") return tensor.type.shape.length;
  const member = tensorMembers(run).get(name);
  if (member !== undefined && ts.isMethodDeclaration(member)) return new Closure(name, member, tensorModule(run).scope, tensor);
  if (member !== undefined) return evaluateClosure(run, new Closure(name, member, tensorModule(run).scope, tensor), [], node);
  const help = ownEntry(handleMembers, name);
  return refuse(run, node, "TSDL3003", `${name} of a tensor cannot be compiled`, {
    label: help === undefined ? `${describe(tensor)} has no such member` : "the tensor has no data yet: the program is being built",
    help,
  });
}

/** The only element as a number, through which nothing is differentiated. */
function itemOf(run: Evaluation, tensor: TensorValue, node: ts.Node): StaticValue {
  if (elementCount(tensor.type.shape) !== 1) {
    return refuse(run, node, "TSDL2001", "item() reads a tensor of one element", { label: `this is ${describe(tensor)}`, help: "reduce it first, as in x.max().item()" });
  }
  const operand = use(run, tensor, node);
  return runtimeNumberOf(run, makeOps(run, node, (b) => {
    const one = tensor.type.shape.length === 0 ? operand : b.reshape(operand, { shape: [] });
    return b.cast(isFloat(tensor.type.dtype) ? b.stopGradient(one) : one, { dtype: "f64" });
  }));
}

/** Refuses an array that has another length on each side of a branch of run time. */
export function requireLength(run: Evaluation, array: readonly StaticValue[], node: ts.Node): void {
  const item = array.find((each) => each instanceof Unjoined && each.mayBeAbsent);
  if (!(item instanceof Unjoined)) return;
  refuse(run, node, "TSDL3004", "how many elements an array has is known only at run time", {
    label: item.reason,
    help: "make as many on both sides, with a value that changes nothing, such as 0; or choose between two tensors with where(condition, onTrue, onFalse)",
  });
}

/** What there is at each place of the first axis. */
function rowsOf(run: Evaluation, tensor: TensorValue, node: ts.Node): readonly StaticValue[] {
  const [count] = tensor.type.shape;
  if (typeof count !== "number") {
    return refuse(run, node, "TSDL2001", count === undefined ? "a tensor without axes has no items to go over" : "how many items a tensor has must be known when the program is built, to go over them", {
      label: `this is ${describe(tensor)}`,
      help: count === undefined ? "it is one number: use it as it is" : "write the size as a number in its type; for any size, work on the whole tensor at once, or write scan(f, initial, xs)",
    });
  }
  const select = readTensorMember(run, tensor, "select", node);
  return Array.from({ length: count }, (_, i) => callValue(run, select, [0, i], node));
}

function shapeOf(tensor: TensorValue): readonly StaticValue[] {
  return Object.freeze(tensor.type.shape.map(dimValue));
}

function tensorModule(run: Evaluation) {
  return moduleOf(run, run.project.libraryFile("tensor.ts"));
}

type TensorMember = ts.MethodDeclaration | ts.GetAccessorDeclaration;
const membersByFile = new WeakMap<ts.SourceFile, ReadonlyMap<string, TensorMember>>();

/** Methods and getters of the library's class Tensor. */
function tensorMembers(run: Evaluation): ReadonlyMap<string, TensorMember> {
  const { file, declarations } = tensorModule(run);
  const present = membersByFile.get(file);
  if (present !== undefined) return present;
  const members = new Map<string, TensorMember>();
  const declaration = declarations.get("Tensor");
  if (declaration?.kind !== "class") throw new Error("lib/tensor.ts declares no class Tensor");
  for (const member of declaration.node.members) {
    if ((ts.isMethodDeclaration(member) || ts.isGetAccessorDeclaration(member)) && member.body !== undefined && ts.isIdentifier(member.name)) {
      members.set(member.name.text, member);
    }
  }
  membersByFile.set(file, members);
  return members;
}
