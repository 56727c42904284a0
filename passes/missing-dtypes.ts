/**
 * Values of dtypes that a tier does not have, where they enter a program: parameters, results that callers see as f64,
 * and ops that make such a value of others. What is only computed from them is not named again.
 *
 * An f64 of rank 0 is no such value where the tier has f32: JavaScript's numbers are f64, and fit-dtypes narrows them.
 * A caller's tensor of f64 is one at any rank.
 */

import { type Module, type Op, type Span, visitOps } from "../ir/module.ts";
import type { Signature, SignatureTree } from "../ir/signature.ts";
import { type DType, printType, type TensorType, type Type } from "../ir/type.ts";
import type { Limits } from "./limits.ts";

export interface MissingDType {
  /** "parameter x of step is f64[N,3]" */
  readonly fact: string;
  readonly dtype: DType;
  /** What to do about it. */
  readonly advice: string;
  readonly spans: readonly Span[];
}

/** The program has values that the tier has no dtype for. */
export class MissingDTypeError extends Error {
  readonly limits: Limits;
  readonly missing: readonly MissingDType[];
  constructor(limits: Limits, missing: readonly MissingDType[]) {
    super(missing.map((value) => `${explainMissing(limits, value)}: ${value.advice}`).join("\n"));
    this.name = "MissingDTypeError";
    this.limits = limits;
    this.missing = missing;
  }
}

export function explainMissing({ tier }: Limits, { fact, dtype }: MissingDType): string {
  return `${fact}, and the tier ${tier} has no ${dtype}`;
}

/** Whether fit-dtypes makes an f32 of it. */
export function isNarrowed(type: Type, { dtypes }: Pick<Limits, "dtypes">): boolean {
  return (type.kind === "tensor" || type.kind === "stack") && type.dtype === "f64" && type.shape.length === 0 && !dtypes.includes("f64") && dtypes.includes("f32");
}

/** With `signatures`, the leaves of a function that has one are judged by it, and named with their places. */
export function findMissingDTypes(module: Module, limits: Limits, signatures: readonly Signature[] = []): readonly MissingDType[] {
  const isMissing = (type: Type): boolean => type.dtype !== "index" && !limits.dtypes.includes(type.dtype) && !isNarrowed(type, limits);
  const found = signatures.flatMap((signature) => missingLeaves(signature, limits));
  const known = new Set(signatures.map(({ name }) => name));
  for (const { name, parameterNames, body } of module.functions) {
    const isTaken = body.parameters.some(({ type }) => isMissing(type));
    if (!known.has(name)) {
      body.parameters.forEach(({ type }, i) => {
        if (isMissing(type)) found.push(missingParameter(parameterNames[i] ?? `parameter ${i}`, name, type, []));
      });
    }
    const made: MissingDType[] = [];
    const constants: MissingDType[] = [];
    visitOps(body, (op) => {
      if (op.regions.length > 0 || op.operands.some(({ type }) => isMissing(type))) return;
      const result = op.results.find(({ type }) => isMissing(type));
      if (result !== undefined) (op.name === "constant" ? constants : made).push(missingResult(op, name, result.type, limits));
    });
    // A constant has its dtype from what it is computed with, if there is anything.
    found.push(...(made.length > 0 || isTaken ? made : constants));
  }
  return withoutRepeats(found);
}

function missingLeaves({ name, parameters, result, span }: Signature, { dtypes }: Limits): MissingDType[] {
  return [
    ...parameters.flatMap((parameter) =>
      tensorsOf(parameter.tree, [parameter.name])
        .filter(({ type }) => !dtypes.includes(type.dtype))
        .map(({ path, type }) => missingParameter(path, name, type, parameter.span === undefined ? [] : [parameter.span]))),
    // Those of higher rank come from a parameter or an op, which is named.
    ...tensorsOf(result, [])
      .filter(({ type }) => !dtypes.includes(type.dtype) && type.shape.length === 0 && type.dtype === "f64")
      .map(({ path, type }): MissingDType => ({
        fact: `${path === "" ? "the result" : `${path} in the result`} of ${name} is ${printType(type)}`,
        dtype: type.dtype,
        advice: `convert it with .to("f32")`,
        spans: [span],
      })),
  ];
}

function missingParameter(path: string, func: string, type: Type, spans: readonly Span[]): MissingDType {
  return {
    fact: `parameter ${path} of ${func} is ${printType(type)}`,
    dtype: missingDTypeOf(type),
    advice: `declare it as another dtype, as in Tensor<[...], "${substituteFor(missingDTypeOf(type))}">, and convert what is passed`,
    spans,
  };
}

function missingResult({ name, spans }: Op, func: string, type: Type, { dtypes }: Limits): MissingDType {
  const dtype = missingDTypeOf(type);
  const substitute = substituteFor(dtype);
  return {
    fact: `${name} makes ${printType(type)} in ${func}`,
    dtype,
    advice: name === "cast" && dtypes.includes(substitute) ? `convert to another dtype, as in .to("${substitute}")` : `convert what it is made of with .to("${substitute}")`,
    spans,
  };
}

function missingDTypeOf({ dtype }: Type): DType {
  if (dtype === "index") throw new Error("every tier has indices");
  return dtype;
}

/** The nearest dtype that every tier has. */
function substituteFor(dtype: DType): DType {
  return dtype === "i64" ? "i32" : "f32";
}

interface NamedTensor {
  readonly path: string;
  readonly type: TensorType;
}

/** The leaves of a tree that are tensors to the caller, by their paths. */
function tensorsOf(tree: SignatureTree, path: readonly string[]): readonly NamedTensor[] {
  switch (tree.kind) {
    case "number": return [];
    case "tensor": return [{ path: path.join("."), type: tree.type }];
    case "array": return tree.items.flatMap((item, i) => tensorsOf(item, [...path, String(i)]));
    case "object": return tree.fields.flatMap((field) => tensorsOf(field.tree, [...path, field.name]));
  }
}

/** One for each fact and place: a loop that was unrolled says the same many times. */
function withoutRepeats(found: readonly MissingDType[]): readonly MissingDType[] {
  const byText = new Map(found.map((value) => [JSON.stringify([value.fact, value.spans[0]]), value]));
  return [...byText.values()];
}
