/**
 * What users import from "tsdlc/files": tensors in and out of files. Reading and writing bytes works in a browser too;
 * what takes a path is for Node, whose modules it asks for when it is called.
 */

export { type CheckpointTree, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
export { loadTree, type LoadTreeOptions } from "./load-tree.ts";
export { fromNpy, toNpy } from "./npy.ts";
export { readNpz, toNpz } from "./npz.ts";
export { readSafetensors, type SafetensorsBytes, type TensorSource, toSafetensors } from "./safetensors.ts";
export { openSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors-file.ts";
export type { Named } from "./safetensors-layout.ts";
export type { Plain, Restored, TensorType } from "./tree.ts";
export type { TreeReport } from "./tree-report.ts";
export { DataFormatError } from "tsdlc-runtime";
