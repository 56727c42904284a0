/**
 * Structured control flow, at both levels: at tensor level conditions and counters are tensors of rank 0, at kernel
 * level they are scalars. Regions see the values of the regions around them. The interpreter gives the meaning.
 */

import type { Dim } from "../dim.ts";
import type { Attrs, Region, Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import { isMemory, printType, sameType, type Type } from "../type.ts";
import { given } from "./check.ts";

/** results = condition ? then() : else(). */
export const ifElse: OpRecord<(condition: Value, attrs: Attrs, regions: readonly [Region, Region]) => readonly Value[]> = {
  doc: "results = condition ? then() : else(), and only that region runs",
  operands: ["condition"],
  results: ["...results"],
  regions: ["then", "else"],
  infer: ([condition], _attrs, [then, otherwise]) => {
    if (!isCondition(condition)) throw new TypeFault("the condition of an if must be one bool", [`it is ${show(condition)}`]);
    const types = yieldTypes(then);
    matchTypes("the two branches of an if must yield the same types", types, yieldTypes(otherwise));
    return types;
  },
  derivative: "none",
};

/**
 * Carries go through body(counter, ...carries) for counter = start, start + step, ... while below stop; where it is reversed,
 * for the same counters from the last one down to start.
 */
export const forLoop: OpRecord<
  (start: Value, stop: Value, step: Value, carries: readonly Value[], attrs: ForAttrs, regions: readonly [Region]) => readonly Value[]
> = {
  doc: "carries = body(counter, ...carries) for counter from start below stop by step, in order; with reverse the last counter is first",
  operands: ["start", "stop", "step", "...carries"],
  results: ["...carries"],
  regions: ["body"],
  dimAttrs: ["work"],
  infer: ([start, stop, step, ...carries], { reverse = false }, [body]) => {
    if (typeof reverse !== "boolean") throw new TypeFault("attr reverse of a for must be true or false", [`it is ${JSON.stringify(reverse)}`]);
    if (reverse && !isCount(start)) throw new TypeFault("a reversed for counts by i32 tensors of rank 0", [`its start is ${show(start)}`]);
    matchTypes("start, stop and step of a for must have one type", [start, start].map(given), [stop, step].map(given));
    matchTypes("the body of a for takes the counter and the carries", [given(start), ...carries], parameterTypes(body));
    matchTypes("the body of a for must yield what it carries", carries, yieldTypes(body));
    return carries;
  },
  derivative: "none",
};

/**
 * How a kernel-level loop runs. `grid`: iterations are independent and are what a launch distributes over threads;
 * `thread`: inside a grid item, which is then a block: each iteration is a thread's part of one phase; `unroll`: the
 * printer may repeat the body; absent: serial.
 */
export interface ForAttrs extends Attrs {
  readonly kind: "serial" | "grid" | "thread" | "unroll";
  /** At tensor level: the counters come in reverse order. Loops that pop what another pushed are of this kind. */
  readonly reverse?: boolean;
  /** Of a grid: about how many scalar operations one iteration takes. */
  readonly work?: Dim;
  /** Of a grid whose items are blocks: the threads of a block, which each of its phases has. */
  readonly threads?: number;
}

/** Carries go through body while condition(...carries) holds. */
export const whileLoop: OpRecord<(carries: readonly Value[], attrs: Attrs, regions: readonly [Region, Region]) => readonly Value[]> = {
  doc: "carries = body(...carries) as long as condition(...carries) holds",
  operands: ["...carries"],
  results: ["...carries"],
  regions: ["condition", "body"],
  infer: (carries, _attrs, [condition, body]) => {
    matchTypes("the condition of a while takes the carries", carries, parameterTypes(condition));
    const [test, ...others] = yieldTypes(condition);
    if (others.length > 0 || !isCondition(test)) throw new TypeFault("the condition of a while must yield one bool", [`it yields ${show(test)}`]);
    matchTypes("the body of a while takes the carries", carries, parameterTypes(body));
    matchTypes("the body of a while must yield what it carries", carries, yieldTypes(body));
    return carries;
  },
  derivative: "none",
};

/** A loop whose turns are counted before it runs, so that nobody has to look at a condition; made by expand-loops. */
export const repeat: OpRecord<(carries: readonly Value[], attrs: RepeatAttrs, regions: readonly [Region]) => readonly Value[]> = {
  doc: "carries = body(...carries), turns times",
  operands: ["...carries"],
  results: ["...carries"],
  regions: ["body"],
  infer: (carries, { turns }, [body]) => {
    if (typeof turns !== "number" || !Number.isInteger(turns) || turns < 0) throw new TypeFault("attr turns of a repeat must be a whole number", [`it is ${JSON.stringify(turns)}`]);
    matchTypes("the body of a repeat takes the carries", carries, parameterTypes(body));
    matchTypes("the body of a repeat must yield what it carries", carries, yieldTypes(body));
    return carries;
  },
};

export interface RepeatAttrs extends Attrs {
  readonly turns: number;
}

/** results = callee(...operands). Inlined by the transform pass. */
export const call: OpRecord<(operands: readonly Value[], attrs: CallAttrs) => readonly Value[]> = {
  doc: "results = callee(...operands)",
  operands: ["...operands"],
  results: ["...results"],
  infer: (operands, attrs, _regions, callee) => {
    const { parameters, yields } = (callee ?? missing(attrs)).body;
    matchTypes(`@${String(attrs["callee"])} must be called with what it takes`, parameters.map(({ type }) => type), operands);
    return yields.map(({ type }) => type);
  },
  derivative: "none",
};

export interface CallAttrs extends Attrs {
  readonly callee: string;
}

/**
 * Reverse mode: the results of the callee, of which the first is a float of rank 0, followed by the derivative of the
 * first with respect to each parameter in `wrt`. Replaced by ordinary ops in the transform pass.
 */
export const valueAndGrad: OpRecord<(operands: readonly Value[], attrs: GradAttrs) => readonly Value[]> = {
  doc: "results = callee(...operands), then d results[0] / d operands[i] for i in wrt",
  operands: ["...operands"],
  results: ["...results"],
  infer: (operands, attrs, regions, callee) => {
    const results = call.infer(operands, attrs, regions, callee);
    const [value] = results;
    if (value?.kind !== "tensor" || value.shape.length > 0 || !value.dtype.includes("f")) {
      throw new TypeFault("only a function whose first result is one float can be differentiated", [`it is ${show(value)}`], "reduce it with .sum() or .mean()");
    }
    return [...results, ...(attrs["wrt"] as readonly number[]).map((position) => given(operands[position]))];
  },
  derivative: "none",
};

export interface GradAttrs extends CallAttrs {
  readonly wrt: readonly number[];
}

/** Forward mode: operands are the primals and then their tangents; results the results and then their tangents. */
export const jvp: OpRecord<(operands: readonly Value[], attrs: CallAttrs) => readonly Value[]> = {
  doc: "results = callee(primals), then the derivative of each result along the tangents; operands are primals, then tangents",
  operands: ["...operands"],
  results: ["...results"],
  infer: (operands, attrs, regions, callee) => {
    const primals = operands.slice(0, operands.length / 2);
    matchTypes("each primal needs a tangent of its type", primals, operands.slice(operands.length / 2));
    const results = call.infer(primals, attrs, regions, callee);
    return [...results, ...results];
  },
  derivative: "none",
};

/**
 * The linear part of a branch or a loop, while transform takes a gradient: what its results would be, given tangents among
 * the operands. transpose.ts replaces it, with the rule that whoever made it knows; the region is there for the types.
 */
export const linear: OpRecord<(operands: readonly Value[], attrs: Attrs, regions: readonly [Region]) => readonly Value[]> = {
  doc: "stands for a linear function of its operands whose results have the types that the region yields; only within transform",
  operands: ["...operands"],
  results: ["...results"],
  regions: ["results"],
  infer: (_operands, _attrs, [results]) => yieldTypes(results),
};

function isCount(type: Type | undefined): boolean {
  return type?.kind === "tensor" && type.dtype === "i32" && type.shape.length === 0;
}

function isCondition(type: Type | undefined): boolean {
  if (type === undefined || isMemory(type) || type.dtype !== "bool") return false;
  return type.kind === "tensor" ? type.shape.length === 0 : type.lanes === 1;
}

function matchTypes(rule: string, expected: readonly Type[], actual: readonly Type[]): void {
  const same = expected.length === actual.length && expected.every((type, i) => sameType(type, given(actual[i])));
  if (!same) throw new TypeFault(rule, [`(${expected.map(printType).join(", ")}) against (${actual.map(printType).join(", ")})`]);
}

function yieldTypes(region: Region | undefined): readonly Type[] {
  return region?.yields.map(({ type }) => type) ?? [];
}

function parameterTypes(region: Region | undefined): readonly Type[] {
  return region?.parameters.map(({ type }) => type) ?? [];
}

function missing(attrs: Attrs): never {
  throw new TypeFault(`there is no function @${String(attrs["callee"])}`);
}

function show(type: Type | undefined): string {
  return type === undefined ? "nothing" : printType(type);
}
