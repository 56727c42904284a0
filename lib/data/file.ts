/**
 * Data files on disk, in Node. What is in them is read by idx.ts and mnist.ts. Node's modules are asked for when a file
 * is: browsers import this file too, and download.ts is for them.
 */

import { DataFormatError } from "tsdlc-runtime";
import { type IdxArray, isGzip, readIdx } from "./idx.ts";
import { labelledImages, type Mnist, mnistNames, type MnistPaths, mnistSpellings } from "./mnist.ts";

/** Reads an IDX file, gzipped or not. Throws DataFormatError, or Node's own error for a file that cannot be opened. */
export function readIdxFile(path: string): IdxArray {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  return readIdx(decompress(readFileSync(path), path), path);
}

/**
 * The MNIST digits, 60,000 to train on and 10,000 to test with, from four IDX files: a folder that has them under
 * their usual names (train-images-idx3-ubyte, with .gz or without), or the path of each.
 */
export function readMnist(source: string | MnistPaths): Mnist {
  const paths = typeof source === "string" ? findMnist(source) : source;
  return {
    train: labelledImages(readIdxFile(paths.trainImages), readIdxFile(paths.trainLabels)),
    test: labelledImages(readIdxFile(paths.testImages), readIdxFile(paths.testLabels)),
  };
}

function findMnist(folder: string): MnistPaths {
  const { existsSync } = process.getBuiltinModule("node:fs");
  const { join } = process.getBuiltinModule("node:path");
  const find = (name: string): string => {
    const candidates = mnistSpellings(name);
    const found = candidates.map((candidate) => join(folder, candidate)).find((path) => existsSync(path));
    if (found === undefined) throw new Error(`${folder} has no ${name} (nor ${candidates.slice(1).join(", ")})`);
    return found;
  };
  const { trainImages, trainLabels, testImages, testLabels } = mnistNames;
  return { trainImages: find(trainImages), trainLabels: find(trainLabels), testImages: find(testImages), testLabels: find(testLabels) };
}

function decompress(bytes: Uint8Array, path: string): Uint8Array {
  if (!isGzip(bytes)) return bytes;
  try {
    return process.getBuiltinModule("node:zlib").gunzipSync(bytes);
  } catch (error) {
    throw new DataFormatError(`${path}: the gzip data is damaged or truncated after ${bytes.length} bytes (${error instanceof Error ? error.message : String(error)})`);
  }
}
