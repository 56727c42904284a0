/**
 * Identities of index arithmetic in kernels, by what is known about ranges.
 *
 * Indices do not wrap, and the counter of a loop from 0 lies below its extent. Where a value is known not to be
 * negative, `bound` is what it lies below: a dim, so that symbolic sizes work as literal ones do. Reshapes that meet
 * in one kernel leave (i * N + j) / N and its like behind; here it becomes i again. A size that is divided by is taken
 * not to be 0: an index along an axis of no elements is never computed.
 */

import { addDims, type Dim, floorDivDims, modDims, mulDims, sameDim, subDims } from "../../ir/dim.ts";
import type { Op, Value } from "../../ir/module.ts";
import { type Candidate, constantValue, type Identities, madeBy, operand, type Simplifier } from "./identity.ts";

export const indexIdentities: Identities = {
  div: [
    // i / c = 0 for i below c
    (op, s) => (isIndex(op) && isBelow(boundOf(s, operand(op, 0)), sizeOf(s, operand(op, 1))) ? s.constant(op.type, 0) : undefined),
    // (i * (d c)) / c = i * d
    (op, s) => {
      const scaled = scaledBy(op, s, operand(op, 0));
      return scaled === undefined ? undefined : s.make("mul", [scaled.index, s.make("dim", [], { size: scaled.quotient })]);
    },
    // (i * (d c) + j) / c = i * d + j / c, for i and j that are not negative
    (op, s) => {
      const split = splitMultiple(op, s);
      if (split === undefined) return undefined;
      const whole = s.make("mul", [split.index, s.make("dim", [], { size: split.quotient })]);
      return s.make("add", [whole, s.make("div", [split.rest, operand(op, 1)])]);
    },
  ],
  rem: [
    // i % c = i for i below c
    (op, s) => (isIndex(op) && isBelow(boundOf(s, operand(op, 0)), sizeOf(s, operand(op, 1))) ? operand(op, 0) : undefined),
    // (i * (d c)) % c = 0
    (op, s) => (scaledBy(op, s, operand(op, 0)) === undefined ? undefined : s.constant(op.type, 0)),
    // (i * (d c) + j) % c = j % c, for i and j that are not negative
    (op, s) => {
      const split = splitMultiple(op, s);
      return split === undefined ? undefined : s.make("rem", [split.rest, operand(op, 1)]);
    },
  ],
  add: [
    // (i / c) * c + i % c = i
    (op, s) => rejoined(op, s, 0) ?? rejoined(op, s, 1),
  ],
};

/** The bounds of a region's parameters, which are counters of the op that the region belongs to. */
export function counterBounds(op: Op, operands: readonly Value[], region: number, s: Simplifier): readonly (Dim | undefined)[] {
  const dims = (name: string): readonly Dim[] => op.attrs[name] as readonly Dim[];
  const dim = (name: string): Dim => op.attrs[name] as Dim;
  switch (op.name) {
    case "parallel": return dims("extents");
    case "reduce": return region === 0 ? dims("extents") : [];
    case "scan": return region === 1 ? [] : [dim("extent")];
    case "contract": return [...dims("batch"), ...([["m", "k"], ["k", "n"], ["m", "n"]][region] ?? []).map(dim)];
    case "for": {
      const [start, stop] = operands;
      return start === undefined || stop === undefined || boundOf(s, start) === undefined ? [] : [limitOf(s, stop)];
    }
    default: return [];
  }
}

/** A dim that a value is: a constant or a size. */
function sizeOf(s: Simplifier, value: Value): Dim | undefined {
  const held = constantValue(s, value);
  if (typeof held === "number") return held;
  return madeBy(s, value, "dim")?.attrs["size"] as Dim | undefined;
}

/** A dim that a value does not exceed, though it may be negative. */
function limitOf(s: Simplifier, value: Value): Dim | undefined {
  const size = sizeOf(s, value);
  const made = s.definition(value);
  if (size !== undefined || made === undefined) return size;
  const limits = made.operands.map((part) => limitOf(s, part));
  if (made.name === "min") return limits.find((limit) => limit !== undefined);
  return made.name === "sub" && boundOf(s, operand(made, 1)) !== undefined ? limits[0] : undefined;
}

