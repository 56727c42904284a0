/**
 * What a stretch of evaluation changes: variables, fields of objects, elements of arrays. A branch that is taken at run time is
 * evaluated and then undone, so that the other one starts from the same state; what both did is joined afterwards.
 *
 * Whoever writes says so first (`note`). A journal keeps what was there before the first write.
 */

import type { Evaluation } from "./evaluation.ts";
import type { Binding } from "./scope.ts";
import { isArray, ObjectValue, type StaticValue, Unjoined } from "./value.ts";

/** What can be written to. */
export type Location = Binding | ObjectValue | readonly StaticValue[];

/** What is in a location: one value of a variable, fields by name, elements. */
export type Content = Variable | ReadonlyMap<string, StaticValue> | readonly StaticValue[];

interface Variable {
  readonly value: StaticValue;
  readonly isInitialized: boolean;
}

export class Journal {
  readonly #before = new Map<Location, Content>();

  note(location: Location): void {
    if (!this.#before.has(location)) this.#before.set(location, contentOf(location));
  }

  forget(location: Location): void {
    this.#before.delete(location);
  }

  /** What is in the touched locations now. */
  contents(): ReadonlyMap<Location, Content> {
    return new Map([...this.#before.keys()].map((location) => [location, contentOf(location)]));
  }

  /** Puts everything back. */
  undo(): void {
    for (const [location, content] of this.#before) restore(location, content);
  }
}

/** To be called before each write. */
export function note({ journal }: Evaluation, location: Location): void {
  for (const other of othersOf(location)) {
    journal?.note(other);
    spoil(other);
  }
  journal?.note(location);
}

/** Runs `body` with a journal of its own, and undoes what it did, also when it throws. */
export function undone<T>(run: Evaluation, body: () => T): { readonly result: T; readonly after: ReadonlyMap<Location, Content> } {
  const { journal: outer, build } = run;
  const journal = new Journal();
  const moduleValues = [...(build?.moduleValues ?? [])];
  run.journal = journal;
  run.runtimeDepth++;
  try {
    const result = body();
    return { result, after: journal.contents() };
  } finally {
    journal.undo();
    run.journal = outer;
    run.runtimeDepth--;
    // Declarations of modules that were read for the first time made their ops in there.
    build?.moduleValues.clear();
    for (const [key, value] of moduleValues) build?.moduleValues.set(key, value);
  }
}

/** What a branch or a loop came to: no write of the program, so other names of an object may still be read. */
export function write({ journal }: Evaluation, location: Location, content: Content): void {
  journal?.note(location);
  restore(location, content);
}

export function contentOf(location: Location): Content {
  if (location instanceof ObjectValue) return new Map(location.fields);
  if (isArray(location as StaticValue)) return [...(location as readonly StaticValue[])];
  const { value, isInitialized } = location as Binding;
  return { value, isInitialized };
}

export function isVariable(content: Content): content is Variable {
  return !(content instanceof Map) && !Array.isArray(content);
}

function restore(location: Location, content: Content): void {
  if (isVariable(content)) {
    const binding = location as Binding;
    binding.value = content.value;
    binding.isInitialized = content.isInitialized;
  } else if (content instanceof Map) {
    const { fields } = location as ObjectValue;
    fields.clear();
    content.forEach((value, key) => fields.set(key, value));
  } else (location as StaticValue[]).splice(0, Infinity, ...(content as readonly StaticValue[]));
}

/* ---------------------------------------------------------------- other names of an object */

const aliases = new WeakMap<Location, readonly Location[]>();
/** What stands for one of several objects. */
const joins = new WeakSet<Location>();

/** Says that a joined object may be either of two that other variables may still name. */
export function alias(joined: Location, originals: readonly Location[]): void {
  const all = [joined, ...originals];
  joins.add(joined);
  for (const each of all) aliases.set(each, [...(aliases.get(each) ?? []), ...all]);
}

/** Whether only run time knows if two are one. */
export function mayBeSame(left: Location, right: Location): boolean {
  if (left === right || (!joins.has(left) && !joins.has(right))) return false;
  const others = [right, ...othersOf(right)];
  return [left, ...othersOf(left)].some((each) => others.includes(each));
}

function othersOf(location: Location): readonly Location[] {
  return (aliases.get(location) ?? []).filter((other) => other !== location);
}

/** Nobody may read what may have been changed under another name. */
function spoil(location: Location): void {
  const spoiled = new Unjoined("a branch made it another name of an object that was changed since: change it before the branch, or change a copy");
  if (location instanceof ObjectValue) for (const key of location.fields.keys()) location.fields.set(key, spoiled);
  else if (isArray(location as StaticValue)) (location as StaticValue[]).fill(spoiled);
}
