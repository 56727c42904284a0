/**
 * Two runs of one function held against each other, op after op: eager, each op by itself on what the ops before it gave;
 * and compiled, where each value comes from a kernel. Besides, each op runs on the operands that the compiled run had:
 * what differs then, this op does otherwise, and no op before it.
 */

import type { Device } from "tsdlc-runtime";
import { at } from "../../ir/expect.ts";
import type { Op, Value } from "../../ir/module.ts";
import { type Numbers, runUnit, type Sizes } from "./op-by-op.ts";
import { ulpsApart } from "./ulp.ts";
import type { Unit, Watched } from "./watched.ts";

/** The element that differs most. */
export interface Distance {
  readonly ulps: number;
  /** In ulps of the sum of the magnitudes that a sum adds up. */
  readonly isOfTerms?: true;
  readonly index: readonly number[];
  readonly eager: number;
  readonly compiled: number;
}

/** A value of the program in both runs. */
export interface Step {
  readonly op: Op;
  readonly value: Value;
  readonly shape: readonly number[];
  /** Compiled against the op by itself on the same operands, in ulps of each element; of a sum, in ulps of the sum of magnitudes where that is more. */
  readonly own: Distance;
  /** The two runs against each other, in ulps of the largest element, so that what cancels does not count as lost. */
  readonly total: Distance;
  /** The largest such distance among the operands. */
  readonly operands: number;
}

export interface Comparison {
  readonly steps: readonly Step[];
  /** Of the eager run, in the order of the function's results. */
  readonly results: readonly Numbers[];
}

/** Ops that add up what they are given: their rounding is that of the terms, which may be larger than what is left. */
const sums = new Set(["reduce_sum", "dot_general", "cumsum", "scatter_add"]);

/** `compiled` are the watched values in order. */
export function compareSteps({ func, units, values }: Watched, inputs: readonly Numbers[], compiled: readonly Numbers[], sizes: Sizes, on: Device, tolerance: number): Comparison {
  const eager = new Map<Value, Numbers>(func.body.parameters.map((parameter, i) => [parameter, at(inputs, i)]));
  const watched = new Map<Value, Numbers>(func.body.parameters.map((parameter, i) => [parameter, at(inputs, i)]));
  const totals = new Map<Value, number>();
  values.forEach((value, i) => watched.set(value, at(compiled, i)));
  const steps: Step[] = [];
  for (const unit of units) {
    if (unit.outputs.length === 0) continue;
    const ours = unit.inputs.map((value) => known(eager, value));
    const theirs = unit.inputs.map((value) => known(watched, value));
    const chained = runUnit(unit, ours, sizes, on);
    const isSame = ours.every((one, i) => hasEqualElements(one, at(theirs, i)));
    const alone = isSame ? chained : runUnit(unit, theirs, sizes, on);
    const operands = Math.max(0, ...unit.inputs.map((value) => totals.get(value) ?? 0));
    unit.outputs.forEach((value, i) => {
      const [mine, own] = [at(chained, i), at(alone, i)];
      eager.set(value, mine);
      const other = watched.get(value);
      if (other === undefined) return watched.set(value, mine);
      const total = farthest(mine, other, largestOf(mine));
      totals.set(value, total.ulps);
      const op = unit.ops.find(({ results }) => results.includes(value)) ?? at(unit.ops, 0);
      steps.push({ op, value, shape: other.shape, own: ownDistance(unit, op, i, own, other, theirs, sizes, on, tolerance), total, operands });
    });
  }
  return { steps, results: func.body.yields.map((value) => known(eager, value)) };
}

/** The larger scale is asked for where it matters: it takes one more run. */
function ownDistance(unit: Unit, op: Op, position: number, own: Numbers, other: Numbers, operands: readonly Numbers[], sizes: Sizes, on: Device, tolerance: number): Distance {
  const plain = farthest(own, other);
  if (plain.ulps <= tolerance || !sums.has(op.name) || unit.ops.length > 1) return plain;
  const magnitudes = operands.map((one) => ({ ...one, elements: one.elements.map(Math.abs) }));
  return { ...farthest(own, other, at(runUnit(unit, magnitudes, sizes, on), position).elements), isOfTerms: true };
}

/** In ulps of each element, or of the scale, one for all or one for each, where that is larger. */
export function farthest(eager: Numbers, compiled: Numbers, scale: number | Float64Array = 0): Distance {
  let [ulps, position] = [-1, 0];
  // Of two dtypes, numbers of a tier without f64, the coarser one.
  const { dtype } = compiled;
  for (let i = 0; i < eager.elements.length; i++) {
    const distance = ulpsApart(dtype, eager.elements[i] ?? NaN, compiled.elements[i] ?? NaN, typeof scale === "number" ? scale : scale[i]);
    if (distance > ulps) [ulps, position] = [distance, i];
  }
  return { ulps: Math.max(ulps, 0), index: indexOf(position, eager.shape), eager: eager.elements[position] ?? 0, compiled: compiled.elements[position] ?? 0 };
}

export function largestOf({ elements }: Numbers): number {
  let largest = 0;
  for (const element of elements) if (Number.isFinite(element)) largest = Math.max(largest, Math.abs(element));
  return largest;
}

function indexOf(position: number, shape: readonly number[]): readonly number[] {
  const index: number[] = [];
  let rest = position;
  for (const size of shape.toReversed()) {
    index.unshift(size === 0 ? 0 : rest % size);
    rest = size === 0 ? 0 : Math.floor(rest / size);
  }
  return index;
}

function hasEqualElements(one: Numbers, other: Numbers): boolean {
  return one === other || one.elements.every((element, i) => Object.is(element, other.elements[i]));
}

function known(values: ReadonlyMap<Value, Numbers>, value: Value): Numbers {
  const found = values.get(value);
  if (found === undefined) throw new Error("a value is used before it is there");
  return found;
}
