/**
 * Joining values: what a variable holds after a branch that is decided at run time, when one side left one value in it and
 * the other side another. Trees of equal structure are joined leaf by leaf; what cannot be joined becomes a value that is
 * an error once it is read, since most such variables never are.
 */

import { alias, type Content, isVariable, type Location } from "./journal.ts";
import {
  CollectionValue, describe, DimQuotient, DimValue, isArray, isNumeric, isRuntimeLeaf, ObjectValue, RuntimeBoolean, type RuntimeLeaf, RuntimeNumber,
  type StaticValue, TensorValue, Unjoined,
} from "./value.ts";
import type { Value } from "../../ir/module.ts";
import { printType, sameType } from "../../ir/type.ts";

export interface Side {
  /** What its locations hold at its end, where that is not what they hold now. */
  readonly after: ReadonlyMap<Location, Content>;
  /** The IR values that were made in it. */
  readonly made: ReadonlySet<Value>;
}

/** A pair of leaves that differ and have one type; the two functions are what a value of either side is joined to. */
export interface Joins {
  tensor(left: TensorValue, right: TensorValue): StaticValue;
  number(left: Numeric, right: Numeric): StaticValue;
  boolean(left: boolean | RuntimeBoolean, right: boolean | RuntimeBoolean): StaticValue;
  /** Anything of the type of a leaf. */
  filler(leaf: RuntimeLeaf): StaticValue;
}

const otherOrder = new Unjoined("the sides of a branch set its keys in another order", true);
const absentInOne = new Unjoined("one side of a branch made it, and the other did not", true);

export type Numeric = number | RuntimeNumber | DimValue | DimQuotient;

export class Joiner {
  readonly #left: Side;
  readonly #right: Side;
  readonly #joins: Joins;
  /** Two objects are joined to one, however many names they have. */
  readonly #joined = new Map<StaticValue, Map<StaticValue, StaticValue>>();

  constructor(left: Side, right: Side, joins: Joins) {
    this.#left = left;
    this.#right = right;
    this.#joins = joins;
  }

