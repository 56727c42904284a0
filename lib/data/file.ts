/** Data files on disk, in Node. Only here are files opened; what is in them is read by idx.ts and mnist.ts. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataFormatError, type IdxArray, readIdx } from "./idx.ts";
import { labelledImages, type LabelledImages } from "./mnist.ts";

/** Reads an IDX file, gzipped or not. Throws DataFormatError, or Node's own error for a file that cannot be opened. */
export function readIdxFile(path: string): IdxArray {
  return readIdx(decompress(readFileSync(path), path), path);
}

export interface MnistPaths {
  readonly trainImages: string;
  readonly trainLabels: string;
  readonly testImages: string;
  readonly testLabels: string;
}

/**
 * The MNIST digits, 60,000 to train on and 10,000 to test with, from four IDX files: a folder that has them under
 * their usual names (train-images-idx3-ubyte, with .gz or without), or the path of each.
 */
export function readMnist(source: string | MnistPaths): { readonly train: LabelledImages; readonly test: LabelledImages } {
  const paths = typeof source === "string" ? findMnist(source) : source;
  return {
    train: labelledImages(readIdxFile(paths.trainImages), readIdxFile(paths.trainLabels)),
    test: labelledImages(readIdxFile(paths.testImages), readIdxFile(paths.testLabels)),
  };
}

function findMnist(folder: string): MnistPaths {
  const find = (name: string): string => {
    const candidates = [name, name.replace("-idx", ".idx")].flatMap((base) => [base, `${base}.gz`]);
    const found = candidates.map((candidate) => join(folder, candidate)).find((path) => existsSync(path));
    if (found === undefined) throw new Error(`${folder} has no ${name} (nor ${candidates.slice(1).join(", ")})`);
    return found;
  };
  return {
    trainImages: find("train-images-idx3-ubyte"),
    trainLabels: find("train-labels-idx1-ubyte"),
    testImages: find("t10k-images-idx3-ubyte"),
    testLabels: find("t10k-labels-idx1-ubyte"),
  };
}

/** Gzip is told by its first two bytes, 1f 8b (RFC 1952). */
function decompress(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new DataFormatError(`${path}: the gzip data is damaged or truncated after ${bytes.length} bytes (${error instanceof Error ? error.message : String(error)})`);
  }
}
