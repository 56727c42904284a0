/**
 * What is left of a module when its models are compiled: the module that a bundler puts in its place.
 *
 *   import { model, type Tensor } from "tsdlc";            const step = functions["step"];
 *   export const rows = 64;                          =>    export { step };
 *   const twice = (x: Tensor) => x.mul(2);                 export const rows = 64;
 *   export const step = model((x: Tensor) => twice(x));
 *
 * Other exports stay, with all that they use, and so does what the file does at its top level. What only models used is
 * dropped, and the imports with it: the library, with the compiler in it, must not come into a bundle by a function that
 * has become a kernel.
 */

import { ts } from "ts-morph";
import type { ModelDeclaration } from "./build-model.ts";
import { patternNames } from "./bind-pattern.ts";
import type { SourceProject } from "./load-project.ts";

/** A statement, or one of the declarations of a statement. */
interface Part {
  readonly declares: readonly string[];
  /** Names that occur in it; a member's name among them keeps too much, never too little. */
  readonly mentions: ReadonlySet<string>;
  readonly text: string;
  /** Stays even if nothing that stays mentions it. */
  readonly isNeeded: boolean;
}

/** JavaScript; `functionsName` is an object in scope with the models by their exported names. */
export function remainderOf(project: SourceProject, entry: ts.SourceFile, models: readonly ModelDeclaration[], functionsName: string): string {
  const own = new Map(models.filter(({ declaration }) => declaration.getSourceFile() === entry).map((model) => [model.declaration, model] as const));
  const locals = new Set<string>();
  const heads = models.map(({ name, declaration }) => {
    const local = own.has(declaration) ? declaration.name.getText() : `${functionsName}_${name}`;
    // One model may be exported under two names.
    const declared = locals.has(local) ? "" : `const ${local} = ${functionsName}[${JSON.stringify(name)}];\n`;
    locals.add(local);
    return `${declared}export { ${local === name ? name : `${local} as ${name}`} };\n`;
  });
  const exported = new Set(models.map(({ name }) => name));
  const parts = entry.statements.flatMap((statement) => partsOf(project, statement, new Set(own.keys()), exported));
  const kept = keep(parts);
  return heads.join("") + toJavaScript(parts.filter((part) => kept.has(part)).map(({ text }) => text).join("\n"), entry.fileName);
}

function partsOf(project: SourceProject, statement: ts.Statement, models: ReadonlySet<ts.Node>, exported: ReadonlySet<string>): readonly Part[] {
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) return [];
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
  if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword)) return [];
  const isExported = modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (ts.isVariableStatement(statement)) {
    const { declarationList } = statement;
    const keyword = (declarationList.flags & ts.NodeFlags.Const) !== 0 ? "const" : (declarationList.flags & ts.NodeFlags.Let) !== 0 ? "let" : "var";
    return declarationList.declarations.filter((declaration) => !models.has(declaration)).map((declaration) =>
      part(declaration, patternNames(declaration.name), isExported, `${isExported ? "export " : ""}${keyword} ${declaration.getText()};`));
  }
  if (ts.isImportDeclaration(statement)) return [part(statement, importedNames(statement), statement.importClause === undefined)];
  if (ts.isExportDeclaration(statement)) {
    if (statement.isTypeOnly || (statement.exportClause === undefined && exportsOnly(project, statement, exported))) return [];
    if (statement.exportClause === undefined || ts.isNamespaceExport(statement.exportClause)) return [part(statement, [], true)];
    const others = statement.exportClause.elements.filter(({ name, isTypeOnly }) => !isTypeOnly && !exported.has(name.text));
    const from = statement.moduleSpecifier === undefined ? "" : ` from ${statement.moduleSpecifier.getText()}`;
    return others.length === 0 ? [] : [part(statement, [], true, `export { ${others.map((each) => each.getText()).join(", ")} }${from};`)];
  }
  const isNamed = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement) || ts.isModuleDeclaration(statement);
  return [part(statement, isNamed && statement.name !== undefined ? [statement.name.text] : [], isExported || !isNamed)];
}

function part(node: ts.Node, declares: readonly string[], isNeeded: boolean, text = node.getText()): Part {
  const mentions = new Set<string>();
  const visit = (inner: ts.Node): void => {
    if (ts.isIdentifier(inner)) mentions.add(inner.text);
    ts.forEachChild(inner, visit);
  };
  visit(node);
  return { declares, mentions, text, isNeeded };
}

function importedNames({ importClause }: ts.ImportDeclaration): readonly string[] {
  const { name, namedBindings } = importClause ?? {};
  const named = namedBindings === undefined ? [] : ts.isNamespaceImport(namedBindings) ? [namedBindings.name] : namedBindings.elements.map((element) => element.name);
  return [...(name === undefined ? [] : [name]), ...named].map(({ text }) => text);
}

/** Whether `export * from` gives nothing but these and types. */
function exportsOnly({ checker }: SourceProject, { moduleSpecifier }: ts.ExportDeclaration, names: ReadonlySet<string>): boolean {
  const target = moduleSpecifier === undefined ? undefined : checker.getSymbolAtLocation(moduleSpecifier);
  if (target === undefined) return false;
  return checker.getExportsOfModule(target).every((symbol) => {
    const meant = (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
    return names.has(symbol.name) || (meant.flags & ts.SymbolFlags.Value) === 0;
  });
}

/** What is needed, and what that mentions. */
function keep(parts: readonly Part[]): ReadonlySet<Part> {
  const byName = new Map<string, Part[]>();
  for (const each of parts) for (const name of each.declares) byName.set(name, [...(byName.get(name) ?? []), each]);
  const kept = new Set<Part>();
  const add = (each: Part): void => {
    if (kept.has(each)) return;
    kept.add(each);
    for (const name of each.mentions) byName.get(name)?.forEach(add);
  };
  for (const each of parts) if (each.isNeeded) add(each);
  return kept;
}

/** Without types, and without imports and parts of imports that only types used; JSX stays what it is. */
function toJavaScript(text: string, fileName: string): string {
  const { outputText } = ts.transpileModule(text, {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
      jsx: ts.JsxEmit.Preserve,
      isolatedModules: true,
      verbatimModuleSyntax: false,
    },
  });
  // What TypeScript writes for a module of which nothing is left.
  return outputText.replace(/^export \{\};\n/m, "");
}
