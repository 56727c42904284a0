/**
 * fit-dtypes: values get dtypes that the tier has, or the program is refused.
 *
 * A `number` of JavaScript is an f64 of rank 0, and so is all that is computed from it. On a tier without f64 these are
 * f32: parameters, constants, sizes and casts, and hence the arithmetic between them. Everything else that the tier has
 * no dtype for is an error (missing-dtypes.ts), since nobody asked for its values to be rounded.
 *
 * Needs: calls are gone (transform). Ensures: every value has one of the tier's dtypes. Does nothing where all are there.
 *
 *     %0: f64[] = constant {"dtype":"f64","shape":[],"value":0.5}
 *     %1: f64[] = mul %lr, %0
 *     %2: f32[] = cast %1 {"dtype":"f32"}
 *
 * becomes, with %lr an f32[] now,
 *
 *     %0: f32[] = constant {"dtype":"f32","shape":[],"value":0.5}
 *     %1: f32[] = mul %lr, %0
 */

import { createBuilder } from "../ir/builder.ts";
import { only } from "../ir/expect.ts";
import type { Attrs, Func, Op, Region } from "../ir/module.ts";
import { createRewriter, functionsOf, mapModule, type Rewriter, type RewriteRule } from "../ir/rewrite.ts";
import type { Signature, SignatureTree } from "../ir/signature.ts";
import { dtypes, sameType, type TensorType, tensorType, type Type } from "../ir/type.ts";
import type { Limits } from "./limits.ts";
import { findMissingDTypes, isNarrowed, MissingDTypeError } from "./missing-dtypes.ts";
import type { Pass } from "./pass.ts";

export const fitDTypes: Pass = {
  name: "fit-dtypes",
  run(module, { limits }) {
    if (limits === undefined || dtypes.every((dtype) => limits.dtypes.includes(dtype))) return module;
    const missing = findMissingDTypes(module, limits);
    if (missing.length > 0) throw new MissingDTypeError(limits, missing);
    return mapModule(module, (func) => fitFunction(func, limits, functionsOf(module)));
  },
};

/** The signature that goes with the function after the pass. */
export function fitSignature(signature: Signature, limits: Limits): Signature {
  return {
    ...signature,
    parameters: signature.parameters.map((parameter) => ({ ...parameter, tree: fitTree(parameter.tree, limits) })),
    result: fitTree(signature.result, limits),
    mutations: signature.mutations.map((mutation) => ({ ...mutation, type: fitTensor(mutation.type, limits) })),
  };
}

function fitTree(tree: SignatureTree, limits: Limits): SignatureTree {
  switch (tree.kind) {
    case "tensor": return tree;
    case "number": return { ...tree, type: fitTensor(tree.type, limits) };
    case "array": return { ...tree, items: tree.items.map((item) => fitTree(item, limits)) };
    case "object": return { ...tree, fields: tree.fields.map((field) => ({ ...field, tree: fitTree(field.tree, limits) })) };
  }
}

function fitTensor(type: TensorType, limits: Limits): TensorType {
  return isNarrowed(type, limits) ? tensorType("f32", []) : type;
}

function fitFunction(func: Func, limits: Limits, functions: (name: string) => Func | undefined): Func {
  const fitType = (type: Type): Type => (type.kind === "tensor" ? fitTensor(type, limits) : type);
  const rewriteRegion = (region: Region, { b, inline }: Rewriter): Region => b.region(region.parameters.map(({ type }) => fitType(type)), (values) => inline(region, values));
  const rule: RewriteRule = (b, op, operands, rewriter) => {
    const isCast = op.name === "cast" && operands.length === 1;
    // A cast to what its operand has become.
    if (isCast && sameType(only(operands).type, fitType(only(op.results).type))) return operands;
    return b.copy(op, operands, op.regions.map((region) => rewriteRegion(region, rewriter)), fitAttrs(op, limits));
  };
  return { ...func, body: rewriteRegion(func.body, createRewriter(createBuilder(functions), rule)) };
}

/** The attrs of an op whose result they give a dtype; operands give it to all others. */
function fitAttrs({ name, attrs, results: [result] }: Op, limits: Limits): Attrs {
  if (result === undefined || attrs["dtype"] !== "f64" || !isNarrowed(result.type, limits)) return attrs;
  const { value } = attrs;
  return { ...attrs, dtype: "f32", ...(name === "constant" && typeof value === "number" ? { value: Math.fround(value) } : {}) };
}
