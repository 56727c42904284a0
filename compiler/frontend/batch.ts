/**
 * vmap: the function of one example becomes a function of the module, over the leaves of its arguments with the mapped
 * axes taken out, and one op asks for all examples. The transform pass does the rest.
 */

import { ts } from "ts-morph";
import { type Dim, printDim } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { printType, type TensorType, tensorType } from "../../ir/type.ts";
import { findMapped } from "../../passes/find-mapped.ts";
import type { SurfaceContext } from "../../lib/surface.ts";
import { type Evaluation, makeOps, refuse, tensorOf } from "./evaluation.ts";
import { leafName, traceFunction, type TracedFunction, wrap } from "./trace-function.ts";
import { type Leaf, leavesOf, type Path, pathName, replaceLeaves } from "./tree.ts";
import { describe, isArray, isNumeric, ObjectValue, type StaticValue, TensorValue } from "./value.ts";

export interface BatchRequest {
  readonly fn: StaticValue;
  readonly axes: StaticValue;
  readonly outAxes: StaticValue;
  /** Where vmap was called, and where what it returned is called. */
  readonly node: ts.Node;
  /** Makes two dims one, or refuses. */
  readonly context: SurfaceContext;
}

interface Mapped {
  readonly leaf: Leaf;
  /** What messages call it. */
  readonly name: string;
  readonly type: TensorType;
  /** Counted from 0; -1 where there are no examples. */
  readonly axis: number;
}

/** The result of `fn` for all examples of these arguments. */
export function batch(run: Evaluation, { fn, axes, outAxes, node, context }: BatchRequest, args: readonly StaticValue[]): StaticValue {
  const inputs = readArguments(run, fn, axes, args, node);
  const size = examplesOf(run, inputs, context, node);
  const traced = traceFunction(run, fn, args, node, () => undefined, (_leaf, i) => {
    const { type, axis } = at(inputs, i);
    return axis < 0 ? type : tensorType(type.dtype, type.shape.toSpliced(axis, 1));
  });
  refuseAssigned(run, fn, traced, node);
  const name = (path: Path): string => (path.length === 0 ? "the result" : `${pathName(path)} of the result`);
  const outputs = readAxes(run, "outAxes", traced.value, outAxes, 1, name, node);
  refuseMapped(run, traced, inputs, outputs, node);
  const captured = traced.operands.slice(inputs.length).map(() => -1);
  const attrs = { callee: traced.name, axes: [...inputs.map(({ axis }) => axis), ...captured], outAxes: outputs.map(({ axis }) => axis) };
  const values = makeOps(run, node, (b) => b.vmap(traced.operands, attrs), { label: `there are ${printDim(size)} examples` });
  let next = 0;
  return replaceLeaves(traced.value, (leaf) => {
    const i = next++;
    // Numbers of many examples are a tensor.
    return at(outputs, i).axis < 0 ? wrap(run, leaf, values[i]) : tensorOf(run, at(values, i));
  });
}

/* ---------------------------------------------------------------- axes */

function readArguments(run: Evaluation, fn: StaticValue, axes: StaticValue, args: readonly StaticValue[], node: ts.Node): readonly Mapped[] {
  const name = (path: Path): string => leafName(fn, path);
  if (!isArray(axes)) return readAxes(run, "axes", args, axes, 0, name, node);
  if (axes.length !== args.length) {
    refuse(run, node, "TSDL2008", "axes needs an entry for each argument, null where it is the same for all examples", {
      label: `axes has ${axes.length}, and the function is called with ${args.length} argument${args.length === 1 ? "" : "s"}`,
    });
  }
  return args.flatMap((argument, i) => {
    if (isNumeric(argument) && axes[i] !== null) {
      refuse(run, node, "TSDL2008", "a number has no axes to map", { label: `${name([i])} is ${describe(argument)}`, help: "its entry in axes must be null" });
    }
    return readAxes(run, "axes", argument, axes[i], 0, name, node, [i]);
  });
}

