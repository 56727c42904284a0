/**
 * Types of values at both levels of the IR.
 *
 * Tensor level: `f32[N,784]`, a dense array whose dims may be named; `stack f32[N]`, a stack of such. Kernel level: `f32` and `index`, scalars that
 * live in registers; `f32x16`, a vector of lanes; `global f32[N,784]` and `local f32[64]`, memory that is loaded
 * from and stored to by index; `shared` and `private` are memory of a block of threads.
 */

import { type Dim, printDim, sameShape } from "./dim.ts";

export const dtypes = ["f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u32", "u8", "bool"] as const;

export type DType = (typeof dtypes)[number];

/** Element types of the kernel level: `index` is the target's address arithmetic type. */
export type ScalarDType = DType | "index";

export interface TensorType {
  readonly kind: "tensor";
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface ScalarType {
  readonly kind: "scalar";
  readonly dtype: ScalarDType;
  /** 1 for a scalar, more for a vector. */
  readonly lanes: number;
}

/**
 * Where a buffer lives: in the device's memory (global); as scratch of whoever makes it, a grid item or a thread (local);
 * in memory that the threads of a block have together (shared); or in the registers of each thread of a block, whose
 * number is the first index (private).
 */
export type Space = "global" | "local" | "shared" | "private";

export const spaces: readonly Space[] = ["global", "local", "shared", "private"];

export interface BufferType {
  readonly kind: "buffer";
  readonly space: Space;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** A stack of tensors of one type (ops/stack.ts). */
export interface StackType {
  readonly kind: "stack";
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export type Type = TensorType | ScalarType | BufferType | StackType;

export function tensorType(dtype: DType, shape: readonly Dim[]): TensorType {
  return { kind: "tensor", dtype, shape };
}

export function scalarType(dtype: ScalarDType, lanes = 1): ScalarType {
  return { kind: "scalar", dtype, lanes };
}

export function bufferType(space: Space, dtype: DType, shape: readonly Dim[]): BufferType {
  return { kind: "buffer", space, dtype, shape };
}

export function stackType(dtype: DType, shape: readonly Dim[]): StackType {
  return { kind: "stack", dtype, shape };
}

export const indexType: ScalarType = scalarType("index");

/** Whether values of the type can change: memory is reached only through such. */
export function isMemory(type: Type): type is BufferType | StackType {
  return type.kind === "buffer" || type.kind === "stack";
}

export function sameType(left: Type, right: Type): boolean {
  if (left === right) return true;
  switch (left.kind) {
    case "tensor":
    case "stack": return right.kind === left.kind && left.dtype === right.dtype && sameShape(left.shape, right.shape);
    case "scalar": return right.kind === "scalar" && left.dtype === right.dtype && left.lanes === right.lanes;
    case "buffer": return right.kind === "buffer" && left.space === right.space && left.dtype === right.dtype && sameShape(left.shape, right.shape);
  }
}

export function printShape(shape: readonly Dim[]): string {
  return `[${shape.map(printDim).join(",")}]`;
}

export function printType(type: Type): string {
  switch (type.kind) {
    case "tensor": return `${type.dtype}${printShape(type.shape)}`;
    case "stack": return `stack ${type.dtype}${printShape(type.shape)}`;
    case "scalar": return type.lanes === 1 ? type.dtype : `${type.dtype}x${type.lanes}`;
    case "buffer": return `${type.space} ${type.dtype}${printShape(type.shape)}`;
  }
}

const bytes: Readonly<Record<DType, number>> = {
  f64: 8, f32: 4, f16: 2, bf16: 2, i64: 8, i32: 4, i8: 1, u32: 4, u8: 1, bool: 1,
};

export function bytesOf(dtype: DType): number {
  return bytes[dtype];
}

/** The axis along which neighbours are neighbours in memory: the last one that has a next element. */
export function consecutiveAxis(shape: readonly Dim[]): number {
  const last = shape.findLastIndex((dim) => dim !== 1);
  return last < 0 ? shape.length - 1 : last;
}

export function isFloat(dtype: ScalarDType): boolean {
  return dtype === "f64" || dtype === "f32" || dtype === "f16" || dtype === "bf16";
}

export function isInteger(dtype: ScalarDType): boolean {
  return !isFloat(dtype) && dtype !== "bool";
}
