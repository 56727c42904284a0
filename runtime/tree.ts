/**
 * Trees of arguments and results: what leaves a tree has, reading a JavaScript value against it, building one from it.
 *
 * Leaves are numbered left to right across all parameters; a path such as `p.layers[0].w` is only spelled for messages.
 */

import { ArgumentError } from "./errors.ts";
import { printFormula } from "./formula.ts";
import type { DTypeName, Formula, ParameterSpec, Tree } from "./program.ts";

export interface Leaf {
  readonly tree: Extract<Tree, { kind: "tensor" | "number" }>;
  readonly dtype: DTypeName;
  readonly shape: readonly Formula[];
  /** Position of the parameter it belongs to. */
  readonly parameter: number;
  readonly path: string;
}

/** The leaves of all parameters. */
export function parameterLeaves(parameters: readonly ParameterSpec[]): readonly Leaf[] {
  return parameters.flatMap(({ name, tree }, parameter) => leavesOf(tree, parameter, name));
}

export function leavesOf(tree: Tree, parameter: number, path: string): readonly Leaf[] {
  switch (tree.kind) {
    case "tensor": return [{ tree, dtype: tree.dtype, shape: tree.shape, parameter, path }];
    case "number": return [{ tree, dtype: tree.dtype, shape: [], parameter, path }];
    case "array": return tree.items.flatMap((item, i) => leavesOf(item, parameter, `${path}[${i}]`));
    case "object": return tree.fields.flatMap(([name, field]) => leavesOf(field, parameter, path + fieldPath(name)));
  }
}

/** Appends the leaf values of an argument to `into`; throws an ArgumentError where its form is not the tree's. */
export function flatten(caller: string, tree: Tree, path: string, value: unknown, into: unknown[]): void {
  switch (tree.kind) {
    case "tensor":
    case "number":
      into.push(value);
      return;
    case "array": {
      if (!Array.isArray(value)) throw new ArgumentError(`${caller}: argument ${path} must be an array of ${tree.items.length}, got ${describeForm(value)}`);
      if (value.length !== tree.items.length) {
        throw new ArgumentError(`${caller}: argument ${path} must have ${tree.items.length} items, got ${value.length}`);
      }
      for (let i = 0; i < tree.items.length; i++) {
        const item = tree.items[i];
        if (item !== undefined) flatten(caller, item, `${path}[${i}]`, value[i], into);
      }
      return;
    }
    case "object": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new ArgumentError(`${caller}: argument ${path} must be an object with ${fieldList(tree)}, got ${describeForm(value)}`);
      }
      const fields = value as Readonly<Record<string, unknown>>;
      for (const [name, field] of tree.fields) {
        const item = fields[name];
        if (item === undefined) {
          throw new ArgumentError(`${caller}: argument ${path}${fieldPath(name)} is missing: ${path} must have ${fieldList(tree)}`);
        }
        flatten(caller, field, path + fieldPath(name), item, into);
      }
      refuseExtraFields(caller, tree, path, fields);
      return;
    }
  }
}

/** The value of a tree whose leaves come from `next`, called left to right. */
export function unflatten(tree: Tree, next: () => unknown): unknown {
  switch (tree.kind) {
    case "tensor":
    case "number":
      return next();
    case "array":
      return tree.items.map((item) => unflatten(item, next));
    case "object": {
      const value: Record<string, unknown> = {};
      for (const [name, field] of tree.fields) value[name] = unflatten(field, next);
      return value;
    }
  }
}

export function printTensorType(dtype: DTypeName, shape: readonly Formula[]): string {
  return `${dtype}[${shape.map(printFormula).join(",")}]`;
}

/** What a value is, when it is not even of the right form. */
export function describeForm(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value !== "object") return `the ${typeof value} ${String(value)}`;
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "Object" ? `a ${name}` : "an object";
}

function refuseExtraFields(
  caller: string,
  tree: Extract<Tree, { kind: "object" }>,
  path: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  const names = Object.keys(fields);
  if (names.length === tree.fields.length) return;
  const extra = names.find((name) => typeof fields[name] !== "function" && fields[name] !== undefined && !tree.fields.some(([known]) => known === name));
  if (extra !== undefined) {
    throw new ArgumentError(`${caller}: argument ${path} has a field ${extra} that ${caller} does not know: it must have ${fieldList(tree)}`);
  }
}

function fieldList(tree: Extract<Tree, { kind: "object" }>): string {
  return tree.fields.length === 0 ? "no fields" : `the fields ${tree.fields.map(([name]) => name).join(", ")}`;
}

function fieldPath(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
