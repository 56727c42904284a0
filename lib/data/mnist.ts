/** Images with labels, as a classifier takes them: from the two arrays of an MNIST-like data set. */

import { DataFormatError } from "tsdlc-runtime";
import type { IdxArray } from "./idx.ts";

export interface LabelledImages {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** [count, rows * columns], from 0 (background) to 1 (ink). */
  readonly images: Float32Array;
  /** [count], the class of each image. */
  readonly labels: Int32Array;
}

/** The digits of MNIST: 60,000 to train on and 10,000 to test with. */
export interface Mnist {
  readonly train: LabelledImages;
  readonly test: LabelledImages;
}

/** Where the four IDX files of MNIST are: paths or URLs. */
export interface MnistPaths {
  readonly trainImages: string;
  readonly trainLabels: string;
  readonly testImages: string;
  readonly testLabels: string;
}

/** What the files are usually called, with .gz or without. */
export const mnistNames: MnistPaths = {
  trainImages: "train-images-idx3-ubyte",
  trainLabels: "train-labels-idx1-ubyte",
  testImages: "t10k-images-idx3-ubyte",
  testLabels: "t10k-labels-idx1-ubyte",
};

/** A file's name, and the other spellings that are about. */
export function mnistSpellings(name: string): readonly string[] {
  return [name, name.replace("-idx", ".idx")].flatMap((base) => [base, `${base}.gz`]);
}

/** Bytes to floats (x / 255) and labels to i32. Throws DataFormatError when the two arrays do not belong together. */
export function labelledImages(images: IdxArray, labels: IdxArray): LabelledImages {
  const [count, rows, columns] = images.shape;
  if (images.dtype !== "u8" || images.shape.length !== 3 || count === undefined || rows === undefined || columns === undefined) {
    throw new DataFormatError(`images must be u8[count, rows, columns]; this array is ${images.dtype}[${images.shape.join(", ")}]`);
  }
  if (labels.dtype !== "u8" || labels.shape.length !== 1) {
    throw new DataFormatError(`labels must be u8[count]; this array is ${labels.dtype}[${labels.shape.join(", ")}]`);
  }
  if (labels.data.length !== count) throw new DataFormatError(`there are ${count} images and ${labels.data.length} labels`);
  return {
    count,
    rows,
    columns,
    images: fractions(images.data),
    labels: Int32Array.from(labels.data),
  };
}

/** A loop, because Float32Array.from with a function takes ten seconds for the 47 million pixels of MNIST. */
function fractions(bytes: Uint8Array): Float32Array {
  const result = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) result[i] = (bytes[i] ?? 0) / 255;
  return result;
}
