/**
 * Lexical scopes: names and what they are bound to. The outermost scope of a file asks its module, which evaluates
 * declarations when they are first read.
 */

import type { ts } from "ts-morph";
import type { StaticValue } from "./value.ts";

export interface Binding {
  value: StaticValue;
  readonly isConstant: boolean;
  /** False between entering the block and the declaration: the temporal dead zone. */
  isInitialized: boolean;
}

export interface Scope {
  readonly parent: Scope | undefined;
  readonly bindings: Map<string, Binding>;
  readonly module: SourceModule;
}

/** One source file as the evaluator sees it. */
export interface SourceModule {
  readonly file: ts.SourceFile;
  /** False for the library's own source. */
  readonly isUser: boolean;
  readonly declarations: ReadonlyMap<string, ModuleDeclaration>;
  readonly exports: ReadonlyMap<string, ModuleExport>;
  /** Modules of `export * from`. */
  readonly starExports: readonly string[];
  readonly scope: Scope;
}

export type ModuleDeclaration =
  | { readonly kind: "function"; readonly node: ts.FunctionDeclaration }
  | { readonly kind: "class"; readonly node: ts.ClassDeclaration }
  | { readonly kind: "enum"; readonly node: ts.EnumDeclaration }
  /** Declared for the checker, without anything to evaluate. */
  | { readonly kind: "ambient"; readonly node: ts.Node }
  | { readonly kind: "variable"; readonly node: ts.VariableDeclaration; readonly isConstant: boolean }
  /** `name` undefined is the whole module. */
  | { readonly kind: "import"; readonly specifier: string; readonly name: string | undefined; readonly node: ts.Node };

export type ModuleExport =
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "from"; readonly specifier: string; readonly name: string | undefined; readonly node: ts.Node }
  | { readonly kind: "expression"; readonly node: ts.Expression };

export function innerScope(parent: Scope): Scope {
  return { parent, bindings: new Map(), module: parent.module };
}

export function declare(scope: Scope, name: string, value: StaticValue, isConstant: boolean): void {
  scope.bindings.set(name, { value, isConstant, isInitialized: true });
}

export function findBinding(scope: Scope, name: string): Binding | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const binding = at.bindings.get(name);
    if (binding !== undefined) return binding;
  }
  return undefined;
}

/** All names visible from a scope inside functions, innermost first: for "did you mean". */
export function visibleBindings(scope: Scope): readonly (readonly [string, StaticValue])[] {
  const found = new Map<string, StaticValue>();
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    for (const [name, binding] of at.bindings) if (!found.has(name) && binding.isInitialized) found.set(name, binding.value);
  }
  return [...found];
}
