/**
 * Modules: what a file declares, imports and exports, read from its syntax, and the value of a name at module level.
 *
 * A declaration is evaluated when it is first read, not in file order, so a file may do anything else at its top
 * level (train, print, read arguments) without the compiler running it. What that could hide, a `let` that changes
 * or an array that statements fill later, is refused where it is read.
 */

import { ts } from "ts-morph";
import { bindPattern, patternNames } from "./bind-pattern.ts";
import { evaluateExpression } from "./evaluate-expression.ts";
import { evaluateClass, tensorClass } from "./evaluate-class.ts";
import { evaluateEnum } from "./evaluate-enum.ts";
import { type Evaluation, refuse } from "./evaluation.ts";
import { globalNamed } from "./globals.ts";
import { intrinsicOf } from "./intrinsics.ts";
import { type Binding, type ModuleDeclaration, type ModuleExport, type Scope, type SourceModule } from "./scope.ts";
import {
  ClassValue, Closure, ExternalValue, isArray, NamespaceValue, ObjectValue, type StaticValue,
} from "./value.ts";

const modules = new WeakMap<ts.SourceFile, SourceModule>();

export function moduleOf(run: Evaluation, file: ts.SourceFile): SourceModule {
  const present = modules.get(file);
  if (present !== undefined) return present;
  const declarations = new Map<string, ModuleDeclaration>();
  const exports = new Map<string, ModuleExport>();
  const starExports: string[] = [];
  for (const statement of file.statements) readStatement(statement, declarations, exports, starExports);
  const scope: { parent: undefined; bindings: Map<string, Binding>; module: SourceModule | undefined } = {
    parent: undefined,
    bindings: new Map(),
    module: undefined,
  };
  const module: SourceModule = {
    file, isUser: run.project.isUserFile(file), declarations, exports, starExports, scope: scope as Scope,
  };
  scope.module = module;
  modules.set(file, module);
  return module;
}

function readStatement(
  statement: ts.Statement,
  declarations: Map<string, ModuleDeclaration>,
  exports: Map<string, ModuleExport>,
  starExports: string[],
): void {
  const isExported = ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  const isDefault = ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword);
  const add = (name: string, declaration: ModuleDeclaration): void => {
    declarations.set(name, declaration);
    if (isExported) exports.set(isDefault ? "default" : name, { kind: "local", name });
  };
  if (ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword)) {
    for (const name of declaredNames(statement)) add(name, { kind: "ambient", node: statement });
  } else if (ts.isFunctionDeclaration(statement) && statement.body !== undefined) add(statement.name?.text ?? "default", { kind: "function", node: statement });
  else if (ts.isClassDeclaration(statement)) add(statement.name?.text ?? "default", { kind: "class", node: statement });
  else if (ts.isEnumDeclaration(statement)) add(statement.name.text, { kind: "enum", node: statement });
  else if (ts.isVariableStatement(statement)) {
    const isConstant = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
    for (const node of statement.declarationList.declarations) {
      for (const name of patternNames(node.name)) add(name, { kind: "variable", node, isConstant });
    }
  } else if (ts.isImportDeclaration(statement)) readImport(statement, declarations);
  else if (ts.isExportAssignment(statement)) exports.set("default", { kind: "expression", node: statement.expression });
  else if (ts.isExportDeclaration(statement)) readExport(statement, exports, starExports);
}

function declaredNames(statement: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.flatMap(({ name }) => patternNames(name));
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement)) {
    return statement.name === undefined ? [] : [statement.name.text];
  }
  return [];
}

function readImport(statement: ts.ImportDeclaration, declarations: Map<string, ModuleDeclaration>): void {
  const specifier = (statement.moduleSpecifier as ts.StringLiteral).text;
  const clause = statement.importClause;
  if (clause?.name !== undefined) declarations.set(clause.name.text, { kind: "import", specifier, name: "default", node: statement });
  const bindings = clause?.namedBindings;
  if (bindings === undefined) return;
  if (ts.isNamespaceImport(bindings)) declarations.set(bindings.name.text, { kind: "import", specifier, name: undefined, node: statement });
  else {
    for (const element of bindings.elements) {
      declarations.set(element.name.text, { kind: "import", specifier, name: (element.propertyName ?? element.name).text, node: statement });
    }
  }
}

