/**
 * Texts that cost time to make, kept in the cache folder by what they were made of; and the bound on all that is kept
 * there. Node only.
 *
 * A text is named by a hash of everything it depends on, so it is never stale. It is written aside and renamed, behind a
 * hash of itself: what was cut short or changed is as good as not there, and is made again. What nobody has used for
 * longest goes first when the folder is too large.
 */

import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheOption } from "./options.ts";

/** The folder of everything that is kept; one of its folders holds kernels, another texts. */
export function cacheFolder(): string {
  return cacheOption() ?? join(tmpdir(), "tsdlc");
}

/** Of everything that something is made of: the name under which it is kept. */
export function hashOf(made: unknown): string {
  return createHash("sha256").update(JSON.stringify(made)).digest("hex").slice(0, 32);
}

const textsFolder = "texts";

function pathOf(key: string): string {
  return join(cacheFolder(), textsFolder, key);
}

/** The text of this name; undefined where there is none, or one that is not what was written. */
export function keptText(key: string): string | undefined {
  const path = pathOf(key);
  try {
    if (!isKept(path)) return undefined;
    const whole = readFileSync(path, "utf8");
    const text = whole.slice(whole.indexOf("\n") + 1);
    return whole === sealed(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a text, whole or not at all. Where the folder cannot be written, the next process makes it again. */
export function keepText(key: string, text: string): void {
  const path = pathOf(key);
  const aside = `${path}.${randomUUID()}`;
  try {
    mkdirSync(join(cacheFolder(), textsFolder), { recursive: true });
    writeFileSync(aside, sealed(text));
    renameSync(aside, path);
    dropLater();
  } catch {
    // A disk that is full may have left a part.
    if (existsSync(aside)) rmSync(aside, { force: true });
  }
}

function sealed(text: string): string {
  return `${createHash("sha256").update(text).digest("hex")}\n${text}`;
}

/** A file's time says when it was used last, to a day: writing it at every use would cost more than reading the file. */
const dayMilliseconds = 24 * 3600 * 1000;

/** Whether a file of the cache is there, which is about to be used. */
export function isKept(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  const now = new Date();
  if (now.getTime() - found.mtimeMs > dayMilliseconds) {
    try {
      utimesSync(path, now, now);
    } catch {
      // Somebody else's folder, or gone this moment: who opens it says so.
    }
  }
  return true;
}

/* ---------------------------------------------------------------- the bound */

/** Bytes of files beyond which the least recently used ones are dropped, and how much is left then. */
const [mostBytes, leftBytes] = [2 ** 30, 0.75 * 2 ** 30];

let isDropping = false;

/** Once in a process that has made something, when it has nothing else to do. */
export function dropLater(): void {
  if (isDropping) return;
  isDropping = true;
  setImmediate(() => dropOldest(cacheFolder(), mostBytes, leftBytes));
}

/** Drops files of the cache when they have more than `most` bytes together, the least recently used first, until `left` are left. */
export function dropOldest(folder: string, most: number, left: number): void {
  const files = ["kernels", textsFolder].flatMap((name) => filesIn(join(folder, name)));
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= most) return;
  files.sort((one, other) => one.used - other.used);
  for (const { path, bytes } of files) {
    if (total <= left) return;
    // A process that has a kernel open keeps it; one that is about to open it makes it again.
    rmSync(path, { force: true });
    total -= bytes;
  }
}

function filesIn(folder: string): readonly { readonly path: string; readonly bytes: number; readonly used: number }[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.isFile() === true ? [{ path, bytes: found.size, used: found.mtimeMs }] : [];
    });
  } catch {
    return [];
  }
}
