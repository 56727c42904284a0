/**
 * Which of the tiers that were asked for a module is compiled for: those of each target that have its dtypes, without
 * those that are there for the sake of a dtype which the module does not use, and, as their kernels then show, without
 * those that ask for subgroups and do not use them.
 *
 * So a package of f32 carries no code that asks an adapter for f16, and one with an f16 in any function has the tiers of
 * f16 alone: a tier has all functions of a package, because it is chosen once, when the package is loaded.
 */

import { type Module, visitOps } from "../ir/module.ts";
import type { Signature } from "../ir/signature.ts";
import type { ScalarDType } from "../ir/type.ts";
import type { Limits } from "./limits.ts";
import { findMissingDTypes, MissingDTypeError } from "./missing-dtypes.ts";

/** In the order given. Throws a MissingDTypeError for a target none of whose tiers has the dtypes. */
export function chooseTiers(module: Module, signatures: readonly Signature[], asked: readonly Limits[]): readonly Limits[] {
  const used = dtypesOf(module);
  const ofTarget = (limits: Limits): readonly Limits[] => asked.filter(({ target }) => target === limits.target);
  const useful = asked.filter((limits) => limits.onlyFor === undefined || used.has(limits.onlyFor) || ofTarget(limits).every(({ onlyFor }) => onlyFor === limits.onlyFor));
  const missing = new Map(useful.map((limits) => [limits, findMissingDTypes(module, limits, signatures)]));
  const lacking = (limits: Limits): number => missing.get(limits)?.length ?? 0;
  for (const target of new Set(useful.map((limits) => limits.target))) {
    // The nearest to one that would do: it lacks least, and of such it asks for least.
    const [nearest] = useful.filter((limits) => limits.target === target).toSorted((left, right) => lacking(left) - lacking(right) || left.requires.length - right.requires.length);
    if (nearest !== undefined && lacking(nearest) > 0) throw new MissingDTypeError(nearest, missing.get(nearest) ?? []);
  }
  return useful.filter((limits) => lacking(limits) === 0);
}

/** Whether a tier, scheduled, asks for subgroups in vain where another one that was chosen is the same without them. */
export function isNeedless(scheduled: Module, limits: Limits, chosen: readonly Limits[]): boolean {
  const isPlain = (other: Limits): boolean => other.target === limits.target && other.subgroup === 0 && String(other.dtypes) === String(limits.dtypes);
  return limits.subgroup > 0 && chosen.some(isPlain) && !exchanges(scheduled);
}

/** Whether threads of a kernel exchange registers. */
export function exchanges(module: Module): boolean {
  let found = false;
  for (const { body } of module.functions) visitOps(body, ({ name }) => void (found ||= name === "shuffle_xor"));
  return found;
}

function dtypesOf(module: Module): ReadonlySet<ScalarDType> {
  const found = new Set<ScalarDType>();
  for (const { body } of module.functions) {
    for (const { type } of body.parameters) found.add(type.dtype);
    visitOps(body, ({ results }) => results.forEach(({ type }) => found.add(type.dtype)));
  }
  return found;
}
