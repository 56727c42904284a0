/** Expressions: one handler for each kind of syntax that is compiled; syntax.ts has advice for the others. */

import { ts } from "ts-morph";
import { assign, updateByOne } from "./assign.ts";
import { hasPrivate, privateKeyOf, privateOwner, readSuper } from "./class-members.ts";
import { evaluateClass } from "./evaluate-class.ts";
import { evaluateCall, evaluateNew } from "./evaluate-call.ts";
import { branchOnValue } from "./branch.ts";
import { evaluateUnary, evaluateBinaryOperator, textOf, truthOf } from "./evaluate-operator.ts";
import { type Evaluation, known, refuse } from "./evaluation.ts";
import { elementsOf, readElement, readFields, readMember, readPrivate } from "./read-member.ts";
import { declare, findBinding, innerScope, type Scope } from "./scope.ts";
import { moduleValue } from "./source-module.ts";
import { refuseSyntax } from "./syntax.ts";
import { Accessor, Closure, describe, isArray, ObjectValue, RuntimeBoolean, RuntimeNumber, type StaticValue, TensorValue } from "./value.ts";

type Handler = (run: Evaluation, node: never, scope: Scope, name: string | undefined) => StaticValue;

export const expressionHandlers: Partial<Record<ts.SyntaxKind, Handler>> = {
  [ts.SyntaxKind.NumericLiteral]: (_run, node: ts.NumericLiteral) => Number(node.text),
  [ts.SyntaxKind.StringLiteral]: (_run, node: ts.StringLiteral) => node.text,
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral]: (_run, node: ts.NoSubstitutionTemplateLiteral) => node.text,
  [ts.SyntaxKind.TemplateExpression]: evaluateTemplate,
  [ts.SyntaxKind.TrueKeyword]: () => true,
  [ts.SyntaxKind.FalseKeyword]: () => false,
  [ts.SyntaxKind.NullKeyword]: () => null,
  [ts.SyntaxKind.Identifier]: evaluateIdentifier,
  [ts.SyntaxKind.ThisKeyword]: evaluateThis,
  [ts.SyntaxKind.ParenthesizedExpression]: (run, node: ts.ParenthesizedExpression, scope, name) => evaluateExpression(run, node.expression, scope, name),
  [ts.SyntaxKind.AsExpression]: (run, node: ts.AsExpression, scope, name) => evaluateExpression(run, node.expression, scope, name),
  [ts.SyntaxKind.SatisfiesExpression]: (run, node: ts.SatisfiesExpression, scope, name) => evaluateExpression(run, node.expression, scope, name),
  [ts.SyntaxKind.TypeAssertionExpression]: (run, node: ts.TypeAssertion, scope, name) => evaluateExpression(run, node.expression, scope, name),
  [ts.SyntaxKind.NonNullExpression]: (run, node: ts.NonNullExpression, scope) => evaluateExpression(run, node.expression, scope),
  [ts.SyntaxKind.ExpressionWithTypeArguments]: (run, node: ts.ExpressionWithTypeArguments, scope) => evaluateExpression(run, node.expression, scope),
  [ts.SyntaxKind.ArrayLiteralExpression]: evaluateArray,
  [ts.SyntaxKind.ObjectLiteralExpression]: evaluateObject,
  [ts.SyntaxKind.ArrowFunction]: evaluateFunction,
  [ts.SyntaxKind.FunctionExpression]: evaluateFunction,
  [ts.SyntaxKind.ClassExpression]: (run, node: ts.ClassExpression, scope, name) => evaluateClass(run, node, scope, node.name?.text ?? name ?? ""),
  [ts.SyntaxKind.PropertyAccessExpression]: (run, node: ts.PropertyAccessExpression, scope) => evaluateChain(run, node, scope).value,
  [ts.SyntaxKind.ElementAccessExpression]: (run, node: ts.ElementAccessExpression, scope) => evaluateChain(run, node, scope).value,
  [ts.SyntaxKind.CallExpression]: (run, node: ts.CallExpression, scope) => evaluateChain(run, node, scope).value,
  [ts.SyntaxKind.NewExpression]: (run, node: ts.NewExpression, scope) => evaluateNew(run, node, scope),
  [ts.SyntaxKind.ConditionalExpression]: evaluateConditional,
  [ts.SyntaxKind.BinaryExpression]: evaluateBinary,
  [ts.SyntaxKind.PrefixUnaryExpression]: evaluatePrefix,
  [ts.SyntaxKind.PostfixUnaryExpression]: (run, node: ts.PostfixUnaryExpression, scope) => updateByOne(run, node.operand, node.operator === ts.SyntaxKind.PlusPlusToken ? 1 : -1, scope, node).before,
  [ts.SyntaxKind.TypeOfExpression]: evaluateTypeOf,
  [ts.SyntaxKind.VoidExpression]: (run, node: ts.VoidExpression, scope) => void evaluateExpression(run, node.expression, scope),
  [ts.SyntaxKind.OmittedExpression]: () => undefined,
};

