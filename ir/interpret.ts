/**
 * The reference interpreter: what a program means, on host arrays.
 *
 * At tensor level each op is its record's `evaluate`; this file adds control flow, calls and the sizes of named dims.
 * One size holds for a name in the whole module, because callees are called with the types that they declare. A
 * function whose parameters are buffers is a kernel and runs in interpret-kernel.ts, scheduled or not.
 */

import { type Dim, evaluateDim, isDim, printDim } from "./dim.ts";
import { present } from "./expect.ts";
import { hostArray, type HostArray } from "./host.ts";
import type { Sizes } from "./interpret-frame.ts";
import { runKernel } from "./interpret-kernel.ts";
import { runVmap } from "./interpret-vmap.ts";
import { type Attrs, type AttrValue, findFunction, type Func, inputsOfLaunch, isKernel, type Module, type Op, type Region, type Value } from "./module.ts";
import type { OpRecord } from "./op.ts";
import { findRecord } from "./ops/table.ts";
import { type DType, printType, type TensorType, tensorType, type Type } from "./type.ts";

export type { Sizes };

/**
 * Runs function `name`. Named dims take their sizes from the shapes of the inputs, and from `sizes` where no
 * parameter has the plain name as a dim. A kernel is given its inputs; its other buffers are results. Throws a
 * RangeError for inputs that do not fit the parameters, and whatever a kernel does wrong.
 */
export function interpret(module: Module, name: string, inputs: readonly HostArray[], sizes: Sizes = {}): readonly HostArray[] {
  const func = findFunction(module, name);
  const bound = bindSizes(func, inputs, sizes);
  if (isKernel(func)) return runKernel(func, inputs, bound);
  const { parameters } = func.body;
  if (parameters.length !== inputs.length) {
    throw new RangeError(`@${name} takes ${parameters.length} inputs, and ${inputs.length} are given`);
  }
  return runRegion(func.body, inputs, { module, sizes: bound, values: new Map(), stacks: new Map() });
}

/** The sizes of all named dims of the parameters that have inputs; checks each input against its parameter. */
function bindSizes(func: Func, inputs: readonly HostArray[], given: Sizes): Sizes {
  const sizes: Record<string, number> = { ...given };
  const typed = inputs.map((input, i) => ({ input, what: `input ${i} (${func.parameterNames[i] ?? "unnamed"}) of @${func.name}`, type: func.body.parameters[i]?.type }));
  for (const { input, what, type } of typed) {
    if (type === undefined || type.kind === "scalar") throw new RangeError(`${what} has no parameter that takes an array`);
    if (input.dtype !== type.dtype || input.shape.length !== type.shape.length) throw mismatch(what, input, type);
    type.shape.forEach((dim, axis) => {
      const name = plainName(dim);
      const size = input.shape[axis] ?? 0;
      if (name === undefined) return;
      const known = (sizes[name] ??= size);
      if (known !== size) throw mismatch(what, input, type, `${name} is ${known} and ${size}`);
    });
  }
  for (const { input, what, type } of typed) {
    if (type === undefined || type.kind === "scalar") continue;
    const expected = type.shape.map((dim) => evaluateDim(dim, sizes));
    if (expected.some((size, axis) => size !== input.shape[axis])) throw mismatch(what, input, type);
  }
  return sizes;
}

function plainName(dim: Dim): string | undefined {
  return typeof dim !== "number" && /^[A-Za-z_]\w*$/.test(printDim(dim)) ? printDim(dim) : undefined;
}

function mismatch(what: string, input: HostArray, type: Type, why?: string): RangeError {
  return new RangeError(`${what} is ${showArray(input)}, and the parameter is ${printType(type)}${why === undefined ? "" : `: ${why}`}`);
}

function showArray(array: HostArray): string {
  return `${array.dtype}[${array.shape.join(",")}]`;
}

/* ------------------------------------------------------------- regions and ops */

interface Environment {
  readonly module: Module;
  readonly sizes: Sizes;
  readonly values: Map<Value, HostArray>;
  readonly stacks: Map<Value, HostArray[]>;
}

function runRegion(region: Region, inputs: readonly HostArray[], environment: Environment): readonly HostArray[] {
  region.parameters.forEach((parameter, i) => environment.values.set(parameter, present(inputs[i], "a region is given too few values")));
  for (const op of region.ops) {
    if (useStack(op, environment)) continue;
    const results = runOp(op, op.operands.map((operand) => lookUp(operand, environment)), environment);
    op.results.forEach((result, i) => {
      const array = present(results[i], `${op.name} gave ${results.length} of ${op.results.length} results`);
      checkResult(op, array, result.type, environment.sizes);
      environment.values.set(result, array);
    });
  }
  return region.yields.map((value) => lookUp(value, environment));
}

