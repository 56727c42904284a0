/**
 * Identities of reductions and contractions.
 *
 * Sums have no order of their own (the schedule folds in any), so identities here may regroup a sum: it is equal up
 * to the rounding that the op leaves open anyway. Maxima, minima and everything else stay exact.
 */

import type { Dim } from "../../ir/dim.ts";
import { roundTo } from "../../ir/host.ts";
import type { Attrs, Value } from "../../ir/module.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { type Candidate, type Identities, type Identity, madeBy, numbersOf, operand, type Simplifier, splatValue } from "./identity.ts";
import { shapeOf } from "./shape.ts";

export const contractIdentities: Identities = {
  reduce_sum: [...reductionIdentities("reduce_sum"), sumOfBroadcast, sumOfSplat],
  reduce_prod: reductionIdentities("reduce_prod"),
  reduce_max: [...reductionIdentities("reduce_max"), extremeOfBroadcast],
  reduce_min: [...reductionIdentities("reduce_min"), extremeOfBroadcast],
  dot_general: [absorbTranspose(0), absorbTranspose(1)],
  transpose: [exchangeOperands],
};

function reductionIdentities(name: string): readonly Identity[] {
  return [
    // a reduction over axes of size 1 (or over none) is a reshape
    (op, s) => {
      const shape = shapeOf(operand(op, 0));
      const isTrivial = numbersOf(op.attrs, "axes").every((axis) => shape[axis] === 1);
      return isTrivial ? s.make("reshape", [operand(op, 0)], { shape: tensorTypeOf(op).shape }) : undefined;
    },
    // reduce(reduce(x)) = reduce(x) over the axes of both
    (op, s) => {
      const inner = madeBy(s, operand(op, 0), name);
      if (inner === undefined) return undefined;
      const innerAxes = numbersOf(inner.attrs, "axes");
      const kept = shapeOf(operand(inner, 0)).map((_, axis) => axis).filter((axis) => !innerAxes.includes(axis));
      const outerAxes = numbersOf(op.attrs, "axes").map((axis) => kept[axis] ?? 0);
      return s.make(name, [operand(inner, 0)], { axes: [...innerAxes, ...outerAxes].sort((left, right) => left - right) });
    },
  ];
}

/** The sum of n copies of x is n x: rounded once, where adding copies rounds at each. */
function sumOfBroadcast(op: Candidate, s: Simplifier): Value | undefined {
  const found = withoutBroadcastAxes(op, s);
  return found === undefined ? undefined : times(op, s, found.reduced, found.copies);
}

/** The sum of n equal constants is a constant. */
function sumOfSplat(op: Candidate, s: Simplifier): Value | undefined {
  const splat = splatValue(s, operand(op, 0));
  const count = literalProduct(numbersOf(op.attrs, "axes").map((axis) => shapeOf(operand(op, 0))[axis] ?? 0));
  return splat === undefined || count === undefined ? undefined : times(op, s, s.constant(op.type, splat), count);
}

/** x times a count, if the dtype holds the count exactly: 100,000 is infinity in f16. */
function times(op: Candidate, s: Simplifier, x: Value, count: number): Value | undefined {
  if (roundTo(tensorTypeOf(op).dtype, count) !== count) return undefined;
  return s.make("mul", [x, s.constant(op.type, count)]);
}

/** The largest of copies of x is x. */
function extremeOfBroadcast(op: Candidate, s: Simplifier): Value | undefined {
  return withoutBroadcastAxes(op, s)?.reduced;
}

/** A reduction of a broadcast as one of its operand: the axes that only repeat are left out. */
function withoutBroadcastAxes(op: Candidate, s: Simplifier): { reduced: Value; copies: number } | undefined {
  const inner = madeBy(s, operand(op, 0), "broadcast");
  if (inner === undefined) return undefined;
  const reduced = numbersOf(op.attrs, "axes");
  const from = numbersOf(inner.attrs, "axes");
  const repeated = reduced.filter((axis) => !from.includes(axis));
  const copies = literalProduct(repeated.map((axis) => shapeOf(operand(op, 0))[axis] ?? 0));
  if (repeated.length === 0 || copies === undefined || copies === 0) return undefined;
  const axes = from.flatMap((axis, i) => (reduced.includes(axis) ? [i] : []));
  const partial = s.make(op.name, [operand(inner, 0)], { axes });
  // The axes that the broadcast added and the reduction leaves are added to the partial result.
  const remaining = shapeOf(operand(op, 0)).map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const kept = from.filter((axis) => !reduced.includes(axis)).map((axis) => remaining.indexOf(axis));
  return { reduced: s.make("broadcast", [partial], { shape: tensorTypeOf(op).shape, axes: kept }), copies };
}

function literalProduct(dims: readonly Dim[]): number | undefined {
  let product = 1;
  for (const dim of dims) {
    if (typeof dim !== "number") return undefined;
    product *= dim;
  }
  return product;
}

/** A transposed operand is read through other axis numbers, if its free axes keep their order in the result. */
function absorbTranspose(position: 0 | 1): Identity {
  const [batchName, reducedName] = position === 0 ? ["leftBatch", "leftReduced"] : ["rightBatch", "rightReduced"];
  return (op, s) => {
    const transposed = madeBy(s, operand(op, position), "transpose");
    if (transposed === undefined) return undefined;
    const permutation = numbersOf(transposed.attrs, "permutation");
    const source = (axis: number): number => permutation[axis] ?? 0;
    const [batch, reduced] = [numbersOf(op.attrs, batchName), numbersOf(op.attrs, reducedName)];
    const free = permutation.filter((_, axis) => !batch.includes(axis) && !reduced.includes(axis));
    if (!free.every((axis, i) => i === 0 || axis > (free[i - 1] ?? 0))) return undefined;
    const attrs = { ...op.attrs, [batchName]: batch.map(source), [reducedName]: reduced.map(source) };
    return s.make("dot_general", op.operands.with(position, operand(transposed, 0)), attrs);
  };
}

/** transpose(dot(x, y)) = dot(y, x) where the transpose exchanges all free axes of x with all of y. */
function exchangeOperands(op: Candidate, s: Simplifier): Value | undefined {
  const product = madeBy(s, operand(op, 0), "dot_general");
  if (product === undefined) return undefined;
  const attrs = product.attrs as DotAttrs;
  const rank = shapeOf(operand(op, 0)).length;
  const batch = attrs.leftBatch.length;
  const endOfLeft = shapeOf(operand(product, 0)).length - attrs.leftReduced.length;
  const exchanged = [...range(0, batch), ...range(endOfLeft, rank), ...range(batch, endOfLeft)];
  if (numbersOf(op.attrs, "permutation").join() !== exchanged.join()) return undefined;
  return s.make("dot_general", product.operands.toReversed(), {
    ...attrs,
    leftBatch: attrs.rightBatch,
    rightBatch: attrs.leftBatch,
    leftReduced: attrs.rightReduced,
    rightReduced: attrs.leftReduced,
  });
}

interface DotAttrs extends Attrs {
  readonly leftBatch: readonly number[];
  readonly rightBatch: readonly number[];
  readonly leftReduced: readonly number[];
  readonly rightReduced: readonly number[];
}

function range(start: number, end: number): readonly number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
