/**
 * The linear form of an index: a sum of other values, each times a number, and a number.
 *
 *     ((i * 4) + j) + 3      is      4 i + j + 3
 *
 * Two indices of which only the last number differs are that far apart, whatever the values are. Index arithmetic does
 * not wrap, so sums may be taken apart and put together in any order.
 */

import type { Dim } from "../ir/dim.ts";
import type { Op, Value } from "../ir/module.ts";

export interface LinearIndex {
  /** The factor of each value, never 0. The values are no sums, and no products by a number. */
  readonly terms: ReadonlyMap<Value, number>;
  readonly constant: number;
}

/** The op that makes a value; undefined for parameters of regions. */
export type DefinitionOf = (value: Value) => Op | undefined;

/** The linear forms of a function's indices, each found once. */
export class LinearIndices {
  readonly #definitionOf: DefinitionOf;
  readonly #known = new Map<Value, LinearIndex>();

  constructor(definitionOf: DefinitionOf) {
    this.#definitionOf = definitionOf;
  }

  of(index: Value): LinearIndex {
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    const found = this.#find(index);
    this.#known.set(index, found);
    return found;
  }

  #find(index: Value): LinearIndex {
    const op = this.#definitionOf(index);
    const number = op === undefined ? undefined : numberOf(op);
    if (number !== undefined) return { terms: new Map(), constant: number };
    const [left, right] = op?.operands ?? [];
    if (op !== undefined && left !== undefined && right !== undefined) {
      if (op.name === "add") return sum(this.of(left), this.of(right), 1);
      if (op.name === "sub") return sum(this.of(left), this.of(right), -1);
      if (op.name === "mul") {
        const [first, second] = [this.of(left), this.of(right)];
        if (first.terms.size === 0) return scaled(second, first.constant);
        if (second.terms.size === 0) return scaled(first, second.constant);
      }
    }
    return { terms: new Map([[index, 1]]), constant: 0 };
  }
}

function numberOf({ name, attrs }: Op): number | undefined {
  const number = name === "constant" ? attrs["value"] : name === "dim" ? attrs["size"] as Dim : undefined;
  return typeof number === "number" ? number : undefined;
}

function sum(left: LinearIndex, right: LinearIndex, sign: 1 | -1): LinearIndex {
  const terms = new Map(left.terms);
  for (const [value, factor] of right.terms) {
    const total = (terms.get(value) ?? 0) + sign * factor;
    if (total === 0) terms.delete(value);
    else terms.set(value, total);
  }
  return { terms, constant: left.constant + sign * right.constant };
}

function scaled({ terms, constant }: LinearIndex, factor: number): LinearIndex {
  if (factor === 0) return { terms: new Map(), constant: 0 };
  return { terms: new Map([...terms].map(([value, own]) => [value, own * factor])), constant: constant * factor };
}
