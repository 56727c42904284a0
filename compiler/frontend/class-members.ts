/**
 * Members of classes: what an instance, a class or `super` has under a name. An instance's own fields are in its fields; the
 * rest is found through its class and the classes that this extends. A method is a closure without `this`, which the call
 * that it is read for puts in; a getter is called when it is read.
 */

import type { ts } from "ts-morph";
import { evaluateClosure } from "./evaluate-call.ts";
import { type Evaluation, known, refuse } from "./evaluation.ts";
import { findBinding, type Scope } from "./scope.ts";
import { Accessor, type ClassMembers, ClassValue, Closure, describe, isInstance, isSameClass, ObjectValue, privateMark, type StaticValue } from "./value.ts";

/** A field of an object, or what its class has for it. */
export function readField(run: Evaluation, object: ObjectValue, key: string, node: ts.Node): StaticValue {
  const field = object.fields.get(key);
  if (field instanceof Accessor) return field.get === undefined ? undefined : evaluateClosure(run, field.get, [], node, object);
  if (field !== undefined || object.fields.has(key)) return known(run, field, displayName(key), node);
  return readInherited(run, object.instanceOf, key, object, node);
}

/** Calls the setter that an assignment to a field stands for; false where it is a plain field. */
export function callSetter(run: Evaluation, object: ObjectValue | ClassValue, key: string, value: StaticValue, node: ts.Node): boolean {
  const own = (object instanceof ClassValue ? object.own : object).fields.get(key);
  if (own instanceof Accessor) return callOrRefuse(own.set, own.get);
  if (own !== undefined) return false;
  for (let at = object instanceof ClassValue ? object : object.instanceOf; at !== undefined; at = at.superclass) {
    const members = object instanceof ClassValue ? at.statics : at.prototype;
    const setter = members.setters.get(key);
    const getter = members.getters.get(key);
    const scope = at.scope;
    if (setter === undefined && getter === undefined) continue;
    return callOrRefuse(setter === undefined ? undefined : new Closure(displayName(key), setter, scope), getter);
  }
  return false;

  function callOrRefuse(set: Closure | undefined, get: unknown): boolean {
    if (set !== undefined) evaluateClosure(run, set, [value], node, object);
    else if (get !== undefined) {
      refuse(run, node, "TSDL2004", `${displayName(key)} has a getter and no setter, so it cannot be assigned`, { help: `write set ${displayName(key)}(value) { ... } beside it, or assign the field that it reads` });
    }
    return true;
  }
}

export function readStaticMember(run: Evaluation, object: ClassValue, key: string, node: ts.Node, self: ClassValue = object): StaticValue {
  for (let at: ClassValue | undefined = object; at !== undefined; at = at.superclass) {
    if (at.own.fields.has(key)) return known(run, at.own.fields.get(key), displayName(key), node);
    const member = readDeclared(run, at.statics, at.scope, key, self, node);
    if (member !== undefined) return member.value;
  }
  return key === "name" ? object.name : undefined;
}

/** `super.key`, with what `this` is there. */
export function readSuper(run: Evaluation, key: string, scope: Scope, node: ts.Node): { readonly value: StaticValue; readonly self: StaticValue } {
  const superclass = findBinding(scope, "super")?.value;
  const self = findBinding(scope, "this")?.value;
  if (!(superclass instanceof ClassValue)) return refuse(run, node, "TSDL2004", `there is no super.${key} here`, { label: "super is what a method of a class that extends another has" });
  if (self instanceof ClassValue) return { value: readStaticMember(run, superclass, key, node, self), self };
  return { value: self instanceof ObjectValue ? readInherited(run, superclass, key, self, node) : undefined, self };
}

function readInherited(run: Evaluation, from: ClassValue | undefined, key: string, self: ObjectValue, node: ts.Node): StaticValue {
  for (let at = from; at !== undefined; at = at.superclass) {
    const member = readDeclared(run, at.prototype, at.scope, key, self, node);
    if (member !== undefined) return member.value;
  }
  return key === "constructor" ? from : undefined;
}

function readDeclared(run: Evaluation, members: ClassMembers, scope: Scope, key: string, self: StaticValue, node: ts.Node): { readonly value: StaticValue } | undefined {
  const method = members.methods.get(key);
  if (method !== undefined) return { value: new Closure(displayName(key), method, scope) };
  const getter = members.getters.get(key);
  if (getter !== undefined) return { value: evaluateClosure(run, new Closure(displayName(key), getter, scope), [], node, self) };
  return members.setters.has(key) ? { value: undefined } : undefined;
}

/* ---------------------------------------------------------------- private names */

/**
 * What the private name `#x` of a class is called among the fields of an instance. A class may have a private name that one
 * which it extends has too, and these are two fields.
 */
export function privateKey(name: string, superclass: ClassValue | undefined): string {
  let before = 0;
  for (let at = superclass; at !== undefined; at = at.superclass) if (declaresPrivate(at, name)) before++;
  return `${privateMark}${name}${"'".repeat(before)}`;
}

/** Of `object.#x` and `#x in object`: the class that declares the name, as the source around it says. */
export function privateOwner(run: Evaluation, name: ts.PrivateIdentifier, scope: Scope): ClassValue {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const around = at.bindings.get("class")?.value;
    if (around instanceof ClassValue && declaresPrivate(around, name.text)) return around;
  }
  return refuse(run, name, "TSDL2004", `no class around this has a private member ${name.text}`);
}

/** The key of `object.#x`; refuses an object that has no such field. */
export function privateKeyOf(run: Evaluation, object: StaticValue, name: ts.PrivateIdentifier, scope: Scope): string {
  const owner = privateOwner(run, name, scope);
  if (!hasPrivate(object, owner)) {
    refuse(run, name, "TSDL2004", `only what the class ${owner.name} makes has its private member ${name.text}`, { label: `this is ${describe(object)}` });
  }
  return privateKey(name.text, owner.superclass);
}

export function hasPrivate(object: StaticValue, owner: ClassValue): boolean {
  return isInstance(object, owner) || (object instanceof ClassValue && isSameClass(object, owner));
}

function declaresPrivate({ node }: ClassValue, name: string): boolean {
  return node.members.some((member) => member.name !== undefined && member.name.getText() === name);
}

function displayName(key: string): string {
  return key.startsWith(privateMark) ? key.slice(privateMark.length).replace(/'+$/, "") : key;
}
