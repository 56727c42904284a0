/**
 * The cache of compiled kernels: files named by a hash of everything they depend on. Node only.
 *
 * The compiler and its version, the flags and the text go into the name, so a cached file is never stale, and two
 * processes that make the same one at once write aside and rename: the last rename wins with equal bytes. Within a
 * process calls for one file share its making, and as many compilers run at once as there are cores.
 */

import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cacheFolder, dropLater, hashOf, isKept } from "./text-cache.ts";

export interface CachePaths {
  /** Where the text is kept when somebody must look at it. */
  readonly source: string;
  readonly output: string;
  /** Where the output is written before it takes its name. */
  readonly aside: string;
}

/** `made` is all that the output depends on; the endings are those of the files: ".c", ".so". */
export function cachePaths(made: readonly unknown[], sourceEnding: string, outputEnding: string): CachePaths {
  const folder = join(cacheFolder(), "kernels");
  mkdirSync(folder, { recursive: true });
  const base = join(folder, hashOf(made));
  return { source: `${base}${sourceEnding}`, output: `${base}${outputEnding}`, aside: `${base}.${randomUUID()}` };
}

/** By output. */
const inProgress = new Map<string, Promise<string>>();

/** The path of the output; when it is not there, `make` writes it to `aside`. Calls may overlap. */
export async function cachedFile({ output, aside }: CachePaths, make: () => Promise<void>): Promise<string> {
  const present = inProgress.get(output);
  if (present !== undefined) return present;
  if (isKept(output)) return output;
  const work = takeTurn(async () => {
    try {
      await make();
      await rename(aside, output);
      dropLater();
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
    return output;
  }).finally(() => inProgress.delete(output));
  inProgress.set(output, work);
  return work;
}

/** Puts a source into the cache, whole or not at all, and returns its path. */
export function keepSource({ source }: CachePaths, text: string): string {
  const aside = `${source}.${randomUUID()}`;
  writeFileSync(aside, text);
  renameSync(aside, source);
  return source;
}

/** What a compiler said, cut where nobody reads on. */
export function shortened(said: string): string {
  const lines = said.trim().split("\n");
  return (lines.length > 30 ? [...lines.slice(0, 30), `... ${lines.length - 30} more lines`] : lines).join("\n");
}

let running = 0;
const waiting: (() => void)[] = [];

async function takeTurn<T>(action: () => Promise<T>): Promise<T> {
  if (running >= availableParallelism()) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await action();
  } finally {
    // The turn passes to the next in line, or ends.
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}
