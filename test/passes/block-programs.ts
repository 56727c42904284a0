/** Programs that reach every schedule of blocks of threads at sizes that a test can afford: tiles, rows, split sums. */

import { evaluateDim } from "../../ir/dim.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Module } from "../../ir/module.ts";
import { createRandom, type Sizes } from "../run-sample.ts";

/** By what they are; `sizes` of named dims. Results are exact where the text names a 16-bit dtype or a precision. */
export const blockPrograms: Readonly<Record<string, { readonly text: string; readonly sizes?: Sizes }>> = {
  "a contraction of several tiles and steps": { text: contraction("f32[70,40]", "f32[40,33]", "[70,33]", 1, 0) },
  "a contraction with a transposed left": { text: contraction("f32[40,70]", "f32[40,33]", "[70,33]", 0, 0) },
  "a contraction with a transposed right": { text: contraction("f32[70,40]", "f32[33,40]", "[70,33]", 1, 1) },
  "a contraction of named sizes": { text: contraction("f32[M,K]", "f32[K,N]", "[M,N]", 1, 0), sizes: { M: 35, K: 19, N: 37 } },
  "a contraction over nothing": { text: contraction("f32[M,K]", "f32[K,N]", "[M,N]", 1, 0), sizes: { M: 5, K: 0, N: 6 } },
  "a contraction of integers": { text: contraction("i32[20,17]", "i32[17,18]", "[20,18]", 1, 0) },
  "a contraction of one step": { text: contraction("f32[20,16]", "f32[16,33]", "[20,33]", 1, 0) },
  "a contraction of two steps": { text: contraction("f32[20,28]", "f32[28,36]", "[20,36]", 1, 0) },
  "a contraction of an even number of steps": { text: contraction("f32[36,128]", "f32[128,20]", "[36,20]", 1, 0) },
  "a contraction whose edges part no patches": { text: contraction("f32[36,52]", "f32[44,52]", "[36,44]", 1, 1) },
  "a contraction of f16, of an odd number of steps": { text: contraction("f16[160,40]", "f16[160,36]", "[40,36]", 0, 0) },
  "a contraction of two steps, in bf16": { text: contraction("f32[40,50]", "f32[33,50]", "[40,33]", 1, 1, "bf16") },
  "a contraction with a long sum": { text: contraction("f32[9,1100]", "f32[1100,10]", "[9,10]", 1, 0) },
  "a product with a vector": { text: contraction("f32[1,300]", "f32[300,40]", "[1,40]", 1, 0) },
  "a contraction in tf32": { text: contraction("f32[70,40]", "f32[40,33]", "[70,33]", 1, 0, "tf32") },
  "a contraction in bf16 with both operands transposed": { text: contraction("f32[41,70]", "f32[66,41]", "[70,66]", 0, 1, "bf16") },
  "a contraction of f16": { text: contraction("f16[64,48]", "f16[48,32]", "[64,32]", 1, 0) },
  "a contraction of bf16, of named sizes": { text: contraction("bf16[M,K]", "bf16[K,N]", "[M,N]", 1, 0), sizes: { M: 65, K: 35, N: 17 } },
  "a batch of contractions": { text: `
func @f(%x: f32[3,20,24], %y: f32[3,24,18]) {
  %0: f32[3,20,18] = dot_general %x, %y {"leftBatch":[0],"leftReduced":[2],"rightBatch":[0],"rightReduced":[1]}
  return %0
}` },
  "softmax over long rows": { text: softmax("[5,300]", 1, "[5]", 0) },
  "softmax over short rows": { text: softmax("[70,10]", 1, "[70]", 0) },
  "softmax over the first axis": { text: softmax("[100,70]", 0, "[70]", 1) },
  "softmax over an axis of nothing": { text: softmax("[0,70]", 0, "[70]", 1) },
  "softmax of named sizes": { text: softmax("[N,M]", 1, "[N]", 0), sizes: { N: 6, M: 130 } },
  "a map of whole fours": { text: map("f32[N,12]", "[12]"), sizes: { N: 45 } },
  "a map of whole fours, of known sizes": { text: map("f32[513,128]", "[128]") },
  "a map of any length": { text: map("f32[N]", "[N]"), sizes: { N: 1031 } },
  "a map of no whole four": { text: map("f32[N]", "[N]"), sizes: { N: 3 } },
  "a map of f64": { text: map("f64[N,8]", "[8]"), sizes: { N: 9 } },
  "a map of f16": { text: map("f16[N,8]", "[8]"), sizes: { N: 9 } },
  "a map of i8": { text: map("i8[N,8]", "[8]"), sizes: { N: 9 } },
  "a map of conditions": { text: `
func @f(%x: f32[N,8], %y: bool[8]) {
  %0: bool[N,8] = broadcast %y {"axes":[1],"shape":["N",8]}
  %1: f32[N,8] = constant {"dtype":"f32","shape":["N",8],"value":2}
  %2: bool[N,8] = lt %x, %1
  %3: bool[N,8] = and %0, %2
  return %3, %2
}`, sizes: { N: 9 } },
  "a map with a transposed operand": { text: `
func @f(%x: f32[N,8], %y: f32[8,N]) {
  %0: f32[N,8] = transpose %y {"permutation":[1,0]}
  %1: f32[N,8] = add %x, %0
  return %1
}`, sizes: { N: 9 } },
  "a map of parts of rows": { text: `
func @f(%x: f32[N,12], %y: f32[N,4]) {
  %0: f32[N,8] = slice %x {"sizes":["N",8],"starts":[0,1],"strides":[1,1]}
  %1: f32[N,8] = slice %x {"sizes":["N",8],"starts":[0,4],"strides":[1,1]}
  %2: f32[N,8] = reverse %0 {"axes":[1]}
  %3: f32[N,8] = add %2, %1
  %4: f32[N,12] = concat %3, %y {"axis":1}
  %5: f32[N,12] = mul %4, %x
  %6: f32[N,16] = pad %5 {"high":[0,1],"interior":[0,0],"low":[0,3],"value":1}
  return %3, %6
}`, sizes: { N: 9 } },
  "a map of rows by number": { text: `
func @f(%table: f32[20,8], %ids: i32[N]) {
  %0: f32[N,8] = gather %table, %ids {"axis":0}
  %1: f32[N,8] = add %0, %0
  return %1
}`, sizes: { N: 37 } },
  "a map that adds rows by number": { text: `
func @f(%table: f32[20,8], %ids: i32[N], %rows: f32[N,8]) {
  %0: f32[N,8] = add %rows, %rows
  %1: f32[20,8] = scatter_add %table, %ids, %0 {"axis":0}
  return %1
}`, sizes: { N: 37 } },
  "a map of random bits": { text: `
func @f(%key: u32[2], %x: f32[N,8]) {
  %0: u32[N,8] = random_bits %key {"shape":["N",8]}
  %1: i32[N,8] = iota {"axis":1,"dtype":"i32","shape":["N",8]}
  %2: f32[N,8] = cast %1 {"dtype":"f32"}
  %3: f32[N,8] = add %2, %x
  return %0, %3
}`, sizes: { N: 9 } },
  "a map of fours of a product of sizes": { text: map("f32[N,M*4]", "[M*4]"), sizes: { N: 5, M: 3 } },
  "rows of whole fours": { text: softmax("[N,128]", 1, "[N]", 0), sizes: { N: 5 } },
  "rows of whole fours that are more than lanes": { text: softmax("[3,1204]", 1, "[3]", 0) },
  "sums of rows of planes": { text: reduction("reduce_sum", "[N,6,20]", [1, 2], "[N]"), sizes: { N: 3 } },
  "a sum of everything": { text: reduction("reduce_sum", "[40,50]", [0, 1], "[]") },
  "a long sum of everything": { text: reduction("reduce_sum", "[300,61]", [0, 1], "[]") },
  "long sums of columns": { text: reduction("reduce_max", "[17000,3]", [0], "[3]") },
  "sums of columns": { text: reduction("reduce_sum", "[200,45]", [0], "[45]") },
  "where the largest is, of two that are equal": { text: `
func @f(%x: f32[20000]) {
  %0: f32[20000] = floor %x
  %1: i32[] = argmax %0 {"axis":0}
  return %1
}` },
};

