/**
 * Branches and loops in reverse mode: each is split into a forward part, which computes what the program computes and keeps
 * on stacks what the gradient will need of it, and a backward part, which takes that from the stacks in reverse.
 *
 *     %y: f32[] = while %x { condition(%a) {...}  body(%a: f32[]) { %b = mul %a, %a; yield %b } }
 *
 * The forward part counts the turns. In `value_and_grad` of it, with %cy the cotangent of %y, the two are
 *
 *     %s: stack f32[] = stack
 *     %y, %n: i32[] = while %x, 0 { condition {...}  body(%a, %i) { %b = mul %a, %a; push %s, %a; yield %b, add %i, 1 } }
 *     ...
 *     %cx = for 0, %n, 1, %cy {"reverse":true} { body(%i, %cb) { %a = pop %s; %t = mul %cb, %a; yield add %t, %t } }
 *
 * Values from around a loop are captured by both parts and not kept; their cotangents are carries of the backward part,
 * to which each turn adds. The backward part of a `for` is the same `for` reversed, and that of one that is reversed is not,
 * so that its counter is there for nothing. All stacks are made where the function begins, so
 * that those of a loop in a loop hold the turns of both. Between forward and backward, while the linear part is being
 * collected, an op `linear` stands for the backward part.
 */

import type { Builder } from "../ir/builder.ts";
import { at } from "../ir/expect.ts";
import { type Op, type Region, Value } from "../ir/module.ts";
import { createRewriter, type Rewriter, usedValues } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { sameType, stackType, type TensorType, tensorType, type Type } from "../ir/type.ts";
import { type ControlRule, type Tangents, zeros } from "./linearize.ts";
import { chooseResiduals } from "./residuals.ts";
import { type Backward, type Contribution, type LinearPart, linearPart, type Lookup, type Transpose, transposeOps } from "./transpose.ts";
import { activeCarries, partsOf, positionsOf } from "./weave-control.ts";

/** The rule for one gradient; what it makes beside ops is in `backward`. */
export function splitControl(backward: Backward): ControlRule {
  return (b, op, operands, rewriter, tangents) => (op.name === "if" ? splitIf(b, op, operands, rewriter, tangents, backward) : splitLoop(b, op, operands, rewriter, tangents, backward));
}

/** A branch or a loop body, taken apart. */
interface Part {
  /** The forward part; without the parameters that are tangents. */
  readonly parameters: readonly Value[];
  readonly forward: readonly Op[];
  readonly yields: readonly Value[];
  readonly tangentParameters: readonly Value[];
  readonly linear: LinearPart;
  /** Of the yields that were asked for; undefined is zero. */
  readonly tangentYields: readonly (Value | undefined)[];
  /** What is pushed and popped, each with its stack, in the order of pushing. */
  readonly kept: readonly { readonly value: Value; readonly stack: Value }[];
  readonly recomputed: readonly Op[];
  /** Values from around it that the backward part reads, and tangents from around it that it adds cotangents to. */
  readonly outer: readonly Value[];
  readonly outerTangents: readonly Value[];
}

interface PartRequest {
  readonly region: Region;
  /** Positions of its parameters, and of its yields, that have tangents. */
  readonly activeParameters: readonly number[];
  readonly activeYields: readonly number[];
  /** Whether the backward part has the first parameter for nothing. */
  readonly isCounted: boolean;
}

