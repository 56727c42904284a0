/** Binding names to values: identifiers and nested patterns with defaults and rests, for declarations and parameters. */

import { ts } from "ts-morph";
import { evaluateExpression, propertyKey } from "./evaluate-expression.ts";
import { elementsOf, readFields, readMember } from "./read-member.ts";
import { type Evaluation, refuse } from "./evaluation.ts";
import { declare, type Scope } from "./scope.ts";
import { describe, ObjectValue, type StaticValue } from "./value.ts";

export function bindPattern(run: Evaluation, pattern: ts.BindingName, value: StaticValue, scope: Scope, isConstant: boolean): void {
  if (ts.isIdentifier(pattern)) return declare(scope, pattern.text, value, isConstant);
  if (ts.isArrayBindingPattern(pattern)) {
    const items = elementsOf(run, value, pattern);
    pattern.elements.forEach((element, position) => {
      if (ts.isOmittedExpression(element)) return;
      const item = element.dotDotDotToken === undefined ? items[position] : items.slice(position);
      bindPattern(run, element.name, withDefault(run, element, item, scope), scope, isConstant);
    });
    return;
  }
  if (value === undefined || value === null) refuse(run, pattern, "TSDL2004", `${value} has no fields to take apart`);
  const taken = new Set<string>();
  for (const element of pattern.elements) {
    if (element.dotDotDotToken !== undefined) {
      bindPattern(run, element.name, restOf(run, value, taken, element), scope, isConstant);
      continue;
    }
    const key = element.propertyName === undefined ? (element.name as ts.Identifier).text : propertyKey(run, element.propertyName, scope);
    taken.add(key);
    bindPattern(run, element.name, withDefault(run, element, readMember(run, value, key, element), scope), scope, isConstant);
  }
}

/** The fields of an object that a pattern did not name. */
export function restOf(run: Evaluation, value: StaticValue, taken: ReadonlySet<string>, node: ts.Node): ObjectValue {
  if (!(value instanceof ObjectValue)) return refuse(run, node, "TSDL2001", "only an object has a rest", { label: `the value is ${describe(value)}` });
  return new ObjectValue(readFields(run, value, node).filter(([name]) => !taken.has(name)));
}

function withDefault(run: Evaluation, element: ts.BindingElement, value: StaticValue, scope: Scope): StaticValue {
  if (value !== undefined || element.initializer === undefined) return value;
  return evaluateExpression(run, element.initializer, scope, ts.isIdentifier(element.name) ? element.name.text : undefined);
}

export function patternNames(pattern: ts.BindingName): readonly string[] {
  if (ts.isIdentifier(pattern)) return [pattern.text];
  return pattern.elements.flatMap((element) => (ts.isOmittedExpression(element) ? [] : patternNames(element.name)));
}
