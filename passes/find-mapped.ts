/**
 * Which values of a region differ from example to example, when some of its parameters do.
 *
 * Whatever is computed from a mapped value is mapped. Through control flow: the results of an `if` are mapped where its
 * condition or what a branch yields is; a carry of a loop where its start or what the body yields is, which is found by
 * going through the body until nothing changes. A loop that ends at different times for different examples is
 * *staggered*: all that it carries is mapped, but for what it only passes through. A stack is mapped if anything mapped is
 * pushed on it anywhere, and then whatever is popped from it.
 */

import { at } from "../ir/expect.ts";
import type { Op, Region, Value } from "../ir/module.ts";

export function findMapped(region: Region, parameters: readonly Value[]): ReadonlySet<Value> {
  const mapped = new Set<Value>(parameters);
  // More than once, for a stack that turns out to be mapped after it was popped.
  for (let before = -1; before !== mapped.size; ) {
    before = mapped.size;
    goThrough(region, mapped);
  }
  return mapped;
}

/** Whether examples may leave a loop at different times. */
export function isStaggered(op: Op, mapped: ReadonlySet<Value>): boolean {
  return loopOf(op).decidedBy.some((value) => mapped.has(value));
}

function goThrough(region: Region, mapped: Set<Value>): void {
  for (const op of region.ops) {
    switch (op.name) {
      case "if": goThroughBranches(op, mapped); break;
      case "for":
      case "while": goThroughLoop(op, mapped); break;
      case "push": if (mapped.has(at(op.operands, 1))) mapped.add(at(op.operands, 0)); break;
      default:
        if (op.regions.length > 0) throw new Error(`${op.name} has regions, and nothing says what of it is mapped`);
        if (op.operands.some((operand) => mapped.has(operand))) addAll(mapped, op.results);
    }
  }
}

function goThroughBranches({ operands, regions, results }: Op, mapped: Set<Value>): void {
  for (const region of regions) goThrough(region, mapped);
  const isDecided = mapped.has(at(operands, 0));
  addAll(mapped, results.filter((_, i) => isDecided || regions.some(({ yields }) => mapped.has(at(yields, i)))));
}

interface Loop {
  readonly carries: readonly Value[];
  readonly body: Region;
  /** The parameters that stand for each carry, in each region. */
  readonly parameters: readonly (readonly Value[])[];
  /** The values that say how often the body runs. */
  readonly decidedBy: readonly Value[];
}

function loopOf({ name, operands, regions }: Op): Loop {
  if (name === "for") {
    const body = at(regions, 0);
    return { carries: operands.slice(3), body, parameters: [body.parameters.slice(1)], decidedBy: operands.slice(0, 3) };
  }
  const [condition, body] = [at(regions, 0), at(regions, 1)];
  return { carries: operands, body, parameters: [body.parameters, condition.parameters], decidedBy: [at(condition.yields, 0)] };
}

function goThroughLoop(op: Op, mapped: Set<Value>): void {
  const { carries, body, parameters } = loopOf(op);
  for (let before = -1; before !== mapped.size; ) {
    before = mapped.size;
    const staggered = isStaggered(op, mapped);
    if (staggered && op.name === "for") mapped.add(at(body.parameters, 0));
    carries.forEach((carry, i) => {
      const [parameter, yielded] = [at(at(parameters, 0), i), at(body.yields, i)];
      if (mapped.has(carry) || mapped.has(yielded) || (staggered && yielded !== parameter)) addAll(mapped, [...parameters.map((list) => at(list, i)), at(op.results, i)]);
    });
    for (const region of op.regions) goThrough(region, mapped);
  }
}

function addAll(mapped: Set<Value>, values: readonly Value[]): void {
  for (const value of values) mapped.add(value);
}
