/**
 * Schedule for the CPU: what runs in parallel, in which order, and in which lanes.
 *
 * The outer space of a kernel becomes one grid, which the runtime cuts into stretches for its threads. Lanes run
 * along the axis on which memory is consecutive: the last axis of the outer space (maps, column sums), or the reduced
 * or row axis inside one grid item (row sums, softmax). Reductions in lanes keep several partial totals and fold them
 * at the end, so the order of a sum differs from the source's; that is the one liberty taken.
 *
 * Needs: kernels as lower leaves them. Ensures: every kernel is one `for` of kind grid, after ops that do not depend
 * on it; inside there is nothing but `for`, `if`, memory, scalars and vectors.
 */

import { type Builder, buildFunction } from "../../ir/builder.ts";
import { ceilDivDims, type Dim, mulDims } from "../../ir/dim.ts";
import { type Func, type Op, type Region, type Value, visitOps } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { inlineRegion, type RewriteRule, rewriteFunction, withOuter } from "../../ir/rewrite.ts";
import { bytesOf, indexType, type Type } from "../../ir/type.ts";
import type { Limits } from "../limits.ts";
import { chooseTile, type ContractionParts, contractionSpace, partsOf, type Tile, tileContraction } from "./contract.ts";
import { localityAlong } from "./locality.ts";
import { foldLanes, grid, hasRest, lanesFor, nestedLoops, restOf, scalarTypeOf, serialLoop, stripLoops } from "./loops.ts";
import { expandSerially, inGrid, isOneSpace } from "./threads.ts";
import { packedType, packRight } from "./pack.ts";
import { type Lanes, vectorize } from "./vectorize.ts";
import { workOf } from "./work.ts";

/** Elements of the last axis that one grid item of a map covers at most. */
const stripElements = 32768;

export interface ScheduledKernel {
  /** Kernels that run first; each makes one buffer, which is an input of the last, after its others. */
  readonly preparations: readonly Func[];
  readonly main: Func;
}

export function scheduleCpu(func: Func, limits: Limits): ScheduledKernel {
  const expand = (scheduled: Func): Func => rewriteFunction(scheduled, expandRule(limits));
  if (!isOneSpace(func)) return { preparations: [], main: expand(inGrid(func)) };
  const contraction = func.body.ops.find((op) => op.name === "contract");
  if (contraction !== undefined) {
    const tile = chooseTile(partsOf(contraction.attrs as ContractAttrs, contraction.regions), limits);
    if (tile !== undefined) return scheduleTiles(func, partsOf(contraction.attrs as ContractAttrs, contraction.regions), tile, expand);
  }
  const distributed = rewriteFunction(func, (b, op, _operands, rewriter) => {
    const regions = op.regions.map((region) => withOuter(region, rewriter.value));
    const [body] = regions;
    if (body === undefined) return undefined;
    const space = op.name === "contract"
      ? contractionSpace(b, partsOf(op.attrs as ContractAttrs, regions))
      : { extents: op.attrs["extents"] as readonly Dim[], body };
    const { extents, body: longBody } = withoutUnitAxes(b, space.extents, space.body);
    distribute(b, extents, longBody, limits);
    return [];
  });
  return { preparations: [], main: expand(distributed) };
}

