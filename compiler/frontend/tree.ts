/**
 * Trees of static values with tensors and numbers of run time at their leaves: arguments and results of models and of
 * differentiated functions. What is static in a tree stays in it; only the leaves become operands and results.
 */

import type { ts } from "ts-morph";
import { type Evaluation, known, makeOps, refuse, use } from "./evaluation.ts";
import { f64 } from "./evaluate-operator.ts";
import type { Value } from "../../ir/module.ts";
import type { SignatureTree } from "../../ir/signature.ts";
import { Accessor, CollectionValue, describe, DimQuotient, DimValue, isArray, isNumeric, ObjectValue, ownFields, privateMark, RuntimeNumber, type StaticValue, TensorValue } from "./value.ts";
import { runtimeOperand } from "./evaluate-operator.ts";
import { readFields } from "./read-member.ts";

export type Path = readonly (string | number)[];

export type LeafValue = TensorValue | RuntimeNumber;

export interface Leaf {
  readonly path: Path;
  readonly value: LeafValue;
}

export function isLeaf(value: StaticValue): value is LeafValue {
  return value instanceof TensorValue || value instanceof RuntimeNumber;
}

export function leavesOf(value: StaticValue, path: Path = []): readonly Leaf[] {
  if (isLeaf(value)) return [{ path, value }];
  if (isArray(value)) return value.flatMap((item, i) => leavesOf(item, [...path, i]));
  if (value instanceof ObjectValue) return ownFields(value).flatMap(([key, item]) => leavesOf(item, [...path, key]));
  return [];
}

/** A copy with other leaves; the order is that of leavesOf. */
export function replaceLeaves(value: StaticValue, replace: (leaf: LeafValue, path: Path) => StaticValue, path: Path = []): StaticValue {
  if (isLeaf(value)) return replace(value, path);
  if (isArray(value)) return value.map((item, i) => replaceLeaves(item, replace, [...path, i]));
  // As in JavaScript, a Map is carried along as it is, and is no part of a tree.
  if (value instanceof ObjectValue && !(value instanceof CollectionValue)) {
    return value.like([...value.fields].map(([key, item]) => [key, replaceLeaves(item, replace, [...path, key])]));
  }
  return value;
}

