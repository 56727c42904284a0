/**
 * Statements. Where a condition is known while building, control flow is run: a loop simply happens, and what it did to
 * tensors has become ops. Where it is known only at run time, both sides of a branch and one turn of a loop are evaluated,
 * and become control flow of the IR (branch.ts, runtime-loop.ts). A statement says how it completed (completion.ts).
 */

import { ts } from "ts-morph";
import { bindPattern } from "./bind-pattern.ts";
import { evaluateCondition, evaluateExpression, throwUserError } from "./evaluate-expression.ts";
import { evaluateClass } from "./evaluate-class.ts";
import { evaluateEnum } from "./evaluate-enum.ts";
import { branchOnStatements, type Completion, mapLeaves, resume } from "./completion.ts";
import { type Evaluation, Refusal, refuse, stepLimit } from "./evaluation.ts";
import { areEqual } from "./evaluate-operator.ts";
import { undone } from "./journal.ts";
import { evaluateRuntimeLoop, tryRuntimeLoop } from "./runtime-loop.ts";
import { elementsOf, readFields } from "./read-member.ts";
import { declare, innerScope, type Scope } from "./scope.ts";
import { refuseSyntax } from "./syntax.ts";
import { Closure, CollectionValue, describe, isArray, ObjectValue, RuntimeBoolean, type StaticValue } from "./value.ts";

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
  [ts.SyntaxKind.ClassDeclaration]: (run, node: ts.ClassDeclaration, scope) => declare(scope, node.name?.text ?? "", evaluateClass(run, node, scope, node.name?.text ?? ""), true) as undefined,
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
    else if (ts.isClassDeclaration(statement) && statement.name !== undefined) scope.bindings.set(statement.name.text, { value: undefined, isConstant: true, isInitialized: false });
  }
  return evaluateFrom(run, statements, 0, scope);
}