/** A dim that a value is below and that says that it is not negative; undefined if either is not known. */
function boundOf(s: Simplifier, value: Value): Dim | undefined {
  const known = s.bound(value);
  if (known !== undefined || value.type.kind !== "scalar" || value.type.dtype !== "index" || value.type.lanes !== 1) return known;
  const size = sizeOf(s, value);
  if (size !== undefined) return typeof size === "number" && size < 0 ? undefined : addDims(size, 1);
  const made = s.definition(value);
  const [left, right] = made?.operands ?? [];
  if (made === undefined || left === undefined || right === undefined) return undefined;
  const [leftBound, rightBound] = [boundOf(s, left), boundOf(s, right)];
  if (leftBound === undefined || rightBound === undefined) return undefined;
  const divisor = sizeOf(s, right);
  switch (made.name) {
    case "add": return subDims(addDims(leftBound, rightBound), 1);
    case "mul": return addDims(mulDims(subDims(leftBound, 1), subDims(rightBound, 1)), 1);
    case "min": return leftBound;
    case "rem": return divisor;
    case "div": return divisor === undefined || divisor === 0 ? undefined : addDims(floorDivDims(subDims(leftBound, 1), divisor), 1);
    default: return undefined;
  }
}

/** Whether a value with this bound is below a size, for all sizes of the named dims. */
function isBelow(bound: Dim | undefined, size: Dim | undefined): boolean {
  if (bound === undefined || size === undefined) return false;
  const room = subDims(size, bound);
  return typeof room === "number" && room >= 0;
}

interface Multiple {
  readonly index: Value;
  /** The factor of the index, divided by the divisor. */
  readonly quotient: Dim;
}

/** A product of an index and a multiple of the divisor of `op`. */
function scaledBy(op: Candidate, s: Simplifier, value: Value): Multiple | undefined {
  const product = isIndex(op) ? madeBy(s, value, "mul") : undefined;
  const divisor = sizeOf(s, operand(op, 1));
  if (product === undefined || divisor === undefined || divisor === 0) return undefined;
  for (const position of [0, 1]) {
    const factor = sizeOf(s, operand(product, position));
    if (factor === undefined || !sameDim(modDims(factor, divisor), 0)) continue;
    return { index: operand(product, 1 - position), quotient: floorDivDims(factor, divisor) };
  }
  return undefined;
}

/** A sum, none of whose parts is negative and one of whose parts is a multiple of the divisor of `op`. */
function splitMultiple(op: Candidate, s: Simplifier): (Multiple & { readonly rest: Value }) | undefined {
  const sum = isIndex(op) ? madeBy(s, operand(op, 0), "add") : undefined;
  if (sum === undefined || sum.operands.some((part) => boundOf(s, part) === undefined)) return undefined;
  for (const position of [0, 1]) {
    const multiple = scaledBy(op, s, operand(sum, position));
    if (multiple !== undefined) return { ...multiple, rest: operand(sum, 1 - position) };
  }
  return undefined;
}

function rejoined(op: Candidate, s: Simplifier, position: 0 | 1): Value | undefined {
  const rest = isIndex(op) ? madeBy(s, operand(op, 1 - position), "rem") : undefined;
  const product = madeBy(s, operand(op, position), "mul");
  if (rest === undefined || product === undefined) return undefined;
  const divisor = sizeOf(s, operand(rest, 1));
  for (const factor of [0, 1]) {
    const quotient = madeBy(s, operand(product, 1 - factor), "div");
    if (quotient === undefined || operand(quotient, 0) !== operand(rest, 0)) continue;
    const sizes = [sizeOf(s, operand(product, factor)), sizeOf(s, operand(quotient, 1))];
    if (divisor !== undefined && sizes.every((size) => size !== undefined && sameDim(size, divisor))) return operand(rest, 0);
  }
  return undefined;
}

function isIndex(op: Candidate): boolean {
  return op.type.kind === "scalar" && op.type.dtype === "index" && op.type.lanes === 1;
}
