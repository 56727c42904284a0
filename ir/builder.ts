/**
 * Makes ops: one method per record of the op table, `b.add(x, y)`, `b.reduceSum(x, { axes: [0] })`.
 *
 * A builder appends to the region that is being built, infers result types from the record, and gives each op the
 * current spans. Where an elementwise op takes a value it also takes a number, which becomes a constant of the other
 * operand's type. Regions are built by functions: `b.region([f32], ([x]) => [b.neg(x)])`.
 */

import type { Dim } from "./dim.ts";
import { only } from "./expect.ts";
import type { Attrs, Func, Op, Region, Span } from "./module.ts";
import { Value } from "./module.ts";
import { isElementwise, type OpRecord, TypeFault } from "./op.ts";
import { findRecord, type OpName, type OpTable, opTable, textName } from "./ops/table.ts";
import { isFloat, isMemory, printType, type ScalarType, type TensorType, type Type } from "./type.ts";

type CallOf<Record> = Record extends OpRecord<infer Call> ? Call : never;

export type Builder = BuilderCore & { readonly [Name in OpName]: CallOf<OpTable[Name]> };

/** A rule of the IR that an op would break, with the place in the source. */
export class IrError extends Error {
  readonly op: string;
  readonly facts: readonly string[];
  readonly help: string | undefined;
  readonly spans: readonly Span[];
  constructor(op: string, fault: TypeFault, spans: readonly Span[]) {
    super(`${op}: ${fault.message}${fault.facts.length > 0 ? ` (${fault.facts.join(", ")})` : ""}`);
    this.name = "IrError";
    this.op = op;
    this.facts = fault.facts;
    this.help = fault.help;
    this.spans = spans;
  }
}

export interface BuilderCore {
  /** Appends an op by its text name; the way for code that treats all ops alike. */
  op(name: string, operands: readonly Value[], attrs?: Attrs, regions?: readonly Region[]): readonly Value[];
  /** Appends an op that already exists with other operands and regions, keeping its attrs and spans. */
  copy(op: Op, operands: readonly Value[], regions?: readonly Region[], attrs?: Attrs): readonly Value[];
  /** A number (or, for a tensor of literal shape, an array of them) as a tensor, scalar or vector of a type. */
  constantOf(type: TensorType | ScalarType, value: number | readonly number[]): Value;
  /** A dim as a value of type `index`. */
  index(dim: Dim): Value;
  region(parameters: readonly Type[], body: (parameters: readonly Value[]) => readonly Value[]): Region;
  /** Everything built inside `body` gets these spans. */
  at<T>(spans: readonly Span[], body: () => T): T;
  readonly spans: readonly Span[];
}

/** Builds one function; `functions` resolves what `call` and its kin name. */
export function buildFunction(
  name: string,
  parameters: readonly { readonly name: string; readonly type: Type }[],
  body: (b: Builder, parameters: readonly Value[]) => readonly Value[],
  functions: (name: string) => Func | undefined = () => undefined,
): Func {
  const b = createBuilder(functions);
  const region = b.region(parameters.map(({ type }) => type), (values) => body(b, values));
  return { name, parameterNames: parameters.map((parameter) => parameter.name), body: region };
}

export function createBuilder(functions: (name: string) => Func | undefined = () => undefined): Builder {
  return new RegionBuilder(functions) as BuilderCore as Builder;
}

class RegionBuilder implements BuilderCore {
  spans: readonly Span[] = [];
  #ops: Op[] | undefined;
  readonly #functions: (name: string) => Func | undefined;

  constructor(functions: (name: string) => Func | undefined) {
    this.#functions = functions;
  }

  op(name: string, operands: readonly Value[], attrs: Attrs = {}, regions: readonly Region[] = []): readonly Value[] {
    const record = findRecord(name);
    const callee = typeof attrs["callee"] === "string" ? this.#functions(attrs["callee"]) : undefined;
    let types: readonly Type[];
    try {
      types = record.infer(operands.map((operand) => operand.type), attrs, regions, callee);
    } catch (error) {
      throw error instanceof TypeFault ? new IrError(name, error, this.spans) : error;
    }
    const results = types.map((type) => new Value(type));
    if (this.#ops === undefined) throw new Error(`${name} is built outside of any region`);
    this.#ops.push({ name, operands, results, attrs, regions, spans: this.spans });
    return results;
  }

  copy(op: Op, operands: readonly Value[], regions: readonly Region[] = op.regions, attrs: Attrs = op.attrs): readonly Value[] {
    return this.at(op.spans, () => this.op(op.name, operands, attrs, regions));
  }

  constantOf(type: TensorType | ScalarType, value: number | readonly number[]): Value {
    const attrs: Attrs =
      type.kind === "tensor"
        ? { value, dtype: type.dtype, shape: type.shape }
        : { value, dtype: type.dtype, ...(type.lanes > 1 ? { lanes: type.lanes } : {}) };
    return only(this.op("constant", [], attrs));
  }

  index(dim: Dim): Value {
    return only(this.op("dim", [], { size: dim }));
  }

  region(parameters: readonly Type[], body: (parameters: readonly Value[]) => readonly Value[]): Region {
    const outer = this.#ops;
    const ops: Op[] = [];
    this.#ops = ops;
    try {
      const values = parameters.map((type) => new Value(type));
      const yields = body(values);
      return { parameters: values, ops, yields };
    } finally {
      this.#ops = outer;
    }
  }

  at<T>(spans: readonly Span[], body: () => T): T {
    const outer = this.spans;
    this.spans = spans;
    try {
      return body();
    } finally {
      this.spans = outer;
    }
  }
}

for (const [key, record] of Object.entries(opTable)) Object.defineProperty(RegionBuilder.prototype, key, { value: methodOf(textName(key), record) });

function methodOf(name: string, record: OpRecord): (this: BuilderCore, ...args: unknown[]) => unknown {
  const isVariadic = record.operands.at(-1)?.startsWith("...") ?? false;
  const fixed = isVariadic ? record.operands.length - 1 : record.operands.length;
  const hasOneResult = record.results.length === 1 && !(record.results[0]?.startsWith("...") ?? false);
  return function (...args) {
    const given = args.slice(0, fixed) as (Value | number)[];
    if (isVariadic) given.push(...(args[fixed] as readonly Value[]));
    const rest = args.slice(fixed + (isVariadic ? 1 : 0));
    const attrs = (rest[0] ?? {}) as Attrs;
    const regions = (rest[1] ?? []) as readonly Region[];
    const results = this.op(name, isElementwise(record) ? withConstants(this, given) : (given as Value[]), attrs, regions);
    return hasOneResult ? only(results) : results;
  };
}

/** Numbers become constants of the type of the last value operand (the condition of a select comes first). */
function withConstants(core: BuilderCore, operands: readonly (Value | number)[]): readonly Value[] {
  const pattern = operands.filter((operand) => operand instanceof Value).at(-1);
  return operands.map((operand) => {
    if (operand instanceof Value) return operand;
    if (pattern === undefined || isMemory(pattern.type)) throw new TypeError("a number needs a value beside it that says its type");
    if (!Number.isInteger(operand) && !isFloat(pattern.type.dtype)) {
      throw new TypeError(`${operand} is no value of ${printType(pattern.type)}`);
    }
    return core.constantOf(pattern.type, operand);
  });
}
