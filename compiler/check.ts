/**
 * `tsdlc check`: the frontend and the verifier, without building: prints each model's signature and what a call
 * will check because it could not be proved.
 */

import { printDim } from "../ir/dim.ts";
import type { Signature, SignatureTree } from "../ir/signature.ts";
import { printType } from "../ir/type.ts";
import { verify } from "../ir/verify.ts";
import { compileSource } from "./frontend/compile-source.ts";
import type { Progress } from "./progress.ts";
import { findSources } from "./sources.ts";

/** Throws a DiagnosticsError. */
export async function check(source: string, progress: Progress): Promise<string> {
  const sources = await findSources(source);
  const { module, signatures } = await progress.phase("frontend", () => compileSource(sources));
  await progress.phase("verify", () => verify(module));
  return signatures.map(printSignature).join("");
}

/** `predict(p: Params, x: f32[N,784]): i32[N]`, then the guards. */
export function printSignature(signature: Signature): string {
  const parameters = signature.parameters.map(({ name, tree, donated }) => `${donated ? "donated " : ""}${name}: ${printTree(tree)}`);
  const ranges = signature.dims.filter(({ min, max }) => min > 1 || max !== undefined)
    .map(({ name, min, max }) => `  ${name} is ${min} to ${max ?? "any size"}\n`);
  const guards = signature.guards.map(
    ({ left, relation, right, reason }) => `  checked at each call: ${printDim(left)} ${relation} ${printDim(right)}, because ${reason}\n`,
  );
  return `${signature.name}(${parameters.join(", ")}): ${printTree(signature.result)}\n${[...ranges, ...guards].join("")}`;
}

function printTree(tree: SignatureTree): string {
  switch (tree.kind) {
    case "tensor": return printType(tree.type);
    case "number": return "number";
    case "array": return `[${tree.items.map(printTree).join(", ")}]`;
    case "object": {
      const fields = tree.fields.map(({ name, tree: field }) => `${name}: ${printTree(field)}`);
      return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
    }
  }
}
