/** Primitives that make a tensor from no tensor: constants, counters, random bits. */

import { TypeFault } from "../../ir/op.ts";
import { printType, tensorType } from "../../ir/type.ts";
import { checkNumber, describe, isList, readAxis, readDims, readDType, readNumber, readTensor, type SurfaceArgument, type SurfaceFunction } from "./argument.ts";
import { broadcastTo, isNumberLike, numberLike } from "./broadcast.ts";

export const creation = {
  /** A shape filled with one number, which may be a traced one or a named dim. */
  full: (b, _context, sizes, fill, dtype) => {
    const shape = readDims(sizes, "the shape");
    const target = readDType(dtype);
    if (typeof fill === "boolean") return b.constantOf(tensorType(target, shape), fill ? 1 : 0);
    if (typeof fill === "number") return b.constantOf(tensorType(target, shape), checkNumber(fill, target));
    if (!isNumberLike(fill)) throw new TypeFault("the value to fill with must be a number", [`it is ${describe(fill)}`]);
    return broadcastTo(b, numberLike(b, fill, target), shape);
  },

  /** The numbers that are written in the source, nested in lists; the lists give the shape. */
  literal: (b, _context, values, dtype) => {
    const shape = shapeOfLists(values);
    const target = readDType(dtype);
    const flat = flatten(values).map((item) => checkNumber(typeof item === "boolean" ? Number(item) : readNumber(item, "each element"), target));
    return b.constantOf(tensorType(target, shape), flat);
  },

  /** The index along one axis, at every element of a shape. */
  iota: (b, _context, dtype, sizes, axis) => {
    const shape = readDims(sizes, "the shape");
    return b.iota({ dtype: readDType(dtype), shape, axis: readAxis(axis, shape.length) });
  },

  randomBits: (b, _context, key, sizes) => {
    const { value, type } = readTensor(key, "the key");
    if (type.dtype !== "u32" || type.shape.length !== 1 || type.shape[0] !== 2) {
      throw new TypeFault("a random key is a tensor u32[2]", [`it is ${printType(type)}`], "make one with random.key(seed)");
    }
    return b.randomBits(value, { shape: readDims(sizes, "the shape") });
  },
} satisfies Record<string, SurfaceFunction>;

function shapeOfLists(values: SurfaceArgument): readonly number[] {
  if (!isList(values)) return [];
  const inner = values.map((item) => shapeOfLists(item));
  const [first = []] = inner;
  if (inner.some((shape) => shape.join() !== first.join())) {
    throw new TypeFault("nested lists of numbers must all have one length at each level", [`lengths are ${inner.map((shape) => `[${shape.join(",")}]`).join(", ")}`]);
  }
  return [values.length, ...first];
}

function flatten(values: SurfaceArgument): readonly SurfaceArgument[] {
  return isList(values) ? values.flatMap(flatten) : [values];
}
