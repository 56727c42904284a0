/**
 * Traces: a function runs once on tensors that have no elements yet, and what its ops would do becomes a function of the
 * IR (jit.ts compiles it).
 *
 * While a trace is open every op is written into it. A tensor from outside becomes one more parameter, whose handle is
 * kept; so a trace holds no data. Axes may have names in place of sizes: then the function is one for all sizes, and
 * what was written is kept in order, for replay.ts to see whether the function does the same with other sizes.
 */

import { ArgumentError, tensorBrand, type TypedArray } from "tsdlc-runtime";
import { present, type TracedBy } from "tsdlc-runtime/library";
import { type Builder, createBuilder } from "../../ir/builder.ts";
import { type Dim, namesOfDim, printDim } from "../../ir/dim.ts";
import { type Func, type Region, Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { type DType, tensorType } from "../../ir/type.ts";
import type { SurfaceContext } from "../surface.ts";
import type { Computation } from "./computation.ts";
import { type AnyTensor, makeHandle } from "./handles.ts";
import { type Argument, type Generalized, specialize, type TensorFacts } from "./generalize.ts";
import { dimOf, NamedSize, sizeOf } from "./named-size.ts";
import { leavesOf } from "./trees.ts";

/** What a function is traced with: a tensor whose axes may be named. */
export interface OpenTensor {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** Between sizes that only a call knows: the first must not be larger than the second. */
export interface SizeBound {
  readonly smaller: Dim;
  readonly larger: Dim;
  readonly reason: string;
}

/** An op that was written, in the terms of the trace. */
export interface Written {
  /** The primitive as it was called, and what that came to; undefined for a derivative, which follows from the ops before. */
  readonly call: { readonly name: string; readonly args: readonly unknown[]; readonly known: Generalized } | undefined;
  /** Of a vmap: what its function did to one example. */
  readonly example: TracedExample | undefined;
  readonly computation: Computation;
  readonly inputs: readonly AnyTensor[];
  readonly outputs: readonly AnyTensor[];
}

export interface TracedExample {
  readonly traced: Traced<unknown>;
  /** How many examples there are. */
  readonly size: Dim;
}

/** A function that is to run once for many examples. */
export interface ExampleRequest {
  readonly name: string;
  /** Of the tensors of one example. */
  readonly types: readonly OpenTensor[];
  readonly size: Dim;
  readonly run: (tensors: readonly AnyTensor[]) => unknown;
}

/** What it did to one. */
export interface Example {
  readonly func: Func;
  readonly size: Dim;
  readonly result: unknown;
  /** In the order of the parameters after its own. */
  readonly captured: readonly AnyTensor[];
}

/** Numbers that a function makes a tensor of are written in its source; they are few. */
const mostCompared = 2 ** 16;

/** A tensor from outside: what it holds, where that is little and was on the host when it was first used. */
export interface Captured {
  readonly tensor: AnyTensor;
  readonly data: TypedArray | undefined;
}

export interface Traced<Result> {
  readonly func: Func;
  /** What the function returned; its tensors are those of the trace. */
  readonly result: Result;
  /** In the order of the parameters after those of the function. */
  readonly captured: readonly Captured[];
  readonly bounds: readonly SizeBound[];
  readonly written: readonly Written[];
  readonly parameters: readonly AnyTensor[];
}

/** What ops are written into, or held against. */
export interface OpenTrace {
  /** Whether nothing in it has a named size, so that equal words for a call mean the same in another such trace. */
  readonly isStatic: boolean;
  /** Whose the named sizes in it are: those of a trace in a trace are the same. */
  readonly names: TracedBy | undefined;
  /** Runs the function of a vmap in it. */
  example(request: ExampleRequest): Example;
  /** What a call of a primitive comes to. */
  call(name: string, args: readonly unknown[], describe: (args: readonly unknown[]) => readonly Argument[]): Generalized;
  /** The results of a function on tensors of the trace, and of outside. */
  inline(computation: Computation, inputs: readonly AnyTensor[], results: readonly TensorFacts[]): readonly AnyTensor[];
}

let current: OpenTrace | undefined;

export function currentTrace(): OpenTrace | undefined {
  return current;
}

/** Runs `body` with a trace that ops go to. */
export function within<T>(trace: OpenTrace, body: () => T): T {
  const outer = current;
  current = trace;
  try {
    return body();
  } finally {
    current = outer;
  }
}

export class Trace implements OpenTrace {
  readonly #by: TracedBy & { isOver: boolean };
  readonly #types: readonly OpenTensor[];
  readonly #b: Builder = createBuilder();
  readonly #values = new Map<AnyTensor, Value>();
  readonly #captured = new Map<AnyTensor, Value>();
  readonly #data = new Map<AnyTensor, TypedArray | undefined>();
  readonly #bounds = new Map<string, SizeBound>();
  readonly #written: Written[] = [];
  readonly isStatic: boolean;
  readonly names: TracedBy;
  #call: Written["call"];
  #example: Written["example"];

  /** `types` are those of the function's own tensors. */
  constructor(name: string, types: readonly OpenTensor[]) {
    this.#by = { name, isOver: false };
    this.#types = types;
    this.names = current?.names ?? this.#by;
    this.isStatic = (current?.isStatic ?? true) && types.every(({ shape }) => shape.every((dim) => typeof dim === "number"));
  }

  /** Runs `body` on traced tensors; `leavesOf` says which tensors of its result are results of the function. */
  run<Result>(body: (tensors: readonly AnyTensor[]) => Result, leavesOf: (result: Result) => readonly AnyTensor[]): Traced<Result> {
    try {
      let result: Result | undefined;
      let tensors: readonly AnyTensor[] = [];
      const types = this.#types;
      const region = within(this, () => this.#b.region(types.map(({ dtype, shape }) => tensorType(dtype, shape)), (parameters) => {
        tensors = parameters.map((parameter, i) => this.#tensorOf(parameter, this.#factsOf(types[i])));
        result = body(tensors);
        return leavesOf(result).map((leaf) => this.#valueOf(leaf));
      }));
      return {
        func: this.#functionOf(region), result: result as Result, bounds: [...this.#bounds.values()], written: this.#written, parameters: tensors,
        captured: [...this.#captured.keys()].map((tensor) => ({ tensor, data: this.#data.get(tensor) })),
      };
    } finally {
      this.#by.isOver = true;
    }
  }

  call(name: string, args: readonly unknown[], describe: (args: readonly unknown[]) => readonly Argument[]): Generalized {
    requireOwn(name, args, this.names);
    const known = specialize(name, describe(args), this.#context, (dim) => sizeOf(dim, this.names));
    // The caller may change its lists.
    this.#call = { name, args: args.map(copyOf), known };
    this.#example = undefined;
    return known;
  }

  example(request: ExampleRequest): Example {
    const traced = traceExample(request);
    this.#require(traced.bounds);
    this.#example = { traced, size: request.size };
    return exampleOf(this.#example);
  }

  inline(computation: Computation, inputs: readonly AnyTensor[], results: readonly TensorFacts[]): readonly AnyTensor[] {
    const call = this.#call?.known.computation === computation ? this.#call : undefined;
    const example = this.#example;
    this.#call = this.#example = undefined;
    const values = inlineRegion(this.#b, computation.func.body, inputs.map((input) => this.#valueOf(input)));
    const outputs = values.map((value, i) => this.#tensorOf(value, results[i]));
    this.#written.push({ call, example, computation, inputs, outputs });
    return outputs;
  }

  readonly #context: SurfaceContext = {
    requireEqual: (left, right, reason) => {
      const names = [...new Set([...namesOfDim(left), ...namesOfDim(right)])];
      const literal = typeof left === "number" ? left : typeof right === "number" ? right : undefined;
      if (names.length === 0) throw new TypeFault(reason, [`${printDim(left)} against ${printDim(right)}`]);
      throw new TypeFault(
        reason,
        [`${names.join(" and ")} can be any size`],
        literal === undefined ? "give both axes one name in dims, if they are always equal" : `leave "${names.join('" and "')}" out of dims, if it is always ${literal}`,
      );
    },
    requireAtMost: (smaller, larger, reason) => this.#require([{ smaller, larger, reason }]),
  };

  #require(bounds: readonly SizeBound[]): void {
    for (const bound of bounds) {
      const key = `${printDim(bound.smaller)} <= ${printDim(bound.larger)}`;
      if (!this.#bounds.has(key)) this.#bounds.set(key, bound);
    }
  }

  #functionOf(region: Region): Func {
    const parameters = [...region.parameters, ...this.#captured.values()];
    // Kernels are named by the function.
    const name = this.#by.name.replace(/\W+/g, "_").replace(/^(?=\d)/, "_");
    return { name, parameterNames: parameters.map((_, i) => `x${i}`), body: { ...region, parameters } };
  }

  #factsOf(type: OpenTensor | undefined): TensorFacts | undefined {
    return type === undefined ? undefined : { dtype: type.dtype, shape: type.shape.map((dim) => sizeOf(dim, this.names)) };
  }

  #tensorOf(value: Value, facts: TensorFacts | undefined): AnyTensor {
    if (facts === undefined) throw new Error("a value of a trace has a type");
    const made: AnyTensor = makeHandle(facts.dtype, facts.shape, { kind: "traced", by: this.#by });
    this.#values.set(made, value);
    return made;
  }

  #valueOf(tensor: AnyTensor): Value {
    const known = this.#values.get(tensor) ?? this.#captured.get(tensor);
    if (known !== undefined) return known;
    const state = tensor[tensorBrand];
    // Throws for what is gone, and for what belongs to a trace that is over; one that is not over is around this one.
    const isOfOuter = state.kind === "traced" && !state.by.isOver;
    if (state.kind !== "host" && !isOfOuter) present(tensor);
    this.#data.set(tensor, state.kind === "host" && state.data.byteLength <= mostCompared ? state.data : undefined);
    const parameter = new Value(tensorType(tensor.dtype, tensor.shape.map(dimOf)));
    this.#captured.set(tensor, parameter);
    return parameter;
  }
}

/** Runs the function of a vmap in a trace of its own. */
export function traceExample({ name, types, run }: ExampleRequest): Traced<unknown> {
  return new Trace(name, types).run(run, leavesOf);
}

export function exampleOf({ traced: { func, result, captured }, size }: TracedExample): Example {
  return { func, size, result, captured: captured.map(({ tensor }) => tensor) };
}

function copyOf(argument: unknown): unknown {
  return Array.isArray(argument) ? argument.map(copyOf) : argument;
}

/** The names of another trace mean nothing here. */
function requireOwn(name: string, args: readonly unknown[], by: TracedBy): void {
  for (const argument of args) {
    if (argument instanceof NamedSize && argument.by !== by) {
      throw new ArgumentError(`${name}: the size ${String(argument)} was read while ${argument.by.name} was traced, and has no meaning after it: read it from the shape of a tensor`);
    }
    if (Array.isArray(argument)) requireOwn(name, argument, by);
  }
}
