/**
 * Inlining: a call becomes a copy of the callee's ops.
 *
 * Each copied op gets the spans it had in the callee and, after them, those of the call, so that an error in the copy
 * names every frame from the op outward.
 */

import type { Builder } from "../ir/builder.ts";
import type { Func, Span, Value } from "../ir/module.ts";
import { inlineRegion } from "../ir/rewrite.ts";

/** The results of `callee` on these operands, computed where `b` builds. */
export function inlineCall(b: Builder, callee: Func, operands: readonly Value[], site: readonly Span[]): readonly Value[] {
  return inlineRegion(b, callee.body, operands, (_b, op, values, rewriter) =>
    b.at([...op.spans, ...site], () => b.op(op.name, values, op.attrs, op.regions.map(rewriter.region))),
  );
}
