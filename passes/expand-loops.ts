/**
 * Expand loops: a tensor-level `for` becomes a `while` that carries its counter; one that is reversed carries how many of
 * its turns are left.
 *
 * A Program has one kind of loop. The counter is a tensor of rank 0 like any other carry, so that its comparison and
 * increment are kernels, and nothing waits for the host.
 */

import type { Builder } from "../ir/builder.ts";
import { at } from "../ir/expect.ts";
import type { Op, Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type Rewriter } from "../ir/rewrite.ts";
import type { Pass } from "./pass.ts";
import { turnsOf } from "./turns.ts";

export const expandLoops: Pass = {
  name: "expand-loops",
  run: (module) => mapModule(module, (func) =>
    rewriteFunction(func, (b, op, operands, rewriter) => {
      const [start] = operands;
      if (op.name !== "for" || start?.type.kind !== "tensor") return undefined;
      return op.attrs["reverse"] === true ? expandReversed(b, op, operands, rewriter) : expand(b, op, operands, rewriter);
    }, functionsOf(module))),
};

function expand(b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const { start, stop, step, initial } = partsOf(operands);
  return loop(b, [start, ...initial], (counter) => b.lt(counter, stop), (counter, values) => [
    b.add(counter, step),
    ...rewriter.inline(at(op.regions, 0), [counter, ...values]),
  ]);
}

function expandReversed(b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const { start, stop, step, initial } = partsOf(operands);
  return loop(b, [turnsOf(b, start, stop, step), ...initial], (left) => b.gt(left, 0), (left, values) => {
    const turn = b.sub(left, 1);
    return [turn, ...rewriter.inline(at(op.regions, 0), [b.add(start, b.mul(turn, step)), ...values])];
  });
}

/** A `while` on its first carry, which is no result. */
function loop(b: Builder, carries: readonly Value[], test: (first: Value) => Value, next: (first: Value, others: readonly Value[]) => readonly Value[]): readonly Value[] {
  const types = carries.map(({ type }) => type);
  const condition = b.region(types, (values) => [test(at(values, 0))]);
  return b.while(carries, {}, [condition, b.region(types, (values) => next(at(values, 0), values.slice(1)))]).slice(1);
}

function partsOf(operands: readonly Value[]): { readonly start: Value; readonly stop: Value; readonly step: Value; readonly initial: readonly Value[] } {
  return { start: at(operands, 0), stop: at(operands, 1), step: at(operands, 2), initial: operands.slice(3) };
}