/** Sums of small whole numbers: exact in every precision, so that none excuses a wrong one. */
export function contraction(left: string, right: string, result: string, leftReduced: number, rightReduced: number, precision?: string): string {
  const dtype = left.slice(0, left.indexOf("["));
  const allowed = precision === undefined ? "" : `,"precision":"${precision}"`;
  return `
func @f(%x: ${left}, %y: ${right}) {
  %0: ${dtype}${result} = dot_general %x, %y {"leftBatch":[],"leftReduced":[${leftReduced}]${allowed},"rightBatch":[],"rightReduced":[${rightReduced}]}
  %1: ${dtype}${result} = add %0, %0
  return %1
}`;
}

/** Two results of an operand and one that is the same for all rows; results are exact. */
function map(type: string, row: string): string {
  const [dtype, dims] = [type.slice(0, type.indexOf("[")), type.slice(type.indexOf("[") + 1, -1).split(",")];
  const shape = JSON.stringify(dims.map((dim) => (/^\d+$/.test(dim) ? Number(dim) : dim)));
  return `
func @f(%x: ${type}, %y: ${dtype}${row}, %rate: ${dtype}[]) {
  %0: ${type} = broadcast %y {"axes":[${dims.length - 1}],"shape":${shape}}
  %1: ${type} = broadcast %rate {"axes":[],"shape":${shape}}
  %2: ${type} = add %x, %0
  %3: ${type} = mul %2, %1
  return %2, %3
}`;
}

function softmax(shape: string, axis: number, reduced: string, kept: number): string {
  const dims = JSON.stringify(shape.slice(1, -1).split(",").map((dim) => (/\d/.test(dim) ? Number(dim) : dim)));
  return `
func @f(%x: f32${shape}) {
  %0: f32${reduced} = reduce_max %x {"axes":[${axis}]}
  %1: f32${shape} = broadcast %0 {"axes":[${kept}],"shape":${dims}}
  %2: f32${shape} = sub %x, %1
  %3: f32${shape} = exp %2
  %4: f32${reduced} = reduce_sum %3 {"axes":[${axis}]}
  %5: f32${shape} = broadcast %4 {"axes":[${kept}],"shape":${dims}}
  %6: f32${shape} = div %3, %5
  return %6, %4
}`;
}

export function reduction(op: string, shape: string, axes: readonly number[], reduced: string): string {
  return `
func @f(%x: f32${shape}) {
  %0: f32${reduced} = ${op} %x {"axes":${JSON.stringify(axes)}}
  return %0
}`;
}

export function inputsFor({ functions }: Module, sizes: Sizes, isExact = false): readonly HostArray[] {
  const random = createRandom(1);
  return functions.find(({ name }) => name === "f")?.body.parameters.map(({ type }) => {
    if (type.kind !== "tensor") throw new TypeError("a function of tensors was expected");
    const shape = type.shape.map((dim) => evaluateDim(dim, sizes));
    const count = shape.reduce((product, size) => product * size, 1);
    return hostArray(type.dtype, shape, Array.from({ length: count }, () => (isExact ? Math.floor(random() * 9) - 4 : type.dtype === "f32" ? random() * 4 : Math.floor(random() * 100) - 50)));
  }) ?? [];
}