function runOp(op: Op, operands: readonly HostArray[], environment: Environment): readonly HostArray[] {
  const { module, sizes } = environment;
  const record = findRecord(op.name);
  switch (op.name) {
    case "if": return runRegion(regionOf(op, conditionOf(operands[0]) ? 0 : 1), [], environment);
    case "while": return runWhile(op, operands, environment);
    case "repeat": return runRepeat(op, operands, environment);
    case "for": return runFor(op, operands, environment);
    case "call": return runRegion(calleeOf(op, module).body, operands, { module, sizes, values: new Map(), stacks: new Map() });
    case "vmap": {
      const { body } = calleeOf(op, module);
      return runVmap(op, operands, resultTypes(op, sizes), (inputs) => runRegion(body, inputs, { module, sizes, values: new Map(), stacks: new Map() }));
    }
    case "group": return runRegion(regionOf(op, 0), operands, { module, sizes, values: new Map(), stacks: new Map() });
    case "launch": {
      const inputs = inputsOfLaunch(operands.length, op.attrs);
      return runKernel(calleeOf(op, module), operands.slice(0, inputs), sizes, operands.slice(inputs));
    }
  }
  if (record.evaluate === undefined) {
    const help = "callee" in op.attrs ? "; the transform pass replaces it by ops that have one" : "";
    throw new Error(`${op.name} has no meaning on arrays${help}`);
  }
  return record.evaluate(operands, numericAttrs(record, op.attrs, sizes), resultTypes(op, sizes));
}

function resultTypes(op: Op, sizes: Sizes): readonly TensorType[] {
  return op.results.map(({ type }) => {
    if (type.kind !== "tensor") throw new Error(`${op.name} gives ${printType(type)}, which exists in kernels alone`);
    return numericType(type, sizes);
  });
}

/** Does what an op on a stack says; false for other ops. */
function useStack({ name, operands, results }: Op, environment: Environment): boolean {
  if (name === "stack") environment.stacks.set(present(results[0], "stack has a result"), []);
  else if (name === "push") stackOf(operands[0], environment).push(lookUp(present(operands[1], "push takes a value"), environment));
  else if (name === "pop") environment.values.set(present(results[0], "pop has a result"), present(stackOf(operands[0], environment).pop(), "pop of an empty stack"));
  else return false;
  return true;
}

function stackOf(stack: Value | undefined, { stacks }: Environment): HostArray[] {
  return present(stack === undefined ? undefined : stacks.get(stack), "a stack is used before it is made");
}

function runWhile(op: Op, initial: readonly HostArray[], environment: Environment): readonly HostArray[] {
  let carries = initial;
  while (conditionOf(runRegion(regionOf(op, 0), carries, environment)[0])) {
    carries = runRegion(regionOf(op, 1), carries, environment);
  }
  return carries;
}

function runRepeat(op: Op, initial: readonly HostArray[], environment: Environment): readonly HostArray[] {
  let carries = initial;
  for (let turn = 0; turn < Number(op.attrs["turns"]); turn++) carries = runRegion(regionOf(op, 0), carries, environment);
  return carries;
}

function runFor(op: Op, operands: readonly HostArray[], environment: Environment): readonly HostArray[] {
  const [start, stop, step] = operands.slice(0, 3).map(scalarOf);
  const dtype: DType = present(operands[0], "a for needs a start").dtype;
  if (start === undefined || stop === undefined || step === undefined) throw new RangeError("a for needs start, stop and step");
  if (!(step > 0)) throw new RangeError(`the step of a for must be positive, and it is ${step}`);
  const counters: number[] = [];
  for (let counter = start; counter < stop; counter += step) counters.push(counter);
  let carries = operands.slice(3);
  for (const counter of op.attrs["reverse"] === true ? counters.reverse() : counters) {
    carries = [...runRegion(regionOf(op, 0), [hostArray(dtype, [], [counter]), ...carries], environment)];
  }
  return carries;
}

/** A wrong `evaluate` or `infer` shows here, at the op, and not as a wrong number at the end. */
function checkResult(op: Op, array: HostArray, type: Type, sizes: Sizes): void {
  const declared = type.kind === "tensor" ? numericType(type, sizes) : type;
  const actual = showArray(array);
  if (printType(declared) !== actual) throw new Error(`${op.name} gave ${actual} where ${printType(declared)} is declared`);
}

/* ------------------------------------------------------------- dims to numbers */

export function numericType(type: TensorType, sizes: Sizes): TensorType {
  return tensorType(type.dtype, type.shape.map((dim) => evaluateDim(dim, sizes)));
}

/** Attrs as `evaluate` takes them: each dim a number. */
export function numericAttrs(record: OpRecord, attrs: Attrs, sizes: Sizes): Attrs {
  if (record.dimAttrs === undefined) return attrs;
  const numeric = (value: AttrValue): AttrValue => (isDim(value) ? evaluateDim(value, sizes) : Array.isArray(value) ? value.map(numeric) : value);
  const evaluated = record.dimAttrs.flatMap((name) => {
    const value = attrs[name];
    return value === undefined ? [] : [[name, numeric(value)] as const];
  });
  return { ...attrs, ...Object.fromEntries(evaluated) };
}

/* ------------------------------------------------------------- access */

function lookUp(value: Value, { values }: Environment): HostArray {
  return present(values.get(value), `a value of type ${printType(value.type)} is used before it is defined`);
}

function calleeOf(op: Op, module: Module): Func {
  return findFunction(module, String(op.attrs["callee"]));
}

function regionOf(op: Op, position: number): Region {
  return present(op.regions[position], `${op.name} has ${op.regions.length} regions`);
}

function conditionOf(condition: HostArray | undefined): boolean {
  return scalarOf(present(condition, "a condition is missing")) !== 0;
}

function scalarOf(array: HostArray): number {
  return present(array.data[0], `${showArray(array)} has no element to decide by`);
}
