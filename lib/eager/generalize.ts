/**
 * From a call of a primitive on tensors to a computation of open sizes and the sizes that it has here.
 *
 * The surface table is asked twice. First with the sizes as they are: that says what the result is, and whether the call
 * is right. Then with a name for each size, so that the next call with other sizes finds its kernels made: two names
 * that must be equal become one, as in the frontend, and an axis of 1 stays 1, because it may stretch. Where the second
 * answer cannot be had, or holds for these sizes alone, the first one serves.
 */

import type { Device } from "tsdlc-runtime";
import { createBuilder, IrError } from "../../ir/builder.ts";
import { type Dim, evaluateDim, namedDim, namesOfDim, printDim, substituteDim } from "../../ir/dim.ts";
import { present } from "../../ir/expect.ts";
import { type Func, Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { type DType, type TensorType, tensorType } from "../../ir/type.ts";
import { onlyProven, surface, type SurfaceArgument, type SurfaceContext } from "../surface.ts";
import { elementwise } from "../surface/elementwise.ts";
import { reduce } from "../surface/reduce.ts";
import { type Computation, computationOf, newComputation } from "./computation.ts";
import { dimOf, NamedSize } from "./named-size.ts";

/** What is known of a tensor without its elements. */
export interface TensorFacts {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An argument of a primitive in which tensors are facts. */
export type Argument = TensorFacts | NamedSize | number | string | boolean | undefined | readonly Argument[];

export interface Generalized {
  readonly computation: Computation;
  /** In the order of its dims. */
  readonly sizes: readonly number[];
  readonly results: readonly TensorFacts[];
  /** Whether the primitive gives a list. */
  readonly isList: boolean;
}

/** Arguments whose numbers are sizes or positions: they may differ from call to call. */
const sizeArguments: Readonly<Record<string, readonly number[]>> = {
  expand: [1], iota: [1], narrow: [2, 3], slice: [2, 3], pad: [1], randomBits: [1],
};

export type DeviceKind = Device["kind"];

/** Throws a TypeFault or an IrError where the call is wrong. */
export function generalize(name: string, args: readonly Argument[], kind: DeviceKind): Generalized {
  const exact = applySurface(name, args, (size) => size, onlyProven);
  const results = exact.func.body.yields.map(({ type }) => factsOf(type));
  const open = kind !== "cpu" && isLongFold(name, args, results) ? undefined : openForm(name, args);
  const { func, dims, sizes } = open ?? { func: exact.func, dims: [], sizes: [] };
  return { computation: computationOf(func, dims), sizes, results, isList: exact.isList };
}

/** Whether a primitive may be made for its very sizes, by the kind of device: one block of threads is slow at a long fold. */
export function dependsOnDevice(name: string): boolean {
  return Object.hasOwn(reduce, name);
}

/** The schedule of blocks shares a fold of few results among them where its size is known. */
function isLongFold(name: string, args: readonly Argument[], results: readonly TensorFacts[]): boolean {
  const count = (facts: readonly TensorFacts[]): number => facts.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return dependsOnDevice(name) && count(args.filter(isFacts)) >= longFold && count(results) < fewResults;
}

const [longFold, fewResults] = [2 ** 14, 4096];

/**
 * The call with its sizes as they are, which may be named: what a trace writes down, where nothing is run that could be
 * run again. `sizeOf` is what stands in the shape of a tensor for a dim.
 */
export function specialize(name: string, args: readonly Argument[], context: SurfaceContext, sizeOf: (dim: Dim) => number): Generalized {
  const { func, isList } = applySurface(name, args, dimOf, context);
  const results = func.body.yields.map(({ type }) => factsOf(type, sizeOf));
  return { computation: newComputation(func, []), sizes: [], results, isList };
}

/** The same with a name for each size, in as few axes as say it; undefined where there is no such thing. */
function openForm(name: string, args: readonly Argument[]): Open | undefined {
  // Another shape of the same memory: what it is follows from the result alone.
  if (name === "reshape") {
    const [x] = collapse(args);
    return x !== undefined && isFacts(x) ? withOpenSizes("to", [x, x.dtype]) : undefined;
  }
  return withOpenSizes(name, Object.hasOwn(elementwise, name) ? collapse(args) : args);
}

interface Applied {
  readonly func: Func;
  readonly isList: boolean;
}

/** One call of the surface function, in a function of its own; `nameSize` may put a name for each size it meets. */
function applySurface(name: string, args: readonly Argument[], nameSize: (size: number) => Dim, context: SurfaceContext): Applied {
  const entry = present(surface[name], `there is no primitive ${name}`);
  const sizeAt = sizeArguments[name] ?? [];
  const parameters: TensorType[] = [];
  const declare = (argument: Argument, isSize: boolean): (() => SurfaceArgument) => {
    if (isFacts(argument)) {
      const position = parameters.push(tensorType(argument.dtype, argument.shape.map(nameSize))) - 1;
      return () => values[position];
    }
    if (Array.isArray(argument)) {
      const items = argument.map((item: Argument) => declare(item, isSize));
      return () => items.map((item) => item());
    }
    if (argument instanceof NamedSize) return () => argument.dim;
    if (typeof argument === "number" && isSize) {
      const dim = argument > 1 ? nameSize(argument) : argument;
      return () => dim;
    }
    return () => argument as SurfaceArgument;
  };
  const given = args.map((argument, i) => declare(argument, sizeAt.includes(i)));
  let values: readonly Value[] = [];
  let isList = false;
  const b = createBuilder();
  const body = b.region(parameters, (operands) => {
    values = operands;
    const made = entry(b, context, ...given.map((argument) => argument()));
    isList = !(made instanceof Value);
    return made instanceof Value ? [made] : made;
  });
  return { func: { name, parameterNames: parameters.map((_, i) => `x${i}`), body }, isList };
}

interface Open {
  readonly func: Func;
  readonly dims: readonly string[];
  readonly sizes: readonly number[];
}

/** Two dims turned out to be one. */
class Unified extends Error {
  readonly dim: string;
  readonly other: Dim;
  constructor(dim: string, other: Dim) {
    super(`${dim} is ${printDim(other)}`);
    this.dim = dim;
    this.other = other;
  }
}

/** Thrown where what the names say does not hold, or holds for these sizes alone. */
class NotOpen extends Error {}

function withOpenSizes(name: string, args: readonly Argument[]): Open | undefined {
  const unified = new Map<string, Dim>();
  for (;;) {
    const sizes = new Map<string, number>();
    let count = 0;
    const nameSize = (size: number): Dim => {
      if (size === 1) return 1;
      const fresh = `d${count++}`;
      const other = unified.get(fresh);
      if (other !== undefined) return other;
      sizes.set(fresh, size);
      return namedDim(fresh);
    };
    try {
      const { func } = applySurface(name, args, nameSize, contextFor(sizes));
      return { func, dims: [...sizes.keys()], sizes: [...sizes.values()] };
    } catch (error) {
      if (error instanceof Unified) {
        for (const [dim, other] of unified) unified.set(dim, substituteDim(other, { [error.dim]: error.other }));
        unified.set(error.dim, error.other);
        continue;
      }
      if (error instanceof NotOpen || error instanceof TypeFault || error instanceof IrError) return undefined;
      throw error;
    }
  }
}

/** What must hold is looked at with the sizes of this call; the next one looks again. */
function contextFor(sizes: ReadonlyMap<string, number>): SurfaceContext {
  const valueOf = (dim: Dim): number => evaluateDim(dim, Object.fromEntries(sizes));
  return {
    requireEqual(left, right) {
      if (valueOf(left) !== valueOf(right)) throw new NotOpen();
      for (const [alone, other] of [[right, left], [left, right]] as const) {
        const [only, ...more] = namesOfDim(alone);
        if (only !== undefined && more.length === 0 && printDim(alone) === only && !namesOfDim(other).includes(only)) throw new Unified(only, other);
      }
      throw new NotOpen();
    },
    requireAtMost(smaller, larger) {
      if (valueOf(smaller) > valueOf(larger)) throw new NotOpen();
    },
  };
}

/**
 * The operands of an elementwise primitive with as few axes as say the same: neighbouring axes along which the same
 * operands stretch are one. So x + y of equal shapes is one computation for all ranks.
 */
function collapse(args: readonly Argument[]): readonly Argument[] {
  const shapes = args.filter(isFacts).map(({ shape }) => shape);
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const aligned = shapes.map((shape) => [...new Array<number>(rank - shape.length).fill(1), ...shape]);
  const merged: number[][] = aligned.map(() => []);
  let last = "";
  for (let axis = 0; axis < rank; axis++) {
    const sizes = aligned.map((shape) => shape[axis] ?? 1);
    if (sizes.every((size) => size === 1)) continue;
    const pattern = sizes.map((size) => (size === 1 ? "1" : "n")).join("");
    merged.forEach((shape, i) => {
      const size = sizes[i] ?? 1;
      if (pattern === last) shape.push((shape.pop() ?? 1) * size);
      else shape.push(size);
    });
    last = pattern;
  }
  let next = 0;
  return args.map((argument) => {
    if (!isFacts(argument)) return argument;
    const shape = merged[next++] ?? [];
    const firstLong = shape.findIndex((size) => size !== 1);
    return { dtype: argument.dtype, shape: firstLong < 0 ? [] : shape.slice(firstLong) };
  });
}

export function isFacts(argument: Argument): argument is TensorFacts {
  return typeof argument === "object" && "dtype" in argument;
}

function factsOf(type: Value["type"], sizeOf = (dim: Dim): number => evaluateDim(dim, {})): TensorFacts {
  if (type.kind !== "tensor") throw new Error("a primitive gives tensors");
  return { dtype: type.dtype, shape: type.shape.map(sizeOf) };
}
