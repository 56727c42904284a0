/**
 * What a call of a traced function leaves behind: the tree that it returned, and the fields that it assigned in objects
 * and arrays of its arguments. Tensors are places in one list of results, so that each later call fills them in.
 */

import { ArgumentError } from "tsdlc-runtime";
import { evaluateDim } from "../../ir/dim.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { NamedSize } from "./named-size.ts";
import { describeValue, isTree, type Path, pathName } from "./trees.ts";

export interface Outcome {
  readonly result: unknown;
  readonly changes: readonly Change[];
  /** The tensors of both, by place. */
  readonly leaves: readonly AnyTensor[];
}

/** A field of an argument that the function assigned or deleted. */
export interface Change {
  /** Of the object or array that has it. */
  readonly owner: Path;
  readonly key: string;
  readonly isDeleted: boolean;
  /** For an array its new length, where that is another. */
  readonly length: number | undefined;
  readonly value: unknown;
}

/** Which of the leaves is here. */
class Place {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

/** The caller's own object, at this path of the arguments. */
class Reference {
  readonly path: Path;
  constructor(path: Path) {
    this.path = path;
  }
}

type Container = Record<string, unknown>;

/** The objects and arrays of arguments with the fields that they had before the function ran. */
export class Before {
  readonly #fields = new Map<object, { readonly path: Path; readonly fields: Container }>();

  constructor(args: readonly unknown[]) {
    args.forEach((argument, i) => this.#note(argument, [i]));
  }

  #note(value: unknown, path: Path): void {
    if (!isContainer(value)) return;
    this.#fields.set(value, { path, fields: { ...value } });
    for (const [key, item] of Object.entries(value)) this.#note(item, [...path, Array.isArray(value) ? Number(key) : key]);
  }

