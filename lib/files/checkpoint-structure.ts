/**
 * The structure of a tree as text in the metadata of a safetensors file, whose tensors are its leaves.
 *
 *     { params: [w, b], step: 3, best: Infinity }
 *     {"fields":{"params":[{"tensor":"params.0"},{"tensor":"params.1"}],"step":3,"best":{"number":"Infinity"}}}
 *
 * Every object of the text has one field, which says what it stands for, so that no field of a tree can be taken for
 * something else. A tensor that stands at two places is in the file once and comes back as one handle.
 */

import { ArgumentError, DataFormatError, isTensor } from "tsdlc-runtime";
import type { AnyHandle } from "./elements.ts";
import { parseJson, quote } from "./json.ts";
import { nameOfPath, type Path, refusalOfName } from "./name.ts";
import { deepest, foldTree, isPlain, placeOf, type Plain } from "./tree.ts";

/** A tree as a file has it, with names where the tensors go. */
export type Stored =
  | { readonly kind: "tensor"; readonly name: string }
  | { readonly kind: "plain"; readonly value: Plain }
  | { readonly kind: "list"; readonly items: readonly Stored[] }
  | { readonly kind: "fields"; readonly fields: ReadonlyMap<string, Stored> };

type Json = Plain | readonly Json[] | { readonly [field: string]: Json };

/** Numbers that JSON does not have. */
const otherNumbers: ReadonlyMap<string, number> = new Map([["NaN", NaN], ["Infinity", Infinity], ["-Infinity", -Infinity], ["-0", -0]]);

/** The structure of a tree as text, and its tensors by name. Throws ArgumentError for what no tree has. */
export function writeStructure(caller: string, tree: unknown): { readonly text: string; readonly tensors: ReadonlyMap<string, AnyHandle> } {
  const names = new Map<AnyHandle, string>();
  const tensors = new Map<string, AnyHandle>();
  const json = foldTree<Json>(caller, tree, {
    tensor(leaf, path) {
      if (!isTensor(leaf)) throw new ArgumentError(`${caller}: ${placeOf(path)} is { dtype, shape }, which says what a tensor is like and is none`);
      const known = names.get(leaf);
      if (known !== undefined) return { tensor: known };
      const name = nameOfPath(path);
      if (tensors.has(name)) throw new ArgumentError(`${caller}: two tensors of the tree would be called ${quote(name)} in the file: fields with dots in their names stand beside fields of fields`);
      names.set(leaf, name);
      tensors.set(name, leaf);
      return { tensor: name };
    },
    plain: (leaf) => (typeof leaf === "number" && (!Number.isFinite(leaf) || Object.is(leaf, -0)) ? { number: Object.is(leaf, -0) ? "-0" : String(leaf) } : leaf),
    list: (items) => items,
    fields: (fields) => ({ fields: Object.fromEntries(fields) }),
  });
  return { text: JSON.stringify(json), tensors };
}

/** The tree that a text stands for. Throws DataFormatError, beginning with `file`. */
export function readStructure(text: string, file: string): Stored {
  return readNode(parseJson(text, `${file}: the structure of the tree`), file, []);
}

function readNode(json: unknown, file: string, path: Path): Stored {
  if (isPlain(json)) return { kind: "plain", value: json };
  const fault = (what: string): DataFormatError => new DataFormatError(`${file}: the structure of the tree is damaged: ${placeOf(path.slice(0, 8))}${path.length > 8 ? "..." : ""} ${what}`);
  if (path.length >= deepest) throw fault(`is deeper than ${deepest}`);
  if (Array.isArray(json)) return { kind: "list", items: json.map((item, i) => readNode(item, file, [...path, i])) };
  const [entry, ...others] = Object.entries(json as Readonly<Record<string, unknown>>);
  if (entry === undefined || others.length > 0) throw fault(`is an object of ${entry === undefined ? "no" : others.length + 1} fields, not of one`);
  const [kind, value] = entry;
  if (kind === "tensor" && typeof value === "string") return { kind, name: value };
  const number = kind === "number" && typeof value === "string" ? otherNumbers.get(value) : undefined;
  if (number !== undefined) return { kind: "plain", value: number };
  if (kind !== "fields" || typeof value !== "object" || value === null || Array.isArray(value)) throw fault(`is ${quote(JSON.stringify(json).slice(0, 60))}, not one of tensor, number and fields`);
  const fields = Object.entries(value).map(([key, item]) => {
    const refusal = refusalOfName(key);
    if (refusal !== undefined) throw fault(`has a field that is refused: ${refusal}`);
    return [key, readNode(item, file, [...path, key])] as const;
  });
  return { kind: "fields", fields: new Map(fields) };
}
