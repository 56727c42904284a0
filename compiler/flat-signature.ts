/** The signature of a function that came without one, from text: each parameter a tensor, the results a tuple. */

import { type Dim, namesOfDim } from "../ir/dim.ts";
import type { Func } from "../ir/module.ts";
import type { Signature, SignatureTree } from "../ir/signature.ts";
import type { TensorType, Type } from "../ir/type.ts";

/** Undefined for a function that has kernel-level parameters or results, which nobody can pass from outside. */
export function flatSignature(func: Func, file: string): Signature | undefined {
  const parameters = func.body.parameters.map(({ type }) => type);
  const results = func.body.yields.map(({ type }) => type);
  if (!parameters.every(isTensorType) || !results.every(isTensorType)) return undefined;
  const [only] = results;
  const leaf = (type: TensorType): SignatureTree => ({ kind: "tensor", type });
  return {
    name: func.name,
    dims: namesOf(parameters.flatMap(({ shape }) => shape)).map((name) => ({ name, min: 0, max: undefined })),
    parameters: parameters.map((type, position) => ({ name: func.parameterNames[position] ?? `argument${position}`, tree: leaf(type), donated: false })),
    result: results.length === 1 && only !== undefined ? leaf(only) : { kind: "array", items: results.map(leaf) },
    mutations: [],
    guards: [],
    doc: undefined,
    span: { file, line: 1, column: 1, length: 1 },
  };
}

function isTensorType(type: Type): type is TensorType {
  return type.kind === "tensor";
}

function namesOf(dims: readonly Dim[]): readonly string[] {
  return [...new Set(dims.flatMap(namesOfDim))];
}
