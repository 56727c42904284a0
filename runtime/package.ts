/**
 * Packages: from the files that `tsdlc build` wrote to functions.
 *
 * A package holds the same programs for several kinds of machines (tiers). The best one that this machine can run is
 * opened; the files of the others are never read. `loadPrograms` is the half that needs no folder, for programs made in this process.
 */

import { callable, type Callable, type TensorMaker } from "./callable.ts";
import { type CodeFile, type Device, deviceAmong, type ProgramSource } from "./device.ts";
import { isDeviceError, PackageError, PackageForeignError, PackageTruncatedError } from "./errors.ts";
import { deviceOption, isNode } from "./options.ts";
import { checkFormat, checkProgram } from "./program-check.ts";
import type { PackageManifest, Program, Tier } from "./program.ts";

export type Functions = Readonly<Record<string, Callable>>;

export interface LoadOptions {
  /** Else the one that TSDLC_DEVICE names, else the first that is there of those the package has kernels for. */
  readonly device?: Device;
  readonly makeTensor?: TensorMaker;
}

/**
 * The files of a package by their names in it, "program.json" first of all; any other that is not among them is beside
 * that one. Bundlers follow URLs that are written out, and may give each file another name and place.
 */
export type PackageFiles = Readonly<Record<string, URL>>;

/**
 * Loads a built package from its folder, a path or a URL, or from its files: by reading them in Node, by fetch in a
 * browser and from http and https. Throws PackageTruncatedError, PackageForeignError, PackageVersionError or
 * PackageError, each saying what is wrong with which file and what to do.
 */
export async function loadPackage(source: URL | string | PackageFiles, options: LoadOptions = {}): Promise<Functions> {
  const { path, file } = typeof source === "string" || source instanceof URL ? folderAt(String(source)) : filesOf(source);
  const manifest = await readManifest(file(manifestName));
  const target = options.device ?? (await deviceFor(manifest.tiers, path));
  const tier = pickTier(manifest.tiers, target, path);
  // WGSL is read in any case; all that a page still needs comes at once.
  const code = target.kind === "webgpu" ? readAhead(file(tier.code)) : file(tier.code);
  const [programs, constants] = await Promise.all([
    readPrograms(tier, manifest.functions.length, path, file),
    manifest.constants === undefined ? undefined : file(manifest.constants).read(),
  ]);
  const images = tier.images?.map(({ architecture, file: name }) => ({ architecture, ...file(name) }));
  return bindPrograms(
    { programs, code, ...(images === undefined ? {} : { images }), ...(constants === undefined ? {} : { constants }) },
    target,
    options.makeTensor,
  );
}

/** The functions of programs that are in memory, by name; without a device, on the kind that their code is for. */
export async function loadPrograms(source: ProgramSource, options: LoadOptions = {}): Promise<Functions> {
  const kind = /[.]wgsl$/.test(source.code.path) ? "webgpu" : /[.]cu$/.test(source.code.path) ? "cuda" : "cpu";
  return bindPrograms(source, options.device ?? (await deviceAmong([kind])), options.makeTensor);
}

/** The same on an open device. */
export async function bindPrograms(source: ProgramSource, target: Device, make?: TensorMaker): Promise<Functions> {
  for (const program of source.programs) checkProgram(program, `the program ${program.name}`);
  const module = await target.load(source);
  return Object.fromEntries(source.programs.map((program) => [program.name, callable(program, module, target, make)]));
}

const manifestName = "program.json";

/** The files of a package, and what the package is called in messages. */
interface PackageFolder {
  readonly path: string;
  file(name: string): CodeFile;
}

function folderAt(folder: string): PackageFolder {
  if (isUrl(folder)) {
    const base = new URL(folder.endsWith("/") ? folder : `${folder}/`, (globalThis as { location?: { href: string } }).location?.href);
    const path = pathOf(base);
    return { path, file: (name) => fileAt(new URL(name, base), name, path) };
  }
  const { join } = process.getBuiltinModule("node:path");
  return { path: folder, file: (name) => fileOnDisk(join(folder, name), name, folder) };
}

function filesOf(files: PackageFiles): PackageFolder {
  const manifest = files[manifestName];
  if (manifest === undefined) throw new PackageTruncatedError(`the files of a package are given without ${manifestName}: name it too`);
  // Bundlers write small files into the code, and then nothing is beside them.
  const beside = manifest.protocol === "data:" ? undefined : folderAt(new URL(".", manifest).href);
  const path = beside?.path ?? "in this bundle";
  const file = (name: string): CodeFile => {
    const url = files[name];
    if (url !== undefined) return fileAt(url, name, path);
    if (beside === undefined) throw new PackageTruncatedError(`the package ${path} has no ${name}: build the package again, and then the bundle`);
    return beside.file(name);
  };
  return { path, file };
}

function isUrl(folder: string): boolean {
  return !isNode() || /^(https?|file):/.test(folder);
}

function isOnDisk({ protocol }: URL): boolean {
  return isNode() && protocol === "file:";
}