function takeApart(b: Builder, request: PartRequest, rewriter: Rewriter, tangents: Tangents, backward: Backward): Part {
  const { region, activeParameters, activeYields } = request;
  const around = new Set(tangents.all());
  const tangentTypes = activeParameters.map((position) => at(region.parameters, position).type);
  let tangentYields: readonly (Value | undefined)[] = [];
  const mixed = b.region([...region.parameters.map(({ type }) => type), ...tangentTypes], (values) => {
    activeParameters.forEach((position, i) => tangents.set(at(region.parameters, position), values[region.parameters.length + i]));
    const yields = rewriter.inline(region, values.slice(0, region.parameters.length));
    tangentYields = activeYields.map((position) => tangents.get(at(region.yields, position)));
    return yields;
  });
  const parameters = mixed.parameters.slice(0, region.parameters.length);
  const tangentParameters = mixed.parameters.slice(region.parameters.length);
  const ownStacks = [...tangents.all()].filter((value) => value.type.kind === "stack");
  const linear = linearPart(mixed.ops, [...around, ...tangentParameters, ...ownStacks]);
  const isLinear = new Set(linear.ops);
  const forward = mixed.ops.filter((op) => !isLinear.has(op));

  const inside = new Set([...parameters, ...forward.flatMap(({ results }) => results)]);
  const linearInside = new Set([...tangentParameters, ...linear.ops.flatMap(({ results }) => results)]);
  const read = new Set(linear.ops.flatMap(usedValues));
  const given = new Set(request.isCounted ? parameters.slice(0, 1) : []);
  const { kept, recomputed } = chooseResiduals(forward, parameters, new Set([...read].filter((value) => inside.has(value))), given);
  const isOuter = (value: Value): boolean => !inside.has(value) && !linearInside.has(value);
  const outerReads = [...read, ...recomputed.flatMap(({ operands }) => operands)].filter(isOuter);
  const yielded = tangentYields.filter((value) => value !== undefined).filter((value) => around.has(value));
  return {
    parameters, forward, yields: mixed.yields, tangentParameters, linear, tangentYields, recomputed,
    kept: kept.map((value) => ({ value, stack: newStack(value.type, backward) })),
    outer: [...new Set(outerReads.filter((value) => !around.has(value)))],
    outerTangents: [...new Set([...outerReads.filter((value) => around.has(value)), ...yielded])],
  };
}

/** A stack that will be made where the function begins. */
function newStack(type: Type, { stacks }: Backward): Value {
  const { dtype, shape } = tensorTypeOf({ type });
  const stack = new Value(stackType(dtype, shape));
  stacks.push(stack);
  return stack;
}

/** The forward part, built where `b` stands: its ops, and what it keeps. Gives what it yields. */
function buildForward(b: Builder, { parameters, forward, yields, kept }: Part, values: readonly Value[]): readonly Value[] {
  const rewriter = createRewriter(b, () => undefined);
  const results = rewriter.inline({ parameters, ops: forward, yields }, values);
  for (const { value, stack } of kept) b.push(stack, rewriter.value(value));
  return results;
}

/** The backward part, built where `b` stands: the cotangents of the part's own parameters, and of tangents from around it. */
function buildBackward(b: Builder, part: Part, lookUp: Lookup, cotangents: readonly (Value | undefined)[], given: readonly (readonly [Value, Value])[], backward: Backward): ReadonlyMap<Value, Value> {
  const values = new Map<Value, Value>(given);
  for (const { value, stack } of part.kept.toReversed()) values.set(value, b.pop(lookUp(stack)));
  const lookUpHere: Lookup = (value) => values.get(value) ?? lookUp(value);
  for (const op of part.recomputed) {
    const results = b.copy(op, op.operands.map(lookUpHere));
    op.results.forEach((result, i) => values.set(result, at(results, i)));
  }
  const sums = new Map<Value, Value>();
  part.tangentYields.forEach((tangent, i) => {
    const cotangent = cotangents[i];
    if (tangent !== undefined && cotangent !== undefined) sums.set(tangent, plus(b, cotangent, sums.get(tangent)));
  });
  transposeOps(b, part.linear, lookUpHere, sums, backward);
  return sums;
}

function splitIf(b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter, tangents: Tangents, backward: Backward): readonly Value[] {
  const condition = at(operands, 0);
  const active = positionsOf(op.results, tangents.isActive);
  const parts = op.regions.map((region) => takeApart(b, { region, activeParameters: [], activeYields: active, isCounted: false }, rewriter, tangents, backward));
  const results = b.op("if", [condition], op.attrs, parts.map((part) => b.region([], () => buildForward(b, part, []))));
  const sources = [...new Set(parts.flatMap(({ outerTangents }) => outerTangents))];
  const reads = [condition, ...parts.flatMap(({ outer }) => outer), ...sources];
  const tensors = sources.filter(isTensor);
  const tangentResults = standFor(b, typesAt(op.results, active), reads, backward, (into, cotangents, lookUp) => {
    const sums = into.if(lookUp(condition), {}, asPair(parts.map((part) =>
      into.region([], () => {
        const found = buildBackward(into, part, lookUp, cotangents, [], backward);
        return tensors.map((tangent) => found.get(tangent) ?? zeros(into, tangent.type));
      }))));
    return tensors.map((tangent, i) => [tangent, at(sums, i)]);
  });
  active.forEach((position, i) => tangents.set(at(op.results, position), tangentResults[i]));
  return results;
}

