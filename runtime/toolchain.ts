/**
 * The system's C compiler, and the cache of what it made. Node only.
 *
 * A shared object is named by a hash of everything it depends on: the compiler and its version, the flags, the text.
 * So a cached file is never stale, and two processes that make the same one at once write aside and rename: the last
 * rename wins with equal bytes.
 */

import { execFile, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { CodeFile } from "./device.ts";
import { CompileError, CompilerMissingError } from "./errors.ts";
import { cacheOption, compilerOption } from "./options.ts";

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

/** By shared object: calls for one text share one compiler. */
const inProgress = new Map<string, Promise<string>>();

/**
 * Compiles C text into a shared object in the cache and returns its path. Calls may overlap; as many compilers run at
 * once as there are cores. `named` is the source's name in the compiler's messages, else its place in the cache.
 */
export async function compileText(text: string, flags: readonly string[], named?: string): Promise<string> {
  const paths = cachePaths(await ccIdentity(), flags, text);
  const present = inProgress.get(paths.output);
  if (present !== undefined) return present;
  if (existsSync(paths.output)) return paths.output;
  const work = compileInto(paths, text, flags, named).finally(() => inProgress.delete(paths.output));
  inProgress.set(paths.output, work);
  return work;
}

async function compileInto({ source, output, aside }: CachePaths, text: string, flags: readonly string[], named: string | undefined): Promise<string> {
  const [command, ...own] = compilerOption();
  if (named === undefined) keep(source, text);
  await takeTurn(async () => {
    try {
      await execute(command, [...own, ...flags, ...before, named ?? source, "-o", aside, ...after], { maxBuffer: 1 << 24 });
      await rename(aside, output);
    } catch (error) {
      await rm(aside, { force: true });
      if (isMissing(error)) throw compilerMissing(command, error);
      throw compileFailed(command, (error as { stderr?: string }).stderr ?? String(error), keep(source, text));
    }
  });
  return output;
}

/** The same, blocking: for a call that must run what it has just compiled. */
export function compileTextSync(text: string, flags: readonly string[]): string {
  const [command, ...own] = compilerOption();
  const version = spawnSync(command, [...own, "--version"], { encoding: "utf8" });
  if (isMissing(version.error)) throw compilerMissing(command, version.error);
  const identity = [command, ...own, version.stdout.split("\n")[0]].join(" ");
  const { source, output, aside } = cachePaths(identity, flags, text);
  if (existsSync(output)) return output;
  keep(source, text);
  const outcome = spawnSync(command, [...own, ...flags, ...before, source, "-o", aside, ...after], { encoding: "utf8" });
  if (outcome.status !== 0) {
    rmSync(aside, { force: true });
    throw compileFailed(command, outcome.stderr, source);
  }
  renameSync(aside, output);
  return output;
}

interface CachePaths {
  readonly source: string;
  readonly output: string;
  /** Where the shared object is written before it takes its name. */
  readonly aside: string;
}

function cachePaths(identity: string, flags: readonly string[], text: string): CachePaths {
  const hash = createHash("sha256").update(JSON.stringify([identity, flags, before, after, text])).digest("hex").slice(0, 32);
  const folder = join(cacheOption() ?? join(tmpdir(), "tsdlc"), "kernels");
  mkdirSync(folder, { recursive: true });
  const base = join(folder, hash);
  return { source: `${base}.c`, output: `${base}.so`, aside: `${base}.${randomUUID()}` };
}

/** Puts a source beside its shared object, whole or not at all. */
function keep(path: string, text: string): string {
  const aside = `${path}.${randomUUID()}`;
  writeFileSync(aside, text);
  renameSync(aside, path);
  return path;
}

let running = 0;
const waiting: (() => void)[] = [];

async function takeTurn(action: () => Promise<void>): Promise<void> {
  if (running >= availableParallelism()) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    await action();
  } finally {
    // The turn passes to the next in line, or ends.
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
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
  const lines = said.trim().split("\n");
  const shown = lines.length > 30 ? [...lines.slice(0, 30), `... ${lines.length - 30} more lines`] : lines;
  return new CompileError(`the C compiler "${command}" refused ${source}:\n${shown.join("\n")}`, source);
}
