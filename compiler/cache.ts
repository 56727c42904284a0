/**
 * Whether a build would change anything: one record per output folder, of what the last build read and wrote.
 *
 * A record is valid as long as the compiler, the options, and the contents of every file read and written are what
 * they were; contents are compared by hash, so touching or re-cloning a file changes nothing. Checking a record
 * needs only Node's own modules: an unchanged build loads neither the TypeScript checker nor any pass.
 */

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

export interface BuildRecord {
  readonly version: typeof recordVersion;
  /** Hash of everything that is not a file: see `buildKey`. */
  readonly key: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** What the build said, for saying it again. */
  readonly functions: readonly string[];
  /** What a bundler puts in the place of the source file; absent where none asked. */
  readonly module?: string;
}

const recordVersion = 1;

/** One hash for the compiler's own code, the options and the C compiler. */
export async function buildKey(options: unknown): Promise<string> {
  return hash(JSON.stringify([await compilerFingerprint(), options]));
}

/** The record of the last build into `out`, if a build now would read and write the same bytes. */
export async function findUnchangedBuild(cacheFolder: string, out: string, key: string): Promise<BuildRecord | undefined> {
  const record = await readRecord(recordPath(cacheFolder, out));
  if (record === undefined || record.key !== key) return undefined;
  const files = [...Object.entries(record.inputs), ...Object.entries(record.outputs)];
  const present = await Promise.all(files.map(async ([path, expected]) => (await hashOfFile(path)) === expected));
  return present.every(Boolean) ? record : undefined;
}

/** Remembers a finished build. */
export async function recordBuild(cacheFolder: string, out: string, record: Omit<BuildRecord, "version">): Promise<void> {
  const path = recordPath(cacheFolder, out);
  await mkdir(join(cacheFolder, "builds"), { recursive: true });
  const pending = `${path}.tmp-${process.pid}`;
  await writeFile(pending, JSON.stringify({ version: recordVersion, ...record }));
  await rename(pending, path);
}

/** Hash of each file's contents. */
export async function hashFiles(paths: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const hashes = await Promise.all(paths.map(async (path) => [path, (await hashOfFile(path)) ?? ""] as const));
  return Object.fromEntries(hashes);
}

function recordPath(cacheFolder: string, out: string): string {
  return join(cacheFolder, "builds", `${hash(out).slice(0, 32)}.json`);
}

async function readRecord(path: string): Promise<BuildRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, "utf8")) as BuildRecord;
    return record.version === recordVersion ? record : undefined;
  } catch {
    // No record, or one cut short by a full disk: both mean that the build has to be done.
    return undefined;
  }
}

/** The rooms whose code decides what a build writes. */
const rooms = ["ir", "passes", "codegen", "lib", "compiler"] as const;

/** Changes whenever the compiler's code does, so that a new version, or an edit to its sources, builds anew. */
async function compilerFingerprint(): Promise<string> {
  const root = join(import.meta.dirname, "..");
  // Compiled code lies in dist/, and the library's source, which models are compiled with, beside dist/.
  const folders = [...rooms.map((room) => join(root, room)), join(root, "..", "lib")];
  const listings = await Promise.all(folders.map(listCode));
  const paths = listings.flat().sort();
  const hashes = await Promise.all(paths.map(async (path) => [relative(root, path), await hashOfFile(path)]));
  return hash(JSON.stringify(hashes));
}

async function listCode(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => /(?<!\.d)\.(js|ts)$/.test(name)).map((name) => join(folder, name));
}

async function hashOfFile(path: string): Promise<string | undefined> {
  try {
    return hash(await readFile(path));
  } catch {
    return undefined;
  }
}

function hash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
