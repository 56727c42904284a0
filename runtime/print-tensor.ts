/**
 * Tensors as text, in the manner of NumPy and PyTorch: nested brackets, columns under each other, four digits after the
 * point, and of long axes the two ends.
 *
 *   f32[2,3]
 *   [[ 1.0000, -2.5000,  0.0000],
 *    [ 4.0000,  5.0000,  6.0000]]
 */

import { decode, type TypedArray } from "./dtype.ts";
import type { DTypeName } from "./program.ts";

/** Elements from which on only the ends of axes are shown, and how many of each end. */
const shownWhole = 1000;
const shownEnds = 3;

export function printTensor(dtype: DTypeName, shape: readonly number[], data: TypedArray): string {
  const places = shape.map((size) => placesShown(size, data.length > shownWhole));
  const offsets = places.reduce<readonly number[]>(
    (sofar, along, axis) => sofar.flatMap((offset) => along.flatMap((place) => (place === undefined ? [] : [offset * (shape[axis] ?? 1) + place]))),
    [0],
  );
  const texts = alignedTexts(dtype, offsets.map((offset) => (dtype === "i64" ? data[offset] ?? 0 : decode(dtype, data, offset))));
  let next = 0;
  const print = (axis: number, indent: number): string => {
    const along = places[axis];
    if (along === undefined) return texts[next++] ?? "";
    const isLast = axis === shape.length - 1;
    const items = along.map((place) => (place === undefined ? "..." : print(axis + 1, indent + 1)));
    return `[${items.join(isLast ? ", " : `,${"\n".repeat(shape.length - 1 - axis)}${" ".repeat(indent + 1)}`)}]`;
  };
  // On a line of its own, so that rows stay under each other inside of whatever is printed around them.
  return `${dtype}[${shape.join(",")}]${shape.length > 1 ? "\n" : " "}${print(0, 0)}`;
}

/** Undefined stands for those that are left out. */
function placesShown(size: number, isLong: boolean): readonly (number | undefined)[] {
  if (!isLong || size <= 2 * shownEnds) return Array.from({ length: size }, (_, i) => i);
  const ends = Array.from({ length: shownEnds }, (_, i) => i);
  return [...ends, undefined, ...ends.map((i) => size - shownEnds + i)];
}

function alignedTexts(dtype: DTypeName, values: readonly (number | bigint)[]): readonly string[] {
  const texts = dtype === "bool" ? values.map((value) => (value === 0 ? "false" : "true")) : dtype.includes("f") ? floatTexts(values.map(Number)) : values.map(String);
  const width = Math.max(0, ...texts.map((text) => text.length));
  return texts.map((text) => text.padStart(width));
}

/** All in one notation: with a power of ten where digits after the point would not show the smallest or the largest. */
function floatTexts(values: readonly number[]): readonly string[] {
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const [largest, smallest] = [Math.max(0, ...sizes), Math.min(Infinity, ...sizes)];
  if (sizes.every(Number.isInteger) && largest < 1e8) return values.map((value) => (Number.isFinite(value) ? `${Object.is(value, -0) ? "-0" : value}.` : String(value)));
  const isWide = largest >= 1e8 || smallest < 1e-4 || largest / smallest >= 1e5;
  return values.map((value) => (!Number.isFinite(value) ? String(value) : isWide ? value.toExponential(4) : value.toFixed(4)));
}
