/**
 * Runs the real command line in a process of its own, as a user would, in a folder that is removed afterwards.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(import.meta.dirname, "../..");
const loader = import.meta.resolve("tsx");

export interface CliOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Given to node before the command line itself. */
  readonly nodeOptions?: readonly string[];
}

export function runCli(args: readonly string[], { folder, environment = {}, nodeOptions = [] }: CliOptions): CliOutcome {
  const command = [...nodeOptions, "--import", loader, "--conditions=source", join(root, "compiler/cli.ts"), ...args];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, TSDLC_CACHE: join(folder, ".cache"), ...environment },
  });
  if (status === null) throw new Error(`tsdlc ${args.join(" ")} ended by ${signal ?? "nothing"}`);
  return { exitCode: status, stdout, stderr };
}

/** A copy of a folder, or an empty one, for the length of a test. */
export function withFolder<T>(template: string | undefined, body: (folder: string) => T): T {
  // The real path, because messages name files relative to the working directory, which has no links in it.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "tsdlc-test-")));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    if (template !== undefined) cpSync(template, folder, { recursive: true });
    const outcome = body(folder);
    if (outcome instanceof Promise) return outcome.finally(remove) as T;
    remove();
    return outcome;
  } catch (error) {
    remove();
    throw error;
  }
}

/** Every file below a folder, without the cache, sorted. */
export function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith(".cache"))
    .sort();
}

export function fixture(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
