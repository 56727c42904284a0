/** An enum as the object that it is in JavaScript: names to values, and numbers back to names. */

import { ts } from "ts-morph";
import { evaluateExpression } from "./evaluate-expression.ts";
import { type Evaluation, refuse } from "./evaluation.ts";
import { declare, innerScope, type Scope } from "./scope.ts";
import { ObjectValue, type StaticValue } from "./value.ts";

export function evaluateEnum(run: Evaluation, node: ts.EnumDeclaration, outer: Scope): ObjectValue {
  const scope = innerScope(outer);
  const fields = new Map<string, StaticValue>();
  let next: StaticValue = 0;
  for (const member of node.members) {
    if (!ts.isIdentifier(member.name) && !ts.isStringLiteral(member.name)) return refuse(run, member.name, "TSDL3001", "an enum member needs a plain name");
    const value: StaticValue = member.initializer === undefined ? next : evaluateExpression(run, member.initializer, scope);
    if (typeof value !== "number" && typeof value !== "string") return refuse(run, member, "TSDL2001", "an enum member must be a number or a string");
    fields.set(member.name.text, value);
    declare(scope, member.name.text, value, true);
    if (typeof value === "number") fields.set(String(value), member.name.text);
    next = typeof value === "number" ? value + 1 : undefined;
  }
  const object = new ObjectValue(fields);
  object.isFrozen = true;
  return object;
}
