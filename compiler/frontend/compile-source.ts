/**
 * The frontend: from TypeScript files to a module and the signatures of its entry points.
 *
 * It is an abstract interpreter. Each exported model's function is evaluated on tensors that are not there yet: what
 * JavaScript can compute now is computed, and what happens to tensors becomes ops (value.ts, evaluate-*.ts). The
 * TypeScript checker speaks first; a program with type errors is not looked at further.
 */

import { statSync } from "node:fs";
import path from "node:path";
import { ts } from "ts-morph";
import type { Func, Module } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { type Diagnostic, DiagnosticsError } from "../diagnostics.ts";
import { buildModel, type ModelDeclaration } from "./build-model.ts";
import { Refusal, spanOf } from "./evaluation.ts";
import { loadProject, type SourceProject } from "./load-project.ts";
import { remainderOf } from "./remainder.ts";

export interface CompiledSource {
  readonly module: Module;
  readonly signatures: readonly Signature[];
  /** Absolute paths of every file of the user's that was read, for the cache. */
  readonly files: readonly string[];
  /** The module as JavaScript, with each model taken from the object of this name: see remainder.ts. */
  withoutModels(functionsName: string): string;
}

export interface CompileSourceOptions {
  /** What entry files, and the files in messages, are relative to; the process's when absent. */
  readonly workingDirectory?: string;
}

/** Throws a DiagnosticsError with everything that is wrong with the program. */
export function compileSource(entryFiles: readonly string[], options: CompileSourceOptions = {}): CompiledSource {
  const workingDirectory = options.workingDirectory ?? process.cwd();
  refuseMissing(entryFiles, workingDirectory);
  const project = checkedProject(entryFiles, workingDirectory);
  if (project.diagnostics.length > 0) throw new DiagnosticsError(project.diagnostics, project.files);

  const found = project.entries.map((entry) => findModels(project, entry));
  const diagnostics: Diagnostic[] = found.flatMap((each) => each.diagnostics);
  const models = found.flatMap((each) => each.models);
  if (models.length === 0 && diagnostics.length === 0) diagnostics.push(noModels(entryFiles));
  diagnostics.push(...duplicates(project, models));

  const functions: Func[] = [];
  const signatures: Signature[] = [];
  const takenNames = new Set(models.map(({ name }) => name));
  for (const model of diagnostics.length > 0 ? [] : models) {
    try {
      const built = buildModel(project, model, takenNames);
      functions.push(...built.functions);
      signatures.push(built.signature);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      diagnostics.push(error.diagnostic);
    }
  }
  if (diagnostics.length > 0) throw new DiagnosticsError(withoutRepeats(diagnostics), project.files);
  const modules = project.entries.map((entry, position) => ({ entry, models: found[position]?.models ?? [] }));
  return {
    module: { functions },
    signatures,
    files: project.files,
    withoutModels: (functionsName) => modules.map(({ entry, models: own }) => remainderOf(project, entry, own, functionsName)).join("\n"),
  };
}

/** TypeScript is recursive, and gives up with a RangeError on a chain of a thousand calls. */
function checkedProject(entryFiles: readonly string[], workingDirectory: string): SourceProject {
  try {
    return loadProject(entryFiles, workingDirectory);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = `an expression in ${entryFiles.join(", ")} is nested too deeply for the TypeScript checker`;
    throw new DiagnosticsError([{ code: "TSDL3006", message, labels: [], notes: [], help: "give parts of long chains and sums names of their own" }]);
  }
}

function refuseMissing(entryFiles: readonly string[], workingDirectory: string): void {
  const diagnostics = entryFiles.flatMap((file): Diagnostic[] => {
    const stats = statSync(path.resolve(workingDirectory, file), { throwIfNoEntry: false });
    const isSource = /\.[cm]?tsx?$/.test(file) && !/\.d\.[cm]?ts$/.test(file);
    if (stats?.isFile() === true && isSource) return [];
    const message =
      stats === undefined ? `there is no file ${file}`
      : stats.isFile() ? `${file} is not a TypeScript source file`
      : `${file} is a folder, not a file`;
    const help =
      stats === undefined ? "paths are relative to the folder that the command runs in"
      : stats.isFile() ? "models are compiled from their .ts source"
      : "name the file with the models in it: tsdlc build model.ts";
    return [{ code: "TSDL4001", message, labels: [], notes: [], help }];
  });
  if (diagnostics.length > 0) throw new DiagnosticsError(diagnostics);
}

