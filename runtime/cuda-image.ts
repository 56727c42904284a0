/**
 * Images of CUDA kernels: which of those in a package a GPU can run, and whether a file is whole.
 *
 * Machine code for sm_XY runs on its own generation, on GPUs of the same X and a Y that is not lower; with an "a" at the
 * end, on exactly that one. PTX for compute_XY runs on every GPU that is not older, once the driver has compiled it.
 */

import type { CodeImage } from "./device.ts";
import { PackageTruncatedError } from "./errors.ts";

export interface Architecture {
  readonly kind: "sm" | "compute";
  readonly major: number;
  readonly minor: number;
  /** Uses what only this one kind of GPU has. */
  readonly exact: boolean;
}

/** Undefined when the name is not one of an architecture: "sm_90a", "compute_80". */
export function parseArchitecture(name: string): Architecture | undefined {
  const parts = /^(sm|compute)_(\d+)(\d)([af]?)$/.exec(name);
  if (parts === null) return undefined;
  const [, kind, major, minor, suffix] = parts;
  return { kind: kind === "sm" ? "sm" : "compute", major: Number(major), minor: Number(minor), exact: suffix !== "" };
}

/**
 * The images that a GPU of compute capability major.minor can run, best first: machine code of exactly its architecture,
 * with what only it has before without; then of the nearest older one; then the newest PTX.
 */
export function runnableImages(images: readonly CodeImage[], major: number, minor: number): readonly CodeImage[] {
  const ranked = images.flatMap((image) => {
    const architecture = parseArchitecture(image.architecture);
    if (architecture === undefined) return [];
    const { kind, exact } = architecture;
    const isSame = architecture.major === major && architecture.minor === minor;
    const isOlder = architecture.major < major || (architecture.major === major && architecture.minor < minor);
    const runs = isSame || (!exact && (kind === "sm" ? architecture.major === major && architecture.minor < minor : isOlder));
    // Kind decides first, then age, then whether it was made for this GPU alone.
    return runs ? [{ image, rank: (kind === "sm" ? 1e6 : 0) + 1e3 * architecture.major + 10 * architecture.minor + (exact ? 1 : 0) }] : [];
  });
  return ranked.sort((a, b) => b.rank - a.rank).map(({ image }) => image);
}

const headerBytes = 64;

/**
 * The driver is not told how long an image is: it believes the headers, and would read past the end of a file that was
 * cut short. An ELF file is whole when it holds both of its tables. Throws PackageTruncatedError.
 */
export function checkImage(image: Uint8Array, path: string): void {
  const cutShort = (needs: number): PackageTruncatedError =>
    new PackageTruncatedError(`the kernels ${path} end after ${image.byteLength} of ${needs} bytes: build the package again, or copy it again`);
  if (image.byteLength === 0) throw cutShort(1);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const isElf = image.byteLength >= 4 && view.getUint32(0) === 0x7f454c46;
  if (!isElf) return;
  if (image.byteLength < headerBytes) throw cutShort(headerBytes);
  // ELF-64: offsets at 0x20 (segments) and 0x28 (sections), entry sizes and counts from 0x36.
  const needs = Math.max(
    Number(view.getBigUint64(0x20, true)) + view.getUint16(0x36, true) * view.getUint16(0x38, true),
    Number(view.getBigUint64(0x28, true)) + view.getUint16(0x3a, true) * view.getUint16(0x3c, true),
  );
  if (image.byteLength < needs) throw cutShort(needs);
}