/** A copy of a tree has only what JavaScript lists of an object; what a private field or a getter holds would be lost in it. */
export function refuseHidden(run: Evaluation, value: StaticValue, what: string, node: ts.Node): void {
  if (isArray(value)) return value.forEach((item) => refuseHidden(run, item, what, node));
  if (!(value instanceof ObjectValue) || value instanceof CollectionValue) return;
  for (const [key, item] of value.fields) {
    const isPrivate = key.startsWith(privateMark);
    if (isPrivate || item instanceof Accessor) {
      const name = isPrivate ? key.slice(privateMark.length).replace(/'+$/, "") : key;
      refuse(run, node, "TSDL2001", `${what} copies a tree, and a ${isPrivate ? "private field" : "getter of an object"} is in no copy`, {
        label: `${value.instanceOf?.name ?? "the object"} has ${name}`,
        help: isPrivate ? `declare it private ${name.slice(1)} instead of ${name}: the type checker guards that as well` : "write a plain field",
      });
    }
    refuseHidden(run, item, what, node);
  }
}

/** `p.w1`, `layers.0.w`: how parameters of functions are named. */
export function pathName(path: Path): string {
  return path.join(".");
}

/** What changed in the arguments (of these names) while a function ran, for leaves that are assigned; other changes are refused. */
export function changedLeaves(run: Evaluation, before: StaticValue, after: StaticValue, path: Path, names: readonly string[], node: ts.Node): readonly Leaf[] {
  if (before === after) return [];
  if (isLeaf(before) && isLeaf(after)) return before.value === after.value ? [] : [{ path, value: after }];
  if (isLeaf(before) && isNumeric(after) && before instanceof RuntimeNumber) {
    return [{ path, value: new RuntimeNumber(runtimeOperand(run, after, node), before.owner) }];
  }
  if (isArray(before) && isArray(after) && before.length === after.length) {
    return before.flatMap((item, i) => changedLeaves(run, item, after[i], [...path, i], names, node));
  }
  if (before instanceof ObjectValue && after instanceof ObjectValue && before.isOneKindWith(after)) {
    const fieldNames = new Set([...before.fields.keys(), ...after.fields.keys()]);
    return [...fieldNames].flatMap((name) => changedLeaves(run, before.fields.get(name), after.fields.get(name), [...path, name], names, node));
  }
  const [position, ...rest] = path;
  return refuse(run, node, "TSDL1003", `${pathName([names[Number(position)] ?? `argument${position}`, ...rest])} is assigned something of another form`, {
    label: `it was ${describe(before)}, and is now ${describe(after)}`,
    help: "an assignment to a field of a parameter is seen by the caller, so it must keep the structure; return new data instead",
  });
}

/** Puts a value at a path of a tree in place. */
export function writeAt(tree: readonly StaticValue[], path: Path, value: StaticValue): void {
  const [first, ...rest] = path;
  let at: StaticValue = tree;
  const keys = [first, ...rest];
  keys.forEach((key, i) => {
    if (key === undefined) return;
    const isLast = i === keys.length - 1;
    if (isArray(at) && typeof key === "number") {
      if (isLast) (at as StaticValue[])[key] = value;
      else at = at[key];
    } else if (at instanceof ObjectValue) {
      if (isLast) at.set(String(key), value);
      else at = at.fields.get(String(key));
    }
  });
}

/** The result of a model: its description for callers, and the values of its leaves. */
export interface FlatResult {
  readonly tree: SignatureTree;
  readonly values: readonly Value[];
}

export function flattenResult(run: Evaluation, value: StaticValue, node: ts.Node, path: Path = []): FlatResult {
  if (value instanceof TensorValue) return { tree: { kind: "tensor", type: value.type }, values: [use(run, value, node)] };
  if (value instanceof RuntimeNumber || typeof value === "number" || value instanceof DimValue || value instanceof DimQuotient) {
    return { tree: { kind: "number", type: f64 }, values: [runtimeOperand(run, value, node)] };
  }
  if (isArray(value)) {
    const items = value.map((item, i) => flattenResult(run, item, node, [...path, i]));
    return { tree: { kind: "array", items: items.map(({ tree }) => tree) }, values: items.flatMap(({ values }) => values) };
  }
  if (value instanceof ObjectValue && !(value instanceof CollectionValue)) {
    const fields = readFields(run, value, node).map(([name, item]) => ({ name, ...flattenResult(run, item, node, [...path, name]) }));
    return {
      tree: { kind: "object", fields: fields.map(({ name, tree }) => ({ name, tree, doc: undefined })), declared: value.declared, doc: undefined },
      values: fields.flatMap(({ values }) => values),
    };
  }
  known(run, value, path.length === 0 ? "the result" : `${pathName(path)} of the result`, node);
  return refuse(run, node, "TSDL1003", "a model returns a tensor, a number, or an array or object of these", {
    label: path.length === 0 ? `this returns ${describe(value)}` : `${pathName(path)} of the result is ${describe(value)}`,
    help: value instanceof CollectionValue
      ? `return ${value.kind === "Map" ? "an object: Object.fromEntries(map)" : "an array: [...set]"}`
      : "return only tensors and numbers; the caller has everything else already",
  });
}

/** Zeros of the types of values, as tangents of what does not vary. */
export function zerosOf(run: Evaluation, values: readonly Value[], node: ts.Node): readonly Value[] {
  return values.map(({ type }) => makeOps(run, node, (b) => {
    if (type.kind !== "tensor") throw new Error("a captured value is no tensor");
    return b.constantOf(type, 0);
  }));
}