  /** What the function returned and changed, after it ran. */
  outcome(name: string, result: unknown): Outcome {
    const leaves: AnyTensor[] = [];
    const places = new Map<AnyTensor, Place>();
    const templateOf = (value: unknown, where: () => string): unknown => {
      if (isLeaf(value)) {
        const place = places.get(value) ?? new Place(leaves.push(value) - 1);
        places.set(value, place);
        return place;
      }
      const own = typeof value === "object" && value !== null ? this.#fields.get(value) : undefined;
      if (own !== undefined) return new Reference(own.path);
      if (Array.isArray(value)) return value.map((item, i) => templateOf(item, () => `${where()}[${i}]`));
      if (isTree(value)) return mapFields(value, (item, key) => templateOf(item, () => pathName(where(), [key])));
      if (value instanceof NamedSize || value === null || ["number", "string", "boolean", "undefined"].includes(typeof value)) return value;
      throw new ArgumentError(`${name}: ${where()} is assigned ${describeValue(value)}: a jitted function may assign trees of tensors, numbers, strings and booleans`);
    };
    // The result is the caller's own tree, in which equal tensors are handles of their own.
    const returned = templateOfResult(result, leaves);
    const changes: Change[] = [];
    for (const [container, { path, fields }] of this.#fields) {
      const now = container as Container;
      const length = Array.isArray(container) ? container.length : undefined;
      for (const key of Object.keys({ ...fields, ...now })) {
        const isDeleted = !Object.hasOwn(now, key);
        if (!isDeleted && Object.hasOwn(fields, key) && Object.is(now[key], fields[key])) continue;
        changes.push({ owner: path, key, isDeleted, length, value: isDeleted ? undefined : templateOf(now[key], () => pathName(placeOf(path), [key])) });
      }
    }
    return { result: returned, changes, leaves };
  }
}

function templateOfResult(value: unknown, leaves: AnyTensor[]): unknown {
  if (isLeaf(value)) return new Place(leaves.push(value) - 1);
  if (Array.isArray(value)) return value.map((item) => templateOfResult(item, leaves));
  return isTree(value) ? mapFields(value, (item) => templateOfResult(item, leaves)) : value;
}

/** Whether two functions ended alike, where `isSameLeaf` says that of tensors. */
export function isSameOutcome(left: Outcome, right: Outcome, isSameLeaf: (left: AnyTensor, right: AnyTensor) => boolean, sizes: Readonly<Record<string, number>>): boolean {
  const isSame = (one: unknown, other: unknown): boolean => {
    if (one instanceof NamedSize) return evaluateDim(one.dim, sizes) === other;
    if (typeof one !== "object" || one === null || typeof other !== "object" || other === null) return Object.is(one, other);
    const [ones, others] = [Object.entries(one), other as Container];
    return Object.getPrototypeOf(one) === Object.getPrototypeOf(other) && ones.length === Object.keys(others).length
      && ones.every(([key, item]) => Object.hasOwn(others, key) && isSame(item, others[key]));
  };
  return left.leaves.length === right.leaves.length && left.leaves.every((leaf, i) => isSameLeaf(leaf, right.leaves[i] as AnyTensor))
    && isSame(left.result, right.result) && isSame(left.changes, right.changes);
}

/* ---------------------------------------------------------------- in a call */

/** The objects of a call that changes go to. Throws, before anything has run, where one of them cannot take its change. */
export function ownersOf(name: string, changes: readonly Change[], args: readonly unknown[]): readonly Container[] {
  const owners = changes.map(({ owner }) => containerAt(args, owner));
  const wanted = new Set(owners);
  const seen = new Map<Container, string>();
  const visit = (value: unknown, place: string): void => {
    if (!isContainer(value)) return;
    const first = seen.get(value);
    if (first !== undefined && wanted.has(value)) {
      throw new ArgumentError(`${name}: ${first} and ${place} are one object, and ${name} assigns its fields: pass a copy as one of them`);
    }
    seen.set(value, place);
    for (const [key, item] of Object.entries(value)) visit(item, pathName(place, [Array.isArray(value) ? Number(key) : key]));
  };
  args.forEach((argument, i) => visit(argument, `argument ${i}`));
  changes.forEach(({ owner, key }, i) => {
    const container = owners[i] as Container;
    const field = Object.getOwnPropertyDescriptor(container, key);
    const isFree = field === undefined ? Object.isExtensible(container) : field.writable === true || field.set !== undefined;
    if (!isFree) throw new ArgumentError(`${name}: ${pathName(placeOf(owner), [key])} cannot be assigned, and ${name} assigns it: its object is frozen or read-only; pass a copy, as in { ...object }`);
  });
  return owners;
}

/** Assigns what the function assigned. */
export function assign(changes: readonly Change[], owners: readonly Container[], valueOf: (template: unknown) => unknown): void {
  const values = changes.map(({ value }) => valueOf(value));
  changes.forEach(({ key, isDeleted, length }, i) => {
    const owner = owners[i] as Container;
    if (isDeleted) delete owner[key];
    else owner[key] = values[i];
    if (length !== undefined && owner["length"] !== length) owner["length"] = length;
  });
}

/** The tree that a template stands for. */
export function fill(template: unknown, results: readonly AnyTensor[], args: readonly unknown[], sizes: Readonly<Record<string, number>>): unknown {
  if (template instanceof Place) return results[template.index];
  if (template instanceof Reference) return containerAt(args, template.path);
  if (template instanceof NamedSize) return evaluateDim(template.dim, sizes);
  if (Array.isArray(template)) return template.map((item) => fill(item, results, args, sizes));
  return isTree(template) ? mapFields(template, (item) => fill(item, results, args, sizes)) : template;
}

function containerAt(args: readonly unknown[], path: Path): Container {
  return path.reduce<unknown>((inner, step) => (inner as Readonly<Record<string | number, unknown>>)[step], args) as Container;
}

function mapFields(tree: Container, change: (item: unknown, key: string) => unknown): Container {
  const copy = Object.create(Object.getPrototypeOf(tree) as object | null) as Container;
  for (const [key, item] of Object.entries(tree)) copy[key] = change(item, key);
  return copy;
}

function isContainer(value: unknown): value is Container {
  return Array.isArray(value) || (isTree(value) && !isLeaf(value));
}

function placeOf([position, ...path]: Path): string {
  return pathName(`argument ${position}`, path);
}