/** A file's own path where it has one; what a bundler wrote into the code has none. */
function pathOf(url: URL, name = ""): string {
  if (isOnDisk(url)) return process.getBuiltinModule("node:url").fileURLToPath(url);
  return url.protocol === "data:" ? name : url.href;
}

function fileAt(url: URL, name: string, folder: string): CodeFile {
  return isOnDisk(url) ? fileOnDisk(pathOf(url), name, folder) : { path: pathOf(url, name), read: () => download(url, name, folder) };
}

function fileOnDisk(path: string, name: string, folder: string): CodeFile {
  // Not imported, because a bundler for browsers would look for it.
  const { readFile } = process.getBuiltinModule("node:fs/promises");
  const read = (): Promise<Uint8Array> => readFile(path).catch((error: unknown) => {
    throw new PackageTruncatedError(`the package ${folder} has no ${name}: build it again, or copy all of its folder`, { cause: error });
  });
  return { path, read };
}

async function download(url: URL, name: string, folder: string): Promise<Uint8Array> {
  const failed = (what: string, cause?: unknown): PackageTruncatedError =>
    new PackageTruncatedError(`the package ${folder} does not give ${name}: ${what}: put all of its folder on the server`, { cause });
  const response = await fetch(url).catch((error: unknown) => {
    throw failed(error instanceof Error ? error.message : String(error), error);
  });
  if (!response.ok) throw failed(`${response.status} ${response.statusText}`.trim());
  return new Uint8Array(await response.arrayBuffer());
}

/** The same file, on its way already. */
function readAhead({ path, read }: CodeFile): CodeFile {
  const bytes = read();
  // Who asks for it hears of a failure; nobody does when another file fails first.
  bytes.catch(() => undefined);
  return { path, read: () => bytes };
}

async function readManifest(file: CodeFile): Promise<PackageManifest> {
  const value = await readJson(file);
  checkFormat(value, file.path);
  const manifest = value as PackageManifest;
  if (!Array.isArray(manifest.functions) || !Array.isArray(manifest.tiers)) throw new PackageError(`${file.path} is broken: it has no functions or no tiers; build the package again`);
  return manifest;
}

async function readPrograms({ name, programs }: Tier, count: number, path: string, file: PackageFolder["file"]): Promise<readonly Program[]> {
  const found = typeof programs === "string" ? await readJson(file(programs)) : undefined;
  if (Array.isArray(found) && found.length === count) return found;
  throw new PackageError(`the package ${path} is broken: the tier ${name} has ${Array.isArray(found) ? found.length : "no"} programs for ${count} functions; build it again`);
}

async function readJson({ path, read }: CodeFile): Promise<unknown> {
  const text = new TextDecoder().decode(await read());
  try {
    return JSON.parse(text);
  } catch (error) {
    // What we write starts and ends with a bracket: which end is wrong tells a cut file from another kind of file.
    if (!/^\s*[{[]/.test(text)) throw new PackageForeignError(`${path} was not written by tsdlc: it is not JSON`, { cause: error });
    throw new PackageTruncatedError(`${path} ends too early, after ${text.length} characters: build the package again, or copy it again`, { cause: error });
  }
}

/** The device that TSDLC_DEVICE names, else one that the package has kernels for. */
async function deviceFor(tiers: readonly Tier[], path: string): Promise<Device> {
  const kinds = [...new Set(tiers.map(({ target }) => (target === "wgsl" ? "webgpu" : target)))];
  const [usual, target] = isNode() ? (["cpu", "cpu"] as const) : (["webgpu", "wgsl"] as const);
  try {
    return await deviceAmong(kinds);
  } catch (error) {
    // With kernels for what every such machine should have, it is not the package that lacks something.
    if (deviceOption() !== undefined || kinds.includes(usual) || !isDeviceError(error)) throw error;
    throw new PackageForeignError(`the package ${path} has kernels only for ${kinds.join(" and ") || "nothing"}: ${error.message}; or build it with --target ${target}`, { cause: error });
  }
}

/** The tier that asks for the most of what the device has. */
function pickTier(tiers: readonly Tier[], target: Device, path: string): Tier {
  const kind = target.kind === "webgpu" ? "wgsl" : target.kind;
  const candidates = tiers.filter((tier) => tier.target === kind);
  const runnable = candidates.filter(({ requires }) => requires.every((feature) => target.features.has(feature)));
  const best = runnable.reduce<Tier | undefined>((chosen, tier) => (chosen === undefined || tier.requires.length > chosen.requires.length ? tier : chosen), undefined);
  if (best !== undefined) return best;
  const reasons = candidates.map(({ name, requires }) => `${name} needs ${requires.filter((feature) => !target.features.has(feature)).join(", ")}`);
  throw new PackageForeignError(
    candidates.length === 0
      ? `the package ${path} has no kernels for ${target.name}, only for ${[...new Set(tiers.map((tier) => tier.target))].join(", ") || "nothing"}: build it with --target ${kind}`
      : `the package ${path} cannot run on this machine: ${reasons.join("; ")}: build it on this machine`,
  );
}