/** `name` is what the expression will be called, for functions that have no name of their own. */
export function evaluateExpression(run: Evaluation, node: ts.Expression, scope: Scope, name?: string): StaticValue {
  const handler = expressionHandlers[node.kind];
  if (handler === undefined) return refuseSyntax(run, node);
  return handler(run, node as never, scope, name);
}

/** Whether an expression counts as true. */
export function evaluateCondition(run: Evaluation, node: ts.Expression, scope: Scope): boolean | RuntimeBoolean {
  return truthOf(run, evaluateExpression(run, node, scope), node);
}

function evaluateIdentifier(run: Evaluation, node: ts.Identifier, scope: Scope): StaticValue {
  const binding = findBinding(scope, node.text);
  if (binding === undefined) return moduleValue(run, scope.module, node.text, node);
  if (!binding.isInitialized) refuse(run, node, "TSDL2004", `${node.text} is read before it is declared`);
  return known(run, binding.value, node.text, node);
}

function evaluateThis(run: Evaluation, node: ts.Expression, scope: Scope): StaticValue {
  const binding = findBinding(scope, "this");
  if (binding !== undefined && !binding.isInitialized) refuse(run, node, "TSDL2004", "this is used before super() was called");
  if (binding?.value !== undefined) return binding.value;
  return refuse(run, node, "TSDL2004", "this is undefined here", {
    label: "the function was not called as a method of an object",
    help: "call it on the object, as in (x) => layer.forward(x); or pass the object as a parameter",
  });
}

function evaluateTemplate(run: Evaluation, node: ts.TemplateExpression, scope: Scope): string {
  return node.head.text + node.templateSpans
    .map((span) => textOf(run, evaluateExpression(run, span.expression, scope), span.expression) + span.literal.text)
    .join("");
}

function evaluateArray(run: Evaluation, node: ts.ArrayLiteralExpression, scope: Scope): StaticValue {
  return evaluateList(run, node.elements, scope);
}

/** Elements of an array or arguments of a call, spreads included. */
export function evaluateList(run: Evaluation, nodes: readonly ts.Expression[], scope: Scope): readonly StaticValue[] {
  return nodes.flatMap((element) =>
    ts.isSpreadElement(element)
      ? elementsOf(run, evaluateExpression(run, element.expression, scope), element.expression)
      : [evaluateExpression(run, element, scope)],
  );
}

