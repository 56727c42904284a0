/**
 * A computation: one function of tensors whose sizes are open, as eager execution runs it over and over.
 *
 * Equal text is one computation, so that kernels and derivatives are made once for all calls that mean the same. The
 * derivative of a computation is a computation: the compiler's own passes make it, and it has derivatives in turn.
 */

import type { Builder } from "../../ir/builder.ts";
import { buildFunction } from "../../ir/builder.ts";
import { type Dim, printDim } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import { findFunction, type Func, type Value } from "../../ir/module.ts";
import { printFunction } from "../../ir/print.ts";
import { inlineRegion, useCounts } from "../../ir/rewrite.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { runPasses } from "../../passes/pipeline.ts";
import { LruMap } from "./lru-map.ts";

export interface Computation {
  readonly func: Func;
  readonly parameters: readonly TensorType[];
  readonly results: readonly TensorType[];
  /** Its named dims in order of appearance; whoever runs it says their sizes in this order. */
  readonly dims: readonly string[];
  /** Parameters whose memory results may take: running it consumes these buffers. */
  readonly donated: ReadonlySet<number>;
  /** What was derived from it, by what was asked for: derivatives, and itself for many examples. */
  readonly derived: Map<string, Derivative>;
  /** What it is equal to when it is equal; made when somebody asks. */
  text?: string;
}

export interface Derivative {
  readonly computation: Computation;
  /** Which of the values on offer it takes, in the order of its parameters. */
  readonly takes: readonly number[];
}

/** Those that were asked for of late. One that has gone is made again, and whoever has it may keep it. */
const known = new LruMap<string, Computation>(1024);
const nothing: ReadonlySet<number> = new Set();

/** The computation that a function is; `dims` are its names in the order of their sizes. */
export function computationOf(func: Func, dims: readonly string[]): Computation {
  const made = newComputation(func, dims);
  const text = textOf(made);
  const present = known.get(text);
  if (present !== undefined) return present;
  known.set(text, made);
  return made;
}

/** Computations of equal text are equal. */
export function textOf(computation: Computation): string {
  return (computation.text ??= `${computation.dims.join()} ${[...computation.donated].join()} ${printFunction(computation.func)}`);
}

/** One that nobody else can mean. */
export function newComputation(func: Func, dims: readonly string[], donated: ReadonlySet<number> = nothing): Computation {
  return { func, parameters: func.body.parameters.map(typeOf), results: func.body.yields.map(typeOf), dims, donated, derived: new Map() };
}

/**
 * Reverse mode: from the operands and then a cotangent for each result in `from`, the cotangents of the operands `to`.
 * All of those must be floats.
 */
export function pullBack(computation: Computation, from: readonly number[], to: readonly number[]): Derivative {
  return derive(computation, `reverse ${from.join()} to ${to.join()}`, () => {
    const { func, parameters, results } = computation;
    const types = [...parameters, ...from.map((result) => at(results, result))];
    const callee = functionOf("weighted", types, (b, values) => {
      const outputs = inlineRegion(b, func.body, values.slice(0, parameters.length));
      // The gradient of sum(result * cotangent) is the cotangent pulled back.
      const sums = from.map((result, i) => sumOfAll(b, b.mul(at(outputs, result), at(values, parameters.length + i))));
      return [sums.reduce((total, sum) => b.add(total, b.cast(sum, { dtype: typeOf(total).dtype })))];
    });
    return {
      callee,
      func: functionOf(`${func.name}_gradient`, types, (b, values) => b.valueAndGrad(values, { callee: callee.name, wrt: to }).slice(1), callee),
    };
  });
}

/** Forward mode: from the operands and then their tangents, one for each float, the tangents of the results in `wanted`. */
export function pushForward(computation: Computation, wanted: readonly number[]): Derivative {
  return derive(computation, `forward ${wanted.join()}`, () => {
    const { func, parameters, results } = computation;
    const callee = { ...func, name: "pushed" };
    const types = [...parameters, ...parameters];
    const tangents = (values: readonly Value[]): readonly Value[] => wanted.map((result) => at(values, results.length + result));
    return { callee, func: functionOf(`${func.name}_tangent`, types, (b, values) => tangents(b.jvp(values, { callee: callee.name })), callee) };
  });
}

/** The computation for `size` examples at once, along these axes of its operands and results; -1 where there are none. */
export function batchAlong(computation: Computation, axes: readonly number[], outAxes: readonly number[], size: Dim): Derivative {
  return derive(computation, `${printDim(size)} examples along ${axes.join()} to ${outAxes.join()}`, () => {
    const { func, parameters } = computation;
    const types = parameters.map((type, i) => (at(axes, i) < 0 ? type : tensorType(type.dtype, type.shape.toSpliced(at(axes, i), 0, size))));
    const callee = { ...func, name: "example" };
    return { callee, func: functionOf(func.name, types, (b, values) => b.vmap(values, { callee: callee.name, axes, outAxes }), callee) };
  });
}

function derive(computation: Computation, key: string, make: () => { readonly callee: Func; readonly func: Func }): Derivative {
  const present = computation.derived.get(key);
  if (present !== undefined) return present;
  const { callee, func } = make();
  const entries = [func.name];
  const module = runPasses({ functions: [callee, func] }, ["transform", "simplify", "cse", "dce"], { entries });
  const made = withoutUnused(findFunction(module, func.name), computation.dims);
  computation.derived.set(key, made);
  return made;
}

/** A gradient often needs few of the operands: that of a sum none. */
function withoutUnused(func: Func, dims: readonly string[]): Derivative {
  const used = useCounts(func.body);
  const takes = func.body.parameters.flatMap((parameter, i) => (used.has(parameter) ? [i] : []));
  const taken: Func = {
    name: func.name,
    parameterNames: takes.map((i) => at(func.parameterNames, i)),
    body: { ...func.body, parameters: takes.map((i) => at(func.body.parameters, i)) },
  };
  return { computation: computationOf(taken, dims), takes };
}

function sumOfAll(b: Builder, value: Value): Value {
  const axes = typeOf(value).shape.map((_, axis) => axis);
  return axes.length === 0 ? value : b.reduceSum(value, { axes });
}

export function functionOf(name: string, types: readonly TensorType[], body: (b: Builder, values: readonly Value[]) => readonly Value[], callee?: Func): Func {
  const parameters = types.map((type, i) => ({ name: `x${i}`, type }));
  return buildFunction(name, parameters, body, (called) => (called === callee?.name ? callee : undefined));
}

function typeOf({ type }: Value): TensorType {
  if (type.kind !== "tensor") throw new Error("a computation is of tensors");
  return tensorType(type.dtype, type.shape);
}
