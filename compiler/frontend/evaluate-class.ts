/**
 * Classes: what a declaration comes to, and what `new` makes of it. An instance is an object that knows its class; its fields
 * are made in JavaScript's order, those of the class that it extends first, and then the constructor's body runs.
 */

import { ts } from "ts-morph";
import { privateKey } from "./class-members.ts";
import { evaluateClosure } from "./evaluate-call.ts";
import { evaluateExpression, evaluateList, propertyKey } from "./evaluate-expression.ts";
import { evaluateStatements } from "./evaluate-statement.ts";
import { type Evaluation, refuse } from "./evaluation.ts";
import { note } from "./journal.ts";
import { declare, innerScope, type Scope } from "./scope.ts";
import { type ClassField, type ClassMembers, ClassValue, Closure, describe, ExternalValue, ObjectValue, type StaticValue } from "./value.ts";

/**
 * Inside of a class, the scope has three names that no program can write: "class", which private names are looked up in,
 * "super", and in what is called with one, "this".
 */
export function evaluateClass(run: Evaluation, node: ts.ClassLikeDeclaration, outer: Scope, name: string): ClassValue {
  refuseDecorators(run, node);
  const scope = innerScope(outer);
  const superclass = evaluateSuperclass(run, node, scope, name);
  const made = new ClassValue(name, node, scope, superclass, readMembers(run, node, scope, superclass));
  if (node.name !== undefined) declare(scope, node.name.text, made, true);
  declare(scope, "class", made, true);
  declare(scope, "super", superclass, true);
  evaluateStatics(run, made);
  return made;
}

function evaluateSuperclass(run: Evaluation, node: ts.ClassLikeDeclaration, scope: Scope, name: string): ClassValue | undefined {
  const clause = node.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0];
  if (clause === undefined) return undefined;
  const value = evaluateExpression(run, clause.expression, scope);
  if (value instanceof ClassValue && !isTensorClass(run, value)) return value;
  return refuse(run, clause, "TSDL3003", `${name === "" ? "a class" : `the class ${name}`} can extend only a class of the program`, {
    label: value instanceof ExternalValue ? value.reason : `this is ${describe(value)}`,
    help: value instanceof ClassValue ? "keep the tensor in a field, and write methods around it" : "keep the other object in a field, or write the class in TypeScript",
  });
}

/** The library's class of tensors, which is evaluated to nothing. */
export function isTensorClass(run: Evaluation, { node }: ClassValue): boolean {
  return node.name?.text === "Tensor" && !run.project.isUserFile(node.getSourceFile());
}

/** The name of the class alone, for `instanceof`. */
export function tensorClass(node: ts.ClassDeclaration, scope: Scope): ClassValue {
  return new ClassValue("Tensor", node, innerScope(scope), undefined, { prototype: noMembers(), statics: noMembers(), fields: [] });
}

/* ---------------------------------------------------------------- members */

interface GrowingMembers extends ClassMembers {
  readonly methods: Map<string, ts.MethodDeclaration>;
  readonly getters: Map<string, ts.GetAccessorDeclaration>;
  readonly setters: Map<string, ts.SetAccessorDeclaration>;
}

function noMembers(): GrowingMembers {
  return { methods: new Map(), getters: new Map(), setters: new Map() };
}

function readMembers(run: Evaluation, node: ts.ClassLikeDeclaration, scope: Scope, superclass: ClassValue | undefined): Pick<ClassValue, "prototype" | "statics" | "fields"> {
  const [prototype, statics] = [noMembers(), noMembers()];
  const fields: ClassField[] = [];
  for (const member of node.members) {
    const members = isStatic(member) ? statics : prototype;
    refuseDecorators(run, member);
    if (ts.isMethodDeclaration(member) && member.body !== undefined) members.methods.set(memberKey(run, member.name, scope, superclass), member);
    else if (ts.isGetAccessorDeclaration(member) && member.body !== undefined) members.getters.set(memberKey(run, member.name, scope, superclass), member);
    else if (ts.isSetAccessorDeclaration(member) && member.body !== undefined) members.setters.set(memberKey(run, member.name, scope, superclass), member);
    else if (ts.isPropertyDeclaration(member) && !isStatic(member) && isDefined(run, member)) fields.push({ key: memberKey(run, member.name, scope, superclass), node: member });
  }
  return { prototype, statics, fields };
}

function memberKey(run: Evaluation, name: ts.PropertyName, scope: Scope, superclass: ClassValue | undefined): string {
  return ts.isPrivateIdentifier(name) ? privateKey(name.text, superclass) : propertyKey(run, name, scope);
}

/** Whether a field exists before it is assigned: by the standard it does, by TypeScript's older rule it needs a value. */
function isDefined(run: Evaluation, member: ts.PropertyDeclaration): boolean {
  if (hasModifier(member, ts.SyntaxKind.AccessorKeyword)) {
    refuse(run, member, "TSDL3001", "an accessor field is not compiled", { help: "write a field, or get and set" });
  }
  if (hasModifier(member, ts.SyntaxKind.DeclareKeyword) || hasModifier(member, ts.SyntaxKind.AbstractKeyword)) return false;
  return member.initializer !== undefined || run.project.definesClassFields || ts.isPrivateIdentifier(member.name);
}

