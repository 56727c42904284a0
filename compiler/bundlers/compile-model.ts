/**
 * One source file with models, compiled for a bundler: a package in a folder of the bundler's cache, and the module that
 * takes its models from there.
 *
 * It is `tsdlc build` with its record, so that a file of which nothing changed costs a few hashes, in whatever process.
 */

import { createHash } from "node:crypto";
import { basename, join, relative } from "node:path";
import { build } from "../build.ts";
import { readSurroundings } from "../options.ts";
import { packageName } from "../package/contents.ts";
import { createProgress } from "../progress.ts";
import { isDiagnosticsError } from "../report-error.ts";
import { readVersion } from "../version.ts";

export interface CompileRequest {
  /** Absolute. */
  readonly file: string;
  readonly targets: readonly string[];
  readonly architectures: readonly string[] | undefined;
  /** The folder in whose node_modules packages are kept. */
  readonly root: string;
  /** The name in the module of the object that has the models. */
  readonly functionsName: string;
}

export interface CompiledModel {
  /** JavaScript for a scope with `functionsName` in it. */
  readonly module: string;
  /** Files that the running package may read, absolute, by their names in it; program.json is one. */
  readonly files: ReadonlyMap<string, string>;
  /** Absolute paths of the user's files that were read. */
  readonly inputs: readonly string[];
}

/** Builds of one folder follow each other: a dev server asks for a module whenever a page does. */
const underWay = new Map<string, Promise<unknown>>();

/** Undefined for a file without a model of its own. Throws a DiagnosticsError or a UsageError. */
export async function compileModel(request: CompileRequest): Promise<CompiledModel | undefined> {
  const identity = createHash("sha256").update(JSON.stringify([request.file, request.targets, request.architectures])).digest("hex").slice(0, 8);
  const out = join(request.root, "node_modules/.tsdlc", `${packageName(basename(request.file).replace(/\.\w+$/, ""))}-${identity}`);
  const compiled = (underWay.get(out) ?? Promise.resolve()).then(() => compileInto(out, request), () => compileInto(out, request));
  underWay.set(out, compiled);
  return compiled;
}

async function compileInto(out: string, { file, targets, architectures, functionsName }: CompileRequest): Promise<CompiledModel | undefined> {
  try {
    const { inputs, outputs, module } = await build({
      // Diagnostics call it as it is called here.
      source: relative(process.cwd(), file), out, targets, architectures, functionsName,
      name: undefined, force: false, printIr: undefined, cacheFolder: readSurroundings().cacheFolder, compilerVersion: readVersion(),
    }, createProgress({ live: false, colours: false, write: () => undefined }), () => undefined);
    if (module === undefined) throw new Error(`the build of ${file} gave no module`);
    const named = outputs.map((path) => [relative(out, path).replaceAll("\\", "/"), path] as const);
    return { module, inputs, files: new Map(named.filter(([name]) => isRead(name))) };
  } catch (error) {
    // It mentions the library's model, and makes none at its top level: an ordinary module.
    if (isDiagnosticsError(error) && error.diagnostics.every(({ code }) => code === "TSDL4002")) return undefined;
    throw error;
  }
}

/** Neither what a package is in npm's eyes, nor the text that machine code was made of. */
function isRead(name: string): boolean {
  return !/^(package\.json|index\.(js|d\.ts))$|\.c$/.test(name);
}

/** Whether a page may ask for a file of a package. */
export function isForPages(name: string): boolean {
  return !name.startsWith("kernels/") || name.startsWith("kernels/wgsl");
}
