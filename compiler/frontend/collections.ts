/**
 * Map and Set, with keys that are known while the model is built; what a Map holds may be anything. Each is an object whose
 * fields are named after its keys, so that branches and loops of run time join it as they join objects.
 */

import type { ts } from "ts-morph";
import { refuseFrozen } from "./assign.ts";
import { callValue } from "./evaluate-call.ts";
import { type Evaluation, known, refuse } from "./evaluation.ts";
import { note } from "./journal.ts";
import { elementsOf } from "./read-member.ts";
import { CollectionValue, describe, isArray, NativeFunction, ObjectValue, ownEntry, RuntimeBoolean, RuntimeNumber, type StaticValue, TensorValue, Unjoined } from "./value.ts";

/** `new Map(entries)` or `new Set(items)` */
export function makeCollection(run: Evaluation, kind: "Map" | "Set", [items]: readonly StaticValue[], node: ts.Node): CollectionValue {
  const made = new CollectionValue(kind);
  for (const item of items === undefined || items === null ? [] : elementsOf(run, items, node)) {
    const [key, value] = kind === "Set" ? [item, undefined] : isArray(item) ? item : refuse(run, node, "TSDL2001", "a Map is made of pairs", { label: `one item is ${describe(item)}`, help: "write new Map([[key, value], ...]), or new Map(Object.entries(object))" });
    made.fields.set(fieldOf(run, kind, key, node), value);
  }
  return made;
}

type CollectionMethod = (run: Evaluation, collection: CollectionValue, args: readonly StaticValue[], node: ts.Node) => StaticValue;

const both: Readonly<Record<string, CollectionMethod>> = {
  has: (run, collection, [key], node) => {
    const name = fieldOf(run, collection.kind, key, node);
    const field = collection.fields.get(name);
    if (field instanceof Unjoined && field.mayBeAbsent) known(run, field, `has(${nameOfKey(key)})`, node);
    return collection.fields.has(name);
  },
  delete: (run, collection, [key], node) => {
    const wasThere = both["has"]?.(run, collection, [key], node);
    changeable(run, collection, node).fields.delete(fieldOf(run, collection.kind, key, node));
    return wasThere;
  },
  clear: (run, collection, _args, node) => void changeable(run, collection, node).fields.clear() as undefined,
  forEach: (run, collection, [callback], node) => {
    for (const [key, value] of entriesOf(run, collection, node)) callValue(run, callback, [value, key, collection], node);
    return undefined;
  },
  keys: (run, collection, _args, node) => entriesOf(run, collection, node).map(([key]) => key),
  values: (run, collection, _args, node) => entriesOf(run, collection, node).map(([, value]) => value),
  entries: (run, collection, _args, node) => entriesOf(run, collection, node),
};

const methods: Readonly<Record<"Map" | "Set", Readonly<Record<string, CollectionMethod>>>> = {
  Map: {
    ...both,
    get: (run, collection, [key], node) => known(run, collection.fields.get(fieldOf(run, "Map", key, node)), `the value of ${nameOfKey(key)}`, node),
    set: (run, collection, [key, value], node) => {
      const name = fieldOf(run, "Map", key, node);
      refuseUnknownOrder(run, collection, name, node);
      changeable(run, collection, node).fields.set(name, value);
      return collection;
    },
  },
  Set: {
    ...both,
    add: (run, collection, [key], node) => {
      const name = fieldOf(run, "Set", key, node);
      refuseUnknownOrder(run, collection, name, node);
      changeable(run, collection, node).fields.set(name, undefined);
      return collection;
    },
  },
};

export function readCollectionMember(run: Evaluation, collection: CollectionValue, name: string, node: ts.Node): StaticValue {
  if (name === "size") return entriesOf(run, collection, node).length;
  const table = methods[collection.kind];
  const method = ownEntry(table, name);
  if (method !== undefined) return new NativeFunction(name, (inner, args, at) => method(inner, collection, args, at));
  return refuse(run, node, "TSDL3003", `the ${collection.kind} method ${name} is not compiled`, { help: `these are: size, ${Object.keys(table).join(", ")}` });
}

/** Pairs in the order of insertion; those of a Set have its item twice, as in JavaScript. */
export function entriesOf(run: Evaluation, collection: CollectionValue, node: ts.Node): readonly (readonly [StaticValue, StaticValue])[] {
  return presentFields(run, collection, node).map(([name, value]) => {
    const key = keyOf(name);
    return [key, collection.kind === "Set" ? key : value] as const;
  });
}

/** All fields of an object; refuses where it is not known which there are. */
export function presentFields(run: Evaluation, object: ObjectValue, node: ts.Node): readonly (readonly [string, StaticValue])[] {
  for (const [name, value] of object.fields) {
    if (!(value instanceof Unjoined) || !value.mayBeAbsent) continue;
    const isCollection = object instanceof CollectionValue;
    refuse(run, node, "TSDL3004", isCollection ? `which keys this ${object.kind} has, and in which order, is known only at run time` : `whether there is a field ${name} is known only at run time`, {
      label: isCollection ? `${nameOfKey(keyOf(name))}: ${value.reason}` : value.reason,
      help: "give it a value before the branch, or in both sides of it",
    });
  }
  return [...object.fields];
}

/** A key that may be there already keeps its place, or comes last. */
function refuseUnknownOrder(run: Evaluation, collection: CollectionValue, name: string, node: ts.Node): void {
  const field = collection.fields.get(name);
  if (!(field instanceof Unjoined) || !field.mayBeAbsent || [...collection.fields.keys()].at(-1) === name) return;
  refuse(run, node, "TSDL3004", `in which order the keys of this ${collection.kind} come is known only at run time`, {
    label: `${nameOfKey(keyOf(name))} is set here, and may have been set in a branch, before the keys that follow`,
    help: "give it a value before the branch, or in both sides of it",
  });
}

function changeable(run: Evaluation, collection: CollectionValue, node: ts.Node): CollectionValue {
  if (collection.isFrozen) refuseFrozen(run, node);
  note(run, collection);
  return collection;
}

/* ---------------------------------------------------------------- keys */

function nameOfKey(key: StaticValue): string {
  return typeof key === "string" ? JSON.stringify(key) : String(key);
}

function fieldOf(run: Evaluation, kind: "Map" | "Set", key: StaticValue, node: ts.Node): string {
  known(run, key, "the key", node);
  switch (typeof key) {
    case "string": return `s${key}`;
    // As in JavaScript, -0 is 0 here and NaN is equal to itself.
    case "number": return `n${key}`;
    case "boolean": return `b${key}`;
    case "undefined": return "u";
  }
  if (key === null) return "l";
  const isLater = key instanceof RuntimeNumber || key instanceof RuntimeBoolean;
  return refuse(run, node, isLater ? "TSDL2002" : "TSDL2001", `the ${kind === "Map" ? "keys of a Map" : "items of a Set"} are strings, numbers and booleans that are known when the program is built`, {
    label: `this is ${describe(key)}`,
    help: isLater || key instanceof TensorValue ? "look values of run time up in a tensor: table.indexSelect(0, indices)" : "give each object a name, and use the name; or keep them in an array",
  });
}

function keyOf(name: string): StaticValue {
  const text = name.slice(1);
  switch (name[0]) {
    case "s": return text;
    case "n": return Number(text);
    case "b": return text === "true";
    default: return name === "l" ? null : undefined;
  }
}
