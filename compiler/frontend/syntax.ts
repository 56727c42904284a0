/**
 * The syntax that is refused, with what to write instead. Together with the handlers of evaluate-expression.ts and
 * evaluate-statement.ts this covers every kind of expression and statement that TypeScript has (a test holds it).
 */

import { ts } from "ts-morph";
import { type Evaluation, refuse } from "./evaluation.ts";

interface Advice {
  /** Completes "... is not compiled". */
  readonly what: string;
  readonly help: string;
}

const outside = "do it outside of the model, and pass the result in as a parameter";

export const refusedSyntax: Partial<Record<ts.SyntaxKind, Advice>> = {
  [ts.SyntaxKind.TryStatement]: { what: "try", help: "nothing throws in a built program; check conditions on static values with if" },
  [ts.SyntaxKind.WithStatement]: { what: "with", help: "name the object: object.field" },
  [ts.SyntaxKind.DebuggerStatement]: { what: "debugger", help: "remove it" },
  [ts.SyntaxKind.ModuleDeclaration]: { what: "a namespace", help: "move its declarations into a file of their own" },
  [ts.SyntaxKind.ImportDeclaration]: { what: "an import inside a function", help: "import at the top of the file" },
  [ts.SyntaxKind.ImportEqualsDeclaration]: { what: "import =", help: 'write import { name } from "module"' },
  [ts.SyntaxKind.ExportDeclaration]: { what: "an export inside a function", help: "export at the top of the file" },
  [ts.SyntaxKind.ExportAssignment]: { what: "an export inside a function", help: "export at the top of the file" },
  [ts.SyntaxKind.NamespaceExportDeclaration]: { what: "export as namespace", help: "remove it" },
  [ts.SyntaxKind.MissingDeclaration]: { what: "a missing declaration", help: "complete the statement" },
  [ts.SyntaxKind.NotEmittedStatement]: { what: "an erased statement", help: "remove it" },

  [ts.SyntaxKind.AwaitExpression]: { what: "await", help: "a model runs without waiting; await outside of it, and pass the result in as a parameter" },
  [ts.SyntaxKind.YieldExpression]: { what: "yield", help: "collect the items in an array and return it" },
  [ts.SyntaxKind.RegularExpressionLiteral]: { what: "a regular expression", help: "use includes(), startsWith() or split() on static strings" },
  [ts.SyntaxKind.BigIntLiteral]: { what: "a bigint", help: "write a number" },
  [ts.SyntaxKind.SuperKeyword]: { what: "super alone", help: "write super(...) in a constructor, or super.method()" },
  [ts.SyntaxKind.MetaProperty]: { what: "import.meta or new.target", help: outside },
  [ts.SyntaxKind.ImportKeyword]: { what: "import()", help: "import at the top of the file" },
  [ts.SyntaxKind.DeleteExpression]: { what: "delete", help: "take the object apart: const { unwanted, ...rest } = object" },
  [ts.SyntaxKind.TaggedTemplateExpression]: { what: "a tagged template", help: "call the function with ( )" },
  [ts.SyntaxKind.PrivateIdentifier]: { what: "a private name alone", help: "write this.#name, or #name in object" },
  [ts.SyntaxKind.JsxElement]: { what: "JSX", help: "a model computes with tensors and numbers" },
  [ts.SyntaxKind.JsxSelfClosingElement]: { what: "JSX", help: "a model computes with tensors and numbers" },
  [ts.SyntaxKind.JsxFragment]: { what: "JSX", help: "a model computes with tensors and numbers" },
};

export function refuseSyntax(run: Evaluation, node: ts.Node): never {
  const advice = refusedSyntax[node.kind];
  const code = ts.isStatement(node) ? "TSDL3001" : "TSDL3002";
  if (advice === undefined) return refuse(run, node, code, `this piece of syntax (${ts.SyntaxKind[node.kind]}) is not compiled`);
  return refuse(run, node, code, `${advice.what} is not compiled`, { help: advice.help });
}
