/**
 * What a tree and a file do not agree on, all of it at once: names that are missing, names that are not expected, types
 * that differ. Names that are nearly right are shown beside those that are missing.
 */

export interface TreeReport {
  /** What the tree has and the file has not. */
  readonly missing: readonly string[];
  /** What the file has and the tree has not. */
  readonly unexpected: readonly string[];
  /** What both have, in different types: `f32[2,3]`. */
  readonly mismatched: readonly { readonly name: string; readonly expected: string; readonly found: string }[];
}

/** Printed types by name. */
export type Types = ReadonlyMap<string, string>;

export function compareTypes(expected: Types, found: Types): TreeReport {
  return {
    missing: [...expected.keys()].filter((name) => !found.has(name)),
    unexpected: [...found.keys()].filter((name) => !expected.has(name)),
    mismatched: [...expected].flatMap(([name, type]) => {
      const other = found.get(name);
      return other === undefined || agree(type, other) ? [] : [{ name, expected: type, found: other }];
    }),
  };
}

/** null is what a number or a string is before there is one. */
function agree(a: string, b: string): boolean {
  const isPlain = (type: string): boolean => type === "null" || type.startsWith("a ");
  return a === b || ((a === "null" || b === "null") && isPlain(a) && isPlain(b));
}

const shown = 12;

/** The report as text, the first dozen of each kind in full. */
export function describeReport(title: string, { missing, unexpected, mismatched }: TreeReport, expected: Types, found: Types): string {
  const typed = (types: Types) => (name: string) => `${name}: ${types.get(name) ?? ""}`;
  const free = unexpected.map((name) => [name, found.get(name) ?? ""] as const);
  return [
    `${title}: ${missing.length} missing, ${unexpected.length} not expected, ${mismatched.length} of another type`,
    ...section("missing", missing, (name) => typed(expected)(name) + suggestion(name, expected.get(name) ?? "", free)),
    ...section("of another type", mismatched, (one) => `${one.name}: the tree has ${one.expected}, the file ${one.found}${advice(one.expected, one.found)}`),
    ...section("not expected", unexpected, typed(found)),
  ].join("\n");
}

function section<T>(title: string, items: readonly T[], print: (item: T) => string): readonly string[] {
  if (items.length === 0) return [];
  return [`  ${title}:`, ...items.slice(0, shown).map((item) => `    ${print(item)}`), ...(items.length > shown ? [`    and ${items.length - shown} more`] : [])];
}

function advice(expected: string, found: string): string {
  const [, dtype, shape] = /^(\w+)\[(.*)\]$/.exec(expected) ?? [];
  const [, otherDType, otherShape] = /^(\w+)\[(.*)\]$/.exec(found) ?? [];
  if (dtype === undefined || otherDType === undefined) return "";
  if (shape === otherShape) return ` (load it as ${otherDType}, then convert it with .to("${dtype}"))`;
  const axes = shape?.split(",") ?? [];
  return axes.length === 2 && axes.toReversed().join() === otherShape ? " (transposed: a dense layer of PyTorch has [out, in], as linear(x, w, b) takes it)" : "";
}

/* ---------------------------------------------------------------- names that are nearly right */

/** Longer names are not compared: the time goes with the product of two lengths. */
const longestCompared = 200;
const mostCompared = 5000;

function suggestion(name: string, type: string, free: readonly (readonly [string, string])[]): string {
  const [near] = free.slice(0, mostCompared).map(([other, otherType]) => ({ other, otherType, distance: distanceOf(name, other) + (type === otherType ? 0 : 1) }))
    .filter(({ other, distance }) => distance <= Math.max(2, Math.min(name.length, other.length) / 3))
    .sort((a, b) => a.distance - b.distance);
  return near === undefined ? "" : ` (is it ${near.other}, ${near.otherType}, in the file?)`;
}

function distanceOf(a: string, b: string): number {
  // A prefix such as "model." is what files of whole models have and those of their parts have not.
  if (a.endsWith(`.${b}`) || b.endsWith(`.${a}`)) return 1;
  return a.length > longestCompared || b.length > longestCompared ? Infinity : editDistance(a, b);
}

/** Insertions, deletions and replacements from one text to another (Levenshtein, 1965), by rows of the usual table. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
