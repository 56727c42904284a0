/** What users import from "tsdlc/data", in Node and in a browser: reading data sets, and cutting them into batches. */

export { batches, permutation, type BatchOptions, type Column } from "./batches.ts";
export { fetchIdx, fetchMnist } from "./download.ts";
export { readIdxFile, readMnist } from "./file.ts";
export { readIdx, type IdxArray } from "./idx.ts";
export { DataFormatError } from "tsdlc-runtime";
export { labelledImages, type LabelledImages, type Mnist, type MnistPaths } from "./mnist.ts";
