/**
 * `tsdlc build`: from TypeScript to a package on the disk.
 *
 * Read from top to bottom: refuse a folder that is not ours, stop if nothing changed, frontend, passes and codegen with
 * a C compiler started for each tier as soon as its kernels are there, and one rename at the end. Everything that knows TypeScript or IR is imported after
 * the second step.
 */

import { stat } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Compilation, CompiledTier } from "../lib/compile.ts";
import { ccIdentity, compileText } from "tsdlc-runtime/toolchain";
import { type BuildRecord, buildKey, findUnchangedBuild, hashFiles, recordBuild } from "./cache.ts";
import { packageName } from "./package/contents.ts";
import { assertReplaceable } from "./package/folder.ts";
import { writePackage } from "./package/write.ts";
import type { Progress } from "./progress.ts";
import { findSources } from "./sources.ts";
import { UsageError } from "./usage-error.ts";
import { buildTargets } from "./tiers.ts";

export interface BuildRequest {
  /** A file or a folder. */
  readonly source: string;
  readonly out: string;
  readonly targets: readonly string[];
  readonly architectures: readonly string[] | undefined;
  /** The package's name; that of the folder when absent. */
  readonly name: string | undefined;
  /** Build even if nothing changed. */
  readonly force: boolean;
  /** "all" or the name of a pass. */
  readonly printIr: string | undefined;
  readonly cacheFolder: string;
  readonly compilerVersion: string;
  /** A bundler's wish: the source as a module that takes its models from the object of this name. */
  readonly functionsName?: string;
}

export interface BuildResult {
  readonly out: string;
  readonly functions: readonly string[];
  readonly unchanged: boolean;
  /** Absolute paths of the user's files that were read. */
  readonly inputs: readonly string[];
  /** Absolute paths of the package's files. */
  readonly outputs: readonly string[];
  /** The module that `functionsName` asked for. */
  readonly module: string | undefined;
}

/** Throws a UsageError, or a DiagnosticsError; then `out` is what it was before. */
export async function build(request: BuildRequest, progress: Progress, print: (text: string) => void): Promise<BuildResult> {
  const out = resolve(request.out);
  // As it was given, because the message names it.
  await assertReplaceable(request.out);
  const { tiers, cudaArchitectures } = buildTargets(request.targets, request.architectures);
  const sources = await findSources(request.source);
  const name = request.name ?? packageName(basename(out));
  if (!/^(@[a-z0-9-][a-z0-9-._]*\/)?[a-z0-9-][a-z0-9-._]*$/.test(name)) {
    throw new UsageError(`"${name}" is not a name that npm takes for a package`, "use small letters, digits and -, as in --name my-net or --name @me/net");
  }

  const startedAt = Date.now();
  const key = await buildKey({ sources: sources.map((file) => resolve(file)), name, tiers, cudaArchitectures, functionsName: request.functionsName, compilers: await compilerIdentities(request.targets) });
  if (!request.force && request.printIr === undefined) {
    const unchanged = await findUnchangedBuild(request.cacheFolder, out, key);
    if (unchanged !== undefined) {
      const { functions, inputs, outputs, module } = unchanged;
      return { out: request.out, functions, unchanged: true, inputs: Object.keys(inputs), outputs: Object.keys(outputs), module };
    }
  }

  const { compileSource } = await progress.phase("load", () => import("./frontend/compile-source.ts"));
  const { module, signatures, files, withoutModels } = await progress.phase("frontend", () => compileSource(sources));
  const { compileTiers } = await import("../lib/compile.ts");
  const { ConstantPool } = await import("../passes/constant-pool.ts");
  const observe = request.printIr === undefined ? undefined : (await import("./print-ir.ts")).createIrPrinter(request.printIr, print);
  const { diagnosingDTypes } = await import("./refused-dtypes.ts");
  const constants = new ConstantPool();
  const compiled = await progress.phase("passes and codegen", () =>
    diagnosingDTypes(() => startCompilers(compileTiers(module, signatures, constants, { tiers, ...(observe === undefined ? {} : { observe }) }))),
  );
  const compilation: Compilation = { tiers: compiled, constants: constants.bytes };

  const identity = {
    name,
    sources: sources.map((file) => basename(file)),
    compilerVersion: request.compilerVersion,
    runtimeRange: `^${request.compilerVersion}`,
  };
  const written = await writePackage(out, identity, signatures, compilation, cudaArchitectures, progress);
  const functions = signatures.map((signature) => signature.name);
  const replacement = request.functionsName === undefined ? undefined : withoutModels(request.functionsName);
  const outputs = written.map((file) => join(out, file));
  await remember(request.cacheFolder, out, { key, functions, ...(replacement === undefined ? {} : { module: replacement }) }, files, outputs, startedAt);
  return { out: request.out, functions, unchanged: false, inputs: files, outputs, module: replacement };
}

/** What the code of these targets is compiled with here. */
async function compilerIdentities(targets: readonly string[]): Promise<readonly (string | undefined)[]> {
  return [
    targets.includes("cpu") ? await ccIdentity() : undefined,
    targets.includes("cuda") ? await (await import("tsdlc-runtime/cuda-toolchain")).cudaCompilerIdentity() : undefined,
  ];
}

/** All tiers; the C compiler works on one while the passes make the next. */
async function startCompilers(tiers: Iterable<CompiledTier>): Promise<readonly CompiledTier[]> {
  const compiled: CompiledTier[] = [];
  for (const tier of tiers) {
    compiled.push(tier);
    // Whoever writes the package asks for the same text again, and there a failure is reported.
    if (tier.target === "cpu") compileText(tier.source, tier.flags).catch(() => undefined);
    // The compiler starts here, before the next tier takes the thread.
    await setImmediate();
  }
  return compiled;
}

/** What standard output says at the end. */
export function describeBuild({ out, functions, unchanged }: BuildResult): string {
  const folder = relative(process.cwd(), resolve(out)) || ".";
  return `${unchanged ? "unchanged" : "built"} ${folder.startsWith("..") ? out : folder}: ${functions.join(", ")}\n`;
}

/** Records what was read and written, unless a source changed while it was being built: then nobody knows what was read. */
async function remember(
  cacheFolder: string,
  out: string,
  record: Pick<BuildRecord, "key" | "functions" | "module">,
  read: readonly string[],
  written: readonly string[],
  startedAt: number,
): Promise<void> {
  const modified = await Promise.all(read.map(async (file) => (await stat(file)).mtimeMs));
  if (modified.some((time) => time >= startedAt)) return;
  const inputs = await hashFiles(read);
  const outputs = await hashFiles(written);
  await recordBuild(cacheFolder, out, { ...record, inputs, outputs });
}
