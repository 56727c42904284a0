/** The system's C compiler, and what it made in the cache of kernels. Node only. */

import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { copyFile, mkdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { CodeFile } from "./device.ts";
import { CompileError, CompilerMissingError } from "./errors.ts";
import { cachedFile, cachePaths, type CachePaths, keepSource, shortened } from "./kernel-cache.ts";
import { commandFolders, compilerOption } from "./options.ts";
import { dropLater, hashOf, isKept, keepText, keptText } from "./text-cache.ts";

const execute = promisify(execFile);

/** Always given: a shared object that can be loaded anywhere. `-lm` comes after the source, as linkers want it. */
const before = ["-shared", "-fPIC"];
const after = ["-lm"];

export interface CompileRequest {
  /** Path of the C file. */
  readonly source: string;
  /** Path of the shared object. */
  readonly output: string;
  readonly flags: readonly string[];
}

/** A file on the disk as the code of programs. */
export function codeFile(path: string): CodeFile {
  return { path, read: () => readFile(path) };
}

/** By command: a compiler is asked once in a process. */
const identities = new Map<string, string>();

/** What the compiler calls itself and its version, in one line. Throws CompilerMissingError. */
export async function ccIdentity(): Promise<string> {
  const [command, ...flags] = compilerOption();
  const spelled = [command, ...flags].join(" ");
  const known = identities.get(spelled);
  if (known !== undefined) return known;
  try {
    const { stdout } = await execute(command, [...flags, "--version"]);
    const identity = `${spelled} ${stdout.split("\n")[0]}`;
    identities.set(spelled, identity);
    return identity;
  } catch (error) {
    if (isMissing(error)) throw compilerMissing(command, error);
    const said = error instanceof Error ? error.message.trim() : String(error);
    throw new CompilerMissingError(`the C compiler that CC names cannot be asked for its version: ${said}. Name another one in CC, or leave CC unset for cc`);
  }
}

/** Compiles a C file into a shared object, or copies it from the cache. Throws CompileError or CompilerMissingError. */
export async function compileC({ source, output, flags }: CompileRequest): Promise<void> {
  const cached = await compileText(await readFile(source, "utf8"), flags, source);
  await mkdir(dirname(output), { recursive: true });
  const aside = `${output}.${randomUUID()}`;
  await copyFile(cached, aside);
  await rename(aside, output);
}

/**
 * Compiles C text into a shared object in the cache and returns its path. Calls may overlap. `named` is the source's name
 * in the compiler's messages, else its place in the cache.
 */
export async function compileText(text: string, flags: readonly string[], named?: string): Promise<string> {
  const paths = pathsFor(await ccIdentity(), flags, text);
  return cachedFile(paths, async () => {
    const [command, ...own] = compilerOption();
    const source = named ?? keepSource(paths, text);
    try {
      await execute(command, [...own, ...flags, ...before, source, "-o", paths.aside, ...after], { maxBuffer: 1 << 24 });
    } catch (error) {
      if (isMissing(error)) throw compilerMissing(command, error);
      throw compileFailed(command, (error as { stderr?: string }).stderr ?? String(error), keepSource(paths, text));
    }
  });
}

/** The same, blocking: for a call that must run what it has just compiled. */
export function compileTextSync(text: string, flags: readonly string[]): string {
  const [command, ...own] = compilerOption();
  const paths = pathsFor(ccIdentitySync(), flags, text);
  const { output, aside } = paths;
  if (isKept(output)) return output;
  const source = keepSource(paths, text);
  const outcome = spawnSync(command, [...own, ...flags, ...before, source, "-o", aside, ...after], { encoding: "utf8" });
  if (outcome.status !== 0) {
    rmSync(aside, { force: true });
    throw compileFailed(command, outcome.stderr, source);
  }
  renameSync(aside, output);
  dropLater();
  return output;
}

/** Starts a compiler for each line of arguments and waits for all: the only way to have several and block. */
const together = `for line; do sh -c "$line" & done; wait`;

/**
 * Compiles several texts at once, blocking, so that compileTextSync finds them made. One that the compiler refuses is not
 * made, and compileTextSync says why. Throws CompilerMissingError.
 */
export function compileTextsSync(texts: readonly string[], flags: readonly string[]): void {
  const identity = ccIdentitySync();
  const missing = texts.map((text) => ({ text, paths: pathsFor(identity, flags, text) })).filter(({ paths }) => !isKept(paths.output));
  if (missing.length < 2) return;
  const lines = missing.map(({ text, paths }) => {
    const made = [...compilerOption(), ...flags, ...before, keepSource(paths, text), "-o", paths.aside, ...after].map(quoted).join(" ");
    return `${made} && mv ${quoted(paths.aside)} ${quoted(paths.output)}`;
  });
  spawnSync("sh", ["-c", together, "sh", ...lines], { stdio: "ignore" });
  for (const { paths: { aside } } of missing) rmSync(aside, { force: true });
}

/** As one word of a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function ccIdentitySync(): string {
  const [command, ...flags] = compilerOption();
  const spelled = [command, ...flags].join(" ");
  const known = identities.get(spelled);
  if (known !== undefined) return known;
  const file = fileOf(command);
  // A compiler that another process asked, and that has not changed since, is not started for its name.
  const key = file === undefined ? undefined : hashOf(["cc", spelled, file]);
  const kept = key === undefined ? undefined : keptText(key);
  const identity = kept ?? askIdentity(command, flags, spelled);
  identities.set(spelled, identity);
  if (key !== undefined && kept === undefined) keepText(key, identity);
  return identity;
}

function askIdentity(command: string, flags: readonly string[], spelled: string): string {
  const { error, stdout } = spawnSync(command, [...flags, "--version"], { encoding: "utf8" });
  if (isMissing(error)) throw compilerMissing(command, error);
  return `${spelled} ${stdout.split("\n")[0]}`;
}

/** Which file a command is, and of which size and time; undefined where there is none. */
function fileOf(command: string): string | undefined {
  const candidates = command.includes("/") ? [command] : commandFolders().map((folder) => join(folder, command));
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const file = realpathSync(path);
  const { size, mtimeMs } = statSync(file);
  return `${file} ${size} ${mtimeMs}`;
}

function pathsFor(identity: string, flags: readonly string[], text: string): CachePaths {
  return cachePaths([identity, flags, before, after, text], ".c", ".so");
}

function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
}

function compilerMissing(command: string, cause: unknown): CompilerMissingError {
  return new CompilerMissingError(
    `there is no C compiler: "${command}" cannot be run. Install gcc or clang (Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select --install), or name one in CC`,
    { cause },
  );
}

function compileFailed(command: string, said: string, source: string): CompileError {
  return new CompileError(`the C compiler "${command}" refused ${source}:\n${shortened(said)}`, source);
}
