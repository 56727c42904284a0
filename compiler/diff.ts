/**
 * `tsdlc diff`: a model eager and compiled side by side on the same inputs, and the first line where they part.
 *
 * Eager is each op by itself on the CPU; compiled is what `tsdlc build` makes for the device that TSDLC_DEVICE names. The
 * function is compiled twice: as it is, and so that it returns every value on its way (diff/watched.ts), which
 * diff/lockstep.ts holds against the eager run.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DTypeName, isTensor, loadPackage, type Shape, type Tensor as Handle } from "tsdlc-runtime";
import { cpuDevice } from "tsdlc-runtime/cpu";
import type { Module } from "../ir/module.ts";
import type { SignatureTree } from "../ir/signature.ts";
import { parseSizes, readArguments } from "./call-inputs.ts";
import { compareSteps } from "./diff/lockstep.ts";
import { type Numbers, sizesFrom, toNumbers } from "./diff/op-by-op.ts";
import { type BothRuns, describeAgreement, partingOf } from "./diff/parting.ts";
import { watch, type Watched } from "./diff/watched.ts";
import { DiagnosticsError } from "./diagnostics.ts";
import type { Progress } from "./progress.ts";
import { chooseFunction, findProgram, readProgram, writeTemporaryPackage } from "./temporary-package.ts";
import { UsageError } from "./usage-error.ts";

type Tensor = Handle<Shape, DTypeName>;

export interface DiffRequest {
  /** A .ts or .ir file. */
  readonly path: string;
  readonly functionName: string | undefined;
  /** A file that gives every argument. */
  readonly inputs: string;
  /** How many ulps are no difference. */
  readonly ulps: string;
  /** The device that TSDLC_DEVICE names. */
  readonly device: string | undefined;
  readonly compilerVersion: string;
}

/** What is printed where the runs agree. Throws a DiagnosticsError with the first place where they do not. */
export async function diff(request: DiffRequest, progress: Progress): Promise<string> {
  const tolerance = Number(request.ulps);
  if (!(tolerance >= 0)) throw new UsageError(`"${request.ulps}" is no number of ulps`, "write --ulp 64");
  const { module, signatures } = await readProgram(request.path, progress);
  const name = chooseFunction(signatures.map((signature) => signature.name), request.functionName);
  const signature = signatures.find((candidate) => candidate.name === name);
  if (signature === undefined) throw new UsageError(`there is no function ${name}`);
  const watched = watch(module, signature);
  const temporary = await mkdtemp(join(tmpdir(), "tsdlc-diff-"));
  try {
    const both: Module = { functions: [watched.func, watched.watching] };
    const plain = { ...signature, parameters: watched.signature.parameters };
    const folder = await writeTemporaryPackage({ module: both, signatures: [plain, watched.signature] }, { ...request, out: join(temporary, "package") }, progress);
    const args = await readArguments(await findProgram(folder, name), request.inputs, parseSizes(undefined), "refused");
    const outcome = await progress.phase("both runs", () => runBoth(folder, { watched, result: signature.result }, args, tolerance));
    const parting = partingOf(outcome, watched.func, tolerance);
    if (parting !== undefined) throw new DiagnosticsError([parting]);
    return describeAgreement(outcome, tolerance);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function runBoth(folder: string, { watched, result }: { readonly watched: Watched; readonly result: SignatureTree }, args: readonly unknown[], tolerance: number): Promise<BothRuns> {
  const { func, signature } = watched;
  // Before the calls, which may assign fields of arguments.
  const inputs = await Promise.all(leavesOf(args).map((leaf) => (typeof leaf === "number" ? toNumbers("f64", [], Float64Array.of(leaf)) : read(leaf))));
  const functions = await loadPackage(folder);
  const call = (name: string): readonly Tensor[] => leavesOf(functions[name]?.(...args)) as readonly Tensor[];
  const values = call(signature.name);
  const compiled = await Promise.all(call(func.name).map(read));
  const sizes = sizesFrom(func, inputs, signature.dims.map(({ name }) => name));
  const watchedValues = await Promise.all(values.slice(func.body.yields.length).map(read));
  const { steps, results } = compareSteps(watched, inputs, watchedValues, sizes, cpuDevice(), tolerance);
  const resultNames = namesOf(result, "");
  return { name: func.name, steps, results: results.slice(0, resultNames.length), compiled: compiled.slice(0, resultNames.length), resultNames, precision: signature.precision, deviceName: values[0]?.device ?? "cpu" };
}

async function read(leaf: Tensor): Promise<Numbers> {
  return toNumbers(leaf.dtype, leaf.shape, await leaf.data());
}

/** Tensors and numbers, left to right. */
function leavesOf(tree: unknown): readonly (Tensor | number)[] {
  if (isTensor(tree)) return [tree as Tensor];
  if (typeof tree === "number") return [tree];
  return Object.values(tree as object).flatMap(leavesOf);
}

/** What a caller writes to get at each leaf of a result. */
function namesOf(tree: SignatureTree, path: string): readonly string[] {
  switch (tree.kind) {
    case "tensor":
    case "number": return [path === "" ? "the result" : path];
    case "array": return tree.items.flatMap((item, i) => namesOf(item, `${path}[${i}]`));
    case "object": return tree.fields.flatMap((field) => namesOf(field.tree, path === "" ? field.name : `${path}.${field.name}`));
  }
}
