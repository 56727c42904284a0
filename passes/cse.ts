/**
 * cse: an op that computes what an op before it already has is replaced by that op's results.
 *
 * Needs: any module. Ensures: no two pure ops of equal name, attrs and operands, one of which dominates the other.
 * What dominates an op is what stands before it in its region or before the op that holds its region, so one table of
 * seen ops per region, with the outer region's behind it, is all that is needed.
 *
 *     %1 = exp %x                 %1 = exp %x
 *     %2 = exp %x          ->     %3 = add %1, %1
 *     %3 = add %1, %2
 */

import type { Op, Value } from "../ir/module.ts";
import { printAttrs } from "../ir/print.ts";
import { type RewriteRule, functionsOf, mapModule, rewriteFunction } from "../ir/rewrite.ts";
import { isCommutative, isPure } from "./effects.ts";
import type { Pass } from "./pass.ts";

export const cse: Pass = {
  name: "cse",
  run: (module) => mapModule(module, (func) => rewriteFunction(func, shareEqualOps(), functionsOf(module))),
};

function shareEqualOps(): RewriteRule {
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    const number = numbers.get(value) ?? numbers.size;
    numbers.set(value, number);
    return number;
  };
  let seen = new Scope(undefined);

  return (b, op, operands, rewriter) => {
    if (isPure(op)) {
      const key = keyOf(op, operands.map(numberOf));
      const earlier = seen.find(key);
      if (earlier !== undefined) return earlier;
      const results = b.copy(op, operands);
      seen.add(key, results);
      return results;
    }
    const outer = seen;
    const regions = op.regions.map((region) => {
      // The body of a group sees nothing but its parameters, so what stands outside cannot replace anything inside.
      seen = new Scope(op.name === "group" ? undefined : outer);
      const rewritten = rewriter.region(region);
      seen = outer;
      return rewritten;
    });
    return b.copy(op, operands, regions);
  };
}

/** The ops seen in a region so far, then those of the regions around it. */
class Scope {
  readonly #outer: Scope | undefined;
  readonly #results = new Map<string, readonly Value[]>();
  constructor(outer: Scope | undefined) {
    this.#outer = outer;
  }
  find(key: string): readonly Value[] | undefined {
    return this.#results.get(key) ?? this.#outer?.find(key);
  }
  add(key: string, results: readonly Value[]): void {
    this.#results.set(key, results);
  }
}

function keyOf(op: Op, operands: readonly number[]): string {
  const ordered = isCommutative(op) ? operands.toSorted((left, right) => left - right) : operands;
  return `${op.name}(${ordered.join(",")})${printAttrs(op.attrs)}`;
}