  /** What all locations that either side wrote to hold afterwards. */
  locations(contentNow: (location: Location) => Content): readonly (readonly [Location, Content])[] {
    const touched = new Set([...this.#left.after.keys(), ...this.#right.after.keys()]);
    return [...touched].map((location) => {
      const [left, right] = [this.#left, this.#right].map((side) => side.after.get(location) ?? contentNow(location));
      if (left === undefined || right === undefined) throw new Error("a branch has two sides");
      const isReordered = location instanceof CollectionValue && isOtherOrder(left, right);
      return [location, isReordered ? new Map([...keysOf(left), ...keysOf(right)].map((key) => [key, otherOrder])) : this.#content(left, right)] as const;
    });
  }

  #content(left: Content, right: Content): Content {
    if (isVariable(left) && isVariable(right)) return { value: this.value(left.value, right.value), isInitialized: left.isInitialized && right.isInitialized };
    if (left instanceof Map && right instanceof Map) {
      const keys = new Set<string>([...left.keys(), ...right.keys()]);
      return new Map([...keys].map((key) => [key, left.has(key) && right.has(key) ? this.value(left.get(key) as StaticValue, right.get(key) as StaticValue) : absentInOne]));
    }
    const [first, second] = [left as readonly StaticValue[], right as readonly StaticValue[]];
    if (first.length === second.length) return first.map((item, i) => this.value(item, second[i]));
    const what = `an array has ${first.length} elements after one side of a branch and ${second.length} after the other`;
    return Array.from({ length: Math.max(first.length, second.length) }, () => new Unjoined(what, true));
  }

  value(left: StaticValue, right: StaticValue): StaticValue {
    if (Object.is(left, right)) return left;
    if (left instanceof Unjoined) return left;
    if (right instanceof Unjoined) return right;
    // What was declared in one side, nobody can name afterwards.
    if (isMadeIn(this.#right, left) || isMadeIn(this.#left, right)) return new Unjoined("it exists in one side of a branch alone");
    if (left instanceof TensorValue && right instanceof TensorValue) {
      if (left.value === right.value) return left;
      if (sameType(left.type, right.type)) return this.#joins.tensor(left, right);
      return new Unjoined(`it is ${printType(left.type)} after one side of a branch and ${printType(right.type)} after the other`);
    }
    if (isNumeric(left) && isNumeric(right)) return left instanceof RuntimeNumber && right instanceof RuntimeNumber && left.value === right.value ? left : this.#joins.number(left, right);
    if (isBoolean(left) && isBoolean(right)) return this.#joins.boolean(left, right);
    if (isArray(left) && isArray(right)) {
      const [first, second] = [this.#elements(this.#left, left), this.#elements(this.#right, right)];
      if (first.length === second.length) return this.#once(left, right, () => first.map((item, i) => this.value(item, second[i])));
    }
    if (left instanceof ObjectValue && right instanceof ObjectValue && left.isOneKindWith(right)) {
      const [first, second] = [this.#fields(this.#left, left), this.#fields(this.#right, right)];
      if (first.size === second.size && [...first.keys()].every((key) => second.has(key))) {
        return this.#once(left, right, () => left.like([...first].map(([key, item]) => [key, this.value(item, second.get(key))] as const)));
      }
    }
    return new Unjoined(`it is ${describe(left)} after one side of a branch and ${describe(right)} after the other`);
  }

  /** A value of the left side alone, as one that exists afterwards; what it is when the other side was taken, nobody may ask. */
  ofLeft(value: StaticValue): StaticValue {
    return this.#lift(this.#left, value, (filler) => this.value(value, filler));
  }

  ofRight(value: StaticValue): StaticValue {
    return this.#lift(this.#right, value, (filler) => this.value(filler, value));
  }

  #lift(side: Side, value: StaticValue, join: (filler: StaticValue) => StaticValue): StaticValue {
    const again = side === this.#left ? (item: StaticValue) => this.ofLeft(item) : (item: StaticValue) => this.ofRight(item);
    if (isRuntimeLeaf(value)) return join(this.#joins.filler(value));
    if (isArray(value)) return this.#elements(side, value).map(again);
    if (value instanceof ObjectValue) return value.like([...this.#fields(side, value)].map(([key, item]) => [key, again(item)] as const));
    return value;
  }

  #once(left: StaticValue, right: StaticValue, make: () => StaticValue): StaticValue {
    const known = this.#joined.get(left)?.get(right);
    if (known !== undefined) return known;
    const made = make();
    if (isArray(made) || made instanceof ObjectValue) alias(made, [left, right].filter((each) => isArray(each) || each instanceof ObjectValue));
    const row = this.#joined.get(left) ?? new Map<StaticValue, StaticValue>();
    this.#joined.set(left, row.set(right, made));
    return made;
  }

  #fields(side: Side, object: ObjectValue): ReadonlyMap<string, StaticValue> {
    return (side.after.get(object) as ReadonlyMap<string, StaticValue> | undefined) ?? object.fields;
  }

  #elements(side: Side, array: readonly StaticValue[]): readonly StaticValue[] {
    return (side.after.get(array) as readonly StaticValue[] | undefined) ?? array;
  }
}

function keysOf(content: Content): readonly string[] {
  return content instanceof Map ? [...(content as ReadonlyMap<string, StaticValue>).keys()] : [];
}

/** Whether the keys that both have come in another order. */
function isOtherOrder(left: Content, right: Content): boolean {
  const [first, second] = [new Set(keysOf(left)), new Set(keysOf(right))];
  const common = keysOf(left).filter((key) => second.has(key));
  return keysOf(right).filter((key) => first.has(key)).some((key, i) => key !== common[i]);
}

function isMadeIn({ made }: Side, value: StaticValue): boolean {
  return isRuntimeLeaf(value) && made.has(value.value);
}

export function isBoolean(value: StaticValue): value is boolean | RuntimeBoolean {
  return typeof value === "boolean" || value instanceof RuntimeBoolean;
}
