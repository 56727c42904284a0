/**
 * Traces: a function runs once on tensors that have no elements yet, and what its ops would do becomes a function of the
 * IR (jit.ts compiles it).
 *
 * While a trace is open every op is written into it. A tensor from outside becomes one more parameter, whose handle is
 * kept; so a trace holds no data.
 */

import { tensorBrand } from "tsdlc-runtime";
import { present, type TracedBy } from "tsdlc-runtime/library";
import { type Builder, createBuilder } from "../../ir/builder.ts";
import { type Func, type Region, Value } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { tensorType } from "../../ir/type.ts";
import { type AnyTensor, makeHandle } from "./handles.ts";
import type { TensorFacts } from "./generalize.ts";

export interface Traced<Result> {
  readonly func: Func;
  /** What the function returned; its tensors are those of the trace. */
  readonly result: Result;
  /** Tensors from outside, in the order of the parameters after those of the function. */
  readonly captured: readonly AnyTensor[];
}

let current: Trace | undefined;

export function currentTrace(): Trace | undefined {
  return current;
}

export class Trace {
  readonly #by: TracedBy & { isOver: boolean };
  readonly #b: Builder = createBuilder();
  readonly #values = new Map<AnyTensor, Value>();
  readonly #captured = new Map<AnyTensor, Value>();

  constructor(name: string) {
    this.#by = { name, isOver: false };
  }

  /** Runs `body` on traced tensors of these types; `leavesOf` says which tensors of its result are results of the function. */
  run<Result>(types: readonly TensorFacts[], body: (tensors: readonly AnyTensor[]) => Result, leavesOf: (result: Result) => readonly AnyTensor[]): Traced<Result> {
    const outer = current;
    current = this;
    try {
      let result: Result | undefined;
      const region = this.#b.region(types.map(({ dtype, shape }) => tensorType(dtype, shape)), (parameters) => {
        result = body(parameters.map((parameter, i) => this.#tensorOf(parameter, types[i])));
        return leavesOf(result).map((leaf) => this.#valueOf(leaf));
      });
      return { func: this.#functionOf(region), result: result as Result, captured: [...this.#captured.keys()] };
    } finally {
      current = outer;
      this.#by.isOver = true;
    }
  }

  /** The ops of a function on tensors of the trace, and of outside. */
  inline({ body }: Func, inputs: readonly AnyTensor[], results: readonly TensorFacts[]): readonly AnyTensor[] {
    const values = inlineRegion(this.#b, body, inputs.map((input) => this.#valueOf(input)));
    return values.map((value, i) => this.#tensorOf(value, results[i]));
  }

  #functionOf(region: Region): Func {
    const parameters = [...region.parameters, ...this.#captured.values()];
    // Kernels are named by the function.
    const name = this.#by.name.replace(/\W+/g, "_").replace(/^(?=\d)/, "_");
    return { name, parameterNames: parameters.map((_, i) => `x${i}`), body: { ...region, parameters } };
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
    const parameter = new Value(tensorType(tensor.dtype, tensor.shape));
    this.#captured.set(tensor, parameter);
    return parameter;
  }
}
