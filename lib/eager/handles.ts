/**
 * The handles that ops take and make. They are of the class of tensor.ts, which introduces itself here: its methods lead
 * to this folder, so nothing here can be made from it.
 */

import { isTensor, type Shape, type TensorState } from "tsdlc-runtime";
import { addOwnFolder } from "tsdlc-runtime/library";
import { present } from "../../ir/expect.ts";
import type { DTypeName } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

export type AnyTensor = Tensor<Shape, DTypeName>;

interface TensorClass {
  new (dtype: DTypeName, shape: readonly number[], state: TensorState): AnyTensor;
  readonly prototype: object;
}

let introduced: TensorClass | undefined;

export function introduce(tensors: TensorClass): void {
  introduced = tensors;
  addOwnFolder(import.meta.url, "eager/handles");
}

export function makeHandle(dtype: DTypeName, shape: readonly number[], state: TensorState): AnyTensor {
  return new (classOfTensors())(dtype, shape, state);
}

/** Whether a value is a handle. One that a built program returned is given the methods of the library. */
export function isLeaf(value: unknown): value is AnyTensor {
  const own = introduced ?? classOfTensors();
  if (value instanceof own) return true;
  if (!isTensor(value)) return false;
  Object.setPrototypeOf(value, own.prototype);
  return true;
}

/** Whether tensors have a method of this name. */
export function isMethod(name: string): boolean {
  return name in classOfTensors().prototype;
}

function classOfTensors(): TensorClass {
  return present(introduced, "lib/tensor.ts was not loaded");
}
