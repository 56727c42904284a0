/**
 * What kind of call a call of a jitted function is: the structure of its arguments, the dtypes and shapes of tensors, with
 * a name for each axis that was given one, and everything else by value. Calls of one kind share a compilation.
 */

import { ArgumentError } from "tsdlc-runtime";
import { type Dim, namedDim } from "../../ir/dim.ts";
import type { DType } from "../../ir/type.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import type { OpenTensor } from "./trace.ts";
import { describeValue, isTree, type Path, pathName, printNumber } from "./trees.ts";

/** For each axis of a tensor: a name, the size that it must have, or null for any one size. */
export type AxisNames = readonly (string | number | null)[];

/** Names of the axes in an argument: of a tensor, or of those in a tree, at the same places; undefined names none. */
export type DimsOf = AxisNames | { readonly [key: string]: DimsOf | undefined } | readonly (DimsOf | undefined)[];

/** One leaf of the arguments: where, and what the kind of the call depends on. */
export interface Fact {
  readonly place: string;
  readonly text: string;
  /** Undefined for what is no tensor. */
  readonly tensor: { readonly path: Path; readonly dtype: string; readonly shape: readonly number[] } | undefined;
}

export interface Call {
  readonly key: string;
  readonly facts: readonly Fact[];
  readonly tensors: readonly AnyTensor[];
  /** Of each tensor. */
  readonly types: readonly OpenTensor[];
  /** The names, in order of appearance, and their sizes in this call. */
  readonly names: readonly string[];
  readonly sizes: readonly number[];
}

interface Named {
  readonly size: number;
  readonly place: string;
  readonly axis: number;
}

/** Throws an ArgumentError for arguments that are no trees, and where sizes are not what `dims` says. */
export function readCall(name: string, args: readonly unknown[], dims: readonly (DimsOf | undefined)[]): Call {
  const named = new Map<string, Named>();
  const facts: Fact[] = [];
  const tensors: AnyTensor[] = [];
  const types: OpenTensor[] = [];

  const visit = (value: unknown, entry: unknown, path: Path, place: string): void => {
    if (isLeaf(value)) {
      const shape: readonly Dim[] = entry === undefined ? value.shape : openShape(name, value.shape, entry, place, named);
      tensors.push(value);
      types.push({ dtype: value.dtype as DType, shape });
      facts.push({ place, text: `${value.dtype}[${shape.map((dim) => (typeof dim === "number" ? dim : dim.key)).join(",")}]`, tensor: { path, dtype: value.dtype, shape: value.shape } });
      return;
    }
    if (Array.isArray(value)) {
      if (entry !== undefined) requireEntry(name, Array.isArray(entry), entry, value, place);
      facts.push({ place, text: `an array of ${value.length}`, tensor: undefined });
      const entries = (entry ?? []) as readonly unknown[];
      if (entries.length > value.length) refuseEntry(name, `it has ${entries.length} entries, and ${place} is ${describeValue(value)}`, place);
      return value.forEach((item, i) => visit(item, entries[i], [...path, i], `${place}[${i}]`));
    }
    if (isTree(value)) {
      if (entry !== undefined) requireEntry(name, isTree(entry) && !Array.isArray(entry), entry, value, place);
      const entries = (entry ?? {}) as Readonly<Record<string, unknown>>;
      const unknown = Object.keys(entries).find((key) => !Object.hasOwn(value, key));
      if (unknown !== undefined) refuseEntry(name, `it names ${unknown}, and ${place} is ${describeValue(value)}`, place);
      for (const [key, item] of Object.entries(value)) visit(item, entries[key], [...path, key], pathName(place, [key]));
      return;
    }
    if (entry !== undefined && value !== undefined) refuseEntry(name, `${place} is ${describeValue(value)}, which has no axes`, place);
    facts.push({ place, text: textOf(name, value, place), tensor: undefined });
  };

  if (dims.length > args.length && dims.slice(args.length).some((entry) => entry !== undefined)) {
    throw new ArgumentError(`${name}: dims has an entry for argument ${dims.length - 1}, and the call has ${args.length} argument${args.length === 1 ? "" : "s"}`);
  }
  args.forEach((argument, i) => visit(argument, dims[i], [i], `argument ${i}`));
  return {
    key: facts.map(({ place, text }) => `${place} ${text}`).join("\n"),
    facts, tensors, types, names: [...named.keys()], sizes: Array.from(named.values(), ({ size }) => size),
  };
}

function textOf(name: string, value: unknown, place: string): string {
  switch (typeof value) {
    case "number": return printNumber(value);
    case "string": return JSON.stringify(value);
    case "boolean":
    case "undefined": return String(value);
    default:
      if (value === null) return "null";
      throw new ArgumentError(`${name}: ${place} is ${describeValue(value)}: a jitted function takes trees of tensors, numbers, strings and booleans`);
  }
}