/** A contraction in tiles, and the kernel that packs its right operand, if it needs one. */
function scheduleTiles(func: Func, parts: ContractionParts, tile: Tile, expand: (scheduled: Func) => Func): ScheduledKernel {
  const parameters = func.body.parameters.map(({ type }, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type }));
  const inputCount = parameters.length - storedParameters(func);
  const copy = { name: "packed", type: packedType(parts, tile) };
  const build = (name: string, extra: readonly Parameter[], schedule: (b: Builder, parts: ContractionParts, packed: Value | undefined) => void): Func => {
    const all = [...parameters.slice(0, inputCount), ...extra, ...parameters.slice(inputCount)];
    return expand(buildFunction(name, all, (b, buffers) => {
      const packed = extra.length > 0 ? buffers[inputCount] : undefined;
      const own = buffers.filter((buffer) => buffer !== packed);
      return inlineRegion(b, func.body, own, (_b, op, _operands, rewriter) => {
        if (op.name !== "contract") return undefined;
        const regions = op.regions.map((region) => withOuter(region, rewriter.value));
        schedule(b, partsOf(op.attrs as ContractAttrs, regions), packed);
        return [];
      });
    }));
  };
  if (!tile.isPacked) return { preparations: [], main: build(func.name, [], (b, inner) => tileContraction(b, inner, tile, undefined)) };
  const pack = build(`${func.name}_pack`, [copy], (b, inner, packed) => packed !== undefined && packRight(b, inner, tile, packed));
  const main = build(func.name, [copy], (b, inner, packed) => tileContraction(b, inner, tile, packed));
  return { preparations: [pack], main };
}

interface Parameter {
  readonly name: string;
  readonly type: Type;
}

function storedParameters(func: Func): number {
  const stored = new Set<Value>();
  visitOps(func.body, (op) => {
    const [buffer] = op.operands;
    if (op.name === "store" && buffer !== undefined) stored.add(buffer);
  });
  return func.body.parameters.filter((parameter) => stored.has(parameter)).length;
}

/** A space without its axes of size 1, so that the last axis is one that lanes can run along. */
function withoutUnitAxes(b: Builder, extents: readonly Dim[], body: Region): { readonly extents: readonly Dim[]; readonly body: Region } {
  const long = extents.filter((extent) => extent !== 1);
  if (long.length === extents.length) return { extents, body };
  const inner = b.region(long.map(() => indexType), (indices) => {
    const rest = [...indices];
    inlineRegion(b, body, extents.map((extent) => (extent === 1 ? undefined : rest.shift()) ?? b.index(0)));
    return [];
  });
  return { extents: long, body: inner };
}

/** The outer space of a kernel as a grid, with lanes along its last axis when memory is consecutive there. */
function distribute(b: Builder, extents: readonly Dim[], body: Region, limits: Limits): void {
  const lastAxis = body.parameters.at(-1);
  const lastExtent = extents.at(-1);
  if (lastAxis === undefined || lastExtent === undefined || !prefersOuterLanes(body, lastAxis, lastExtent)) {
    grid(b, mulDims(1, ...extents), workOf(body), (item) => inlineRegion(b, body, delinearize(b, item, extents)));
    return;
  }
  const lanes = lanesFor(lastExtent, mostLanes(body, limits));
  const outer = extents.slice(0, -1);
  const isStripped = typeof lastExtent !== "number" || lastExtent > stripElements;
  const strips = isStripped ? ceilDivDims(lastExtent, stripElements) : 1;
  const work = mulDims(workOf(body), isStripped ? stripElements : lastExtent);
  grid(b, mulDims(strips, ...outer), work, (item) => {
    const indices = delinearize(b, item, isStripped ? [...outer, strips] : outer);
    const outerIndices = indices.slice(0, outer.length);
    const strip = indices[outer.length];
    const start = strip === undefined ? b.index(0) : b.mul(strip, stripElements);
    const stop = strip === undefined ? b.index(lastExtent) : b.min(b.add(start, stripElements), b.index(lastExtent));
    const uniform = outerIndices.map((value): Lanes => ({ kind: "uniform", value }));
    stripLoops(b, start, stop, lanes, hasRest(lastExtent, lanes),
      (base) => vectorize(b, body, [...uniform, { kind: "ramp", base }], lanes),
      (index) => inlineRegion(b, body, [...outerIndices, index]));
  });
}

