/**
 * Expand loops: a tensor-level `for` becomes a `while` that carries its counter; one that is reversed carries how many of
 * its turns are left. Where it is known how many turns there are, and they are not too many, it becomes a `repeat`, for
 * which nobody has to look at a condition.
 *
 * The counter is a tensor of rank 0 like any other carry, so that its comparison and increment are kernels, and nothing
 * waits for the host.
 */

import type { Builder } from "../ir/builder.ts";
import { at } from "../ir/expect.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { functionsOf, mapModule, rewriteFunction, type Rewriter, useCounts } from "../ir/rewrite.ts";
import type { Pass } from "./pass.ts";
import { turnsOf } from "./turns.ts";

export const expandLoops: Pass = {
  name: "expand-loops",
  run: (module) => mapModule(module, (func) => {
    const numbers = new Map<Value, number>();
    return rewriteFunction(func, (b, op, operands, rewriter) => {
      const [start] = operands;
      if (op.name === "constant" && typeof op.attrs["value"] === "number") return noted(numbers, b.copy(op, operands), op.attrs["value"]);
      if (op.name !== "for" || start?.type.kind !== "tensor") return undefined;
      const bounds = operands.slice(0, 3).map((bound) => numbers.get(bound));
      return repeated(b, op, operands, bounds, rewriter) ?? (op.attrs["reverse"] === true ? expandReversed(b, op, operands, rewriter) : expand(b, op, operands, rewriter));
    }, functionsOf(module));
  }),
};

function noted(numbers: Map<Value, number>, results: readonly Value[], value: number): readonly Value[] {
  for (const result of results) numbers.set(result, value);
  return results;
}

/** Of the loops in a region that are repeated, one in the other. */
function turnsIn({ ops }: Region): number {
  return Math.max(1, ...ops.map((op) => (op.name === "repeat" ? Number(op.attrs["turns"]) : 1) * Math.max(1, ...op.regions.map(turnsIn))));
}

/** The plan of a call has the steps of every turn. */
const mostTurns = 4096;

/** As a `repeat`; undefined where the bounds are not known. */
function repeated(b: Builder, op: Op, operands: readonly Value[], [first, end, by]: readonly (number | undefined)[], rewriter: Rewriter): readonly Value[] | undefined {
  if (first === undefined || end === undefined || by === undefined || !(by > 0)) return undefined;
  const turns = Math.max(0, Math.ceil((end - first) / by));
  if (!(turns <= mostTurns)) return undefined;
  const { start, step, initial } = partsOf(operands);
  const body = at(op.regions, 0);
  const isReversed = op.attrs["reverse"] === true;
  const isCounted = (useCounts(body).get(at(body.parameters, 0)) ?? 0) > 0;
  const counter = isReversed ? b.add(start, b.mul(step, turns - 1)) : start;
  const carries = isCounted ? [counter, ...initial] : initial;
  const region = b.region(carries.map(({ type }) => type), (values) => {
    if (!isCounted) return rewriter.inline(body, [counter, ...values]);
    const now = at(values, 0);
    return [isReversed ? b.sub(now, step) : b.add(now, step), ...rewriter.inline(body, values)];
  });
  return turns * turnsIn(region) > mostTurns ? undefined : b.repeat(carries, { turns }, [region]).slice(isCounted ? 1 : 0);
}

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