/** The shape with names; sizes of one name are one size. */
function openShape(name: string, shape: readonly number[], entry: unknown, place: string, named: Map<string, Named>): readonly Dim[] {
  if (!Array.isArray(entry)) refuseEntry(name, `it is ${describeValue(entry)}, and a tensor has a list with one item for each axis, as in ["N", null]`, place);
  if (entry.length !== shape.length) refuseEntry(name, `it has ${entry.length} item${entry.length === 1 ? "" : "s"}, and ${place} has ${shape.length} ${shape.length === 1 ? "axis" : "axes"}: it is [${shape.join(",")}]`, place);
  return shape.map((size, axis) => {
    const item: unknown = entry[axis];
    if (item === null || item === undefined) return size;
    if (typeof item === "number") {
      if (item !== size) throw new ArgumentError(`${name}: axis ${axis} of ${place} has size ${size}, and dims says that it is ${item}`);
      return size;
    }
    if (typeof item !== "string" || !/^[A-Za-z_][A-Za-z_0-9]*$/.test(item)) {
      refuseEntry(name, `item ${axis} is ${describeValue(item)}, and it must be a name such as "N", a size, or null`, place);
    }
    const before = named.get(item);
    if (before === undefined) named.set(item, { size, place, axis });
    else if (before.size !== size) {
      throw new ArgumentError(`${name}: axis ${before.axis} of ${before.place} and axis ${axis} of ${place} are both named ${item}, and they have sizes ${before.size} and ${size}: axes of one name have one size in a call`);
    }
    return namedDim(item);
  });
}

function requireEntry(name: string, isSame: boolean, entry: unknown, value: unknown, place: string): void {
  if (!isSame) refuseEntry(name, `it is ${describeValue(entry)}, and ${place} is ${describeValue(value)}: dims has the structure of the arguments`, place);
}

function refuseEntry(name: string, what: string, place: string): never {
  throw new ArgumentError(`${name}: dims for ${place}: ${what}`);
}

/* ---------------------------------------------------------------- what changed */

/** What differs from the call before, and what would have kept it from being compiled again. */
export function reasonOf(before: readonly Fact[], now: readonly Fact[], dims: readonly (DimsOf | undefined)[]): string {
  const old = new Map(before.map((fact) => [fact.place, fact]));
  const changed = now.find(({ place, text }) => old.get(place)?.text !== text);
  if (changed === undefined) return "an argument of the call before is missing";
  const was = old.get(changed.place);
  if (was === undefined) return `${changed.place} was not there before`;
  const change = `${changed.place} was ${was.text} and is ${changed.text}`;
  if (changed.tensor !== undefined && was.tensor !== undefined) return `${change}: ${adviceFor(changed.tensor, was.tensor, old, now, dims)}`;
  return /^-?[\d.e+-]+$/.test(changed.text) ? `${change}: a number is part of the program; pass tensor(${changed.text}) if it changes from call to call` : change;
}

type TensorFact = NonNullable<Fact["tensor"]>;

function adviceFor(is: TensorFact, was: TensorFact, old: ReadonlyMap<string, Fact>, now: readonly Fact[], dims: readonly (DimsOf | undefined)[]): string {
  if (is.dtype !== was.dtype) return `each dtype is compiled for itself; convert it with .to("${was.dtype}") before the call if it should not change`;
  if (is.shape.length !== was.shape.length) return "each rank is compiled for itself; reshape it before the call if it should not change";
  const names = new NewNames(JSON.stringify(dims) ?? "");
  let suggested: unknown = dims;
  const axes: number[] = [];
  for (const { place, tensor } of now) {
    const before = old.get(place)?.tensor;
    if (tensor === undefined || before === undefined || before.shape.length !== tensor.shape.length) continue;
    const shape = tensor.shape;
    const present = entryAt(suggested, tensor.path);
    const entry = shape.map((size, axis) => {
      const own: unknown = Array.isArray(present) ? present[axis] : null;
      if (before.shape[axis] === size || typeof own === "string") return own;
      axes.push(axis);
      return names.of(before.shape[axis] ?? 0, size);
    });
    if (entry.some((item) => typeof item === "string")) suggested = withEntry(suggested, tensor.path, entry);
  }
  const which = axes.length === 1 ? `axis ${axes[0]}` : [...names.made].join(" and ");
  return `each shape is compiled for itself; pass { dims: ${printEntry(suggested)} } to jit to compile once for every size of ${which}`;
}

/** Names for axes; axes that changed alike get one, since they are likely to be equal. */
class NewNames {
  readonly made = new Set<string>();
  readonly #taken: string;
  readonly #byChange = new Map<string, string>();

  constructor(taken: string) {
    this.#taken = taken;
  }

  of(before: number, now: number): string {
    const change = `${before} ${now}`;
    const known = this.#byChange.get(change);
    if (known !== undefined) return known;
    const isFree = (name: string): boolean => !this.made.has(name) && !this.#taken.includes(`"${name}"`);
    let count = 2;
    const made = ["N", "M", "K", "L"].find(isFree) ?? ((): string => {
      while (!isFree(`N${count}`)) count++;
      return `N${count}`;
    })();
    this.#byChange.set(change, made);
    this.made.add(made);
    return made;
  }
}

function entryAt(entry: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Readonly<Record<string | number, unknown>> | undefined)?.[step], entry);
}

/** A copy of dims with another entry at a path. */
function withEntry(entry: unknown, path: Path, made: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return made;
  if (typeof step === "number") {
    const items = Array.isArray(entry) ? [...(entry as readonly unknown[])] : [];
    while (items.length <= step) items.push(undefined);
    return items.with(step, withEntry(items[step], rest, made));
  }
  const fields = (entry ?? {}) as Readonly<Record<string, unknown>>;
  return { ...fields, [step]: withEntry(fields[step], rest, made) };
}

/** As one writes it in TypeScript. */
function printEntry(entry: unknown): string {
  if (Array.isArray(entry)) return `[${entry.map(printEntry).join(", ")}]`;
  if (typeof entry !== "object" || entry === null) return entry === undefined ? "undefined" : JSON.stringify(entry);
  return `{ ${Object.entries(entry).map(([key, item]) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${printEntry(item)}`).join(", ")} }`;
}