function readExport(statement: ts.ExportDeclaration, exports: Map<string, ModuleExport>, starExports: string[]): void {
  const specifier = statement.moduleSpecifier === undefined ? undefined : (statement.moduleSpecifier as ts.StringLiteral).text;
  const clause = statement.exportClause;
  if (clause === undefined) {
    if (specifier !== undefined) starExports.push(specifier);
  } else if (ts.isNamespaceExport(clause)) {
    if (specifier !== undefined) exports.set(clause.name.text, { kind: "from", specifier, name: undefined, node: statement });
  } else {
    for (const element of clause.elements) {
      const local = (element.propertyName ?? element.name).text;
      exports.set(element.name.text, specifier === undefined ? { kind: "local", name: local } : { kind: "from", specifier, name: local, node: statement });
    }
  }
}

/** The value of an exported name, or undefined when the module exports none. */
export function exportedValue(run: Evaluation, module: SourceModule, name: string, at: ts.Node): { readonly value: StaticValue } | undefined {
  const found = module.exports.get(name);
  if (found !== undefined) {
    switch (found.kind) {
      case "local": return { value: moduleValue(run, module, found.name, at) };
      case "from": return { value: importedValue(run, module, found.specifier, found.name, found.node) };
      case "expression": return { value: evaluateExpression(run, found.node, module.scope) };
    }
  }
  for (const specifier of module.starExports) {
    const file = run.project.resolve(specifier, module.file);
    const value = file === undefined ? undefined : exportedValue(run, moduleOf(run, file), name, at);
    if (value !== undefined) return value;
  }
  return undefined;
}

export function exportedNames(run: Evaluation, module: SourceModule): readonly string[] {
  const inner = module.starExports.flatMap((specifier) => {
    const file = run.project.resolve(specifier, module.file);
    return file === undefined ? [] : exportedNames(run, moduleOf(run, file));
  });
  return [...new Set([...module.exports.keys(), ...inner.filter((name) => name !== "default")])];
}

/** The value of a name at module level; throws a refusal when it has none. */
export function moduleValue(run: Evaluation, module: SourceModule, name: string, at: ts.Node): StaticValue {
  const declaration = module.declarations.get(name);
  if (declaration === undefined) return globalNamed(run, name, at);
  const intrinsic = module.isUser ? undefined : intrinsicOf(run, module, name);
  if (intrinsic !== undefined) return intrinsic;
  switch (declaration.kind) {
    case "function": return new Closure(name, declaration.node, module.scope);
    case "class": {
      if (!module.isUser && name === "Tensor") return tensorClass(declaration.node, module.scope);
      refuseLaterChange(run, module, name, declaration.node, at);
      return remember(run, declaration.node, () => {
        const made = evaluateClass(run, declaration.node, module.scope, declaration.node.name?.text ?? "");
        freeze(made);
        return made;
      });
    }
    case "import": return importedValue(run, module, declaration.specifier, declaration.name, declaration.node);
    case "ambient":
      return new ExternalValue(name, `${name} is only declared, so there is no source to compile`, "write the function in TypeScript, or do it outside and pass the result in as a parameter");
    case "enum": return remember(run, declaration.node, () => evaluateEnum(run, declaration.node, module.scope));
    case "variable": {
      if (!declaration.isConstant) {
        return refuse(run, at, "TSDL3005", `${name} is declared with let at module level, and a model cannot see it change`, {
          label: "a built program reads it only once",
          help: `declare it with const, or pass it to the model as a parameter`,
        });
      }
      refuseLaterChange(run, module, name, declaration.node, at);
      const names = remember(run, declaration.node, () => evaluateDeclaration(run, declaration.node, module));
      return names.get(name);
    }
  }
}

function importedValue(run: Evaluation, module: SourceModule, specifier: string, name: string | undefined, at: ts.Node): StaticValue {
  const file = run.project.resolve(specifier, module.file);
  if (file === undefined) {
    return new ExternalValue(
      name ?? specifier,
      `${name === undefined ? "" : `${name} of `}"${specifier}" is not source that can be compiled`,
      "a model may call functions written in TypeScript files of the project, and tsdlc itself; do the rest outside and pass the result in as a parameter",
    );
  }
  const target = moduleOf(run, file);
  if (name === undefined) return new NamespaceValue(target);
  if (file.fileName.endsWith(".json")) {
    const [statement] = file.statements;
    return statement !== undefined && ts.isExpressionStatement(statement) ? evaluateExpression(run, statement.expression, target.scope) : undefined;
  }
  const found = exportedValue(run, target, name, at);
  if (found !== undefined) return found.value;
  return refuse(run, at, "TSDL2004", `"${specifier}" has no export named ${name}`);
}

