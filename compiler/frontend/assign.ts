/** Assignment: to locals, to fields of objects and elements of arrays, and to patterns of these. */

import { ts } from "ts-morph";
import { restOf } from "./bind-pattern.ts";
import { callSetter, privateKeyOf } from "./class-members.ts";
import { evaluateExpression, propertyKey } from "./evaluate-expression.ts";
import { branchOnValue } from "./branch.ts";
import { evaluateBinaryOperator, not, truthOf } from "./evaluate-operator.ts";
import { type Evaluation, known, refuse } from "./evaluation.ts";
import { note } from "./journal.ts";
import { elementsOf, readElement, readMember, readPrivate } from "./read-member.ts";
import { findBinding, type Scope } from "./scope.ts";
import { ClassValue, CollectionValue, describe, isArray, ObjectValue, RuntimeBoolean, type StaticValue, TensorValue } from "./value.ts";

const compound: Partial<Record<ts.SyntaxKind, ts.SyntaxKind>> = {
  [ts.SyntaxKind.PlusEqualsToken]: ts.SyntaxKind.PlusToken,
  [ts.SyntaxKind.MinusEqualsToken]: ts.SyntaxKind.MinusToken,
  [ts.SyntaxKind.AsteriskEqualsToken]: ts.SyntaxKind.AsteriskToken,
  [ts.SyntaxKind.AsteriskAsteriskEqualsToken]: ts.SyntaxKind.AsteriskAsteriskToken,
  [ts.SyntaxKind.SlashEqualsToken]: ts.SyntaxKind.SlashToken,
  [ts.SyntaxKind.PercentEqualsToken]: ts.SyntaxKind.PercentToken,
  [ts.SyntaxKind.LessThanLessThanEqualsToken]: ts.SyntaxKind.LessThanLessThanToken,
  [ts.SyntaxKind.GreaterThanGreaterThanEqualsToken]: ts.SyntaxKind.GreaterThanGreaterThanToken,
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken]: ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken,
  [ts.SyntaxKind.AmpersandEqualsToken]: ts.SyntaxKind.AmpersandToken,
  [ts.SyntaxKind.BarEqualsToken]: ts.SyntaxKind.BarToken,
  [ts.SyntaxKind.CaretEqualsToken]: ts.SyntaxKind.CaretToken,
};

export function assign(run: Evaluation, node: ts.BinaryExpression, scope: Scope): StaticValue {
  const operator = node.operatorToken.kind;
  if (operator === ts.SyntaxKind.EqualsToken) {
    const value = evaluateExpression(run, node.right, scope, ts.isIdentifier(node.left) ? node.left.text : undefined);
    assignTo(run, node.left, value, scope);
    return value;
  }
  const target = referenceTo(run, node.left, scope);
  const before = target.read();
  const keeps =
    operator === ts.SyntaxKind.QuestionQuestionEqualsToken ? before !== undefined && before !== null
    : operator === ts.SyntaxKind.BarBarEqualsToken ? truthOf(run, before, node.left)
    : operator === ts.SyntaxKind.AmpersandAmpersandEqualsToken ? not(run, truthOf(run, before, node.left), node.left)
    : undefined;
  if (keeps === true) return before;
  if (keeps instanceof RuntimeBoolean) {
    return branchOnValue(run, keeps, [() => before, () => {
      const value = evaluateExpression(run, node.right, scope);
      target.write(value);
      return value;
    }], node);
  }
  const right = evaluateExpression(run, node.right, scope);
  const binary = compound[operator];
  const after = keeps === false || binary === undefined ? right : evaluateBinaryOperator(run, binary, before, right, node);
  target.write(after);
  return after;
}

/** `x++` and its kin. */
export function updateByOne(run: Evaluation, operand: ts.Expression, by: 1 | -1, scope: Scope, node: ts.Expression): { before: StaticValue; after: StaticValue } {
  const target = referenceTo(run, operand, scope);
  const before = target.read();
  const after = evaluateBinaryOperator(run, by === 1 ? ts.SyntaxKind.PlusToken : ts.SyntaxKind.MinusToken, before, 1, node);
  target.write(after);
  return { before, after };
}

function assignTo(run: Evaluation, target: ts.Expression, value: StaticValue, scope: Scope): void {
  if (ts.isParenthesizedExpression(target)) return assignTo(run, target.expression, value, scope);
  if (ts.isArrayLiteralExpression(target)) {
    const items = elementsOf(run, value, target);
    target.elements.forEach((element, position) => {
      if (ts.isOmittedExpression(element)) return;
      if (ts.isSpreadElement(element)) assignTo(run, element.expression, items.slice(position), scope);
      else assignWithDefault(run, element, items[position], scope);
    });
  } else if (ts.isObjectLiteralExpression(target)) {
    if (value === undefined || value === null) refuse(run, target, "TSDL2004", `${value} has no fields to take apart`);
    const taken = new Set<string>();
    for (const property of target.properties) {
      if (ts.isPropertyAssignment(property)) {
        const key = propertyKey(run, property.name, scope);
        taken.add(key);
        assignWithDefault(run, property.initializer, readMember(run, value, key, property), scope);
      } else if (ts.isShorthandPropertyAssignment(property)) {
        const item = readMember(run, value, property.name.text, property);
        taken.add(property.name.text);
        const isDefault = item === undefined && property.objectAssignmentInitializer !== undefined;
        assignTo(run, property.name, isDefault ? evaluateExpression(run, property.objectAssignmentInitializer, scope) : item, scope);
      } else if (ts.isSpreadAssignment(property)) assignTo(run, property.expression, restOf(run, value, taken, property), scope);
      else refuse(run, property, "TSDL3002", "this cannot be assigned to");
    }
  } else referenceTo(run, target, scope).write(value);
}

