/**
 * `tsdlc run`: calls one function of a package, a model or a module in text form, and prints what it returns.
 *
 * Whatever the program is, it ends as a package in a folder (a temporary one if need be) that the runtime loads: what
 * runs here is what would run for a user of the package.
 */

import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTensor, loadPackage, type TypedArray } from "tsdlc-runtime";
import { parseSizes, readArguments } from "./call-inputs.ts";
import type { Progress } from "./progress.ts";
import { findProgram, readProgram, writeTemporaryPackage } from "./temporary-package.ts";
import { UsageError } from "./usage-error.ts";

export interface RunRequest {
  /** A built package, a .ts file or a .ir file. */
  readonly path: string;
  readonly functionName: string | undefined;
  /** A file of arguments: JSON or safetensors. */
  readonly inputs: string | undefined;
  /** "N=3,M=4" */
  readonly dims: string | undefined;
  /** The device that TSDLC_DEVICE names. */
  readonly device: string | undefined;
  readonly compilerVersion: string;
}

export async function run(request: RunRequest, progress: Progress): Promise<string> {
  const sizes = parseSizes(request.dims);
  const temporary = await mkdtemp(join(tmpdir(), "tsdlc-run-"));
  try {
    const folder = (await isFolder(request.path))
      ? request.path
      : await writeTemporaryPackage(await readProgram(request.path, progress), { ...request, out: join(temporary, "package") }, progress);
    const functions = await loadPackage(folder);
    const program = await findProgram(folder, request.functionName);
    const args = await readArguments(program, request.inputs, sizes, "zeros");
    const call = functions[program.name];
    if (call === undefined) throw new UsageError(`${folder} has no function ${program.name}`);
    return await printResult("", await call(...args));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
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

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}
