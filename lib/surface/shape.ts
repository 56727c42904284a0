/** Primitives that move elements and compute nothing: reshape, permute, slice, pad, concat. */

import { addDims, ceilDivDims, type Dim, elementCount, floorDivDims, mulDims, printDim, sameDim, sameShape, subDims } from "../../ir/dim.ts";
import { TypeFault } from "../../ir/op.ts";
import { printShape, printType } from "../../ir/type.ts";
import {
  checkNumber,
  isList,
  readAxes,
  readAxis,
  readDim,
  readDims,
  readInteger,
  readNumber,
  readTensor,
  readTensors,
  requireAtMost,
  type SurfaceContext,
  type SurfaceFunction,
} from "./argument.ts";
import { broadcastTo, requireSameDType } from "./broadcast.ts";

export const shape = {
  /** One size may be -1: what is left of the elements. */
  reshape: (b, _context, x, sizes) => {
    const { value, type } = readTensor(x);
    const target = inferMissing(readDims(sizes, "the shape"), type.shape);
    return sameShape(target, type.shape) ? value : b.reshape(value, { shape: target });
  },

  permute: (b, _context, x, axes) => {
    const { value, type } = readTensor(x);
    const rank = type.shape.length;
    if (!isList(axes) || axes.length !== rank) {
      throw new TypeFault("permute takes each axis once", [`the tensor is ${printType(type)}`]);
    }
    const permutation = axes.map((axis) => readAxis(axis, rank));
    if (new Set(permutation).size < rank) throw new TypeFault("permute takes each axis once", [`axes are ${permutation.join(", ")}`]);
    return permutation.every((from, to) => from === to) ? value : b.transpose(value, { permutation });
  },

  /** A size of -1 keeps the axis as it is. */
  expand: (b, context, x, sizes) => {
    const { value, type } = readTensor(x);
    const wanted = readDims(sizes, "the shape");
    const offset = wanted.length - type.shape.length;
    if (offset < 0) throw new TypeFault("expand cannot take axes away", [`${printType(type)} to ${printShape(wanted)}`]);
    const target = wanted.map((size, axis) => (size === -1 ? (type.shape[axis - offset] ?? 1) : size));
    type.shape.forEach((size, axis) => {
      const stretched = target[axis + offset] ?? 1;
      if (size === 1 || sameDim(size, stretched)) return;
      const rule = "expand stretches only axes of literal size 1";
      const fact = `${printType(type)} to ${printShape(target)}: ${printDim(size)} against ${printDim(stretched)}`;
      if (typeof size === "number" && typeof stretched === "number") throw new TypeFault(rule, [fact]);
      context.requireEqual(size, stretched, `${rule} (${fact})`);
    });
    return broadcastTo(b, { value, type }, target);
  },

  /** `length` elements from `start` along one axis. */
  narrow: (b, context, x, axis, start, length) => {
    const { value, type } = readTensor(x);
    const along = readAxis(axis, type.shape.length);
    const size = type.shape[along] ?? 1;
    const from = fromEnd(readDim(start, "start"), size);
    const count = readDim(length, "length");
    const fact = `${printDim(count)} element${count === 1 ? "" : "s"} from ${printDim(from)} of an axis of ${printDim(size)}`;
    requireInside(context, from, addDims(from, count), size, "narrow must stay inside the axis", fact);
    return b.slice(value, {
      starts: type.shape.map((_, i) => (i === along ? from : 0)),
      sizes: type.shape.map((dim, i) => (i === along ? count : dim)),
      strides: type.shape.map(() => 1),
    });
  },

  /** Elements start, start + step, ... below stop along one axis; negative bounds count from the end. */
  slice: (b, context, x, axis, start, stop, step) => {
    const { value, type } = readTensor(x);
    const along = readAxis(axis, type.shape.length);
    const size = type.shape[along] ?? 1;
    const from = clampBound(fromEnd(readDim(start, "start"), size), size);
    const to = stop === undefined ? size : clampBound(fromEnd(readDim(stop, "stop"), size), size);
    const stride = step === undefined ? 1 : readInteger(step, "step");
    if (stride < 1) throw new TypeFault("step must be positive", [`it is ${stride}`], "turn an axis around with flip(axis)");
    const isEmpty = typeof from === "number" && typeof to === "number" && to < from;
    const end = isEmpty ? from : to;
    const fact = `${printDim(from)} to ${printDim(end)} of an axis of ${printDim(size)}`;
    requireInside(context, from, end, size, "slice must stay inside an axis whose size is not known when the program is built", fact);
    const count = ceilDivDims(subDims(end, from), stride);
    return b.slice(value, {
      starts: type.shape.map((_, i) => (i === along ? from : 0)),
      sizes: type.shape.map((dim, i) => (i === along ? count : dim)),
      strides: type.shape.map((_, i) => (i === along ? stride : 1)),
    });
  },

  flip: (b, _context, x, axes) => {
    const { value, type } = readTensor(x);
    return b.reverse(value, { axes: readAxes(axes, type.shape.length) });
  },

  /** One [before, after] for each axis. */
  pad: (b, context, x, widths, fill) => {
    const { value, type } = readTensor(x);
    const rank = type.shape.length;
    if (!isList(widths) || widths.length !== rank) {
      throw new TypeFault(`pad takes one [before, after] for each axis of ${printType(type)}`);
    }
    const pairs = widths.map((pair, axis) => {
      const [before, after, ...rest] = readDims(pair, `the padding of axis ${axis}`);
      if (before === undefined || after === undefined || rest.length > 0) {
        throw new TypeFault(`the padding of axis ${axis} must be [before, after]`);
      }
      const rule = "pad adds elements, so no width is below 0";
      for (const width of [before, after]) requireAtMost(context, 0, width, rule, `axis ${axis} has the width ${printDim(width)}`);
      return [before, after] as const;
    });
    return b.pad(value, {
      low: pairs.map(([before]) => before),
      high: pairs.map(([, after]) => after),
      interior: pairs.map(() => 0),
      value: checkNumber(readNumber(fill, "the value to pad with"), type.dtype),
    });
  },

  concat: (b, context, tensors, axis) => {
    const parts = readTensors(tensors, "what concat joins");
    const [first, ...rest] = parts;
    if (first === undefined) throw new TypeFault("concat needs at least one tensor");
    const rank = first.type.shape.length;
    const along = readAxis(axis, rank);
    rest.forEach(({ type }, position) => {
      requireSameDType(first.type, type);
      const rule = `concat needs tensors that agree in all axes but ${along}`;
      const fact = `item 0 is ${printType(first.type)}, item ${position + 1} is ${printType(type)}`;
      if (type.shape.length !== rank) throw new TypeFault(rule, [fact]);
      type.shape.forEach((size, i) => {
        const expected = first.type.shape[i] ?? 1;
        if (i === along || sameDim(size, expected)) return;
        if (typeof size === "number" && typeof expected === "number") throw new TypeFault(rule, [fact]);
        context.requireEqual(expected, size, `${rule} (${fact})`);
      });
    });
    return rest.length === 0 ? first.value : b.concat(parts.map(({ value }) => value), { axis: along });
  },
} satisfies Record<string, SurfaceFunction>;

