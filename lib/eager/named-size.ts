/**
 * The size of a named axis while a function is traced: it stands in `x.shape` where a number would be.
 *
 * It may be passed to ops, which take it as the frontend's ops take the size of a named dim. JavaScript's own operators
 * need a number, and there is none that is right for every size: they throw. What JavaScript cannot be kept from, to
 * compare it by === or to ask whether it is 0, is found out by replay.ts.
 */

import { ArgumentError } from "tsdlc-runtime";
import type { TracedBy } from "tsdlc-runtime/library";
import { addDims, type Dim, type DimExpression, mulDims, printDim } from "../../ir/dim.ts";

export class NamedSize {
  readonly dim: DimExpression;
  readonly by: TracedBy;

  constructor(dim: DimExpression, by: TracedBy) {
    this.dim = dim;
    this.by = by;
  }

  /** Text names it, as in messages. */
  [Symbol.toPrimitive](hint: string): string {
    const text = printDim(this.dim);
    if (hint === "string") return text;
    throw new ArgumentError(
      `the size ${text} is no number while ${this.by.name} is traced, since one compilation serves every size: ` +
        `pass it to ops as it is, as in x.reshape([n, -1]), zeros([n, 3]) or x.div(n), let an op work it out (-1 in reshape; mean, softmax and others take an axis), or leave the axis without a name in dims`,
    );
  }

  toString(): string {
    return printDim(this.dim);
  }

  toJSON(): string {
    return printDim(this.dim);
  }

  /** What console.log shows of a shape. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return printDim(this.dim);
  }
}

/** What a size is to the compiler. */
export function dimOf(size: number | NamedSize): Dim {
  return size instanceof NamedSize ? size.dim : size;
}

/** One object for each dim of a trace, so that equal sizes are equal by === too. */
const known = new WeakMap<TracedBy, Map<string, NamedSize>>();

/** What stands in a shape for a dim. Types say number, as they do of the shape of any tensor. */
export function sizeOf(dim: Dim, by: TracedBy): number {
  if (typeof dim === "number") return dim;
  const ofTrace = known.get(by) ?? new Map<string, NamedSize>();
  known.set(by, ofTrace);
  const size = ofTrace.get(dim.key) ?? new NamedSize(dim, by);
  ofTrace.set(dim.key, size);
  return size as unknown as number;
}

/** left * right and left + right, of which one is a named size; composites call them where plain numbers will not do. */
export function multiplySizes(left: number, right: number): number {
  return sizeOf(mulDims(dimOf(left), dimOf(right)), byOf(left, right));
}

export function addSizes(left: number, right: number): number {
  return sizeOf(addDims(dimOf(left), dimOf(right)), byOf(left, right));
}

function byOf(...sizes: readonly unknown[]): TracedBy {
  const named = sizes.find((size) => size instanceof NamedSize);
  if (named instanceof NamedSize) return named.by;
  throw new ArgumentError(`a size must be a number, and it is ${sizes.map(String).join(" or ")}`);
}
