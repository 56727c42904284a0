/**
 * What divides an index, whatever the values are that it is made of: 4 divides i * 8 + 12, and the counter of a loop from
 * 0 in steps of 4.
 *
 * The answer is a number that surely divides, not always the greatest; 0 where the index is 0.
 */

import { type Dim, divisorOfDim, greatestCommonDivisor } from "../ir/dim.ts";
import { type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import { definitions } from "../ir/rewrite.ts";
import { LinearIndices } from "./linear-index.ts";

/** Products stop growing here, far from where numbers are no longer exact. */
const most = 2 ** 32;

export class IndexDivisors {
  readonly linear: LinearIndices;
  readonly #definitions: ReadonlyMap<Value, Op>;
  /** The loop that counts with each counter. */
  readonly #loops = new Map<Value, Op>();
  readonly #known = new Map<Value, number>();

  /** Of the indices in a region and the regions inside it. */
  constructor(region: Region) {
    this.#definitions = definitions(region);
    this.linear = new LinearIndices((value) => this.#definitions.get(value));
    visitOps(region, (op) => {
      const counter = op.name === "for" ? op.regions[0]?.parameters[0] : undefined;
      if (counter !== undefined) this.#loops.set(counter, op);
    });
  }

  of(index: Value): number {
    const { terms, constant } = this.linear.of(index);
    return [...terms].reduce((divisor, [value, factor]) => greatestCommonDivisor(divisor, times(factor, this.#ofTerm(value))), Math.abs(constant));
  }

  #ofTerm(value: Value): number {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const found = this.#find(value);
    this.#known.set(value, found);
    return found;
  }

  #find(value: Value): number {
    const loop = this.#loops.get(value);
    if (loop !== undefined) {
      const [start, , step] = loop.operands;
      return start === undefined || step === undefined ? 1 : greatestCommonDivisor(this.of(start), this.of(step));
    }
    const op = this.#definitions.get(value);
    const [left, right] = op?.operands ?? [];
    if (op?.name === "dim") return divisorOfDim(op.attrs["size"] as Dim);
    if (op === undefined || left === undefined || right === undefined) return 1;
    switch (op.name) {
      case "mul": return times(this.of(left), this.of(right));
      case "min":
      case "max":
      // i % c is i less a multiple of c.
      case "rem": return greatestCommonDivisor(this.of(left), this.of(right));
      // Of an exact quotient.
      case "div": return this.#ofQuotient(left, right);
      case "select": return op.operands.slice(1).reduce((divisor, branch) => greatestCommonDivisor(divisor, this.of(branch)), 0);
      default: return 1;
    }
  }

  #ofQuotient(index: Value, by: Value): number {
    const { terms, constant } = this.linear.of(by);
    const divisor = this.of(index);
    return terms.size === 0 && constant > 0 && divisor % constant === 0 ? divisor / constant : 1;
  }
}

function times(left: number, right: number): number {
  const product = Math.abs(left * right);
  return product <= most ? product : Math.abs(left);
}