/** Lanes go outside when memory is more consecutive there, or when the inner axes are too short to fill any. */
function prefersOuterLanes(body: Region, lastAxis: Value, lastExtent: Dim): boolean {
  const inner = body.ops.filter((op) => op.name === "reduce" || op.name === "parallel" || op.name === "scan");
  if (inner.length === 0) return true;
  if (inner.some((op) => op.name === "scan")) return false;
  const isShort = (extent: Dim | undefined): boolean => extent === undefined || (typeof extent === "number" && extent < 16);
  const innerAxis = (op: Op): Value | undefined => op.regions[0]?.parameters.at(-1);
  const innerExtent = (op: Op): Dim | undefined => (op.attrs["extents"] as readonly Dim[]).at(-1);
  if (inner.every((op) => isShort(innerExtent(op)))) return !isShort(lastExtent);
  const innerLocality = inner.reduce((sum, op) => {
    const axis = innerAxis(op);
    const [region] = op.regions;
    return axis === undefined || region === undefined ? sum : sum + localityAlong(region, axis);
  }, 0);
  return localityAlong(body, lastAxis) > innerLocality;
}

/** What is left inside grid items: reductions, rows and scans become loops. */
function expandRule(limits: Limits): RewriteRule {
  const rule: RewriteRule = (b, op, operands, rewriter) => {
    switch (op.name) {
      case "reduce": return expandReduce(b, op, operands, rewriter.value, rule, limits);
      case "parallel": return expandParallel(b, op, rewriter.value, rule, limits);
      case "scan": return expandSerially(b, op, operands, rewriter);
      default: return undefined;
    }
  };
  return rule;
}

type Mapping = (value: Value) => Value;

function expandParallel(b: Builder, op: Op, outer: Mapping, rule: RewriteRule, limits: Limits): readonly Value[] {
  const [body] = op.regions;
  if (body === undefined) throw new Error("a parallel has a body");
  const region = withOuter(body, outer);
  const extents = op.attrs["extents"] as readonly Dim[];
  const lastExtent = extents.at(-1);
  if (lastExtent === undefined || hasVectors(region) || !isFlat(region)) {
    nestedLoops(b, extents, [], (indices) => (inlineRegion(b, region, indices, rule), []));
    return [];
  }
  const lanes = lanesFor(lastExtent, mostLanes(region, limits));
  nestedLoops(b, extents.slice(0, -1), [], (indices) => {
    const uniform = indices.map((value): Lanes => ({ kind: "uniform", value }));
    stripLoops(b, b.index(0), b.index(lastExtent), lanes, hasRest(lastExtent, lanes),
      (base) => vectorize(b, region, [...uniform, { kind: "ramp", base }], lanes),
      (index) => inlineRegion(b, region, [...indices, index], rule));
    return [];
  });
  return [];
}

