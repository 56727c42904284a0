/**
 * Reverse mode: forward mode on symbolic tangents, of which the part that depends on no tangent is kept, and the rest is
 * transposed (transpose.ts).
 */

import type { Builder } from "../ir/builder.ts";
import { at, present } from "../ir/expect.ts";
import type { Func, Span, Value } from "../ir/module.ts";
import { createRewriter } from "../ir/rewrite.ts";
import { stackTypeOf, tensorTypeOf } from "../ir/type-of.ts";
import { isDifferentiable } from "./activity.ts";
import { type PushedForward, pushForward } from "./linearize.ts";
import { splitControl } from "./split-control.ts";
import { type Backward, linearPart, transposeOps } from "./transpose.ts";

export interface PulledBack {
  readonly results: readonly Value[];
  /** One for each of `wrt`; undefined is zero. */
  readonly gradients: readonly (Value | undefined)[];
}

/** The results of `func`, and the derivative of its first, a float of rank 0, with respect to these operands. */
export function pullBack(b: Builder, func: Func, operands: readonly Value[], wrt: readonly number[], site: readonly Span[]): PulledBack {
  const backward: Backward = { transposes: [], stacks: [], cotangentStacks: new Map() };
  const active = wrt.filter((position) => isDifferentiable(at(operands, position).type));
  let pushed: PushedForward | undefined;
  const mixed = b.region(active.map((position) => at(operands, position).type), (parameters) => {
    const tangents = operands.map((_, i) => parameters[active.indexOf(i)]);
    pushed = pushForward(b, { region: func.body, primals: operands, tangents, wanted: [0], site, control: splitControl(backward) });
    return [];
  });
  const { results, tangents, tangentStacks } = present(pushed, "a region was built without its body");
  const linear = linearPart(mixed.ops, [...mixed.parameters, ...tangentStacks]);

  const isForward = new Set(mixed.ops);
  linear.ops.forEach((op) => isForward.delete(op));
  const stacks = backward.stacks.map(stackTypeOf).map(({ dtype, shape }) => b.stack({ dtype, shape }));
  const rewriter = createRewriter(b, () => undefined);
  const values = rewriter.inline({ parameters: backward.stacks, ops: mixed.ops.filter((op) => isForward.has(op)), yields: results }, stacks);

  const cotangents = new Map<Value, Value>();
  const [tangent] = tangents;
  if (tangent !== undefined) cotangents.set(tangent, b.constantOf(tensorTypeOf(tangent), 1));
  transposeOps(b, linear, rewriter.value, cotangents, backward);
  return {
    results: values,
    gradients: wrt.map((position) => {
      const parameter = mixed.parameters[active.indexOf(position)];
      return parameter === undefined ? undefined : cotangents.get(parameter);
    }),
  };
}