function evaluateObject(run: Evaluation, node: ts.ObjectLiteralExpression, scope: Scope): ObjectValue {
  const fields = new Map<string, StaticValue>();
  // What a literal's methods see as super is not that of a class around it.
  const inner = innerScope(scope);
  declare(inner, "super", undefined, true);
  for (const property of node.properties) {
    if (ts.isPropertyAssignment(property)) {
      const key = propertyKey(run, property.name, scope);
      fields.set(key, evaluateExpression(run, property.initializer, scope, key));
    } else if (ts.isShorthandPropertyAssignment(property)) {
      fields.set(property.name.text, evaluateIdentifier(run, property.name, scope));
    } else if (ts.isSpreadAssignment(property)) {
      const value = known(run, evaluateExpression(run, property.expression, scope), "what is spread", property);
      if (value instanceof ObjectValue) readFields(run, value, property).forEach(([key, field]) => fields.set(key, field));
      else if (isArray(value)) value.forEach((item, position) => fields.set(String(position), item));
      else if (value !== undefined && value !== null) {
        refuse(run, property, "TSDL2001", "only an object can be spread into an object", { label: `this is ${describe(value)}` });
      }
    } else {
      const key = propertyKey(run, property.name, scope);
      const closure = new Closure(key, property, inner);
      const before = fields.get(key);
      const other = before instanceof Accessor ? before : undefined;
      if (ts.isMethodDeclaration(property)) fields.set(key, closure);
      else fields.set(key, ts.isGetAccessorDeclaration(property) ? new Accessor(closure, other?.set) : new Accessor(other?.get, closure));
    }
  }
  return new ObjectValue(fields);
}

export function propertyKey(run: Evaluation, name: ts.PropertyName, scope: Scope): string {
  if (ts.isIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text;
  if (!ts.isComputedPropertyName(name)) return refuse(run, name, "TSDL3002", "this form of a field's name is not compiled");
  const key = evaluateExpression(run, name.expression, scope);
  if (typeof key === "string" || typeof key === "number") return String(key);
  return refuse(run, name, "TSDL2001", "the name of a field must be a string", { label: `this is ${describe(key)}` });
}

function evaluateFunction(_run: Evaluation, node: ts.ArrowFunction | ts.FunctionExpression, scope: Scope, name: string | undefined): Closure {
  return new Closure(node.name?.text ?? name ?? "", node, scope);
}

/** A value; `self` is what it was read from, so that `object.method()` knows its object; `stopped` by `?.` on nothing. */
export interface Link {
  readonly value: StaticValue;
  readonly self?: StaticValue;
  readonly stopped: boolean;
}

/** `a?.b.c()`: when `a` is undefined or null, the rest of the chain is not evaluated. */
export function evaluateChain(run: Evaluation, node: ts.Expression, scope: Scope): Link {
  if (ts.isCallExpression(node)) return evaluateCall(run, node, scope);
  if (ts.isNonNullExpression(node)) return evaluateChain(run, node.expression, scope);
  if (ts.isParenthesizedExpression(node)) return { ...evaluateChain(run, node.expression, scope), stopped: false };
  if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node)) {
    return { value: evaluateExpression(run, node, scope), stopped: false };
  }
  const keyOf = (): StaticValue => (ts.isPropertyAccessExpression(node) ? node.name.text : evaluateExpression(run, node.argumentExpression, scope));
  if (node.expression.kind === ts.SyntaxKind.SuperKeyword) return { ...readSuper(run, textOf(run, keyOf(), node), scope, node), stopped: false };
  const object = evaluateChain(run, node.expression, scope);
  if (object.stopped) return object;
  if (node.questionDotToken !== undefined && (object.value === undefined || object.value === null)) return { value: undefined, stopped: true };
  const self = object.value;
  if (ts.isElementAccessExpression(node)) return { value: readElement(run, self, keyOf(), node), self, stopped: false };
  const { name } = node;
  const value = ts.isPrivateIdentifier(name) ? readPrivate(run, self, privateKeyOf(run, self, name, scope), node) : readMember(run, self, name.text, node);
  return { value, self, stopped: false };
}

function evaluateConditional(run: Evaluation, node: ts.ConditionalExpression, scope: Scope, name: string | undefined): StaticValue {
  const condition = evaluateCondition(run, node.condition, scope);
  const then = (): StaticValue => evaluateExpression(run, node.whenTrue, scope, name);
  const otherwise = (): StaticValue => evaluateExpression(run, node.whenFalse, scope, name);
  if (condition instanceof RuntimeBoolean) return branchOnValue(run, condition, [then, otherwise], node);
  return condition ? then() : otherwise();
}

