/**
 * A function of one example, for many: it runs once in a trace, and the compiler's own passes make of what it did one
 * computation for all examples (computation.ts). That is an op like any other to tapes and to traces around.
 */

import { ArgumentError } from "tsdlc-runtime";
import { at } from "../../ir/expect.ts";
import type { DType } from "../../ir/type.ts";
import { findMapped } from "../../passes/find-mapped.ts";
import { readArguments } from "./call-model.ts";
import { batchAlong, computationOf } from "./computation.ts";
import { withFaults } from "./dispatch.ts";
import { execute } from "./execute.ts";
import type { TensorFacts } from "./generalize.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { type MappedLeaf, type Place, readAxes } from "./mapped-axes.ts";
import { dimOf } from "./named-size.ts";
import { withoutTapes } from "./tape.ts";
import { currentTrace, type Example, exampleOf, type ExampleRequest, type OpenTensor, traceExample } from "./trace.ts";
import { describeValue, isTree, mapLeaves, type Path, pathName } from "./trees.ts";

type AnyFunction = (...args: never[]) => unknown;

export function mapExamples(fn: AnyFunction, axes: unknown, outAxes: unknown): (...args: unknown[]) => unknown {
  const name = `vmap of ${fn.name === "" ? "the function" : fn.name}`;
  const call = (...args: unknown[]): unknown => {
    readArguments(name, args);
    const inputs = readArgumentAxes(name, args, axes);
    const size = examplesOf(name, inputs);
    const request = requestOf(name, fn, args, inputs, size);
    const example = withoutTapes(() => withFaults(name, () => currentTrace()?.example(request) ?? exampleOf({ traced: traceExample(request), size: request.size })), name);
    const outputs = readAxes(`${name}: outAxes`, example.result, outAxes, { root: "the result", isResult: true });
    refuseMapped(name, example, inputs, outputs);
    const inAxes = [...inputs.map(({ axis }) => axis), ...example.captured.map(() => -1)];
    const { computation, takes } = withFaults(name, () => batchAlong(computationOf(example.func, []), inAxes, outputs.map(({ axis }) => axis), example.size));
    const offered = [...inputs.map(({ leaf }) => leaf), ...example.captured];
    const results = outputs.map(({ leaf: { dtype, shape }, axis }): TensorFacts => ({ dtype: dtype as DType, shape: axis < 0 ? shape : shape.toSpliced(axis, 0, size) }));
    const made = execute({ computation, sizes: [], results }, takes.map((i) => at(offered, i)), name);
    let next = 0;
    return mapLeaves(example.result, () => made[next++]);
  };
  Object.defineProperty(call, "name", { value: fn.name });
  return call;
}

function readArgumentAxes(name: string, args: readonly unknown[], axes: unknown): readonly MappedLeaf[] {
  if (Array.isArray(axes)) {
    if (axes.length !== args.length) throw new ArgumentError(`${name}: axes has ${axes.length} ${axes.length === 1 ? "entry" : "entries"}, and the function is called with ${args.length} argument${args.length === 1 ? "" : "s"}: it needs one for each, null where an argument is the same for all examples`);
    args.forEach((argument, i) => {
      if (typeof argument !== "number" || axes[i] === null) return;
      throw new ArgumentError(`${name}: argument ${i} is the number ${argument}, which has no axes: its entry in axes must be null`);
    });
  }
  return args.flatMap((argument, i) => readAxes(`${name}: axes`, argument, Array.isArray(axes) ? (axes as readonly unknown[])[i] : axes, { root: `argument ${i}`, isResult: false }));
}

/** How many examples there are: what all mapped axes agree on. In a trace it may be a named size. */
function examplesOf(name: string, inputs: readonly MappedLeaf[]): number {
  const [first, ...others] = inputs.filter(({ axis }) => axis >= 0);
  if (first === undefined) throw new ArgumentError(`${name}: no tensor of the arguments is mapped: axes must name an axis of at least one of them, as in vmap(f, [0, null])`);
  const sizeOf = ({ leaf, axis }: MappedLeaf): number => at(leaf.shape as readonly number[], axis);
  const other = others.find((input) => sizeOf(input) !== sizeOf(first));
  if (other === undefined) return sizeOf(first);
  const describe = (input: MappedLeaf): string => `${placeName(input)}, ${describeValue(input.leaf)}, has ${sizeOf(input)} along axis ${input.axis}`;
  throw new ArgumentError(`${name}: all mapped axes must have one size: ${describe(first)}, and ${describe(other)}: an argument that is the same for all examples has null in axes`);
}

function placeName({ root, path }: Place): string {
  return pathName(root, path);
}

/** How the function runs on tensors that stand for one example. */
function requestOf(name: string, fn: AnyFunction, args: readonly unknown[], inputs: readonly MappedLeaf[], size: number): ExampleRequest {
  const types = inputs.map(({ leaf, axis }): OpenTensor => {
    const shape = (leaf.shape as readonly number[]).map(dimOf);
    return { dtype: leaf.dtype as DType, shape: axis < 0 ? shape : shape.toSpliced(axis, 1) };
  });
  const run = (tensors: readonly AnyTensor[]): unknown => {
    let next = 0;
    const own = args.map((argument) => mapLeaves(argument, () => tensors[next++]));
    const before = own.map((argument) => mapLeaves(argument, (leaf) => leaf));
    const result = (fn as (...args: readonly unknown[]) => unknown)(...own);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new ArgumentError(`${name}: the function is async, and it runs once for all examples before it returns: leave out async and await`);
    }
    before.forEach((argument, i) => refuseAssigned(name, `argument ${i}`, argument, own[i], []));
    return result;
  };
  return { name, types, size: dimOf(size), run };
}

/** An assigned field would be of one example, and the caller's field is of all. */
function refuseAssigned(name: string, root: string, before: unknown, after: unknown, path: Path): void {
  if (isLeaf(before) || !(isTree(before) || Array.isArray(before))) {
    if (Object.is(before, after)) return;
    throw new ArgumentError(`${name}: the function assigns to ${pathName(root, path)}, which is of one example there: return the new value instead`);
  }
  const [was, is] = [before, after] as readonly Readonly<Record<string, unknown>>[];
  for (const key of new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])) {
    refuseAssigned(name, root, was?.[key], is?.[key], [...path, Array.isArray(before) ? Number(key) : key]);
  }
}

/** Where a result is wanted once, it must be the same for all. */
function refuseMapped(name: string, { func: { body } }: Example, inputs: readonly MappedLeaf[], outputs: readonly MappedLeaf[]): void {
  if (outputs.every(({ axis }) => axis >= 0)) return;
  const mapped = findMapped(body, body.parameters.filter((_, i) => (inputs[i]?.axis ?? -1) >= 0));
  outputs.forEach((output, i) => {
    if (output.axis >= 0 || !mapped.has(at(body.yields, i))) return;
    throw new ArgumentError(`${name}: ${placeName(output)}, ${describeValue(output.leaf)} for one example, depends on the example: outAxes must say along which axis the examples are to be, and it is null`);
  });
}
