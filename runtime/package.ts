/**
 * Packages: from the folder that `tsdlc build` wrote to functions.
 *
 * A package holds the same programs for several kinds of machines (tiers). The best one that this machine can run is
 * opened; the others are never read. `loadPrograms` is the half that needs no folder, for programs made in this process.
 */

import { callable, type Callable, type TensorMaker } from "./callable.ts";
import { type CodeFile, type Device, deviceAmong, isNode, type ProgramSource } from "./device.ts";
import { DeviceError, PackageError, PackageForeignError, PackageTruncatedError } from "./errors.ts";
import { deviceOption } from "./options.ts";
import { checkFormat, checkProgram } from "./program-check.ts";
import type { PackageManifest, Tier } from "./program.ts";

export type Functions = Readonly<Record<string, Callable>>;

export interface LoadOptions {
  /** Else the one that TSDLC_DEVICE names, else the first that is there of those the package has kernels for. */
  readonly device?: Device;
  readonly makeTensor?: TensorMaker;
}

/**
 * Loads a built package from its folder, a path or a URL: by fetch from http and https and in a browser, else by
 * reading files. Throws PackageTruncatedError, PackageForeignError, PackageVersionError or PackageError, each saying
 * what is wrong with which file and what to do.
 */
export async function loadPackage(folder: URL | string, options: LoadOptions = {}): Promise<Functions> {
  const { path, file } = packageFolder(folder);
  const manifestFile = file("program.json");
  const manifest = parseManifest(new TextDecoder().decode(await manifestFile.read()), manifestFile.path);
  const target = options.device ?? (await deviceFor(manifest.tiers, path));
  const tier = pickTier(manifest.tiers, target, path);
  if (!Array.isArray(tier.programs) || tier.programs.length !== manifest.functions.length) {
    throw new PackageError(`the package ${path} is broken: the tier ${tier.name} has ${Array.isArray(tier.programs) ? tier.programs.length : "no"} programs for ${manifest.functions.length} functions; build it again`);
  }
  const constants = manifest.constants === undefined ? undefined : await file(manifest.constants).read();
  const images = tier.images?.map(({ architecture, file: name }) => ({ architecture, ...file(name) }));
  return bindPrograms(
    { programs: tier.programs, code: file(tier.code), ...(images === undefined ? {} : { images }), ...(constants === undefined ? {} : { constants }) },
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

/** The files of a folder, and what the folder is called in messages. */
interface PackageFolder {
  readonly path: string;
  file(name: string): CodeFile;
}

function packageFolder(folder: URL | string): PackageFolder {
  const text = String(folder);
  if (!isNode() || /^https?:/.test(text)) {
    const base = new URL(text.endsWith("/") ? text : `${text}/`, (globalThis as { location?: { href: string } }).location?.href);
    return { path: base.href, file: (name) => ({ path: new URL(name, base).href, read: () => download(base, name) }) };
  }
  // Not imported, because a bundler for browsers would look for them.
  const { readFile } = process.getBuiltinModule("node:fs/promises");
  const { join } = process.getBuiltinModule("node:path");
  const path = text.startsWith("file:") ? process.getBuiltinModule("node:url").fileURLToPath(text) : text;
  const read = (name: string): Promise<Uint8Array> => readFile(join(path, name)).catch((error: unknown) => {
    throw new PackageTruncatedError(`the package ${path} has no ${name}: build it again, or copy all of its folder`, { cause: error });
  });
  return { path, file: (name) => ({ path: join(path, name), read: () => read(name) }) };
}

async function download(base: URL, name: string): Promise<Uint8Array> {
  const failed = (what: string, cause?: unknown): PackageTruncatedError =>
    new PackageTruncatedError(`the package ${base.href} does not give ${name}: ${what}: put all of its folder on the server`, { cause });
  const response = await fetch(new URL(name, base)).catch((error: unknown) => {
    throw failed(error instanceof Error ? error.message : String(error), error);
  });
  if (!response.ok) throw failed(`${response.status} ${response.statusText}`.trim());
  return new Uint8Array(await response.arrayBuffer());
}

function parseManifest(text: string, path: string): PackageManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // A whole manifest starts and ends with a brace: which end is wrong tells a cut file from another kind of file.
    if (!text.trimStart().startsWith("{")) throw new PackageForeignError(`${path} was not written by tsdlc: it is not JSON`, { cause: error });
    throw new PackageTruncatedError(`${path} ends too early, after ${text.length} characters: build the package again, or copy it again`, { cause: error });
  }
  checkFormat(value, path);
  const manifest = value as PackageManifest;
  if (!Array.isArray(manifest.functions) || !Array.isArray(manifest.tiers)) throw new PackageError(`${path} is broken: it has no functions or no tiers; build the package again`);
  return manifest;
}

/** The device that TSDLC_DEVICE names, else one that the package has kernels for. */
async function deviceFor(tiers: readonly Tier[], path: string): Promise<Device> {
  const kinds = [...new Set(tiers.map(({ target }) => (target === "wgsl" ? "webgpu" : target)))];
  try {
    return await deviceAmong(kinds);
  } catch (error) {
    if (deviceOption() !== undefined || !(error instanceof DeviceError)) throw error;
    throw new PackageForeignError(`the package ${path} has kernels only for ${kinds.join(" and ") || "nothing"}: ${error.message}; or build it with --target ${isNode() ? "cpu" : "wgsl"}`, { cause: error });
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
