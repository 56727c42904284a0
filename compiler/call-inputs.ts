/**
 * The arguments of a call from a file: JSON with one entry for each argument, or safetensors or .npz, whose tensors are called
 * by their path: `params.w1` is the field w1 of the parameter params, `layers.0.weight` is in an array. One error names all
 * that does not fit.
 */

import { readFile } from "node:fs/promises";
import { ArgumentError, isTensor, type NestedNumbers, type Program, tensor } from "tsdlc-runtime";
import type { ParameterSpec, Tree } from "tsdlc-runtime/program";
import type { TensorSource } from "../lib/files/safetensors.ts";
import { UsageError } from "./usage-error.ts";

/** What becomes of an argument, or a part of one, that the file does not give. */
export type Missing = "zeros" | "refused";

type Sizes = ReadonlyMap<string, number>;
type TensorTree = Tree & { readonly kind: "tensor" };

/** The arguments for `program`. Throws UsageError and ArgumentError, naming the file and the argument. */
export async function readArguments(program: Program, path: string | undefined, sizes: Sizes, missing: Missing): Promise<readonly unknown[]> {
  refuseUnknownSizes(program, sizes);
  const given = path === undefined ? [] : /\.json$/i.test(path) ? await readJson(path) : await readTensors(program, path, missing);
  if (given.length > program.parameters.length) {
    throw new UsageError(`${program.name} takes ${program.parameters.length} arguments, and ${path ?? "the input"} has ${given.length}`);
  }
  return program.parameters.map((parameter, position) => makeArgument(parameter, given[position], sizes, missing));
}

/** "N=3,M=4" */
export function parseSizes(text: string | undefined): Sizes {
  const pairs = (text ?? "").split(",").filter((pair) => pair !== "").map((pair) => {
    const [, name, size] = /^([A-Za-z_]\w*)=(\d+)$/.exec(pair.trim()) ?? [];
    if (name === undefined || size === undefined) throw new UsageError(`"${pair}" is not the size of a named dim`, "write --dims N=3,M=4");
    return [name, Number(size)] as const;
  });
  return new Map(pairs);
}

/** The value for a parameter: nested arrays become tensors where the tree has them. */
function makeArgument({ name, tree }: ParameterSpec, given: unknown, sizes: Sizes, missing: Missing): unknown {
  return make(tree, given, name);

  function make(node: Tree, value: unknown, path: string): unknown {
    if (missing === "refused" && (value === undefined || value === null) && node.kind !== "array" && node.kind !== "object") throw new UsageError(`the inputs do not give ${path}`, "zeros would hide what differs: give each argument a value");
    switch (node.kind) {
      case "number":
        return value ?? 0;
      case "tensor": {
        if (isTensor(value)) return value;
        if (value !== undefined && value !== null) return tensor(value as NestedNumbers, undefined, node.dtype);
        const shape = node.shape.map((size) => sizeOf(size, path));
        return tensor(zeros(shape), shape, node.dtype);
      }
      case "array":
        if (value !== undefined && value !== null && !Array.isArray(value)) throw new UsageError(`${path} must be an array in the input file`);
        return node.items.map((item, position) => make(item, Array.isArray(value) ? value[position] : undefined, `${path}[${position}]`));
      case "object": {
        if (value !== undefined && (typeof value !== "object" || Array.isArray(value))) throw new UsageError(`${path} must be an object in the input file`);
        const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
        return Object.fromEntries(node.fields.map(([field, inner]) => [field, make(inner, fields[field], `${path}.${field}`)]));
      }
    }
  }

  function sizeOf(size: TensorTree["shape"][number], path: string): number {
    if (typeof size === "number") return size;
    if (typeof size === "string") return sizes.get(size) ?? 1;
    throw new UsageError(`the shape of ${path} has a computed size, so it has no default`, "give it with --inputs");
  }
}

function refuseUnknownSizes({ name, dims }: Program, sizes: Sizes): void {
  const names = dims.map((dim) => dim.name);
  const unknown = [...sizes.keys()].find((size) => !names.includes(size));
  if (unknown === undefined) return;
  throw new UsageError(`${name} has no dim named ${unknown}`, names.length === 0 ? "it has no named dims" : `its named dims are ${names.join(", ")}`);
}

/** More is no default but a mistake: an array of numbers this long takes 800 MB. */
const largestDefault = 1e8;

