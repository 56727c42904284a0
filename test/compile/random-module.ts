/**
 * Random straight-line tensor programs: a recipe, a list of small numbers that fast-check can draw and shrink, and the
 * function that it stands for.
 *
 * Every recipe is a program: an instruction takes its operands among the values so far, and when its op does not fit
 * them, the next op that does. What rounding could turn into another result altogether (a comparison, a floor, argmax) is
 * only asked of values that every order of evaluation computes alike.
 */

import fc from "fast-check";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { type Dim, evaluateDim, mulDims, namedDim, sameDim, sameShape } from "../../ir/dim.ts";
import type { Func, Value } from "../../ir/module.ts";
import { isFloat, type TensorType, tensorType } from "../../ir/type.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";

export interface Instruction {
  readonly op: number;
  readonly x: number;
  readonly y: number;
  readonly choice: number;
  /** Whether the value is a result even when others use it. */
  readonly isKept: boolean;
}

export interface Recipe {
  readonly isDouble: boolean;
  /** Whether quotients and square roots are rounded correctly where the program is to run. */
  readonly isDivisionExact: boolean;
  /** Positions in `dims` of the axes of the parameters. */
  readonly axes: readonly number[];
  readonly instructions: readonly Instruction[];
}

/** Around the widths of vectors and register blocks, and the sizes at which loops do not run or run once. */
const literals = [7, 10, 1, 16, 17, 0, 33, 64, 100];
const dims: readonly Dim[] = [namedDim("N"), namedDim("M"), ...literals];

const small = fc.nat(63);

export const recipe: fc.Arbitrary<Recipe> = fc.record({
  isDouble: fc.boolean(),
  isDivisionExact: fc.constant(true),
  axes: fc.array(fc.nat(dims.length - 1), { minLength: 3, maxLength: 3 }),
  instructions: fc.array(fc.record({ op: fc.nat(1023), x: small, y: small, choice: small, isKept: fc.boolean() }, { noNullPrototype: true }), { minLength: 1, maxLength: 12 }),
}, { noNullPrototype: true });

/** Largest number of elements that a value may have at the sizes below: the reference is slow. */
const mostElements = 12_000;

/** The largest sizes that the programs are run at. */
export const largest = { N: 17, M: 33 };

export const sizes: readonly Readonly<Record<string, number>>[] = [largest, { N: 16, M: 10 }, { N: 1, M: 7 }, { N: 0, M: 5 }];

interface Entry {
  readonly value: Value;
  /** Every order of evaluation gives the same bits. */
  readonly isExact: boolean;
}

interface Step {
  readonly b: Builder;
  readonly x: Entry;
  readonly y: Entry;
  readonly isDivisionExact: boolean;
  /** Draws a number below `count`, a new one each time. */
  pick(count: number): number;
}

type Make = (step: Step) => Entry | undefined;

const exact = (value: Value, isExact = true): Entry => ({ value, isExact });
const inexact = (value: Value): Entry => ({ value, isExact: false });
const shapeOf = (value: Value): readonly Dim[] => tensorTypeOf(value).shape;
const isFloating = (value: Value): boolean => isFloat(tensorTypeOf(value).dtype);
const isNumeric = (value: Value): boolean => tensorTypeOf(value).dtype !== "bool";
const axesOf = (value: Value): readonly number[] => shapeOf(value).map((_, axis) => axis);
const isUnder = (shape: readonly Dim[]): boolean => evaluateDim(mulDims(1, ...shape), largest) <= mostElements;

/** Ops of one float that are the same everywhere, and those of which a few last places may differ. */
const unary: readonly Make[] = [
  ...[
    (b: Builder, x: Value) => b.neg(x),
    (b: Builder, x: Value) => b.abs(x),
    (b: Builder, x: Value) => b.mul(x, 0.5),
  ].map((make): Make => ({ b, x }) => (isFloating(x.value) ? exact(make(b, x.value), x.isExact) : undefined)),
  ({ b, x, isDivisionExact }) => (isFloating(x.value) ? exact(b.sqrt(b.abs(x.value)), x.isExact && isDivisionExact) : undefined),
  ...[
    (b: Builder, x: Value) => b.tanh(x),
    (b: Builder, x: Value) => b.exp(b.min(x, 2)),
    (b: Builder, x: Value) => b.sin(x),
    (b: Builder, x: Value) => b.log1p(b.abs(x)),
    (b: Builder, x: Value) => b.erf(x),
    (b: Builder, x: Value) => b.rsqrt(b.add(b.abs(x), 1)),
  ].map((make): Make => ({ b, x }) => (isFloating(x.value) ? inexact(make(b, x.value)) : undefined)),
  ({ b, x }) => (isFloating(x.value) && x.isExact ? exact(b.floor(x.value)) : undefined),
  ({ b, x }) => (isNumeric(x.value) ? exact(b.add(x.value, 1), x.isExact) : undefined),
];

