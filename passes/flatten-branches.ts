/**
 * flatten-branches: an `if` whose sides do next to nothing becomes a choice between their results.
 *
 * Needs: derivatives are gone (transform): the gradient of a side that was not taken must be nothing, and not 0 times
 * what it might be. Ensures: no `if` is left that only chooses among values that are there, or computes a few numbers.
 * Nobody has to wait for its condition then, and what is chosen fuses with what is around it.
 *
 *     %3: bool[] = if %1 {
 *       then() { %4: bool[] = lt %n, %limit; yield %4 }
 *       else() { yield %1 }
 *     }
 *
 * becomes
 *
 *     %4: bool[] = lt %n, %limit
 *     %3: bool[] = select %1, %4, %1
 */

import type { Builder } from "../ir/builder.ts";
import { at } from "../ir/expect.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type Rewriter } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { findCompute } from "./access.ts";
import { isExpensive } from "./cost.ts";
import { isPure } from "./effects.ts";
import type { Pass } from "./pass.ts";

/** Ops of one side; about what a launch costs more than it. */
const mostOps = 16;

export const flattenBranches: Pass = {
  name: "flatten-branches",
  run: (module) => mapModule(module, (func) =>
    rewriteFunction(func, (b, op, operands, rewriter) => {
      const [condition] = operands;
      return op.name === "if" && condition?.type.kind === "tensor" && op.regions.every(isSmall) ? flatten(b, op, condition, rewriter) : undefined;
    }, functionsOf(module))),
};

function flatten(b: Builder, op: Op, condition: Value, rewriter: Rewriter): readonly Value[] {
  const [then, otherwise] = op.regions.map((region) => rewriter.inline(region, []));
  return op.results.map((result, i) => {
    const [left, right] = [at(then ?? [], i), at(otherwise ?? [], i)];
    const { shape } = tensorTypeOf(result);
    return left === right ? left : b.select(shape.length === 0 ? condition : b.broadcast(condition, { shape, axes: [] }), left, right);
  });
}

function isSmall({ ops }: Region): boolean {
  return ops.length <= mostOps && ops.every((op) =>
    op.name === "constant" || (isPure(op) && findCompute(op)?.form === "map" && !isExpensive(op) && op.results.every((result) => tensorTypeOf(result).shape.length === 0)));
}
