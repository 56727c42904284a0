/**
 * Expand loops: a tensor-level `for` becomes a `while` that carries its counter.
 *
 * A Program has one kind of loop. The counter is a tensor of rank 0 like any other carry, so that its comparison and
 * increment are kernels, and nothing waits for the host.
 */

import type { Builder } from "../ir/builder.ts";
import type { Op, Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type Rewriter } from "../ir/rewrite.ts";
import type { Pass } from "./pass.ts";

export const expandLoops: Pass = {
  name: "expand-loops",
  run: (module) => mapModule(module, (func) =>
    rewriteFunction(func, (b, op, operands, rewriter) => {
      const [start] = operands;
      return op.name === "for" && start?.type.kind === "tensor" ? expand(b, op, operands, rewriter) : undefined;
    }, functionsOf(module))),
};

function expand(b: Builder, op: Op, [start, stop, step, ...initial]: readonly Value[], rewriter: Rewriter): readonly Value[] {
  const [body] = op.regions;
  if (start === undefined || stop === undefined || step === undefined || body === undefined) throw new Error("a for has bounds and a body");
  const carries = [start, ...initial];
  const types = carries.map(({ type }) => type);
  const condition = b.region(types, ([counter = start]) => [b.lt(counter, stop)]);
  const next = b.region(types, (values) => [b.add(values[0] ?? start, step), ...rewriter.inline(body, values)]);
  return b.while(carries, {}, [condition, next]).slice(1);
}
