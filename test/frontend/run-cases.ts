/**
 * Cases: TypeScript files with what the compiler makes of them beside them. `accepted/name.ts` has `name.ir`, its
 * module and signatures; `refused/name.ts` has `name.txt`, its diagnostics as printed. TSDLC_BLESS=1 rewrites them.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compileSource, type CompiledSource } from "../../compiler/frontend/compile-source.ts";
import { DiagnosticsError, renderDiagnostic } from "../../compiler/diagnostics.ts";
import { printDim } from "../../ir/dim.ts";
import { print } from "../../ir/print.ts";
import type { Signature, SignatureTree } from "../../ir/signature.ts";
import { printType } from "../../ir/type.ts";

export const casesFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), "cases");

export function compareBlessed(file: string, actual: string): void {
  if (process.env["TSDLC_BLESS"] === "1") writeFileSync(file, actual);
  assert.ok(existsSync(file), `${path.basename(file)} is missing: run with TSDLC_BLESS=1 and read what it writes`);
  assert.equal(actual, readFileSync(file, "utf8"));
}

/** The diagnostics of a program as the command line prints them, or undefined when it compiles. */
export function renderFaults(files: readonly string[], folder: string): string | undefined {
  try {
    compileSource(files, { workingDirectory: folder });
    return undefined;
  } catch (error) {
    if (!(error instanceof DiagnosticsError)) throw error;
    const source = (file: string): string | undefined => {
      const full = path.resolve(folder, file);
      return existsSync(full) ? readFileSync(full, "utf8") : undefined;
    };
    return error.diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, { source })).join("\n");
  }
}

export function printCompiled({ module, signatures }: CompiledSource): string {
  return `${signatures.map(printSignature).join("\n")}\n\n${print(module)}`;
}

/** A signature in comments, one fact a line. */
function printSignature(signature: Signature): string {
  const lines = [`// ${signature.name}(${signature.parameters.map(({ name, tree, donated }) => `${donated ? "donated " : ""}${name}: ${printTree(tree)}`).join(", ")}): ${printTree(signature.result)}`];
  if (signature.doc !== undefined) lines.push(`//   doc: ${signature.doc}`);
  for (const { name, min, max } of signature.dims) if (min !== 0 || max !== undefined) lines.push(`//   dim ${name}: ${min} to ${max ?? "any"}`);
  for (const { path: at, type } of signature.mutations) lines.push(`//   writes ${at.join(".")}: ${printType(type)}`);
  for (const guard of signature.guards) lines.push(`//   guard ${printDim(guard.left)} ${guard.relation} ${printDim(guard.right)}: ${guard.reason}`);
  return lines.join("\n");
}

function printTree(tree: SignatureTree): string {
  switch (tree.kind) {
    case "tensor": return printType(tree.type);
    case "number": return "number";
    case "array": return `[${tree.items.map(printTree).join(", ")}]`;
    case "object": return `${tree.declared ?? ""}{${tree.fields.map((field) => `${field.name}: ${printTree(field.tree)}`).join(", ")}}`;
  }
}