function expandReduce(b: Builder, op: Op, identities: readonly Value[], outer: Mapping, rule: RewriteRule, limits: Limits): readonly Value[] {
  const [elementRegion, combineRegion] = op.regions;
  if (elementRegion === undefined || combineRegion === undefined) throw new Error("a reduce has two regions");
  const element = withOuter(elementRegion, outer);
  const combine = withOuter(combineRegion, outer);
  const extents = op.attrs["extents"] as readonly Dim[];
  const lastExtent = extents.at(-1);
  const lastAxis = element.parameters.at(-1);
  const fold = (totals: readonly Value[], tuple: readonly Value[]): readonly Value[] => inlineRegion(b, combine, [...totals, ...tuple], rule);
  const scalarStep = (indices: readonly Value[], totals: readonly Value[]): readonly Value[] => fold(totals, inlineRegion(b, element, indices, rule));
  const lanes = lastExtent === undefined ? 1 : lanesFor(lastExtent, mostLanes(element, limits));
  const isVectorizable = lastExtent !== undefined && lastAxis !== undefined && lanes > 1 && !hasVectors(element) && isFlat(element) && localityAlong(element, lastAxis) > 0;
  if (!isVectorizable || identities.some((identity) => scalarTypeOf(identity).lanes > 1)) {
    return nestedLoops(b, extents, identities, scalarStep);
  }
  const partials = partialTotals(element);
  const vectorIdentities = identities.map((identity) => b.splat(identity, { lanes }));
  const start = Array.from({ length: partials }, () => vectorIdentities).flat();
  const count = identities.length;
  const split = (values: readonly Value[]): { readonly tuples: readonly (readonly Value[])[]; readonly rest: readonly Value[] } => ({
    tuples: Array.from({ length: partials }, (_, part) => values.slice(part * count, (part + 1) * count)),
    rest: values.slice(partials * count),
  });
  const carried = nestedLoops(b, extents.slice(0, -1), [...start, ...identities], (indices, carries) => {
    const uniform = indices.map((value): Lanes => ({ kind: "uniform", value }));
    const vectorStep = (base: Value, totals: readonly Value[]): readonly Value[] => {
      const tuple = vectorize(b, element, [...uniform, { kind: "ramp", base }], lanes);
      const parameters = [...totals, ...tuple].map((value): Lanes => ({ kind: "vector", value }));
      return vectorize(b, combine, parameters, lanes);
    };
    const zero = b.index(0);
    const stop = b.index(lastExtent);
    const wholeStop = restOf(b, zero, stop, lanes * partials, partials > 1 && hasRest(lastExtent, lanes * partials));
    const vectorStop = restOf(b, zero, stop, lanes, hasRest(lastExtent, lanes));
    const { tuples, rest } = split(carries);
    let totals = tuples.flat();
    if (partials > 1) {
      totals = [...serialLoop(b, zero, wholeStop, lanes * partials, totals, (base, values) =>
        split(values).tuples.flatMap((tuple, part) => vectorStep(b.add(base, part * lanes), tuple)))];
    }
    const [first, ...others] = split(totals).tuples;
    if (first === undefined) throw new Error("a reduction has at least one partial total");
    const needsSecond = partials === 1 || hasRest(lastExtent, lanes * partials);
    const firstAfter = needsSecond ? serialLoop(b, partials > 1 ? wholeStop : zero, vectorStop, lanes, first, vectorStep) : first;
    const restAfter = hasRest(lastExtent, lanes)
      ? serialLoop(b, vectorStop, stop, 1, rest, (index, values) => scalarStep([...indices, index], values))
      : rest;
    return [...firstAfter, ...others.flat(), ...restAfter];
  });
  const { tuples, rest } = split(carried);
  const vector = tuples.reduce((left, right) => {
    const parameters = [...left, ...right].map((value): Lanes => ({ kind: "vector", value }));
    return vectorize(b, combine, parameters, lanes);
  });
  const total = foldLanes(b, vector, combine);
  return hasRest(lastExtent, lanes) ? fold(rest, total) : total;
}

/** Independent partial totals hide the latency of a cheap fold; an expensive element hides it by itself. */
function partialTotals(element: Region): number {
  const work = workOf(element);
  return typeof work === "number" && work <= 6 ? 4 : 1;
}

/** As many lanes as the widest element that the region computes with leaves room for. */
export function mostLanes(region: Region, limits: Limits): number {
  let widest = 4;
  visitOps(region, (op) => {
    for (const { type } of op.results) {
      if (type.kind === "scalar" && type.dtype !== "index") widest = Math.max(widest, bytesOf(type.dtype));
    }
  });
  return Math.max(1, limits.vectorBytes / widest);
}

function hasVectors(region: Region): boolean {
  let found = false;
  visitOps(region, (op) => {
    for (const { type } of op.results) found ||= type.kind === "scalar" && type.lanes > 1;
  });
  return found;
}

/** Without loops inside. A branch is no obstacle: its condition is about sizes, and the same in all lanes. */
function isFlat(region: Region): boolean {
  return region.ops.every((op) => op.regions.length === 0 || op.name === "if");
}
