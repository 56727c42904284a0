/**
 * How a statement completed, as in the ECMAScript specification; and what to do when that is decided at run time: `if (c)
 * return x;` completes one way or the other, and what follows runs in one of them.
 */

import type { ts } from "ts-morph";
import { branch, branchOnValue } from "./branch.ts";
import { booleanOperand, not } from "./evaluate-operator.ts";
import { type Evaluation, makeOps, runtimeBooleanOf, use } from "./evaluation.ts";
import type { Joiner } from "./join.ts";
import type { RuntimeBoolean, StaticValue } from "./value.ts";

export type Completion =
  /** Normally. */
  | undefined
  | { readonly kind: "return"; readonly value: StaticValue }
  | { readonly kind: "break" | "continue"; readonly label: string | undefined }
  | Either;

/** One way or the other; their values can be used where the statement stood. */
export interface Either {
  readonly kind: "either";
  readonly condition: RuntimeBoolean;
  readonly then: Completion;
  readonly otherwise: Completion;
}

/** Statements of which only one side is executed. */
export function branchOnStatements(run: Evaluation, condition: RuntimeBoolean, sides: readonly [() => Completion, () => Completion], node: ts.Node): Completion {
  return branch(run, condition, sides, (joiner, then, otherwise) => joinCompletions(joiner, condition, then, otherwise), node);
}

function joinCompletions(joiner: Joiner, condition: RuntimeBoolean, then: Completion, otherwise: Completion): Completion {
  if (then === undefined && otherwise === undefined) return undefined;
  if (then?.kind === "return" && otherwise?.kind === "return") return { kind: "return", value: joiner.value(then.value, otherwise.value) };
  if (isSameJump(then, otherwise)) return then;
  return { kind: "either", condition, then: lifted(then, (value) => joiner.ofLeft(value)), otherwise: lifted(otherwise, (value) => joiner.ofRight(value)) };
}

export function isSameJump(left: Completion, right: Completion): boolean {
  if (left === undefined || right === undefined || left.kind === "either" || right.kind === "either" || left.kind !== right.kind) return false;
  return left.kind === "return" || (right.kind !== "return" && left.label === right.label);
}

/** The same with values that exist outside of the side that it is of. */
function lifted(completion: Completion, lift: (value: StaticValue) => StaticValue): Completion {
  if (completion?.kind === "return") return { kind: "return", value: lift(completion.value) };
  if (completion?.kind !== "either") return completion;
  return { kind: "either", condition: lift(completion.condition) as RuntimeBoolean, then: lifted(completion.then, lift), otherwise: lifted(completion.otherwise, lift) };
}

/** Runs `rest` where the completion is normal. */
export function resume(run: Evaluation, completion: Completion, rest: () => Completion, node: ts.Node): Completion {
  if (completion === undefined) return rest();
  if (completion.kind !== "either") return completion;
  const isNormal = whether(run, completion, (leaf) => leaf === undefined, node);
  if (isNormal === false) return completion;
  if (isNormal === true) return rest();
  return branchOnStatements(run, isNormal, [rest, () => without(completion, (leaf) => leaf === undefined)], node);
}

/** Whether a completion turns out to be of a kind. */
export function whether(run: Evaluation, completion: Completion, holds: (leaf: Completion) => boolean, node: ts.Node): boolean | RuntimeBoolean {
  if (completion?.kind !== "either") return holds(completion);
  const [then, otherwise] = [whether(run, completion.then, holds, node), whether(run, completion.otherwise, holds, node)];
  if (then === otherwise) return then;
  if (then === true && otherwise === false) return completion.condition;
  if (then === false && otherwise === true) return not(run, completion.condition, node);
  const operands = [use(run, completion.condition, node), booleanOperand(run, then, node), booleanOperand(run, otherwise, node)] as const;
  return runtimeBooleanOf(run, makeOps(run, node, (b) => b.select(...operands)));
}

/** What is left of a completion that is known to be none of these. */
export function without(completion: Completion, excluded: (leaf: Completion) => boolean): Completion {
  if (completion?.kind !== "either") return completion;
  const [then, otherwise] = [without(completion.then, excluded), without(completion.otherwise, excluded)];
  if (isExcluded(then)) return otherwise;
  return isExcluded(otherwise) ? then : { ...completion, then, otherwise };

  function isExcluded(part: Completion): boolean {
    return part?.kind !== "either" && excluded(part);
  }
}

/** A completion with other leaves. */
export function mapLeaves(completion: Completion, change: (leaf: Completion) => Completion): Completion {
  if (completion?.kind !== "either") return change(completion);
  const [then, otherwise] = [mapLeaves(completion.then, change), mapLeaves(completion.otherwise, change)];
  if (then === undefined && otherwise === undefined) return undefined;
  return { ...completion, then, otherwise };
}

/** What a function returns that completed so. */
export function returned(run: Evaluation, completion: Completion, node: ts.Node): StaticValue {
  if (completion?.kind === "return") return completion.value;
  if (completion?.kind !== "either") return undefined;
  const { condition, then, otherwise } = completion;
  return branchOnValue(run, condition, [() => returned(run, then, node), () => returned(run, otherwise, node)], node);
}
