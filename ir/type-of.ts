/**
 * The type of a value where only one kind of type can be: throws with the type that is there instead. Anything that has
 * a type can be asked, so an op that is not made yet can be too.
 */

import { type BufferType, printType, type ScalarType, type StackType, type TensorType, type Type } from "./type.ts";

interface Typed {
  readonly type: Type;
}

export function tensorTypeOf({ type }: Typed): TensorType {
  if (type.kind !== "tensor") throw new TypeError(`expected a tensor, found ${printType(type)}`);
  return type;
}

export function scalarTypeOf({ type }: Typed): ScalarType {
  if (type.kind !== "scalar") throw new TypeError(`expected a scalar or vector, found ${printType(type)}`);
  return type;
}

export function bufferTypeOf({ type }: Typed): BufferType {
  if (type.kind !== "buffer") throw new TypeError(`expected memory, found ${printType(type)}`);
  return type;
}

export function stackTypeOf({ type }: Typed): StackType {
  if (type.kind !== "stack") throw new TypeError(`expected a stack, found ${printType(type)}`);
  return type;
}
