/**
 * Builds the stand-ins for libcuda and libnvrtc, and compiles emitted CUDA into images that they run: g++ on demand, kept
 * in the cache of kernels under a hash of everything that went in.
 *
 * The folder that `buildStandIn` returns has the libraries under the names that a program opens, so a program finds them
 * when it is told that folder.
 */

import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheOption } from "../../runtime/options.ts";

const execute = promisify(execFile);

const here = import.meta.dirname;
const flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden"];
/**
 * Images are instrumented: red zones, between shared variables too, which are a section of their own, and the alignment
 * of vectors, which the host's processor does not mind.
 */
const instrumented = [
  "-DTSDLC_SANITIZE", "-fsanitize=address,alignment", "-fno-sanitize-recover=alignment", "-fsanitize-sections=cuda_shared",
  "-fno-omit-frame-pointer", "-Werror=frame-larger-than=196608", "-g", "-O1",
];

export interface StandIn {
  readonly folder: string;
  readonly libcuda: string;
  readonly libnvrtc: string;
  /** A driver of before CUDA 12: the same without the functions of libraries. Its version is a setting. */
  readonly oldLibcuda: string;
  /** The command line for a driver: driver-shell.cc. */
  readonly shell: string;
  /** The command line for NVRTC: nvrtc-shell.cc. */
  readonly nvrtcShell: string;
}

export interface Build {
  /** Compiled with AddressSanitizer: only the shell, which is compiled with it too, can load the libraries. */
  readonly sanitize?: boolean;
}

export interface ImageOptions extends Build {
  /** What the image is for, as the package says: "sm_90a" is machine code, "compute_80" PTX. Absent: machine code for any. */
  readonly architecture?: string;
}

let identity: Promise<string | undefined> | undefined;

/** What g++ says of itself, or undefined where there is none. */
export function compilerIdentity(): Promise<string | undefined> {
  identity ??= execute("g++", ["--version"]).then(({ stdout }) => stdout.split("\n")[0], () => undefined);
  return identity;
}

/** Has the runtime compile for the stand-in by its NVRTC until the function that it returns is called. */
export async function useStandInNvrtc(): Promise<() => void> {
  const before = process.env["TSDLC_NVRTC"];
  process.env["TSDLC_NVRTC"] = (await buildStandIn()).libnvrtc;
  return () => {
    if (before === undefined) delete process.env["TSDLC_NVRTC"];
    else process.env["TSDLC_NVRTC"] = before;
  };
}

/** Not the driver's own: NVIDIA's NVRTC looks whether a library of that name is loaded, and ends the process on what it misses. */
const driverName = "libcuda-stand-in.so";

async function hashOf(...parts: readonly unknown[]): Promise<string> {
  const compiler = await compilerIdentity();
  if (compiler === undefined) throw new Error("there is no g++, which compiles CUDA for the CPU (Debian and Ubuntu: apt install g++)");
  return createHash("sha256").update(JSON.stringify([compiler, ...parts])).digest("hex").slice(0, 32);
}

async function cacheFolder(name: string): Promise<string> {
  const folder = join(cacheOption() ?? join(tmpdir(), "tsdlc"), name);
  await mkdir(folder, { recursive: true });
  return folder;
}

/** Names and contents of the files in these folders that g++ or the shell reads. */
async function sourcesIn(...folders: readonly string[]): Promise<readonly (readonly [path: string, text: string])[]> {
  const names = (await Promise.all(folders.map(async (folder) => (await readdir(join(here, folder))).map((name) => join(folder, name))))).flat();
  const wanted = names.filter((name) => /\.(cc|h|sh)$/.test(name)).toSorted();
  return Promise.all(wanted.map(async (name) => [name, await readFile(join(here, name), "utf8")] as const));
}

const builds = new Map<boolean, Promise<StandIn>>();

/** Takes seconds the first time, and nothing after that. */
export function buildStandIn({ sanitize = false }: Build = {}): Promise<StandIn> {
  const present = builds.get(sanitize);
  if (present !== undefined) return present;
  const work = build(sanitize);
  builds.set(sanitize, work);
  return work;
}