/** Models among the exports of a file, re-exports included, and faults of those that cannot be built. */
function findModels(project: SourceProject, entry: ts.SourceFile): { models: readonly ModelDeclaration[]; diagnostics: readonly Diagnostic[] } {
  const models: ModelDeclaration[] = [];
  const diagnostics: Diagnostic[] = [];
  const exported = new Set<ts.Node>();
  const symbol = project.checker.getSymbolAtLocation(entry);
  for (const each of symbol === undefined ? [] : project.checker.getExportsOfModule(symbol)) {
    const target = (each.flags & ts.SymbolFlags.Alias) !== 0 ? project.checker.getAliasedSymbol(each) : each;
    const declaration = target.valueDeclaration;
    if (declaration !== undefined && ts.isVariableDeclaration(declaration)) {
      const call = modelCall(project, declaration.initializer);
      if (call !== undefined) models.push({ name: each.name, declaration, call });
      exported.add(declaration);
      if (call !== undefined && each.name === "default") diagnostics.push(unnamed(project, declaration));
    } else if (declaration !== undefined && ts.isExportAssignment(declaration) && modelCall(project, declaration.expression) !== undefined) {
      diagnostics.push(unnamed(project, declaration));
    }
  }
  for (const statement of entry.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const declaration of statement.declarationList.declarations) {
      if (exported.has(declaration) || modelCall(project, declaration.initializer) === undefined) continue;
      const name = declaration.name.getText();
      diagnostics.push({
        code: "TSDL4003",
        message: `the model ${name} is not exported, so a package would not have it`,
        labels: [{ span: spanOf(project, declaration.name), text: "" }],
        notes: [],
        help: `write export const ${name} = model(...); a function that only other models call needs no mark`,
      });
    }
  }
  return { models, diagnostics };
}

/** The call of the library's `model` that an initializer is. */
function modelCall(project: SourceProject, initializer: ts.Expression | undefined): ts.CallExpression | undefined {
  if (initializer === undefined) return undefined;
  if (ts.isParenthesizedExpression(initializer) || ts.isAsExpression(initializer) || ts.isSatisfiesExpression(initializer)) return modelCall(project, initializer.expression);
  if (!ts.isCallExpression(initializer)) return undefined;
  const callee = initializer.expression;
  const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
  if (!ts.isIdentifier(name)) return undefined;
  const symbol = project.checker.getSymbolAtLocation(name);
  const target = symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? project.checker.getAliasedSymbol(symbol) : symbol;
  const isLibrary = (target?.declarations ?? []).some(project.isLibraryDeclaration);
  return target?.name === "model" && isLibrary ? initializer : undefined;
}

function unnamed(project: SourceProject, node: ts.Node): Diagnostic {
  return {
    code: "TSDL4003",
    message: "a model needs a name, and a default export has none",
    labels: [{ span: spanOf(project, node), text: "" }],
    notes: [],
    help: "write export const step = model(...)",
  };
}

function noModels(entryFiles: readonly string[]): Diagnostic {
  return {
    code: "TSDL4002",
    message: `no exported model(...) was found in ${entryFiles.join(", ")}`,
    labels: [],
    notes: [],
    help: 'mark the function to build: import { model } from "tsdlc"; export const predict = model((x: Tensor<["N", 784]>) => ...)',
  };
}

function duplicates(project: SourceProject, models: readonly ModelDeclaration[]): readonly Diagnostic[] {
  return models.flatMap(({ name, declaration }, position): Diagnostic[] => {
    const first = models.findIndex((other) => other.name === name);
    const original = models[first];
    if (first === position || original === undefined) return [];
    return [{
      code: "TSDL4004",
      message: `two models are named ${name}`,
      labels: [
        { span: spanOf(project, declaration.name), text: "the second" },
        { span: spanOf(project, original.declaration.name), text: "the first" },
      ],
      notes: [],
      help: "a package exports each by its name; rename one",
    }];
  });
}

/** A fault in a helper is found once for each model that calls it. */
function withoutRepeats(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter((diagnostic) => {
    const key = JSON.stringify([diagnostic.code, diagnostic.message, diagnostic.labels]);
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

