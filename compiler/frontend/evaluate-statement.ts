/**
 * Statements. Control flow is run, not compiled: every condition is known while building, so a loop simply happens,
 * and what it did to tensors has become ops. A statement says how it completed, as in the ECMAScript specification.
 */

import { ts } from "ts-morph";
import { bindPattern } from "./bind-pattern.ts";
import { evaluateCondition, evaluateExpression, throwUserError } from "./evaluate-expression.ts";
import { evaluateEnum } from "./evaluate-enum.ts";
import { type Evaluation, refuse, stepLimit } from "./evaluation.ts";
import { equalValues } from "./evaluate-operator.ts";
import { elementsOf } from "./read-member.ts";
import { declare, innerScope, type Scope } from "./scope.ts";
import { refuseSyntax } from "./syntax.ts";
import { Closure, ObjectValue, describe, type StaticValue } from "./value.ts";

export type Completion =
  | undefined
  | { readonly kind: "return"; readonly value: StaticValue }
  | { readonly kind: "break" | "continue"; readonly label: string | undefined };

type Handler = (run: Evaluation, node: never, scope: Scope, labels: readonly string[]) => Completion;

export const statementHandlers: Partial<Record<ts.SyntaxKind, Handler>> = {
  [ts.SyntaxKind.Block]: evaluateBlock,
  [ts.SyntaxKind.EmptyStatement]: () => undefined,
  [ts.SyntaxKind.VariableStatement]: (run, node: ts.VariableStatement, scope) => declareVariables(run, node.declarationList, scope),
  [ts.SyntaxKind.ExpressionStatement]: (run, node: ts.ExpressionStatement, scope) => void evaluateExpression(run, node.expression, scope),
  [ts.SyntaxKind.IfStatement]: evaluateIf,
  [ts.SyntaxKind.ForStatement]: evaluateFor,
  [ts.SyntaxKind.ForOfStatement]: evaluateForOf,
  [ts.SyntaxKind.ForInStatement]: evaluateForIn,
  [ts.SyntaxKind.WhileStatement]: evaluateWhile,
  [ts.SyntaxKind.DoStatement]: evaluateDo,
  [ts.SyntaxKind.SwitchStatement]: evaluateSwitch,
  [ts.SyntaxKind.BreakStatement]: (_run, node: ts.BreakStatement) => ({ kind: "break", label: node.label?.text }),
  [ts.SyntaxKind.ContinueStatement]: (_run, node: ts.ContinueStatement) => ({ kind: "continue", label: node.label?.text }),
  [ts.SyntaxKind.LabeledStatement]: evaluateLabeled,
  [ts.SyntaxKind.ReturnStatement]: (run, node: ts.ReturnStatement, scope) => ({
    kind: "return",
    value: node.expression === undefined ? undefined : evaluateExpression(run, node.expression, scope),
  }),
  [ts.SyntaxKind.ThrowStatement]: (run, node: ts.ThrowStatement, scope) => throwUserError(run, node, scope),
  // Hoisted by evaluateStatements, or without meaning at run time.
  [ts.SyntaxKind.FunctionDeclaration]: () => undefined,
  [ts.SyntaxKind.InterfaceDeclaration]: () => undefined,
  [ts.SyntaxKind.TypeAliasDeclaration]: () => undefined,
  [ts.SyntaxKind.EnumDeclaration]: (run, node: ts.EnumDeclaration, scope) => declare(scope, node.name.text, evaluateEnum(run, node, scope), true) as undefined,
};

export function evaluateStatement(run: Evaluation, node: ts.Statement, scope: Scope, labels: readonly string[] = []): Completion {
  if (++run.steps > stepLimit) {
    refuse(run, node, "TSDL3006", `the program was still running after ${stepLimit.toLocaleString("en")} statements`, {
      label: "stopped here",
      help: "loops run while the program is built; see that their conditions end them",
    });
  }
  const handler = statementHandlers[node.kind];
  if (handler === undefined) return refuseSyntax(run, node);
  return handler(run, node as never, scope, labels);
}

export function evaluateStatements(run: Evaluation, statements: readonly ts.Statement[], scope: Scope): Completion {
  for (const statement of statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name !== undefined && statement.body !== undefined) {
      declare(scope, statement.name.text, new Closure(statement.name.text, statement, scope), false);
    } else if (ts.isVariableStatement(statement)) declareEarly(statement.declarationList, scope);
  }
  for (const statement of statements) {
    const completion = evaluateStatement(run, statement, scope);
    if (completion !== undefined) return completion;
  }
  return undefined;
}

/** Names exist from the start of their block, but may not be read before their declaration. */
function declareEarly(list: ts.VariableDeclarationList, scope: Scope): void {
  for (const { name } of list.declarations) {
    if (ts.isIdentifier(name)) scope.bindings.set(name.text, { value: undefined, isConstant: false, isInitialized: false });
  }
}

function declareVariables(run: Evaluation, list: ts.VariableDeclarationList, scope: Scope): undefined {
  if ((list.flags & ts.NodeFlags.BlockScoped) === 0) {
    refuse(run, list, "TSDL3001", "var is not compiled", { label: "its scope is the whole function", help: "write let or const" });
  }
  const kind = list.flags & ts.NodeFlags.BlockScoped;
  if (kind !== ts.NodeFlags.Const && kind !== ts.NodeFlags.Let) {
    refuse(run, list, "TSDL3001", "using declarations are not compiled", { help: "write const: compiled programs free their tensors by themselves" });
  }
  for (const { name, initializer } of list.declarations) {
    const value = initializer === undefined ? undefined : evaluateExpression(run, initializer, scope, ts.isIdentifier(name) ? name.text : undefined);
    bindPattern(run, name, value, scope, kind === ts.NodeFlags.Const);
  }
  return undefined;
}

