/**
 * Checkpoints: a tree of parameters, optimizer state, random keys, and the numbers and strings beside them, as one
 * safetensors file, which any reader of such files can open.
 */

import { ArgumentError, DataFormatError } from "tsdlc-runtime";
import { readStructure, type Stored, writeStructure } from "./checkpoint-structure.ts";
import { eachAtOnce } from "./each.ts";
import type { AnyTensor } from "./elements.ts";
import { quote } from "./json.ts";
import type { Path } from "./name.ts";
import type { TensorSource } from "./safetensors.ts";
import { openSafetensors, writeSafetensors } from "./safetensors-file.ts";
import { foldTree, placeOf, type Plain, printPlainType, printTensorType, refillTree, type Restored } from "./tree.ts";
import { compareTypes, describeReport, type Types } from "./tree-report.ts";

/** A checkpoint as it is stored. */
export type CheckpointTree = AnyTensor | Plain | CheckpointTree[] | { [field: string]: CheckpointTree };

/** The keys of the metadata. */
const versionKey = "tsdlc.checkpoint";
const treeKey = "tsdlc.tree";
const version = "1";

/**
 * Writes a tree to a file, which takes the place of an older one when all of it is on the disk. Leaves are tensors, on
 * any device, numbers, strings, booleans and null; a field that is undefined is left out. Wait for it before a call that
 * consumes one of the tensors.
 *
 *     await saveCheckpoint("run.safetensors", { params, state, key, epoch });
 *
 * Rejects with ArgumentError for what no tree has, naming the path, HandleError for a tensor that is no more, and Node's
 * own error for a file that cannot be written.
 */
export async function saveCheckpoint(path: string, tree: unknown): Promise<void> {
  const { text, tensors } = writeStructure("saveCheckpoint", tree);
  await writeSafetensors(path, tensors, { [versionKey]: version, [treeKey]: text });
}

/**
 * The tree of a checkpoint. With `like`, a tree of the same structure whose tensors (or `{ dtype, shape }`) say what
 * must come back, the result has its type and its classes; without, it is as stored, in plain objects and arrays.
 *
 *     const { params, state, epoch } = await loadCheckpoint("run.safetensors", { params, state, key, epoch: 0 });
 *
 * Rejects with DataFormatError for a file that is no whole checkpoint, with ArgumentError for one of another tree,
 * naming every path that is missing, not expected or of another type, and with Node's own error for a file that cannot
 * be opened. Nothing is loaded by halves: all is compared before the first tensor is read.
 */
export function loadCheckpoint<const T>(path: string, like: T): Promise<Restored<T>>;
export function loadCheckpoint(path: string): Promise<CheckpointTree>;
export async function loadCheckpoint(path: string, like?: unknown): Promise<unknown> {
  const file = await openSafetensors(path);
  try {
    const leaves = new Map<string, Stored>();
    const stored = structureOf(file);
    collectLeaves(stored, [], leaves);
    if (like !== undefined) requireAlike(file, leaves, like);
    const tensors = new Map<string, AnyTensor>();
    await eachAtOnce(file.tensors.keys(), async (name) => void tensors.set(name, await file.read(name)));
    if (like === undefined) return build(stored, tensors);
    const restore = (_: unknown, at: Path): unknown => build(leaves.get(placeOf(at)) ?? missing(file, at), tensors);
    return refillTree("loadCheckpoint", like, { tensor: restore, plain: restore });
  } finally {
    await file.close();
  }
}

/** What the metadata says of the tree, held against the tensors that are there. */
function structureOf(file: TensorSource): Stored {
  const found = file.metadata.get(versionKey);
  const text = file.metadata.get(treeKey);
  if (found === undefined || text === undefined) throw new DataFormatError(`${file.name}: no checkpoint: its metadata has no ${found === undefined ? versionKey : treeKey}; read other safetensors files with openSafetensors and loadTree`);
  if (found !== version) throw new DataFormatError(`${file.name}: a checkpoint of version ${quote(found)}, and this tsdlc reads version ${version}`);
  const stored = readStructure(text, file.name);
  const used = new Set<string>();
  const visit = (part: Stored): void => {
    if (part.kind === "tensor") {
      if (!file.tensors.has(part.name)) throw new DataFormatError(`${file.name}: damaged: the tree has the tensor ${quote(part.name)}, and the file has not`);
      used.add(part.name);
    } else if (part.kind === "list") part.items.forEach(visit);
    else if (part.kind === "fields") part.fields.forEach(visit);
  };
  visit(stored);
  for (const name of file.tensors.keys()) if (!used.has(name)) throw new DataFormatError(`${file.name}: damaged: the file has the tensor ${quote(name)}, and the tree has not`);
  return stored;
}

/** Leaves by path; a list or an object of nothing is one too. */
function collectLeaves(part: Stored, path: Path, leaves: Map<string, Stored>): void {
  if (part.kind === "list" && part.items.length > 0) part.items.forEach((item, i) => collectLeaves(item, [...path, i], leaves));
  else if (part.kind === "fields" && part.fields.size > 0) part.fields.forEach((item, key) => collectLeaves(item, [...path, key], leaves));
  else leaves.set(placeOf(path), part);
}

const emptyList = "an empty list";
const emptyObject = "an object of no fields";

function requireAlike(file: TensorSource, leaves: ReadonlyMap<string, Stored>, like: unknown): void {
  const expected = new Map<string, string>();
  foldTree<void>("loadCheckpoint", like, {
    tensor: (leaf, path) => void expected.set(placeOf(path), printTensorType(leaf)),
    plain: (leaf, path) => void expected.set(placeOf(path), printPlainType(leaf)),
    list: (items, path) => void (items.length === 0 && expected.set(placeOf(path), emptyList)),
    fields: (fields, path) => void (fields.length === 0 && expected.set(placeOf(path), emptyObject)),
  });
  const found: Types = new Map([...leaves].map(([place, leaf]) => [place, printStored(file, leaf)]));
  const report = compareTypes(expected, found);
  if (report.missing.length + report.unexpected.length + report.mismatched.length > 0) {
    throw new ArgumentError(describeReport(`loadCheckpoint: ${file.name} has another tree`, report, expected, found));
  }
}

function printStored(file: TensorSource, leaf: Stored): string {
  switch (leaf.kind) {
    case "tensor": {
      const type = file.tensors.get(leaf.name);
      return type === undefined ? "" : printTensorType(type);
    }
    case "plain": return printPlainType(leaf.value);
    case "list": return emptyList;
    case "fields": return emptyObject;
  }
}

function build(part: Stored, tensors: ReadonlyMap<string, AnyTensor>): unknown {
  switch (part.kind) {
    case "tensor": return tensors.get(part.name);
    case "plain": return part.value;
    case "list": return part.items.map((item) => build(item, tensors));
    case "fields": return Object.fromEntries([...part.fields].map(([key, item]) => [key, build(item, tensors)]));
  }
}

/** `like` was found to agree, so that only one that changed while tensors were read gets here. */
function missing(file: TensorSource, path: Path): never {
  throw new ArgumentError(`loadCheckpoint: ${placeOf(path)} was not in the tree when ${file.name} was opened`);
}