/** A value in the shape of another, where it has it or can be transposed or broadcast to it. */
function fit({ b, pick }: Step, value: Value, type: TensorType): Value | undefined {
  const { dtype, shape } = tensorTypeOf(value);
  if (dtype !== type.dtype) return undefined;
  if (sameShape(shape, type.shape)) return value;
  const axes: number[] = [];
  const start = pick(2);
  for (const dim of shape) {
    const candidates = type.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis) && sameDim(type.shape[axis] ?? -1, dim));
    const found = candidates.at(start % Math.max(1, candidates.length));
    if (found === undefined) return undefined;
    axes.push(found);
  }
  const isSorted = axes.every((axis, i) => i === 0 || axis > (axes[i - 1] ?? -1));
  if (isSorted) return b.broadcast(value, { shape: type.shape, axes });
  if (axes.length !== type.shape.length) return undefined;
  return b.transpose(value, { permutation: type.shape.map((_, axis) => axes.indexOf(axis)) });
}

const binary: readonly Make[] = [
  ...[
    (b: Builder, x: Value, y: Value) => b.add(x, y),
    (b: Builder, x: Value, y: Value) => b.sub(x, y),
    (b: Builder, x: Value, y: Value) => b.mul(x, y),
    (b: Builder, x: Value, y: Value) => b.max(x, y),
    (b: Builder, x: Value, y: Value) => b.min(x, y),
    (b: Builder, x: Value, y: Value) => b.div(x, b.add(b.abs(y), 1)),
  ].map((make, position, { length }): Make => (step) => {
    const { b, x, y } = step;
    if (!isNumeric(x.value)) return undefined;
    const other = fit(step, y.value, tensorTypeOf(x.value));
    const isDivision = position === length - 1;
    return other === undefined ? undefined : exact(make(b, x.value, other), x.isExact && y.isExact && (step.isDivisionExact || !isDivision || !isFloating(x.value)));
  }),
  (step) => {
    const { b, x, y } = step;
    if (!isNumeric(x.value) || !x.isExact || !y.isExact) return undefined;
    const other = fit(step, y.value, tensorTypeOf(x.value));
    if (other === undefined) return undefined;
    const isLess = b.lt(x.value, other);
    return exact(step.pick(2) === 0 ? isLess : b.select(isLess, x.value, b.mul(other, 3)));
  },
];

const reductions: readonly Make[] = [
  (step) => reduce(step, (b, x, axes) => b.reduceSum(x, { axes })),
  (step) => reduce(step, (b, x, axes) => b.reduceSum(b.mul(x, x), { axes })),
  (step) => reduce(step, (b, x, axes) => b.reduceMax(x, { axes })),
  (step) => reduce(step, (b, x, axes) => b.reduceMin(x, { axes })),
  (step) => {
    const { b, x } = step;
    if (!isNumeric(x.value) || !x.isExact || shapeOf(x.value).length === 0) return undefined;
    const axis = step.pick(shapeOf(x.value).length);
    const extent = shapeOf(x.value)[axis];
    if (typeof extent !== "number" || extent === 0) return undefined;
    return exact(b.argmax(x.value, { axis }));
  },
  // A row's total spread over the row again: the start of a softmax or a normalization.
  (step) => {
    const { b, x } = step;
    if (!isFloating(x.value) || shapeOf(x.value).length === 0) return undefined;
    const shape = shapeOf(x.value);
    const axis = step.pick(shape.length);
    const kept = axesOf(x.value).filter((other) => other !== axis);
    const largestOfRow = b.broadcast(b.reduceMax(x.value, { axes: [axis] }), { shape, axes: kept });
    const power = b.exp(b.sub(x.value, largestOfRow));
    const total = b.broadcast(b.reduceSum(power, { axes: [axis] }), { shape, axes: kept });
    return inexact(b.div(power, total));
  },
  (step) => {
    const { b, x } = step;
    if (!isFloating(x.value) || shapeOf(x.value).length === 0) return undefined;
    const shape = shapeOf(x.value);
    const axis = step.pick(shape.length);
    const kept = axesOf(x.value).filter((other) => other !== axis);
    const mean = b.broadcast(b.mul(b.reduceSum(x.value, { axes: [axis] }), 0.125), { shape, axes: kept });
    return inexact(b.sub(x.value, mean));
  },
  (step) => {
    const { b, x } = step;
    if (!isNumeric(x.value) || shapeOf(x.value).length === 0) return undefined;
    return exact(b.cumsum(x.value, { axis: step.pick(shapeOf(x.value).length), reverse: step.pick(2) === 1 }), x.isExact && !isFloating(x.value));
  },
];

