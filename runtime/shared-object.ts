/**
 * A look at a shared object before the system's loader gets it: the loader trusts the headers, and a file that was cut
 * short ends the process with a bus error when its missing pages are touched.
 *
 * ELF puts the table of sections last, so a file that holds all of that table is whole.
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PackageForeignError, PackageTruncatedError } from "./errors.ts";

/** e_machine (System V ABI, ELF-64 object file format), by Node's names for architectures. */
const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

const headerBytes = 64;

/** Throws PackageTruncatedError or PackageForeignError; files of other formats than ELF are left to the loader. */
export function checkSharedObject(path: string): void {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new PackageTruncatedError(`the kernels ${path} are missing: build the package again, or copy all of its folder`, { cause: error });
  }
  try {
    const { size } = fstatSync(file);
    const header = new DataView(new ArrayBuffer(headerBytes));
    const read = readSync(file, header, 0, headerBytes, 0);
    const cutShort = (needs: number): PackageTruncatedError =>
      new PackageTruncatedError(`the kernels ${path} end after ${size} of ${needs} bytes: build the package again, or copy it again`);
    if (read < headerBytes) throw cutShort(headerBytes);
    const isElf = header.getUint32(0) === 0x7f454c46;
    if (!isElf) {
      if (process.platform === "linux") throw new PackageForeignError(`${path} is not a shared object: build the package again`);
      return;
    }
    const machine = header.getUint16(0x12, true);
    const expected = machines[process.arch];
    if (expected !== undefined && machine !== expected) {
      throw new PackageForeignError(`the kernels ${path} are for another kind of processor (ELF machine ${machine}; this is ${process.arch}): build the package for this machine`);
    }
    const needs = Number(header.getBigUint64(0x28, true)) + header.getUint16(0x3a, true) * header.getUint16(0x3c, true);
    if (size < needs) throw cutShort(needs);
  } finally {
    closeSync(file);
  }
}