/**
 * The value of a declaration at module level, made once. One that holds tensors is made once in each function that is
 * built, because its ops belong to that function.
 */
function remember<T>(run: Evaluation, node: ts.Node, make: () => T): T {
  const inFunction = run.build?.moduleValues;
  if (inFunction?.has(node) === true) return inFunction.get(node) as T;
  if (run.inProgress.has(node)) return refuse(run, node, "TSDL2004", "this declaration needs its own value", { label: "it is read before it is made" });
  run.inProgress.add(node);
  try {
    const value = make();
    inFunction?.set(node, value);
    return value;
  } finally {
    run.inProgress.delete(node);
  }
}

function evaluateDeclaration(run: Evaluation, node: ts.VariableDeclaration, module: SourceModule): ReadonlyMap<string, StaticValue> {
  const bindings = new Map<string, Binding>();
  const scope: Scope = { parent: module.scope, bindings, module };
  const value = node.initializer === undefined ? undefined : evaluateExpression(run, node.initializer, module.scope, declaredName(node));
  freeze(value);
  bindPattern(run, node.name, value, scope, true);
  return new Map([...bindings].map(([name, binding]) => [name, binding.value]));
}

export function declaredName(node: ts.VariableDeclaration): string | undefined {
  return ts.isIdentifier(node.name) ? node.name.text : undefined;
}

function freeze(value: StaticValue): void {
  if (isArray(value)) {
    if (Object.isFrozen(value)) return;
    Object.freeze(value);
    value.forEach(freeze);
  } else if (value instanceof ObjectValue && !value.isFrozen) {
    value.isFrozen = true;
    value.fields.forEach(freeze);
  } else if (value instanceof ClassValue) freeze(value.own);
}

const changingMethods: ReadonlySet<string> = new Set([
  "push", "pop", "shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin", "set", "add", "delete", "clear",
]);

/** A constant whose object is changed by code outside of the model would be read in a state that it never has. */
function refuseLaterChange(run: Evaluation, module: SourceModule, name: string, declaration: ts.Node, at: ts.Node): void {
  if (!module.isUser) return;
  const isIt = (node: ts.Node): boolean => {
    let root = node;
    while (ts.isPropertyAccessExpression(root) || ts.isElementAccessExpression(root) || ts.isNonNullExpression(root)) root = root.expression;
    if (!ts.isIdentifier(root) || root.text !== name) return false;
    const origin = run.project.checker.getSymbolAtLocation(root)?.valueDeclaration;
    return origin !== undefined && origin.pos >= declaration.pos && origin.end <= declaration.end;
  };
  const visit = (node: ts.Node): ts.Node | undefined => {
    if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind) && !ts.isIdentifier(node.left) && isIt(node.left)) return node;
    if ((ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) && isStep(node.operator) && !ts.isIdentifier(node.operand) && isIt(node.operand)) return node;
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name: method, expression } = node.expression;
      const isObjectAssign = method.text === "assign" && node.arguments[0] !== undefined && isIt(node.arguments[0]);
      if ((changingMethods.has(method.text) && isIt(expression)) || isObjectAssign) return node;
    }
    return ts.forEachChild(node, visit);
  };
  const change = visit(module.file);
  if (change === undefined) return;
  const { line } = module.file.getLineAndCharacterOfPosition(change.getStart());
  refuse(run, at, "TSDL3005", `${name} lives at module level and is changed at line ${line + 1}, which a built program would not see`, {
    label: "read here",
    help: ts.isClassLike(declaration)
      ? "keep what changes in an instance, which is made in the model or passed as a parameter"
      : `make the whole value of ${name} in its declaration, for instance with map() or Array.from(), or pass it as a parameter`,
  });
}

function isStep(kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.PlusPlusToken || kind === ts.SyntaxKind.MinusMinusToken;
}

function isAssignment(kind: ts.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}