function evaluateStatics(run: Evaluation, made: ClassValue): void {
  for (const member of made.node.members) {
    const scope = innerScope(made.scope);
    declare(scope, "this", made, true);
    if (ts.isClassStaticBlockDeclaration(member)) evaluateStatements(run, member.body.statements, scope);
    else if (ts.isPropertyDeclaration(member) && isStatic(member) && isDefined(run, member)) {
      const value = member.initializer === undefined ? undefined : evaluateExpression(run, member.initializer, scope, nameOf(member));
      note(run, made.own);
      made.own.set(memberKey(run, member.name, made.scope, made.superclass), value);
    }
  }
}

function isStatic(member: ts.ClassElement): boolean {
  return hasModifier(member, ts.SyntaxKind.StaticKeyword);
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind);
}

function nameOf(member: ts.PropertyDeclaration): string | undefined {
  return ts.isIdentifier(member.name) || ts.isPrivateIdentifier(member.name) ? member.name.text : undefined;
}

function refuseDecorators(run: Evaluation, node: ts.Node): void {
  const [decorator] = ts.canHaveDecorators(node) ? (ts.getDecorators(node) ?? []) : [];
  if (decorator !== undefined) refuse(run, decorator, "TSDL3001", "a decorator is not compiled", { help: "call the function itself, where the class or its instance is used" });
}

/* ---------------------------------------------------------------- instances */

export function construct(run: Evaluation, made: ClassValue, args: readonly StaticValue[], site: ts.Node): ObjectValue {
  const instance = new ObjectValue([], made.name === "" ? undefined : made.name, made);
  initialize(run, made, instance, args, site);
  return instance;
}

function initialize(run: Evaluation, of: ClassValue, instance: ObjectValue, args: readonly StaticValue[], site: ts.Node): void {
  const constructor = of.node.members.find((member) => ts.isConstructorDeclaration(member) && member.body !== undefined);
  if (constructor === undefined || !ts.isConstructorDeclaration(constructor)) {
    if (of.superclass !== undefined) initialize(run, of.superclass, instance, args, site);
    return defineFields(run, of, instance, undefined);
  }
  const self = { value: instance, isConstant: true, isInitialized: of.superclass === undefined };
  const prepare = (scope: Scope): void => void scope.bindings.set("this", self);
  const begin = (scope: Scope): void => {
    if (of.superclass === undefined) defineFields(run, of, instance, scope);
  };
  const result = evaluateClosure(run, new Closure(of.name, constructor, of.scope), args, site, undefined, { prepare, begin });
  if (!self.isInitialized) refuse(run, constructor, "TSDL2004", `the constructor of ${of.name} does not always call super()`, { help: "call it first, outside of branches" });
  if (result !== undefined) refuse(run, site, "TSDL3003", `the constructor of ${of.name} returns ${describe(result)}`, { help: "a constructor that is compiled returns nothing; write a function, or a static method, that returns the object" });
}

/** `super(...)`: after it, `this` may be used. */
export function evaluateSuperCall(run: Evaluation, node: ts.CallExpression, scope: Scope): undefined {
  const constructing = scopeOf(scope, "this");
  const binding = constructing?.bindings.get("this");
  const of = scopeOf(scope, "class")?.bindings.get("class")?.value;
  if (constructing === undefined || binding === undefined || !(of instanceof ClassValue) || of.superclass === undefined || !(binding.value instanceof ObjectValue)) {
    return refuse(run, node, "TSDL3002", "super() is called by the constructor of a class that extends another");
  }
  if (binding.isInitialized) refuse(run, node, "TSDL2004", "super() is called twice");
  initialize(run, of.superclass, binding.value, evaluateList(run, node.arguments, scope), node);
  note(run, binding);
  binding.isInitialized = true;
  defineFields(run, of, binding.value, constructing);
  return undefined;
}

function scopeOf(scope: Scope, name: string): Scope | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) if (at.bindings.has(name)) return at;
  return undefined;
}

/** The fields that one class adds: first `constructor(readonly w: ...)`, then the others, each seeing those before it. */
function defineFields(run: Evaluation, of: ClassValue, instance: ObjectValue, constructing: Scope | undefined): void {
  for (const constructor of constructing === undefined ? [] : of.node.members.filter(ts.isConstructorDeclaration)) {
    for (const parameter of constructor.body === undefined ? [] : constructor.parameters) {
      if (!ts.isParameterPropertyDeclaration(parameter, constructor) || !ts.isIdentifier(parameter.name)) continue;
      note(run, instance);
      instance.set(parameter.name.text, constructing?.bindings.get(parameter.name.text)?.value);
    }
  }
  for (const { key, node } of of.fields) {
    const scope = innerScope(of.scope);
    declare(scope, "this", instance, true);
    const value = node.initializer === undefined ? undefined : evaluateExpression(run, node.initializer, scope, nameOf(node));
    note(run, instance);
    instance.set(key, value);
  }
}