function evaluateBlock(run: Evaluation, node: ts.Block, scope: Scope): Completion {
  return evaluateStatements(run, node.statements, innerScope(scope));
}

function evaluateIf(run: Evaluation, node: ts.IfStatement, scope: Scope): Completion {
  if (evaluateCondition(run, node.expression, scope)) return evaluateStatement(run, node.thenStatement, scope);
  return node.elseStatement === undefined ? undefined : evaluateStatement(run, node.elseStatement, scope);
}

function evaluateLabeled(run: Evaluation, node: ts.LabeledStatement, scope: Scope, labels: readonly string[]): Completion {
  const completion = evaluateStatement(run, node.statement, scope, [...labels, node.label.text]);
  return completion?.kind === "break" && completion.label === node.label.text ? undefined : completion;
}

/** What a completed body means for its loop: go on, stop, or stop and hand on. */
function afterBody(completion: Completion, labels: readonly string[]): "next" | "stop" | Completion {
  if (completion === undefined) return "next";
  if (completion.kind === "return") return completion;
  const isOurs = completion.label === undefined || labels.includes(completion.label);
  if (!isOurs) return completion;
  return completion.kind === "continue" ? "next" : "stop";
}

function evaluateWhile(run: Evaluation, node: ts.WhileStatement, scope: Scope, labels: readonly string[]): Completion {
  while (evaluateCondition(run, node.expression, scope)) {
    const after = afterBody(evaluateStatement(run, node.statement, scope), labels);
    if (after === "stop") return undefined;
    if (after !== "next") return after;
  }
  return undefined;
}

function evaluateDo(run: Evaluation, node: ts.DoStatement, scope: Scope, labels: readonly string[]): Completion {
  do {
    const after = afterBody(evaluateStatement(run, node.statement, scope), labels);
    if (after === "stop") return undefined;
    if (after !== "next") return after;
  } while (evaluateCondition(run, node.expression, scope));
  return undefined;
}

/** Each turn has its own copy of the loop's variables, so that closures made in it keep what they saw. */
function evaluateFor(run: Evaluation, node: ts.ForStatement, scope: Scope, labels: readonly string[]): Completion {
  let turn = innerScope(scope);
  if (node.initializer !== undefined) {
    if (ts.isVariableDeclarationList(node.initializer)) declareVariables(run, node.initializer, turn);
    else evaluateExpression(run, node.initializer, turn);
  }
  while (node.condition === undefined || evaluateCondition(run, node.condition, turn)) {
    const after = afterBody(evaluateStatement(run, node.statement, turn), labels);
    if (after === "stop") return undefined;
    if (after !== "next") return after;
    turn = copyScope(turn);
    if (node.incrementor !== undefined) evaluateExpression(run, node.incrementor, turn);
  }
  return undefined;
}

function copyScope(scope: Scope): Scope {
  return { ...scope, bindings: new Map([...scope.bindings].map(([name, binding]) => [name, { ...binding }])) };
}

function evaluateForOf(run: Evaluation, node: ts.ForOfStatement, scope: Scope, labels: readonly string[]): Completion {
  if (node.awaitModifier !== undefined) refuse(run, node, "TSDL3001", "for await is not compiled", { help: "a model runs without waiting; load data outside and pass it in" });
  const items = elementsOf(run, evaluateExpression(run, node.expression, scope), node.expression);
  return evaluateEach(run, node, items, scope, labels);
}

function evaluateForIn(run: Evaluation, node: ts.ForInStatement, scope: Scope, labels: readonly string[]): Completion {
  const value = evaluateExpression(run, node.expression, scope);
  if (value instanceof ObjectValue) return evaluateEach(run, node, [...value.fields.keys()], scope, labels);
  return refuse(run, node.expression, "TSDL2001", "for in goes over the fields of an object", {
    label: `this is ${describe(value)}`,
    help: "write for (const item of array) for an array",
  });
}

function evaluateEach(run: Evaluation, node: ts.ForInOrOfStatement, items: readonly StaticValue[], scope: Scope, labels: readonly string[]): Completion {
  for (const item of items) {
    const turn = innerScope(scope);
    if (!ts.isVariableDeclarationList(node.initializer)) {
      return refuse(run, node.initializer, "TSDL3001", "a loop over items needs its own variable", { help: "write for (const item of ...)" });
    }
    const [declaration] = node.initializer.declarations;
    if (declaration !== undefined) bindPattern(run, declaration.name, item, turn, (node.initializer.flags & ts.NodeFlags.Const) !== 0);
    const after = afterBody(evaluateStatement(run, node.statement, turn), labels);
    if (after === "stop") return undefined;
    if (after !== "next") return after;
  }
  return undefined;
}

function evaluateSwitch(run: Evaluation, node: ts.SwitchStatement, scope: Scope, labels: readonly string[]): Completion {
  const subject = evaluateExpression(run, node.expression, scope);
  const inner = innerScope(scope);
  const clauses = node.caseBlock.clauses;
  const matching = clauses.findIndex(
    (clause) => ts.isCaseClause(clause) && equalValues(run, subject, evaluateExpression(run, clause.expression, inner), clause.expression),
  );
  const first = matching >= 0 ? matching : clauses.findIndex(ts.isDefaultClause);
  if (first < 0) return undefined;
  const completion = evaluateStatements(run, clauses.slice(first).flatMap((clause) => [...clause.statements]), inner);
  const isOurs = completion?.kind === "break" && (completion.label === undefined || labels.includes(completion.label));
  return isOurs ? undefined : completion;
}