function splitLoop(b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter, tangents: Tangents, backward: Backward): readonly Value[] {
  const { body, initial, carries } = partsOf(op);
  const before = body.parameters.length - carries.length;
  const active = activeCarries(op, tangents);
  const starts = active.map((position) => tangents.get(at(initial, position)));
  const isCounted = op.name === "for" && sameType(at(operands, 0).type, count);
  const part = takeApart(b, { region: body, activeParameters: active.map((position) => position + before), activeYields: active, isCounted }, rewriter, tangents, backward);
  const { results, bounds } = isCounted ? countedLoop(b, op, operands, part) : countingLoop(b, op, operands, part, rewriter);
  const reads = [...bounds, ...part.outer, ...part.outerTangents, ...starts.filter((start) => start !== undefined)];
  const tensors = part.outerTangents.filter(isTensor);
  const tangentResults = standFor(b, typesAt(carries, active), reads, backward, (into, cotangents, lookUp) => {
    const sums = [...active.map((position, i) => cotangents[i] ?? zeros(into, at(carries, position).type)), ...tensors.map(({ type }) => zeros(into, type))];
    const body = into.region([count, ...sums.map(({ type }) => type)], ([counter, ...values]) => {
      const given = isCounted ? [[at(part.parameters, 0), at([counter], 0)] as const] : [];
      const found = buildBackward(into, part, lookUp, values.slice(0, active.length), given, backward);
      const own = part.tangentParameters.map((tangent) => found.get(tangent) ?? zeros(into, tangent.type));
      const around = tensors.map((tangent, i) => plus(into, at(values, active.length + i), found.get(tangent)));
      return [...own, ...around];
    });
    const [start, stop, step] = bounds;
    const isReversed = op.attrs["reverse"] === true;
    const totals = into.for(lookUp(start), lookUp(stop), lookUp(step), sums, { kind: "serial", ...(isReversed ? {} : { reverse: true }) }, [body]);
    const ofStarts = starts.flatMap((start, i): readonly Contribution[] => (start === undefined ? [] : [[start, at(totals, i)]]));
    return [...ofStarts, ...tensors.map((tangent, i): Contribution => [tangent, at(totals, active.length + i)])];
  });
  active.forEach((position, i) => tangents.set(at(op.results, position), tangentResults[i]));
  return results;
}

const count: TensorType = tensorType("i32", []);

interface ForwardLoop {
  readonly results: readonly Value[];
  /** Of the backward part. */
  readonly bounds: readonly [start: Value, stop: Value, step: Value];
}

/** The forward part of a `for` whose turns its bounds tell. */
function countedLoop(b: Builder, op: Op, operands: readonly Value[], part: Part): ForwardLoop {
  const results = b.op("for", operands, op.attrs, [b.region(part.parameters.map(({ type }) => type), (values) => buildForward(b, part, values))]);
  return { results, bounds: [at(operands, 0), at(operands, 1), at(operands, 2)] };
}

/** The forward part of a loop that counts its turns as it goes. */
function countingLoop(b: Builder, op: Op, operands: readonly Value[], part: Part, rewriter: Rewriter): ForwardLoop {
  const { condition } = partsOf(op);
  const types = part.parameters.map(({ type }) => type);
  const body = b.region([...types, count], (values) => [...buildForward(b, part, values.slice(0, types.length)), b.add(at(values, types.length), 1)]);
  const test = condition === undefined ? [] : [b.region([...types, count], (values) => rewriter.inline(condition, values.slice(0, types.length)))];
  const zero = b.constantOf(count, 0);
  const results = b.op(op.name, [...operands, zero], op.attrs, [...test, body]);
  return { results: results.slice(0, -1), bounds: [zero, at(results, -1), b.constantOf(count, 1)] };
}

/** The op that stands for a backward part, which `transpose` builds. */
function standFor(b: Builder, types: readonly Type[], reads: readonly Value[], { transposes }: Backward, transpose: Transpose): readonly Value[] {
  const id = transposes.push(transpose) - 1;
  return b.linear([...new Set(reads)], { id }, [b.region(types, (values) => values)]);
}

function plus(b: Builder, sum: Value, term: Value | undefined): Value {
  return term === undefined ? sum : b.add(sum, term);
}

function typesAt(values: readonly Value[], positions: readonly number[]): readonly Type[] {
  return positions.map((position) => at(values, position).type);
}

function isTensor({ type }: Value): boolean {
  return type.kind === "tensor";
}

function asPair(regions: readonly Region[]): readonly [Region, Region] {
  return [at(regions, 0), at(regions, 1)];
}
