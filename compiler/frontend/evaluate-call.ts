/** Calls. A function of the program is inlined by evaluating its body; natives are called; models are their function. */

import { ts } from "ts-morph";
import { bindPattern } from "./bind-pattern.ts";
import { makeCollection } from "./collections.ts";
import { construct, evaluateSuperCall, isTensorClass } from "./evaluate-class.ts";
import { evaluateChain, evaluateExpression, evaluateList, type Link } from "./evaluate-expression.ts";
import { returned } from "./completion.ts";
import { evaluateStatements } from "./evaluate-statement.ts";
import { type Evaluation, recursionLimit, refuse } from "./evaluation.ts";
import { isGlobal } from "./globals.ts";
import { refuseExternal } from "./read-member.ts";
import { declare, innerScope, type Scope } from "./scope.ts";
import { refuseSyntax } from "./syntax.ts";
import { ClassValue, Closure, describe, ExternalValue, isCallable, ModelValue, NativeFunction, type StaticValue } from "./value.ts";

export function evaluateCall(run: Evaluation, node: ts.CallExpression, scope: Scope): Link {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return refuseSyntax(run, node.expression);
  if (node.expression.kind === ts.SyntaxKind.SuperKeyword) return { value: evaluateSuperCall(run, node, scope), stopped: false };
  const callee = evaluateChain(run, node.expression, scope);
  if (callee.stopped) return callee;
  if (node.questionDotToken !== undefined && (callee.value === undefined || callee.value === null)) return { value: undefined, stopped: true };
  if (!isCallable(callee.value) && !(callee.value instanceof ExternalValue) && !(callee.value instanceof ClassValue)) {
    refuse(run, node, "TSDL3003", `${node.expression.getText()} is not a function`, { label: `it is ${describe(callee.value)}` });
  }
  const args = evaluateList(run, node.arguments, scope);
  run.scopesOfCalls.set(node, scope);
  return { value: callValue(run, callee.value, args, node, callee.self), stopped: false };
}

/** `self` is the object that the function was read from, as `this` of a method. */
export function callValue(run: Evaluation, callee: StaticValue, args: readonly StaticValue[], node: ts.Node, self?: StaticValue): StaticValue {
  if (callee instanceof Closure) return evaluateClosure(run, callee, args, node, self);
  if (callee instanceof NativeFunction) return callNative(run, callee, args, node);
  if (callee instanceof ModelValue) return callValue(run, callee.body, args, node);
  if (callee instanceof ExternalValue) refuseExternal(run, callee, node);
  if (callee instanceof ClassValue) return refuse(run, node, "TSDL3003", `${describe(callee)} cannot be called`, { help: `write new ${callee.name}(...)` });
  return refuse(run, node, "TSDL3003", "a function is needed here", { label: `it is given ${describe(callee)}` });
}

/** What JavaScript itself refuses, such as "x".repeat(-1), is the program's fault. */
function callNative(run: Evaluation, callee: NativeFunction, args: readonly StaticValue[], node: ts.Node): StaticValue {
  try {
    return callee.call(run, args, node);
  } catch (error) {
    if (!(error instanceof RangeError) || isStackOverflow(error)) throw error;
    return refuse(run, node, "TSDL2004", error.message, { label: `${callee.name} refuses this` });
  }
}

export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && /call stack/i.test(error.message);
}

/** What a constructor does with its scope: before its parameters are bound, and after. */
interface Constructing {
  prepare(scope: Scope): void;
  begin(scope: Scope): void;
}

export function evaluateClosure(run: Evaluation, { node, scope: outer, self: bound, name }: Closure, args: readonly StaticValue[], site: ts.Node, self?: StaticValue, constructing?: Constructing): StaticValue {
  refuseModifiers(run, node, name, site);
  if (run.frames.length >= recursionLimit) {
    refuse(run, site, "TSDL3006", `${name === "" ? "a function" : name} calls itself more than ${recursionLimit} times`, {
      label: "the innermost call",
      help: "recursion runs while the program is built; see that a condition on static values ends it",
    });
  }
  const scope = innerScope(outer);
  // An arrow function has the `this` of what is around it, and any other its own, even if that is undefined.
  if (!ts.isArrowFunction(node)) declare(scope, "this", bound ?? self, true);
  constructing?.prepare(scope);
  run.frames.push({ site, callee: name });
  try {
    bindParameters(run, node, args, scope);
    constructing?.begin(scope);
    if (node.body === undefined) return refuse(run, site, "TSDL3003", `${name} has no body to compile`);
    if (!ts.isBlock(node.body)) return evaluateExpression(run, node.body, scope);
    const completion = evaluateStatements(run, node.body.statements, innerScope(scope));
    return returned(run, completion, site);
  } finally {
    run.frames.pop();
  }
}

function bindParameters(run: Evaluation, node: ts.FunctionLikeDeclaration, args: readonly StaticValue[], scope: Scope): void {
  const parameters = node.parameters.filter(({ name }) => !(ts.isIdentifier(name) && name.text === "this"));
  parameters.forEach((parameter, position) => {
    const given = parameter.dotDotDotToken === undefined ? args[position] : args.slice(position);
    const value = given === undefined && parameter.initializer !== undefined ? evaluateExpression(run, parameter.initializer, scope) : given;
    bindPattern(run, parameter.name, value, scope, false);
  });
}

function refuseModifiers(run: Evaluation, node: ts.FunctionLikeDeclaration, name: string, site: ts.Node): void {
  const isAsync = ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword);
  const isGenerator = "asteriskToken" in node && node.asteriskToken !== undefined;
  if (!isAsync && !isGenerator) return;
  refuse(run, site, "TSDL3003", `${name === "" ? "the function" : name} is ${isAsync ? "async" : "a generator"}, which is not compiled`, {
    help: isAsync ? "a model runs without waiting; await outside of it, and pass the result in as a parameter" : "collect the items in an array and return it",
  });
}

/** Instances of classes of the program, and of the few of JavaScript's that are static data. */
export function evaluateNew(run: Evaluation, node: ts.NewExpression, scope: Scope): StaticValue {
  const name = ts.isIdentifier(node.expression) ? node.expression.text : node.expression.getText();
  const callee = evaluateExpression(run, node.expression, scope);
  const args = evaluateList(run, node.arguments ?? [], scope);
  run.scopesOfCalls.set(node, scope);
  if (callee instanceof NativeFunction && isGlobal(callee, "Array")) return callee.call(run, args, node);
  for (const kind of ["Map", "Set"] as const) if (isGlobal(callee, kind)) return makeCollection(run, kind, args, node);
  if (callee instanceof ClassValue && isTensorClass(run, callee)) {
    return refuse(run, node, "TSDL3003", "a tensor is not made with new", { help: "write constant([1, 2, 3]) or zeros([2, 3])" });
  }
  if (callee instanceof ClassValue) return construct(run, callee, args, node);
  if (callee instanceof ExternalValue) refuseExternal(run, callee, node);
  return refuse(run, node, "TSDL3003", `new ${name} is not compiled`, {
    label: callee instanceof NativeFunction ? "" : `${name} is ${describe(callee)}`,
    help: "write a class, or static data as arrays and objects; tensors are made with constant, zeros, ones and full",
  });
}
