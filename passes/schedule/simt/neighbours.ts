/**
 * Four neighbouring points of a space by one thread: where memory is consecutive from point to point, what it loads of a
 * buffer at all four is one access, and so is what it stores (widen-accesses).
 */

import type { Op, Region } from "../../../ir/module.ts";
import type { RewriteRule } from "../../../ir/rewrite.ts";
import { localityAlong } from "../locality.ts";

/** 16 bytes of f32, the most that one access moves. */
export const neighbours = 4;

/** Whether more accesses are consecutive along the last index of a body than jump, and nothing stands between them. */
export function prefersNeighbours(body: Region): boolean {
  const axis = body.parameters.at(-1);
  return axis !== undefined && body.ops.every((op) => op.regions.length === 0) && localityAlong(body, axis) > 0;
}

/** For a body that is inlined at neighbours: loads that they have in common are done once, as cse does not look at memory. */
export function loadingOnce(body: Region): RewriteRule {
  const common = loadsInCommon(body);
  const done = new Map<Op, ReturnType<RewriteRule>>();
  return (b, op, operands) => {
    if (!common.has(op)) return undefined;
    const results = done.get(op) ?? b.copy(op, operands);
    done.set(op, results);
    return results;
  };
}

/** Loads at an index without the last one in it, from memory that the body does not store to. */
function loadsInCommon({ parameters, ops }: Region): ReadonlySet<Op> {
  const stored = new Set(ops.filter(({ name }) => name === "store" || name === "atomic_add").map(({ operands }) => operands[0]));
  const varying = new Set(parameters.slice(-1));
  const common = new Set<Op>();
  for (const op of ops) {
    const isCommon = op.name === "load" && !stored.has(op.operands[0]) && !op.operands.some((operand) => varying.has(operand));
    if (isCommon) common.add(op);
    // What memory holds that is stored to may be something else the next time.
    else if (op.name === "load" || op.operands.some((operand) => varying.has(operand))) op.results.forEach((result) => varying.add(result));
  }
  return common;
}