function inferMissing(target: readonly Dim[], source: readonly Dim[]): readonly Dim[] {
  const count = elementCount(source);
  const missing = target.filter((size) => size === -1).length;
  const fact = `${printShape(source)} has ${printDim(count)} elements`;
  if (missing > 1) throw new TypeFault("reshape can work out one -1", [`the shape is ${printShape(target)}`]);
  const given = mulDims(1, ...target.filter((size) => size !== -1));
  if (missing === 0) {
    if (sameDim(given, count)) return target;
    throw new TypeFault("reshape must keep the number of elements", [fact, `${printShape(target)} has ${printDim(given)}`]);
  }
  const rest = given === 0 ? 0 : floorDivDims(count, given);
  if (!sameDim(mulDims(rest, given), count)) {
    throw new TypeFault("reshape must keep the number of elements", [fact, `that is no multiple of ${printDim(given)}, for ${printShape(target)}`]);
  }
  return target.map((size) => (size === -1 ? rest : size));
}

/** A negative literal bound counts from the end. */
function fromEnd(bound: Dim, size: Dim): Dim {
  return typeof bound === "number" && bound < 0 ? addDims(size, bound) : bound;
}

/** JavaScript's slice takes what there is; between bounds that cannot be compared yet, all of it must be there. */
function clampBound(bound: Dim, size: Dim): Dim {
  return typeof bound === "number" && typeof size === "number" ? Math.min(Math.max(bound, 0), size) : bound;
}

/** 0 <= start <= stop <= size; a kernel reads without looking, so what cannot be told here is checked at the call. */
function requireInside(context: SurfaceContext, start: Dim, stop: Dim, size: Dim, rule: string, fact: string): void {
  requireAtMost(context, 0, start, rule, fact);
  requireAtMost(context, start, stop, rule, fact);
  requireAtMost(context, stop, size, rule, fact);
}
