/**
 * What an identity is: an op that is about to be made, answered by a value that is already there or cheaper to make.
 *
 * Identities see ops as candidates: name, operands, attrs and result type. They look through operands with
 * `definition` and make what they return with `make`, which applies identities in turn. Each must give the same bits
 * for every input, NaN, infinities and -0 included, unless its comment says what differs and why that is right.
 */

import type { Dim } from "../../ir/dim.ts";
import type { Attrs, Value } from "../../ir/module.ts";
import { isFloat, isInteger, type ScalarType, type TensorType, type Type } from "../../ir/type.ts";

export interface Candidate {
  readonly name: string;
  readonly operands: readonly Value[];
  readonly attrs: Attrs;
  readonly type: TensorType | ScalarType;
}

export interface Simplifier {
  /** The op that made a value; undefined for a parameter, and for results of ops with effects or regions. */
  definition(value: Value): Candidate | undefined;
  /** The result of an op, simplified. */
  make(name: string, operands: readonly Value[], attrs?: Attrs): Value;
  /** What a counter of a loop is below, where that is known; it is then not negative either. */
  bound(value: Value): Dim | undefined;
  constant(type: TensorType | ScalarType, value: number | readonly number[]): Value;
}

/** The value that the candidate's result equals, or undefined when the identity does not apply. */
export type Identity = (op: Candidate, s: Simplifier) => Value | undefined;

/** Identities by the text name of the op they apply to, tried in order. */
export type Identities = Readonly<Record<string, readonly Identity[]>>;

/** Operand `position` of a candidate. */
export function operand(op: Candidate, position: number): Value {
  const value = op.operands[position];
  if (value === undefined) throw new RangeError(`${op.name} has no operand ${position}`);
  return value;
}

/** The op named `name` that made a value, if one did. */
export function madeBy(s: Simplifier, value: Value, name: string): Candidate | undefined {
  const definition = s.definition(value);
  return definition?.name === name ? definition : undefined;
}

/** What a constant holds: one number for all elements, or each. */
export function constantValue(s: Simplifier, value: Value): number | readonly number[] | undefined {
  return madeBy(s, value, "constant")?.attrs["value"] as number | readonly number[] | undefined;
}

/** The number that every element of a constant is. */
export function splatValue(s: Simplifier, value: Value): number | undefined {
  const held = constantValue(s, value);
  if (typeof held === "number" || held === undefined) return held;
  const [first] = held;
  return held.every((element) => Object.is(element, first)) ? first : undefined;
}

export function hasFloats(type: Type): boolean {
  return isFloat(type.dtype);
}

export function hasIntegers(type: Type): boolean {
  return isInteger(type.dtype);
}

/** Numbers of an attr that is a list of axes, or of low, high, starts ... that are literal. */
export function numbersOf(attrs: Attrs, name: string): readonly number[] {
  return attrs[name] as readonly number[];
}
