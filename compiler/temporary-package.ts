/**
 * A program that a command is given, whatever it is, as a package in a folder that the runtime loads: what runs there is
 * what would run for a user of the package.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackageManifest, Program } from "tsdlc-runtime";
import type { Module } from "../ir/module.ts";
import type { Signature } from "../ir/signature.ts";
import type { Progress } from "./progress.ts";
import { findSources } from "./sources.ts";
import { buildTargets } from "./tiers.ts";
import { UsageError } from "./usage-error.ts";

export interface ProgramSource {
  readonly module: Module;
  readonly signatures: readonly Signature[];
}

/** What a .ts or .ir file says. Throws a DiagnosticsError or a UsageError. */
export function readProgram(path: string, progress: Progress): Promise<ProgramSource> {
  return path.endsWith(".ir") ? readIr(path) : readSource(path, progress);
}

async function readSource(path: string, progress: Progress): Promise<ProgramSource> {
  const { compileSource } = await import("./frontend/compile-source.ts");
  const sources = await findSources(path);
  return progress.phase("frontend", () => compileSource(sources));
}

/** Every function whose parameters and results are tensors can be called; its signature is flat. */
async function readIr(path: string): Promise<ProgramSource> {
  const { readModule } = await import("./opt.ts");
  const { flatSignature } = await import("../lib/flat-signature.ts");
  const module = await readModule(path);
  return { module, signatures: module.functions.flatMap((func) => flatSignature(func, path) ?? []) };
}

export interface TemporaryPackage {
  readonly out: string;
  /** Where the program is from, for the package's own record. */
  readonly path: string;
  /** The device that it will run on, as TSDLC_DEVICE names it. */
  readonly device: string | undefined;
  readonly compilerVersion: string;
}

/** Builds for this machine, or for the device named. */
export async function writeTemporaryPackage({ module, signatures }: ProgramSource, { out, path, device, compilerVersion }: TemporaryPackage, progress: Progress): Promise<string> {
  const { writePackage } = await import("./package/write.ts");
  const { compileModule } = await import("../lib/compile.ts");
  const { tiers, cudaArchitectures } = buildTargets([targetFor(device)]);
  const compilation = await progress.phase("passes and codegen", () => compileModule(module, signatures, { tiers }));
  const identity = { name: "run", sources: [path], compilerVersion, runtimeRange: `^${compilerVersion}` };
  await writePackage(out, identity, signatures, compilation, cudaArchitectures, progress);
  return out;
}

/** What to build for, to run on a device; a wrong name is the runtime's to refuse. */
function targetFor(device: string | undefined): string {
  if (device === undefined) return "cpu";
  return device === "webgpu" ? "wgsl" : device.startsWith("cuda") ? "cuda" : "cpu";
}

/** The name of the function that was asked for, or the only one. Throws a UsageError. */
export function chooseFunction(names: readonly string[], asked: string | undefined): string {
  const [only] = names;
  if (asked === undefined && (names.length !== 1 || only === undefined)) {
    throw new UsageError(`there are ${names.length} functions: ${names.join(", ")}`, "choose one with --function");
  }
  const chosen = asked ?? only ?? "";
  if (!names.includes(chosen)) throw new UsageError(`there is no function ${chosen}`, `the functions are ${names.join(", ")}`);
  return chosen;
}

/** A Program of a package, as its first tier has it: parameters and dims are those of every tier. */
export async function findProgram(folder: string, name: string | undefined): Promise<Program> {
  const manifest = JSON.parse(await readFile(join(folder, "program.json"), "utf8")) as PackageManifest;
  const chosen = chooseFunction(manifest.functions, name);
  const [tier] = manifest.tiers;
  const programs = tier === undefined ? [] : (JSON.parse(await readFile(join(folder, tier.programs), "utf8")) as readonly Program[]);
  const program = programs.find((candidate) => candidate.name === chosen);
  if (program === undefined) throw new UsageError(`there is no function ${chosen}`, `the functions are ${manifest.functions.join(", ")}`);
  return program;
}