/** The statements from a position on; after one that may have completed otherwise, the others where it has not. */
function evaluateFrom(run: Evaluation, statements: readonly ts.Statement[], position: number, scope: Scope): Completion {
  for (let at = position; at < statements.length; at++) {
    const statement = statements[at];
    if (statement === undefined) continue;
    const completion = evaluateStatement(run, statement, scope);
    if (completion?.kind === "either") return resume(run, completion, () => evaluateFrom(run, statements, at + 1, scope), statement);
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
  const otherwise = (): Completion => (node.elseStatement === undefined ? undefined : evaluateStatement(run, node.elseStatement, scope));
  const then = (): Completion => evaluateStatement(run, node.thenStatement, scope);
  const condition = evaluateCondition(run, node.expression, scope);
  if (condition instanceof RuntimeBoolean) return branchOnStatements(run, condition, [then, otherwise], node);
  return condition ? then() : otherwise();
}

function evaluateLabeled(run: Evaluation, node: ts.LabeledStatement, scope: Scope, labels: readonly string[]): Completion {
  const completion = evaluateStatement(run, node.statement, scope, [...labels, node.label.text]);
  return mapLeaves(completion, (leaf) => (leaf?.kind === "break" && leaf.label === node.label.text ? undefined : leaf));
}

/** A loop as its parts; `test` is undefined where there is no condition. */
interface Loop {
  test(): boolean | RuntimeBoolean;
  body(): Completion;
  step(): void;
  /** What a turn sees. */
  scope(): Scope;
}

/** What completions of its body mean to a loop of these labels. */
function kindsOf(labels: readonly string[]): { readonly isNext: (leaf: Completion) => boolean; readonly isEnd: (leaf: Completion) => boolean } {
  const isOurs = (leaf: Completion, kind: "break" | "continue"): boolean => leaf?.kind === kind && (leaf.label === undefined || labels.includes(leaf.label));
  return { isNext: (leaf) => leaf === undefined || isOurs(leaf, "continue"), isEnd: (leaf) => isOurs(leaf, "break") };
}

/**
 * Turns happen as long as it is known whether there is another; from where it is not, the loop is one of run time. If that
 * cannot be, because its body needs to know which turn it is, the turns go on one in the other, up to `mostNested`.
 */
function evaluateLoop(run: Evaluation, loop: Loop, labels: readonly string[], node: ts.Node, isTested = true): Completion {
  const { isNext, isEnd } = kindsOf(labels);
  const from = (nested: number, first: boolean | RuntimeBoolean): Completion => {
    for (let test = first; ; test = loop.test()) {
      if (test === false) return undefined;
      if (test !== true) return evaluateRuntimeLoop(run, test, { ...loop, isNext, isEnd }, loop.scope(), node);
      const completion = loop.body();
      if (completion?.kind !== "either") {
        if (isEnd(completion)) return undefined;
        if (!isNext(completion)) return completion;
        loop.step();
        continue;
      }
      return resume(run, mapLeaves(completion, (leaf) => (isNext(leaf) ? undefined : leaf)), () => {
        loop.step();
        return goOn(nested + 1);
      }, node);
    }
  };
  /** Left at run time in a turn, by a condition inside of it. */
  const goOn = (nested: number): Completion => {
    const first = loop.test();
    if (first === false) return undefined;
    try {
      return evaluateRuntimeLoop(run, first, { ...loop, isNext, isEnd }, loop.scope(), node);
    } catch (error) {
      if (!(error instanceof Refusal) || nested > mostNested) throw error;
      return from(nested, first);
    }
  };
  return mapLeaves(from(0, isTested ? loop.test() : true), (leaf) => (isEnd(leaf) ? undefined : leaf));
}

const mostNested = 32;

function evaluateWhile(run: Evaluation, node: ts.WhileStatement, scope: Scope, labels: readonly string[]): Completion {
  return evaluateLoop(run, {
    test: () => evaluateCondition(run, node.expression, scope),
    body: () => evaluateStatement(run, node.statement, scope),
    step: () => undefined,
    scope: () => scope,
  }, labels, node);
}

function evaluateDo(run: Evaluation, node: ts.DoStatement, scope: Scope, labels: readonly string[]): Completion {
  return evaluateLoop(run, {
    test: () => evaluateCondition(run, node.expression, scope),
    body: () => evaluateStatement(run, node.statement, scope),
    step: () => undefined,
    scope: () => scope,
  }, labels, node, false);
}

/** Each turn has its own copy of the loop's variables, so that closures made in it keep what they saw. */
function evaluateFor(run: Evaluation, node: ts.ForStatement, scope: Scope, labels: readonly string[]): Completion {
  const depth = run.runtimeDepth;
  let turn = innerScope(scope);
  if (node.initializer !== undefined) {
    if (ts.isVariableDeclarationList(node.initializer)) declareVariables(run, node.initializer, turn);
    else evaluateExpression(run, node.initializer, turn);
  }
  const loop: Loop = {
    test: () => node.condition === undefined || evaluateCondition(run, node.condition, turn),
    body: () => evaluateStatement(run, node.statement, turn),
    step: () => {
      // In a loop of run time there is one turn, and one copy.
      if (run.runtimeDepth === depth) turn = copyScope(turn);
      if (node.incrementor !== undefined) evaluateExpression(run, node.incrementor, turn);
    },
    scope: () => turn,
  };
  const turns = turnsOf(run, loop);
  const own = { variables: new Set(turn.bindings.values()), turns: turns ?? 0 };
  const one = turns !== undefined && turns > mostWrittenOut ? tryRuntimeLoop(run, { ...loop, ...kindsOf(labels) }, turn, own, node) : undefined;
  if (one === undefined) return evaluateLoop(run, loop, labels, node);
  return mapLeaves(one.completion, (leaf) => (kindsOf(labels).isEnd(leaf) ? undefined : leaf));
}

/** Turns of a loop that are written out, where the loop could be one. */
const mostWrittenOut = 16;

/** Whoever counts further is not asked how far. */
const mostCounted = 100_000;

/** How many turns a loop has, as far as its own condition and increment say; undefined when that is not known now. */
function turnsOf(run: Evaluation, { test, step }: Loop): number | undefined {
  return undone(run, () => {
    let known: number | undefined;
    // Ops of a condition of run time are made where nobody needs them.
    run.b.region([], () => {
      for (let turns = 0; turns < mostCounted && known === undefined; turns++) {
        const isThere = test();
        if (isThere instanceof RuntimeBoolean) break;
        if (isThere) step();
        else known = turns;
      }
      return [];
    });
    return known;
  }).result;
}

function copyScope(scope: Scope): Scope {
  return { ...scope, bindings: new Map([...scope.bindings].map(([name, binding]) => [name, { ...binding }])) };
}

function evaluateForOf(run: Evaluation, node: ts.ForOfStatement, scope: Scope, labels: readonly string[]): Completion {
  if (node.awaitModifier !== undefined) refuse(run, node, "TSDL3001", "for await is not compiled", { help: "a model runs without waiting; load data outside and pass it in" });
  return evaluateEach(run, node, itemsOf(run, evaluateExpression(run, node.expression, scope), node.expression), scope, labels);
}

/** The item of a turn of `for of`, counted from 0; undefined after the last. */
type Items = (turn: number) => { readonly item: StaticValue } | undefined;

/** An array or a Map that grows while a loop goes over it has more turns, as in JavaScript. */
function itemsOf(run: Evaluation, value: StaticValue, node: ts.Node): Items {
  if (!isArray(value) && !(value instanceof CollectionValue)) return listed(elementsOf(run, value, node));
  const seen: StaticValue[] = [];
  return (turn) => {
    if (value instanceof CollectionValue) {
      const keys = [...value.fields.keys()];
      if (seen.slice(0, turn).some((key, i) => key !== keys[i])) {
        refuse(run, node, "TSDL3001", `a ${value.kind} loses keys while a loop goes over it`, { help: "go over a copy: for (const item of [...items])" });
      }
      seen[turn] = keys[turn];
    }
    return listed(elementsOf(run, value, node))(turn);
  };
}

function listed(items: readonly StaticValue[]): Items {
  return (turn) => (turn < items.length ? { item: items[turn] } : undefined);
}

function evaluateForIn(run: Evaluation, node: ts.ForInStatement, scope: Scope, labels: readonly string[]): Completion {
  const value = evaluateExpression(run, node.expression, scope);
  if (value instanceof ObjectValue) return evaluateEach(run, node, listed(readFields(run, value, node).map(([key]) => key)), scope, labels);
  return refuse(run, node.expression, "TSDL2001", "for in goes over the fields of an object", {
    label: `this is ${describe(value)}`,
    help: "write for (const item of array) for an array",
  });
}

function evaluateEach(run: Evaluation, node: ts.ForInOrOfStatement, items: Items, scope: Scope, labels: readonly string[]): Completion {
  const { initializer } = node;
  if (!ts.isVariableDeclarationList(initializer)) {
    return refuse(run, initializer, "TSDL3001", "a loop over items needs its own variable", { help: "write for (const item of ...)" });
  }
  const [declaration] = initializer.declarations;
  const { isNext, isEnd } = kindsOf(labels);
  const from = (position: number): Completion => {
    for (let at = position, next = items(at); next !== undefined; next = items(++at)) {
      const turn = innerScope(scope);
      if (declaration !== undefined) bindPattern(run, declaration.name, next.item, turn, (initializer.flags & ts.NodeFlags.Const) !== 0);
      const completion = mapLeaves(evaluateStatement(run, node.statement, turn), (leaf) => (isNext(leaf) ? undefined : leaf));
      if (completion?.kind === "either") return resume(run, completion, () => from(at + 1), node);
      if (completion !== undefined) return completion;
    }
    return undefined;
  };
  return mapLeaves(from(0), (leaf) => (isEnd(leaf) ? undefined : leaf));
}

function evaluateSwitch(run: Evaluation, node: ts.SwitchStatement, scope: Scope, labels: readonly string[]): Completion {
  const subject = evaluateExpression(run, node.expression, scope);
  const inner = innerScope(scope);
  const { clauses } = node.caseBlock;
  const runClausesFrom = (position: number): Completion => evaluateStatements(run, clauses.slice(position).flatMap((clause) => [...clause.statements]), inner);
  const match = (position: number): Completion => {
    const clause = clauses[position];
    if (clause === undefined) {
      const otherwise = clauses.findIndex(ts.isDefaultClause);
      return otherwise < 0 ? undefined : runClausesFrom(otherwise);
    }
    if (ts.isDefaultClause(clause)) return match(position + 1);
    const isMatch = areEqual(run, subject, evaluateExpression(run, clause.expression, inner), clause.expression);
    if (isMatch instanceof RuntimeBoolean) return branchOnStatements(run, isMatch, [() => runClausesFrom(position), () => match(position + 1)], clause);
    return isMatch ? runClausesFrom(position) : match(position + 1);
  };
  const { isEnd } = kindsOf(labels);
  return mapLeaves(match(0), (leaf) => (isEnd(leaf) ? undefined : leaf));
}
