/**
 * Puts a package on the disk, whole or not at all.
 *
 * Files go to a folder beside the destination, which then takes the destination's place by rename. A folder that
 * holds anything tsdlc did not write is left alone: `assertReplaceable` says so before any work is done.
 */

import { rmSync } from "node:fs";
import { access, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { programFormat } from "tsdlc-runtime/program";
import { UsageError } from "../usage-error.ts";
import type { PackageFile } from "./contents.ts";

/** What a package of ours holds at the top; any other entry belongs to somebody. */
const ownEntries: ReadonlySet<string> = new Set([
  "package.json", "index.js", "index.d.ts", "program.json", "constants.bin", "kernels",
]);

/** Passes if `out` is absent, empty, or a package that tsdlc built; throws a UsageError that says what is there. */
export async function assertReplaceable(out: string): Promise<void> {
  let entries: readonly string[];
  try {
    entries = await readdir(out);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return;
    if (code === "ENOTDIR") throw new UsageError(`${out} is a file, so no package can be written there`, "name another folder with --out");
    throw error;
  }
  if (entries.length === 0) return;
  const help = "name a new folder with --out, or remove this one yourself";
  if (!(await isBuiltPackage(out))) {
    throw new UsageError(`${out} exists and is not a package that tsdlc built, so it is not overwritten`, help);
  }
  const foreign = entries.filter((entry) => !ownEntries.has(entry));
  if (foreign.length > 0) {
    throw new UsageError(`${out} also holds ${foreign.join(", ")}, which tsdlc did not write, so it is not overwritten`, help);
  }
}

async function isBuiltPackage(folder: string): Promise<boolean> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(folder, "program.json"), "utf8"));
    return typeof manifest === "object" && manifest !== null && "format" in manifest && manifest.format === programFormat;
  } catch {
    return false;
  }
}

/** A folder under construction; `publish` gives it its name, `discard` leaves no trace. */
export interface PendingFolder {
  readonly path: string;
  write(file: PackageFile): Promise<void>;
  publish(): Promise<void>;
  discard(): Promise<void>;
}

/** Starts a folder that will become `out`; the process id keeps two builds apart. */
export async function createPendingFolder(out: string): Promise<PendingFolder> {
  const path = join(dirname(out), `${basename(out)}.tmp-${process.pid}`);
  await mkdir(dirname(out), { recursive: true });
  await clearAbandoned(out);
  await mkdir(path);
  const stop = (signal: NodeJS.Signals): void => {
    rmSync(path, { recursive: true, force: true });
    // Without a listener the signal does what it does to any program.
    process.kill(process.pid, signal);
  };
  for (const signal of endingSignals) process.once(signal, stop);
  const finish = (): void => {
    for (const signal of endingSignals) process.off(signal, stop);
  };
  return {
    path,
    async write({ path: relative, data }) {
      const target = join(path, relative);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, data);
    },
    async publish() {
      // Checked again: a compile takes a while, and somebody may have put a file there meanwhile.
      await assertReplaceable(out);
      const previous = `${path}-previous`;
      const replaced = await exists(out);
      if (replaced) await rename(out, previous);
      try {
        await rename(path, out);
      } catch (error) {
        if (replaced) await rename(previous, out);
        throw error;
      }
      finish();
      await rm(previous, { recursive: true, force: true });
    },
    async discard() {
      finish();
      await rm(path, { recursive: true, force: true });
    },
  };
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Clears what builds of `out` left that were killed with no chance to: folders named by a process that is no more. A
 * build killed between the two renames of `publish` has left the package itself under the other name: it goes back.
 */
async function clearAbandoned(out: string): Promise<void> {
  const prefix = `${basename(out)}.tmp-`;
  for (const entry of await readdir(dirname(out))) {
    const [, id, previous] = (entry.startsWith(prefix) && /^(\d+)(-previous)?$/.exec(entry.slice(prefix.length))) || [];
    if (id === undefined || isRunning(Number(id))) continue;
    const path = join(dirname(out), entry);
    if (previous !== undefined && !(await exists(out)) && (await isBuiltPackage(path))) await rename(path, out);
    else await rm(path, { recursive: true, force: true });
  }
}

function isRunning(id: number): boolean {
  if (id === process.pid) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    // Somebody else's process may not be signalled, but is there.
    return errorCode(error) !== "ESRCH";
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
