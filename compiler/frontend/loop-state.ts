/**
 * What a loop carries, when its turns are counted only at run time: the leaves of variables, objects and arrays that a turn
 * changes. A turn is evaluated on a state in which these leaves are unknown, and what it changes beyond them is added,
 * until nothing is.
 */

import { alias, type Content, isVariable, type Location } from "./journal.ts";
import { isBoolean } from "./join.ts";
import type { Scope } from "./scope.ts";
import { Accessor, ClassValue, Closure, isArray, isNumeric, ObjectValue, type StaticValue, TensorValue, Unjoined } from "./value.ts";

/** Where a leaf is in what a location holds: steps with `separator` between them; the first step of a variable is "". */
export type LeafPath = string;

/** Fields may have any name, such as "layers.0". */
const separator = "\u0001";

/** All that can be written to and is visible from a scope. */
export function visibleLocations(scope: Scope): ReadonlySet<Location> {
  const found = new Set<Location>();
  const scopes = new Set<Scope>();
  const visit = (value: StaticValue): void => {
    if (value instanceof Closure) {
      visitScope(value.scope);
      visit(value.self);
    } else if (value instanceof Accessor) [value.get, value.set].forEach(visit);
    else if (value instanceof ClassValue) visitClass(value);
    else if (isArray(value) || value instanceof ObjectValue) {
      if (found.has(value)) return;
      found.add(value);
      (isArray(value) ? value : [...value.fields.values()]).forEach(visit);
      if (value instanceof ObjectValue && value.instanceOf !== undefined) visitClass(value.instanceOf);
    }
  };
  /** Methods see what is around the class, and its static fields. */
  const visitClass = (value: ClassValue): void => {
    if (found.has(value.own)) return;
    visit(value.own);
    visitScope(value.scope);
    if (value.superclass !== undefined) visitClass(value.superclass);
  };
  const visitScope = (from: Scope): void => {
    for (let at: Scope | undefined = from; at !== undefined && !scopes.has(at); at = at.parent) {
      scopes.add(at);
      for (const binding of at.bindings.values()) {
        found.add(binding);
        visit(binding.value);
      }
    }
  };
  visitScope(scope);
  return found;
}

/** A copy of what a location holds, with other values in it; arrays and objects around what changed are new. */
export function mapContent(content: Content, change: (value: StaticValue, path: LeafPath) => StaticValue): Content {
  if (isVariable(content)) return { ...content, value: mapValue(content.value, change, "") };
  if (content instanceof Map) return new Map([...content].map(([key, item]) => [key, mapValue(item as StaticValue, change, key)]));
  return (content as readonly StaticValue[]).map((item, i) => mapValue(item, change, String(i)));
}

function mapValue(value: StaticValue, change: (value: StaticValue, path: LeafPath) => StaticValue, path: LeafPath): StaticValue {
  const changed = change(value, path);
  if (!Object.is(changed, value)) return changed;
  if (isArray(value)) {
    const items = value.map((item, i) => mapValue(item, change, `${path}${separator}${i}`));
    return items.every((item, i) => Object.is(item, value[i])) ? value : renewed(items, value);
  }
  if (value instanceof ObjectValue) {
    const fields = [...value.fields].map(([key, item]) => [key, mapValue(item, change, `${path}${separator}${key}`)] as const);
    return fields.every(([key, item]) => Object.is(item, value.fields.get(key))) ? value : renewed(value.like(fields), value);
  }
  return value;
}

/** Before the first turn, and after none, it is still the object that it was, which other variables may name. */
function renewed<T extends Location>(made: T, original: Location): T {
  alias(made, [original]);
  return made;
}

export interface Difference {
  readonly path: LeafPath;
  readonly before: StaticValue;
  readonly after: StaticValue;
}

/** What objects and arrays hold before and after a turn; one that is a location of its own is looked at by itself. */
export interface States {
  before(location: Location): Content;
  after(location: Location): Content;
  isOwn(location: Location): boolean;
}

/** Leaves that a turn changed in what a location holds. */
export function differences(before: Content, after: Content, states: States): readonly Difference[] {
  if (isVariable(before) && isVariable(after)) return valueDifferences(before.value, after.value, "", states);
  return contentDifferences(before, after, (key) => key, states);
}

function contentDifferences(before: Content, after: Content, pathOf: (key: string) => LeafPath, states: States): readonly Difference[] {
  const [first, second] = [itemsOf(before), itemsOf(after)];
  return [...new Set([...first.keys(), ...second.keys()])].flatMap((key) => valueDifferences(first.get(key), second.get(key), pathOf(key), states));
}

function valueDifferences(before: StaticValue, after: StaticValue, path: LeafPath, states: States): readonly Difference[] {
  if (isSameLeaf(before, after)) return [];
  const areContainers = (isArray(before) && isArray(after)) || (before instanceof ObjectValue && after instanceof ObjectValue && before.isOneKindWith(after));
  if (areContainers) {
    if (before === after && states.isOwn(before as Location)) return [];
    const [first, second] = [states.before(before as Location), states.after(after as Location)];
    const keys = itemsOf(second);
    if (itemsOf(first).size === keys.size && [...itemsOf(first).keys()].every((key) => keys.has(key))) {
      return contentDifferences(first, second, (key) => `${path}${separator}${key}`, states);
    }
  } else if (Object.is(before, after)) return [];
  return [{ path, before, after }];
}

function itemsOf(content: Content): ReadonlyMap<string, StaticValue> {
  if (content instanceof Map) return content as ReadonlyMap<string, StaticValue>;
  return new Map((content as readonly StaticValue[]).map((item, i) => [String(i), item]));
}

/** A leaf of what a location holds after a turn. */
export function leafAt(content: Content, path: LeafPath, read: (location: Location) => Content): StaticValue {
  const [first = "", ...rest] = path.split(separator);
  const start = isVariable(content) ? content.value : content instanceof Map ? (content.get(first) as StaticValue) : (content as readonly StaticValue[])[Number(first)];
  return rest.reduce<StaticValue>((value, key) => {
    if (isArray(value)) return (read(value) as readonly StaticValue[])[Number(key)];
    return value instanceof ObjectValue ? (read(value) as ReadonlyMap<string, StaticValue>).get(key) : undefined;
  }, start);
}

function isSameLeaf(left: StaticValue, right: StaticValue): boolean {
  if (left instanceof Unjoined) return right instanceof Unjoined;
  return left instanceof TensorValue && right instanceof TensorValue && left.value === right.value;
}

/** Whether two leaves can be one carry: of one kind. */
export function isOneKind(left: StaticValue, right: StaticValue): boolean {
  return (left instanceof TensorValue && right instanceof TensorValue) || (isNumeric(left) && isNumeric(right)) || (isBoolean(left) && isBoolean(right));
}

/** Objects and arrays that a variable's value is made of. */
export function partsOf(value: StaticValue): readonly Location[] {
  if (isArray(value)) return [value, ...value.flatMap(partsOf)];
  return value instanceof ObjectValue ? [value, ...[...value.fields.values()].flatMap(partsOf)] : [];
}