/** The leaves of a tree, each with its axis; `more` is 1 where the axis is still to be put in. */
function readAxes(run: Evaluation, what: string, tree: StaticValue, axes: StaticValue, more: number, name: (path: Path) => string, node: ts.Node, path: Path = []): readonly Mapped[] {
  const mismatch = (label: string): never => refuse(run, node, "TSDL2008", `${what} must have the structure of what it speaks of`, {
    label, help: "an axis or null for a tree stands for all of its tensors",
  });
  if (axes === null || typeof axes === "number") {
    return leavesOf(tree, path).map((leaf) => {
      const type = tensorTypeOf(leaf.value.value);
      // A number of run time is one for all examples, and a result of one example can be many.
      const isOne = axes === null || (!(leaf.value instanceof TensorValue) && more === 0);
      return { leaf, name: name(leaf.path), type, axis: isOne ? -1 : axisOf(run, what, type, axes, more, name(leaf.path), node) };
    });
  }
  if (isArray(axes)) {
    if (!isArray(tree) || tree.length !== axes.length) return mismatch(`a list of ${axes.length} for ${name(path)}, which is ${describe(tree)}`);
    return tree.flatMap((item, i) => readAxes(run, what, item, axes[i], more, name, node, [...path, i]));
  }
  if (axes instanceof ObjectValue) {
    if (!(tree instanceof ObjectValue)) return mismatch(`fields for ${name(path)}, which is ${describe(tree)}`);
    const extra = [...axes.fields.keys()].find((key) => !tree.fields.has(key));
    if (extra !== undefined) return mismatch(`a field ${extra} for ${name(path)}, which is ${describe(tree)}`);
    return [...tree.fields].flatMap(([key, item]) => {
      if (!axes.fields.has(key) && leavesOf(item).length === 0) return [];
      if (!axes.fields.has(key)) return mismatch(`nothing for ${name([...path, key])}, which is ${describe(item)}`);
      return readAxes(run, what, item, axes.fields.get(key), more, name, node, [...path, key]);
    });
  }
  return refuse(run, node, "TSDL2008", `${what} must be an axis, null, or a tree of those, known when the model is built`, {
    label: `for ${path.length === 0 && more === 0 ? "the arguments" : name(path)} it is ${describe(axes)}`,
  });
}

function axisOf(run: Evaluation, what: string, type: TensorType, axis: number, more: number, name: string, node: ts.Node): number {
  const places = type.shape.length + more;
  if (Number.isInteger(axis) && axis >= -places && axis < places) return axis < 0 ? axis + places : axis;
  return refuse(run, node, "TSDL2008", `${what} names an axis that is not there`, {
    label: `axis ${axis} of ${name}, ${printType(type)}${more === 0 ? "" : " for one example"}`,
    help: places === 0 ? "it has no axes: say null if it is the same for all examples" : `the axes are 0 to ${places - 1}`,
  });
}

/* ---------------------------------------------------------------- what is refused */

/** How many examples there are: what all mapped axes agree on. */
function examplesOf(run: Evaluation, inputs: readonly Mapped[], context: SurfaceContext, node: ts.Node): Dim {
  const mapped = inputs.filter(({ axis }) => axis >= 0);
  const [first, ...others] = mapped;
  if (first === undefined) {
    return refuse(run, node, "TSDL2008", "vmap needs an argument that is mapped", { help: "axes must name an axis of at least one tensor, as in vmap(f, [0, null])" });
  }
  const sizeOf = ({ type, axis }: Mapped): Dim => at(type.shape, axis);
  const size = sizeOf(first);
  for (const other of others) {
    if (printDim(sizeOf(other)) === printDim(size)) continue;
    const facts = [first, other].map((input) => `${input.name}, ${printType(input.type)}, has ${printDim(sizeOf(input))} along axis ${input.axis}`).join(", and ");
    if (typeof size === "number" && typeof sizeOf(other) === "number") {
      refuse(run, node, "TSDL2008", "all mapped axes must have one size", { label: facts, help: "an argument that is the same for all examples has null in axes" });
    }
    makeOps(run, node, () => context.requireEqual(size, sizeOf(other), `all mapped axes must have one size: ${facts}`));
  }
  return size;
}

function refuseAssigned(run: Evaluation, fn: StaticValue, { changes: [change] }: TracedFunction, node: ts.Node): void {
  if (change === undefined) return;
  refuse(run, node, "TSDL2008", "a mapped function cannot assign to its arguments", {
    label: `it assigns to ${leafName(fn, change.path)}, which is of one example there`, help: "return the new value instead",
  });
}

/** Where a result is wanted once, it must be the same for all. */
function refuseMapped(run: Evaluation, traced: TracedFunction, inputs: readonly Mapped[], outputs: readonly Mapped[], node: ts.Node): void {
  const body = run.functions.get(traced.name)?.body;
  if (body === undefined) throw new Error(`@${traced.name} was not built`);
  const mapped = findMapped(body, body.parameters.filter((_, i) => (inputs[i]?.axis ?? -1) >= 0));
  outputs.forEach(({ axis, name, type }, i) => {
    if (axis >= 0 || !mapped.has(at(body.yields, i))) return;
    refuse(run, node, "TSDL2008", "what depends on the example needs an axis for the examples in outAxes, and has null", { label: `${name}, ${printType(type)} for one example` });
  });
}