function assignWithDefault(run: Evaluation, target: ts.Expression, value: StaticValue, scope: Scope): void {
  if (ts.isBinaryExpression(target) && target.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
    assignTo(run, target.left, value === undefined ? evaluateExpression(run, target.right, scope) : value, scope);
  } else assignTo(run, target, value, scope);
}

interface Reference {
  read(): StaticValue;
  write(value: StaticValue): void;
}

function referenceTo(run: Evaluation, target: ts.Expression, scope: Scope): Reference {
  if (ts.isParenthesizedExpression(target) || ts.isNonNullExpression(target) || ts.isAsExpression(target) || ts.isSatisfiesExpression(target)) {
    return referenceTo(run, target.expression, scope);
  }
  if (ts.isIdentifier(target)) return localReference(run, target, scope);
  if (ts.isPropertyAccessExpression(target)) {
    if (target.expression.kind === ts.SyntaxKind.SuperKeyword) refuse(run, target, "TSDL3002", "an assignment to super is not compiled", { help: "write this instead of super: it is the same object" });
    const object = evaluateExpression(run, target.expression, scope);
    const { name } = target;
    if (ts.isPrivateIdentifier(name)) {
      const key = privateKeyOf(run, object, name, scope);
      return { read: () => readPrivate(run, object, key, target), write: (value) => writeMember(run, object, key, value, target) };
    }
    const key = name.text;
    return { read: () => readMember(run, object, key, target), write: (value) => writeMember(run, object, key, value, target) };
  }
  if (ts.isElementAccessExpression(target)) {
    const object = evaluateExpression(run, target.expression, scope);
    const key = evaluateExpression(run, target.argumentExpression, scope);
    return { read: () => readElement(run, object, key, target), write: (value) => writeMember(run, object, key, value, target) };
  }
  return refuse(run, target, "TSDL3002", "this cannot be assigned to");
}

function localReference(run: Evaluation, target: ts.Identifier, scope: Scope): Reference {
  const binding = findBinding(scope, target.text);
  if (binding === undefined) {
    return refuse(run, target, "TSDL3005", `${target.text} lives outside of the model, which cannot change it`, {
      label: "assigned here",
      help: "return the new value from the model, and pass it in again in the next call",
    });
  }
  return {
    read: () => known(run, binding.value, target.text, target),
    write: (value) => {
      if (!binding.isInitialized) refuse(run, target, "TSDL2004", `${target.text} is assigned before it is declared`);
      note(run, binding);
      binding.value = value;
    },
  };
}

function writeMember(run: Evaluation, object: StaticValue, key: StaticValue, value: StaticValue, node: ts.Expression): void {
  if (object instanceof TensorValue) {
    refuse(run, node, "TSDL2001", "a tensor is never changed in place", {
      label: `this is ${describe(object)}`,
      help: "make a new one and name it: const next = x.add(1)",
    });
  }
  const isName = typeof key === "string" || typeof key === "number";
  if ((object instanceof ObjectValue || object instanceof ClassValue) && isName) return writeField(run, object, String(key), value, node);
  if (isArray(object) && Object.isFrozen(object)) refuseFrozen(run, node);
  if (isArray(object)) note(run, object);
  if (isArray(object) && typeof key === "number" && Number.isInteger(key) && key >= 0 && key <= object.length) {
    (object as StaticValue[])[key] = value;
  } else if (isArray(object) && key === "length" && typeof value === "number") (object as StaticValue[]).length = value;
  else {
    refuse(run, node, "TSDL2001", "only fields of objects and elements of arrays can be assigned", {
      label: isArray(object) ? `${describe(key)} is no index of ${describe(object)}` : `this is a field of ${describe(object)}`,
    });
  }
}

/** An assignment to a field: a setter is called, and anything else is kept. */
export function writeField(run: Evaluation, object: ObjectValue | ClassValue, key: string, value: StaticValue, node: ts.Node): void {
  if (object instanceof CollectionValue) refuse(run, node, "TSDL3002", `a field of a ${object.kind} is not compiled`, { help: object.kind === "Map" ? "write map.set(key, value)" : "write set.add(item)" });
  if (callSetter(run, object, key, value, node)) return;
  const fields = object instanceof ClassValue ? object.own : object;
  if (fields.isFrozen) refuseFrozen(run, node);
  note(run, fields);
  fields.set(key, value);
}

export function refuseFrozen(run: Evaluation, node: ts.Node): never {
  return refuse(run, node, "TSDL3005", "an object that lives outside of the model cannot be changed by it", {
    label: "changed here",
    help: "make a copy in the model ({ ...object }, [...array] or new Map(map)), or return the new value",
  });
}