function reduce(step: Step, make: (b: Builder, x: Value, axes: readonly number[]) => Value): Entry | undefined {
  const { b, x } = step;
  if (!isNumeric(x.value)) return undefined;
  const axes = axesOf(x.value).filter(() => step.pick(2) === 1);
  if (axes.length === 0) return undefined;
  return exact(make(b, x.value, axes), x.isExact && !isFloating(x.value));
}

const shapes: readonly Make[] = [
  ({ b, x, pick }) => {
    const permutation = axesOf(x.value).toSorted((left, right) => ((left * 5 + 3) % 7) - ((right * 5 + 3) % 7) + (pick(2) === 0 ? 0 : right - left));
    return exact(b.transpose(x.value, { permutation }), x.isExact);
  },
  ({ b, x, pick }) => {
    const shape = shapeOf(x.value);
    const sizesOfResult: Dim[] = [];
    const starts: number[] = [];
    const strides: number[] = [];
    for (const extent of shape) {
      const isWhole = typeof extent !== "number" || extent < 2 || pick(3) === 0;
      const start = isWhole ? 0 : pick(extent);
      const stride = isWhole ? 1 : 1 + pick(3);
      starts.push(start);
      strides.push(stride);
      sizesOfResult.push(isWhole ? extent : Math.max(0, Math.ceil((extent - start) / stride) - pick(2)));
    }
    return exact(b.slice(x.value, { starts, sizes: sizesOfResult, strides }), x.isExact);
  },
  ({ b, x, pick }) => {
    if (!isNumeric(x.value)) return undefined;
    const rank = shapeOf(x.value).length;
    const draw = (): readonly number[] => Array.from({ length: rank }, () => pick(3));
    const [low, high, interior] = [draw(), draw(), draw().map((gap) => (pick(2) === 0 ? 0 : gap))];
    const value = b.pad(x.value, { low, high, interior, value: pick(3) });
    return isUnder(shapeOf(value)) ? exact(value, x.isExact) : undefined;
  },
  (step) => {
    const { b, x, y } = step;
    const rank = shapeOf(x.value).length;
    if (rank === 0) return undefined;
    const other = fit(step, y.value, tensorTypeOf(x.value));
    if (other === undefined) return undefined;
    const value = b.concat(step.pick(2) === 0 ? [x.value, other] : [other, x.value, other], { axis: step.pick(rank) });
    return isUnder(shapeOf(value)) ? exact(value, x.isExact && y.isExact) : undefined;
  },
  ({ b, x, pick }) => exact(b.reverse(x.value, { axes: axesOf(x.value).filter(() => pick(2) === 0) }), x.isExact),
  ({ b, x, pick }) => {
    const shape = shapeOf(x.value);
    const first = pick(Math.max(1, shape.length - 1));
    if (shape.length < 2) return exact(b.reshape(x.value, { shape: pick(2) === 0 ? [...shape, 1] : [1, ...shape] }), x.isExact);
    const merged = mulDims(shape[first] ?? 1, shape[first + 1] ?? 1);
    return exact(b.reshape(x.value, { shape: [...shape.slice(0, first), merged, ...shape.slice(first + 2)] }), x.isExact);
  },
  ({ b, x, pick }) => {
    const rank = shapeOf(x.value).length;
    if (rank > 2) return undefined;
    const extra = dims[pick(dims.length)] ?? 1;
    const at = pick(rank + 1);
    const shape = shapeOf(x.value).toSpliced(at, 0, extra);
    if (!isUnder(shape)) return undefined;
    return exact(b.broadcast(x.value, { shape, axes: axesOf(x.value).map((axis) => (axis < at ? axis : axis + 1)) }), x.isExact);
  },
  ({ b, x, y, pick }) => {
    const shape = shapeOf(x.value);
    if (shape.length === 0 || tensorTypeOf(y.value).dtype !== "i32" || shapeOf(y.value).length > 1) return undefined;
    const axis = pick(shape.length);
    const extent = shape[axis];
    if (typeof extent !== "number" || extent === 0) return undefined;
    const value = b.gather(x.value, y.value, { axis });
    return isUnder(shapeOf(value)) ? exact(value, x.isExact) : undefined;
  },
  ({ b, x, y, pick }) => {
    const shape = shapeOf(x.value);
    if (shape.length === 0 || !isNumeric(x.value) || tensorTypeOf(y.value).dtype !== "i32" || shapeOf(y.value).length > 1) return undefined;
    const axis = pick(shape.length);
    const rows = shape.toSpliced(axis, 1, ...shapeOf(y.value));
    if (!isUnder(rows)) return undefined;
    const updates = b.constantOf(tensorType(tensorTypeOf(x.value).dtype, rows), 2);
    return exact(b.scatterAdd(x.value, y.value, updates, { axis }), x.isExact);
  },
  ({ b, x, pick }) => {
    const shape = shapeOf(x.value);
    return shape.length === 0 ? undefined : exact(b.cast(b.iota({ dtype: "i32", shape, axis: pick(shape.length) }), { dtype: tensorTypeOf(x.value).dtype === "f64" ? "f64" : "f32" }));
  },
];

