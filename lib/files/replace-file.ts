/**
 * Files that are replaced whole or not at all: written beside, brought to the disk, and renamed over the old one. Node's
 * modules are asked for when a file is: browsers import this too.
 */

import type { FileHandle } from "node:fs/promises";
import { DeviceError } from "tsdlc-runtime";

type Files = typeof import("node:fs/promises");

/** Node's functions on files. Throws DeviceError where there are none. */
export function nodeFiles(caller: string, instead: string): Files {
  if (typeof process === "undefined" || typeof process.getBuiltinModule !== "function") {
    throw new DeviceError(`${caller}: there are no files here, only in Node: ${instead}`);
  }
  return process.getBuiltinModule("node:fs/promises");
}

/**
 * Makes `path` what `write` writes. Until all of it is on the disk the old file stays as it is, and it stays when
 * anything fails. A process that is killed leaves `<path>.<eight digits>.tmp`, which nobody reads.
 */
export async function replaceFile(files: Files, path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const beside = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const handle = await files.open(beside, "wx");
  try {
    try {
      await write(handle);
      // Before the rename: a name that has survived a loss of power must not stand for bytes that have not.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await files.rename(beside, path);
  } catch (error) {
    await files.rm(beside, { force: true });
    throw error;
  }
  await syncFolder(files, path);
}

/** Brings the new name to the disk; systems that cannot open a folder, such as Windows, do so by themselves. */
async function syncFolder(files: Files, path: string): Promise<void> {
  const { dirname } = process.getBuiltinModule("node:path");
  let folder: FileHandle;
  try {
    folder = await files.open(dirname(path), "r");
  } catch {
    return;
  }
  try {
    await folder.sync();
  } catch {
    // A file system without it, such as some over a network: the file itself is on the disk.
  } finally {
    await folder.close();
  }
}

/** A single call of the system moves less than 2^31 bytes. */
const mostAtOnce = 2 ** 30;

/** Fills `bytes` from a place in a file; returns how many there were before its end. */
export async function readAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, mostAtOnce), position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, Math.min(bytes.length - done, mostAtOnce), position + done)).bytesWritten;
  }
}