function evaluateBinary(run: Evaluation, node: ts.BinaryExpression, scope: Scope): StaticValue {
  const operator = node.operatorToken.kind;
  if (ts.isPrivateIdentifier(node.left)) return hasPrivate(evaluateExpression(run, node.right, scope), privateOwner(run, node.left, scope));
  if (operator >= ts.SyntaxKind.FirstAssignment && operator <= ts.SyntaxKind.LastAssignment) return assign(run, node, scope);
  const left = evaluateExpression(run, node.left, scope);
  const right = (): StaticValue => evaluateExpression(run, node.right, scope);
  switch (operator) {
    case ts.SyntaxKind.CommaToken: return evaluateExpression(run, node.right, scope);
    case ts.SyntaxKind.AmpersandAmpersandToken:
    case ts.SyntaxKind.BarBarToken: {
      const truth = truthOf(run, left, node.left);
      const [ifTrue, ifFalse] = operator === ts.SyntaxKind.AmpersandAmpersandToken ? [right, (): StaticValue => left] : [(): StaticValue => left, right];
      if (truth instanceof RuntimeBoolean) return branchOnValue(run, truth, [ifTrue, ifFalse], node);
      return truth ? ifTrue() : ifFalse();
    }
    case ts.SyntaxKind.QuestionQuestionToken: return left === undefined || left === null ? evaluateExpression(run, node.right, scope) : left;
  }
  return evaluateBinaryOperator(run, operator, left, evaluateExpression(run, node.right, scope), node);
}

function evaluatePrefix(run: Evaluation, node: ts.PrefixUnaryExpression, scope: Scope): StaticValue {
  if (node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken) {
    return updateByOne(run, node.operand, node.operator === ts.SyntaxKind.PlusPlusToken ? 1 : -1, scope, node).after;
  }
  return evaluateUnary(run, node.operator, evaluateExpression(run, node.operand, scope), node);
}

function evaluateTypeOf(run: Evaluation, node: ts.TypeOfExpression, scope: Scope): string {
  const value = evaluateExpression(run, node.expression, scope);
  if (value === null || isArray(value) || value instanceof ObjectValue || value instanceof TensorValue) return "object";
  if (value instanceof RuntimeNumber) return "number";
  if (value instanceof RuntimeBoolean) return "boolean";
  switch (typeof value) {
    case "undefined": case "boolean": case "number": case "string": return typeof value;
    default: return "node" in value || "call" in value || "body" in value ? "function" : "number";
  }
}

/** `throw new Error("...")`: a diagnostic that the program makes itself, at the call that led to it. */
export function throwUserError(run: Evaluation, node: ts.ThrowStatement, scope: Scope): never {
  if (run.runtimeDepth > 0) {
    refuse(run, node, "TSDL3001", "a built program cannot throw at run time", {
      label: "whether this is thrown is known only then",
      help: "return a flag beside the result, and throw outside of the model; or make the value NaN, which the caller sees",
    });
  }
  const { expression } = node;
  const isError = ts.isNewExpression(expression) && ts.isIdentifier(expression.expression) && /Error$/.test(expression.expression.text);
  if (!isError) refuse(run, node, "TSDL3001", "only an Error can be thrown", { help: "write throw new Error(`...`)" });
  const [argument] = expression.arguments ?? [];
  const message = argument === undefined ? "an error without a message" : textOf(run, evaluateExpression(run, argument, scope), argument);
  const frame = run.frames.at(-1);
  const isLibrary = !run.project.isUserFile(node.getSourceFile());
  return refuse(run, frame?.site ?? node, isLibrary ? "TSDL2003" : "TSDL2007", message, {
    label: frame === undefined || isLibrary ? "" : `${frame.callee || "the function"} threw this`,
  });
}


