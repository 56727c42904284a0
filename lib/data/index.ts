/** What users import from "tsdlc/data": reading data sets, and cutting them into batches. */

export { batches, permutation, type BatchOptions, type Column } from "./batches.ts";
export { readIdxFile, readMnist, type MnistPaths } from "./file.ts";
export { DataFormatError, readIdx, type IdxArray } from "./idx.ts";
export { labelledImages, type LabelledImages } from "./mnist.ts";
