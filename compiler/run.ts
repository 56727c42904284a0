/**
 * `tsdlc run`: calls one function of a package, a model or a module in text form, and prints what it returns.
 *
 * Whatever the program is, it ends as a package in a folder (a temporary one if need be) that the runtime loads: what
 * runs here is what would run for a user of the package.
 */

import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTensor, loadPackage, type NestedNumbers, type PackageManifest, type Program, tensor, type TypedArray } from "tsdlc-runtime";
import type { ParameterSpec, Tree } from "tsdlc-runtime/program";
import type { Progress } from "./progress.ts";
import { findSources } from "./sources.ts";
import { buildTargets } from "./tiers.ts";
import { UsageError } from "./usage-error.ts";

export interface RunRequest {
  /** A built package, a .ts file or a .ir file. */
  readonly path: string;
  readonly functionName: string | undefined;
  /** A JSON file with an array of arguments. */
  readonly inputs: string | undefined;
  /** "N=3,M=4" */
  readonly dims: string | undefined;
  /** The device that TSDLC_DEVICE names. */
  readonly device: string | undefined;
  readonly compilerVersion: string;
}

export async function run(request: RunRequest, progress: Progress): Promise<string> {
  const given = request.inputs === undefined ? [] : await readInputs(request.inputs);
  const sizes = parseSizes(request.dims);
  const temporary = await mkdtemp(join(tmpdir(), "tsdlc-run-"));
  try {
    const folder = (await isFolder(request.path)) ? request.path : await buildInto(join(temporary, "package"), request, progress);
    const functions = await loadPackage(folder);
    const program = await findProgram(folder, request.functionName);
    if (given.length > program.parameters.length) {
      throw new UsageError(`${program.name} takes ${program.parameters.length} arguments, and ${request.inputs ?? "the input"} has ${given.length}`);
    }
    refuseUnknownSizes(program, sizes);
    const args = program.parameters.map((parameter, position) => makeArgument(parameter, given[position], sizes));
    const call = functions[program.name];
    if (call === undefined) throw new UsageError(`${folder} has no function ${program.name}`);
    return await printResult("", await call(...args));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** What to build for, to run on a device; a wrong name is the runtime's to refuse. */
function targetFor(device: string | undefined): string {
  if (device === undefined) return "cpu";
  return device === "webgpu" ? "wgsl" : device.startsWith("cuda") ? "cuda" : "cpu";
}

/** Builds a package of a .ts or .ir file for this machine. */
async function buildInto(out: string, { path, device, compilerVersion }: RunRequest, progress: Progress): Promise<string> {
  const { writePackage } = await import("./package/write.ts");
  const { compileModule } = await import("../lib/compile.ts");
  const { module, signatures } = path.endsWith(".ir") ? await readIr(path) : await readSource(path, progress);
  const { tiers, cudaArchitectures } = buildTargets([targetFor(device)]);
  const compilation = await progress.phase("passes and codegen", () => compileModule(module, signatures, { tiers }));
  const identity = { name: "run", sources: [path], compilerVersion, runtimeRange: `^${compilerVersion}` };
  await writePackage(out, identity, signatures, compilation, cudaArchitectures, progress);
  return out;
}

async function readSource(path: string, progress: Progress) {
  const { compileSource } = await import("./frontend/compile-source.ts");
  const sources = await findSources(path);
  return progress.phase("frontend", () => compileSource(sources));
}

/** Every function whose parameters and results are tensors can be called; its signature is flat. */
async function readIr(path: string) {
  const { readModule } = await import("./opt.ts");
  const { flatSignature } = await import("../lib/flat-signature.ts");
  const module = await readModule(path);
  return { module, signatures: module.functions.flatMap((func) => flatSignature(func, path) ?? []) };
}

async function findProgram(folder: string, name: string | undefined): Promise<Program> {
  const manifest = JSON.parse(await readFile(join(folder, "program.json"), "utf8")) as PackageManifest;
  const names = manifest.functions;
  const [only] = names;
  const chosen = name ?? only;
  if (name === undefined && names.length !== 1) {
    throw new UsageError(`there are ${names.length} functions: ${names.join(", ")}`, "choose one with --function");
  }
  const [tier] = manifest.tiers;
  const programs = tier === undefined ? [] : (JSON.parse(await readFile(join(folder, tier.programs), "utf8")) as readonly Program[]);
  const program = programs.find((candidate) => candidate.name === chosen);
  if (program === undefined) throw new UsageError(`there is no function ${chosen ?? ""}`, `the functions are ${names.join(", ")}`);
  return program;
}

/** The value for a parameter: nested arrays become tensors where the tree has them, and what is missing is zeros. */
function makeArgument({ name, tree }: ParameterSpec, given: unknown, sizes: ReadonlyMap<string, number>): unknown {
  return make(tree, given, name);

  function make(node: Tree, value: unknown, path: string): unknown {
    switch (node.kind) {
      case "number":
        return value ?? 0;
      case "tensor": {
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

  function sizeOf(size: (Tree & { kind: "tensor" })["shape"][number], path: string): number {
    if (typeof size === "number") return size;
    if (typeof size === "string") return sizes.get(size) ?? 1;
    throw new UsageError(`the shape of ${path} has a computed size, so it has no default`, "give it with --inputs");
  }
}

function refuseUnknownSizes({ name, dims }: Program, sizes: ReadonlyMap<string, number>): void {
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

async function printResult(path: string, value: unknown): Promise<string> {
  if (isTensor(value)) return `${path === "" ? "" : `${path}: `}${value.dtype}[${value.shape.join(",")}] ${printElements(await value.data(), value.shape)}\n`;
  const entries = Array.isArray(value)
    ? value.map((item: unknown, position) => [`${path}[${position}]`, item] as const)
    : Object.entries(value as object).map(([field, item]) => [path === "" ? field : `${path}.${field}`, item as unknown] as const);
  const lines: string[] = [];
  for (const [where, item] of entries) lines.push(await printResult(where, item));
  return lines.join("");
}

const elementsShown = 32;

/** The elements as nested lists; beyond the first few, how many there are. */
function printElements(data: TypedArray, shape: readonly number[]): string {
  if (data.length > elementsShown) {
    return `${[...data.subarray(0, elementsShown)].map(printNumber).join(" ")} … ${data.length} elements`;
  }
  const print = (axis: number, offset: number, length: number): string => {
    const size = shape[axis];
    if (size === undefined) return printNumber(data[offset] ?? 0);
    const step = size === 0 ? 0 : length / size;
    return `[${Array.from({ length: size }, (_, i) => print(axis + 1, offset + i * step, step)).join(", ")}]`;
  };
  return print(0, 0, data.length);
}

function printNumber(value: number | bigint): string {
  return typeof value === "bigint" ? String(value) : String(Number(value.toPrecision(7)));
}

async function readInputs(path: string): Promise<readonly unknown[]> {
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

function parseSizes(text: string | undefined): ReadonlyMap<string, number> {
  const pairs = (text ?? "").split(",").filter((pair) => pair !== "").map((pair) => {
    const [, name, size] = /^([A-Za-z_]\w*)=(\d+)$/.exec(pair.trim()) ?? [];
    if (name === undefined || size === undefined) throw new UsageError(`"${pair}" is not the size of a named dim`, "write --dims N=3,M=4");
    return [name, Number(size)] as const;
  });
  return new Map(pairs);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}