async function build(sanitize: boolean): Promise<StandIn> {
  const sources = await sourcesIn("emulator", "stand-in", ".");
  const folder = join(await cacheFolder("cuda-stand-in"), await hashOf(flags, driverName, here, sanitize, sources));
  const made: StandIn = {
    folder,
    libcuda: join(folder, "libcuda.so.1"),
    libnvrtc: join(folder, "libnvrtc.so.13"),
    oldLibcuda: join(folder, "old", "libcuda.so.1"),
    shell: join(folder, "driver-shell"),
    nvrtcShell: join(folder, "nvrtc-shell"),
  };
  if (existsSync(folder)) return made;
  // Only images are instrumented. What loads them needs AddressSanitizer's runtime, and to tell it of fibers: most objects
  // are those of the plain build.
  const plain = sanitize ? (await buildStandIn()).folder : undefined;
  const aside = `${folder}.${randomUUID()}`;
  await mkdir(join(aside, "old"), { recursive: true });
  try {
    await compileObjects(aside, sources, plain);
    await linkAll(aside, sources.map(([path]) => path), sanitize);
    // Another process may have been faster: then its folder is as good.
    await rename(aside, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return made;
}

function objectIn(folder: string, path: string): string {
  return join(folder, `${path.replaceAll("/", "-")}.o`);
}

async function compileObjects(folder: string, sources: readonly (readonly [path: string, text: string])[], plain: string | undefined): Promise<void> {
  const own = sources.filter(([path]) => path.endsWith(".cc"));
  await inTurns(own.map(([path, text]) => async () => {
    if (plain !== undefined && !/TSDLC_SANITIZE|stackBytes/.test(text)) return copyFile(objectIn(plain, path), objectIn(folder, path));
    const definitions = [`-DEMULATOR_FOLDER="${join(here, "emulator")}"`, ...(plain === undefined ? [] : ["-DTSDLC_SANITIZE"])];
    return gxx([...flags, ...definitions, "-c", join(here, path), "-o", objectIn(folder, path)]);
  }));
}

async function linkAll(folder: string, paths: readonly string[], sanitize: boolean): Promise<void> {
  const objects = (wanted: RegExp): readonly string[] => paths.filter((path) => path.endsWith(".cc") && wanted.test(path)).map((path) => objectIn(folder, path));
  const link = (output: string, from: readonly string[], ...more: readonly string[]): Promise<void> =>
    gxx([...(sanitize ? ["-fsanitize=address"] : []), ...from, ...more, "-o", join(folder, output), "-ldl", "-lpthread"]);
  // Threads of streams run until the process ends, so the library must stay.
  const library = ["-shared", "-Wl,-z,nodelete"];
  const driver = objects(/^(emulator|stand-in\/(?!nvrtc))/);
  const withoutLibraries = join(folder, "old", "version-script");
  await writeFile(withoutLibraries, "{ local: cuLibrary*; cuKernel*; };\n");
  await inTurns([
    () => link("libcuda.so.1", driver, ...library, `-Wl,-soname,${driverName}`),
    () => link("old/libcuda.so.1", driver, ...library, `-Wl,-soname,${driverName}`, `-Wl,--version-script=${withoutLibraries}`),
    () => link("libnvrtc.so.13", objects(/^stand-in\/nvrtc/), ...library, "-Wl,-soname,libnvrtc.so.13"),
    () => link("driver-shell", objects(/^driver-shell/)),
    () => link("nvrtc-shell", objects(/^nvrtc-shell/)),
  ]);
}

async function gxx(commands: readonly string[]): Promise<void> {
  await execute("g++", commands, { maxBuffer: 1 << 24 });
}

async function inTurns(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = tasks.values();
  const take = async (): Promise<void> => {
    for (const task of waiting) await task();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, take));
}

const images = new Map<string, Promise<string>>();

/**
 * Compiles the text of kernels into an image for the stand-in and returns its path. Throws with the compiler's words.
 * Lines in messages of the emulator are those of the text.
 */
export async function compileEmulated(text: string, { architecture = "any", sanitize = false }: ImageOptions = {}): Promise<string> {
  const sources = await sourcesIn("emulator");
  const headers = sources.filter(([path]) => !path.endsWith(".cc"));
  const base = join(await cacheFolder("cuda-emulated"), await hashOf(headers, architecture, sanitize, text));
  const path = architecture.startsWith("compute_") ? `${base}.ptx` : `${base}.cubin`;
  const present = images.get(path);
  if (present !== undefined) return present;
  const work = existsSync(path) ? Promise.resolve(path) : compileInto(base, path, text, architecture, sanitize);
  images.set(path, work);
  work.catch(() => images.delete(path));
  return work;
}

async function compileInto(base: string, path: string, text: string, architecture: string, sanitize: boolean): Promise<string> {
  const source = `${base}.cu`, aside = `${path}.${randomUUID()}`;
  await writeFile(source, text);
  try {
    await execute("sh", [join(here, "emulator", "compile-kernels.sh"), source, aside, architecture, ...(sanitize ? instrumented : [])], { maxBuffer: 1 << 24 });
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
  return path;
}
