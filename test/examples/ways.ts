/**
 * The functions of an example in each way to run it: op by op and by jit, as its source has them; from the package that
 * `tsdlc build` makes of it; and by the reference interpreter, which knows no kernels. Each takes and returns trees of
 * tensors.
 */

import { join } from "node:path";
import { build } from "../../compiler/build.ts";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Module } from "../../ir/module.ts";
import type { SignatureTree } from "../../ir/signature.ts";
import { pathName, visitLeaves } from "../../lib/eager/trees.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { decode } from "../../runtime/dtype.ts";
import { type Device, type DTypeName, loadPackage, type Shape, type Tensor, type TypedArray } from "tsdlc-runtime";
import { jit, tensor } from "tsdlc";
import type { AgreementCase, Functions, Way } from "./agreement-cases.ts";

type Leaf = Tensor<Shape, DTypeName>;

export const examples = join(import.meta.dirname, "../../examples");

/** What happens without a word: this is about outcomes. */
const silent = { phase: async <T>(_name: string, work: () => T | Promise<T>): Promise<T> => work(), finish: () => undefined };

/** The folder of the package that is built from an example, for the tiers named; throws what a build throws. */
export async function buildExample({ name }: AgreementCase, folder: string, targets: readonly string[], architectures: readonly string[]): Promise<string> {
  const out = join(folder, name);
  const request = { source: join(examples, name, "model.ts"), out, targets, architectures, name: undefined, force: true, printIr: undefined, cacheFolder: join(folder, ".cache"), compilerVersion: "0.1.0" };
  await build(request, silent, () => undefined);
  return out;
}

/** The functions on a device; `built` is asked for the package. */
export async function functionsOf(way: Way, { source, dims }: AgreementCase, on: Device, built: () => Promise<string>): Promise<Functions> {
  switch (way) {
    case "eager": return source;
    case "jit": return Object.fromEntries(Object.entries(source).map(([name, fn]) => [name, jit(fn, dims?.[name] === undefined ? {} : { dims: dims[name] })]));
    case "built": return (await loadPackage(await built(), { device: on })) as Functions;
  }
}

/** The functions by the interpreter, on what the frontend makes of the source. */
export function interpretedFunctions({ name }: AgreementCase): Functions {
  const { module, signatures } = compileSource([join(examples, name, "model.ts")]);
  const plain = runPasses(module, ["transform"], { entries: signatures.map((signature) => signature.name) });
  return Object.fromEntries(signatures.map(({ name: called, parameters, result }) => [
    called,
    (...args: unknown[]) => {
      const inputs = parameters.flatMap(({ tree }, i) => leavesIn(tree, args[i]));
      return growTree(result, interpret(plain, called, inputs)[Symbol.iterator]());
    },
  ]));
}

/** In the order of the type. */
function leavesIn(tree: SignatureTree, value: unknown): readonly HostArray[] {
  switch (tree.kind) {
    case "tensor":
    case "number": {
      if (typeof value === "number") return [hostArray(tree.type.dtype, [], [value])];
      const leaf = value as Leaf;
      return [hostArray(leaf.dtype, leaf.shape, numbersOf(leaf.dtype, leaf.dataSync()))];
    }
    case "array": return tree.items.flatMap((item, i) => leavesIn(item, (value as readonly unknown[])[i]));
    case "object": return tree.fields.flatMap((field) => leavesIn(field.tree, (value as Readonly<Record<string, unknown>>)[field.name]));
  }
}

function growTree(tree: SignatureTree, leaves: Iterator<HostArray>): unknown {
  switch (tree.kind) {
    case "tensor":
    case "number": {
      const next = leaves.next();
      if (next.done === true) throw new RangeError("there are too few results");
      return tensor(Array.from(next.value.data), next.value.shape, next.value.dtype);
    }
    case "array": return tree.items.map((item) => growTree(item, leaves));
    case "object": return Object.fromEntries(tree.fields.map((field) => [field.name, growTree(field.tree, leaves)]));
  }
}

/** The elements of all tensors in a result, by their path: "[1].params.w1". */
export async function numbersIn(result: unknown): Promise<ReadonlyMap<string, Numbers>> {
  const found: (readonly [path: string, leaf: Leaf])[] = [];
  visitLeaves(result, (leaf, path) => found.push([pathName("", path), leaf as unknown as Leaf]));
  const read = async ([path, leaf]: readonly [string, Leaf]) => [path, { dtype: leaf.dtype, shape: leaf.shape, elements: numbersOf(leaf.dtype, await leaf.data()) }] as const;
  return new Map(await Promise.all(found.map(read)));
}

export interface Numbers {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly elements: readonly number[];
}

function numbersOf(dtype: DTypeName, data: TypedArray): readonly number[] {
  return Array.from({ length: data.length }, (_, position) => decode(dtype, data, position));
}