/** Products over a common axis, in whichever layout the operands have; and batched, where a second axis agrees. */
const products: readonly Make[] = Array.from({ length: 4 }, (): Make => (step) => {
  const { b, x, y, pick } = step;
  const [left, right] = [shapeOf(x.value), shapeOf(y.value)];
  if (!isFloating(x.value) || tensorTypeOf(x.value).dtype !== tensorTypeOf(y.value).dtype) return undefined;
  const pairs = left.flatMap((dim, l) => right.flatMap((other, r) => (sameDim(dim, other) ? [[l, r] as const] : [])));
  const reduced = pairs[pick(Math.max(1, pairs.length))];
  if (reduced === undefined) return undefined;
  const rest = pairs.filter(([l, r]) => l !== reduced[0] && r !== reduced[1]);
  const second = rest[pick(Math.max(1, rest.length))];
  const role = second === undefined ? 0 : pick(3);
  const leftBatch = role === 1 && second !== undefined ? [second[0]] : [];
  const rightBatch = role === 1 && second !== undefined ? [second[1]] : [];
  const leftReduced = [reduced[0], ...(role === 2 && second !== undefined ? [second[0]] : [])];
  const rightReduced = [reduced[1], ...(role === 2 && second !== undefined ? [second[1]] : [])];
  const free = [...left.filter((_, axis) => ![...leftBatch, ...leftReduced].includes(axis)), ...right.filter((_, axis) => ![...rightBatch, ...rightReduced].includes(axis))];
  const batch = leftBatch.map((axis) => left[axis] ?? 1);
  const folded = leftReduced.map((axis) => left[axis] ?? 1);
  const work = evaluateDim(mulDims(1, ...free, ...batch, ...folded), largest);
  if (free.length + batch.length > 3 || !isUnder([...free, ...batch]) || work > 100_000) return undefined;
  return inexact(b.dotGeneral(x.value, y.value, { leftBatch, rightBatch, leftReduced, rightReduced }));
});

const makers: readonly Make[] = [...unary, ...binary, ...binary, ...reductions, ...reductions, ...shapes, ...products, ...products];

/** What the chosen op makes, or the next one in the list that fits the operands. */
function firstThatFits(op: number, step: Step): Entry | undefined {
  for (let distance = 0; distance < makers.length; distance++) {
    const made = makers[(op + distance) % makers.length]?.(step);
    if (made !== undefined && isUnder(shapeOf(made.value)) && shapeOf(made.value).length <= 3) return made;
  }
  return undefined;
}

/** The function of a recipe; `all` makes every value a result, which is how the reference tells how large values get. */
export function functionOfRecipe(name: string, { isDouble, isDivisionExact, axes, instructions }: Recipe, all = false): Func {
  const dtype = isDouble ? "f64" : "f32";
  const [first = 1, second = 1, third = 1] = axes.map((axis) => dims[axis] ?? 1);
  const [n, m] = [namedDim("N"), namedDim("M")];
  const matrix = isUnder([first, second]) ? [first, second] : [first];
  const parameters = [
    tensorType(dtype, [n, m]), tensorType(dtype, matrix), tensorType(dtype, [m, third]), tensorType(dtype, [n]), tensorType("i32", [n, third]), tensorType("i32", [m]),
  ].map((type, i) => ({ name: `x${i}`, type }));
  return buildFunction(name, parameters, (b, values) => {
    const entries: Entry[] = values.map((value) => exact(value));
    const used = new Set<Value>(values);
    const kept = new Set<Value>();
    for (const { op, x, y, choice, isKept } of instructions) {
      let state = choice;
      const pick = (count: number): number => {
        state = (state * 2654435761 + 12345) >>> 0;
        return (state >>> 8) % count;
      };
      const take = (position: number): Entry => entries[entries.length - 1 - (position % entries.length)] ?? inexact(values[0] as Value);
      const step = { b, x: take(x), y: take(y), pick, isDivisionExact };
      const made = firstThatFits(op, step);
      if (made === undefined) continue;
      for (const operand of [step.x.value, step.y.value]) used.add(operand);
      entries.push(made);
      if (isKept) kept.add(made.value);
    }
    const made = entries.slice(values.length).map(({ value }) => value);
    const results = all ? made : made.filter((value) => kept.has(value) || !used.has(value));
    return [...new Set(results)];
  });
}