/** Numbers, which are elements of any dtype; a typed array would be of one. */
function zeros(shape: readonly number[]): readonly number[] {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > largestDefault) throw new UsageError(`the zeros of shape [${shape.join(",")}] are ${count} numbers`, "choose smaller sizes with --dims, or call the package from a program");
  return new Array<number>(count).fill(0);
}

async function readJson(path: string): Promise<readonly unknown[]> {
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new UsageError(`the inputs ${path} cannot be read: ${error.message}`);
  });
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch (error) {
    throw new UsageError(`the inputs ${path} are not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new UsageError(`the inputs ${path} must be an array with one entry for each argument`);
}

/* ---------------------------------------------------------------- tensors by name */

async function readTensors(program: Program, path: string, missing: Missing): Promise<readonly unknown[]> {
  const source = await openSource(path);
  const leaves = program.parameters.flatMap(({ name, tree }) => leavesOf(tree, [name]));
  const { compareTypes, describeReport } = await import("../lib/files/tree-report.ts");
  const sizes = sizesIn(leaves, source);
  const expected = new Map(leaves.map(({ name, tree }) => [name, printExpected(name, tree, source, sizes)]));
  const found = new Map([...source.tensors].map(([name, { dtype, shape }]) => [name, `${dtype}[${shape.join(",")}]`]));
  const report = compareTypes(expected, found);
  const isRefused = report.unexpected.length + report.mismatched.length > 0 || (missing === "refused" && report.missing.length > 0);
  if (isRefused) throw new ArgumentError(describeReport(`${path} does not fit the arguments of ${program.name}`, report, expected, found));
  const values = new Map<string, unknown>();
  for (const { name, tree } of leaves) {
    if (!source.tensors.has(name)) continue;
    const value = await source.read(name);
    values.set(name, tree.kind === "number" ? value.item() : value);
  }
  return program.parameters.map(({ name, tree }) => grow(tree, [name]));

  function grow(tree: Tree, at: readonly (string | number)[]): unknown {
    switch (tree.kind) {
      case "tensor":
      case "number": return values.get(at.join("."));
      case "array": return tree.items.map((item, i) => grow(item, [...at, i]));
      case "object": return Object.fromEntries(tree.fields.map(([field, inner]) => [field, grow(inner, [...at, field])]));
    }
  }
}

async function openSource(path: string): Promise<TensorSource> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new UsageError(`the inputs ${path} cannot be read: ${error.message}`);
  });
  if (/\.npz$/i.test(path)) return (await import("../lib/files/npz.ts")).readNpz(bytes, path);
  const { readSafetensors } = await import("../lib/files/safetensors.ts");
  return readSafetensors(bytes, path);
}

interface Leaf {
  readonly name: string;
  readonly tree: TensorTree | (Tree & { readonly kind: "number" });
}

function leavesOf(tree: Tree, path: readonly (string | number)[]): readonly Leaf[] {
  switch (tree.kind) {
    case "tensor":
    case "number": return [{ name: path.join("."), tree }];
    case "array": return tree.items.flatMap((item, i) => leavesOf(item, [...path, i]));
    case "object": return tree.fields.flatMap(([field, inner]) => leavesOf(inner, [...path, field]));
  }
}

/** A named dim has the size that the first tensor with it says. */
function sizesIn(leaves: readonly Leaf[], { tensors }: TensorSource): Sizes {
  const sizes = new Map<string, number>();
  for (const { name, tree } of leaves) {
    const shape = tensors.get(name)?.shape;
    if (tree.kind !== "tensor" || shape?.length !== tree.shape.length) continue;
    tree.shape.forEach((size, axis) => {
      if (typeof size === "string" && !sizes.has(size)) sizes.set(size, shape[axis] ?? 0);
    });
  }
  return sizes;
}

/** A computed size is looked at by the call; here it is what the file says. A number may be of any dtype. */
function printExpected(name: string, tree: Leaf["tree"], { tensors }: TensorSource, sizes: Sizes): string {
  const found = tensors.get(name);
  if (tree.kind === "number") return `${found?.dtype ?? tree.dtype}[]`;
  return `${tree.dtype}[${tree.shape.map((size, axis) => (typeof size === "number" ? size : typeof size === "string" ? sizes.get(size) ?? size : found?.shape[axis] ?? "?")).join(",")}]`;
}
