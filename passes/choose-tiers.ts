/**
 * Which of the tiers that were asked for a module is compiled for: those of each target that have its dtypes, without
 * those that are there for the sake of a dtype which the module does not use.
 *
 * So a package of f32 carries no code that asks an adapter for f16, and one with an f16 in any function has the f16 tier
 * alone: a tier has all functions of a package, because it is chosen once, when the package is loaded.
 */

import { type Module, visitOps } from "../ir/module.ts";
import type { Signature } from "../ir/signature.ts";
import type { ScalarDType } from "../ir/type.ts";
import type { Limits } from "./limits.ts";
import { findMissingDTypes, MissingDTypeError } from "./missing-dtypes.ts";

/** In the order given. Throws a MissingDTypeError for a target none of whose tiers has the dtypes. */
export function chooseTiers(module: Module, signatures: readonly Signature[], asked: readonly Limits[]): readonly Limits[] {
  const used = dtypesOf(module);
  const others = (limits: Limits): readonly Limits[] => asked.filter((other) => other !== limits && other.target === limits.target);
  const useful = asked.filter((limits) => limits.onlyFor === undefined || used.has(limits.onlyFor) || others(limits).length === 0);
  const missing = new Map(useful.map((limits) => [limits, findMissingDTypes(module, limits, signatures)]));
  const isAble = (limits: Limits): boolean => missing.get(limits)?.length === 0;
  for (const [limits, values] of missing) {
    // The first tier of a target asks for most, and so lacks least.
    if (values.length > 0 && !others(limits).some(isAble)) throw new MissingDTypeError(limits, values);
  }
  return useful.filter(isAble);
}

function dtypesOf(module: Module): ReadonlySet<ScalarDType> {
  const found = new Set<ScalarDType>();
  for (const { body } of module.functions) {
    for (const { type } of body.parameters) found.add(type.dtype);
    visitOps(body, ({ results }) => results.forEach(({ type }) => found.add(type.dtype)));
  }
  return found;
}
