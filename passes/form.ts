/**
 * Which sets of ops lower can make one kernel of, and whether doing so repeats no expensive work.
 *
 * The indices at which each value is needed are followed from the kernel's loops through the index maps down to its
 * inputs. A reduction or contraction is computed once per point of the outer loops, so everything else must need it
 * exactly there; an expensive op must be needed at one index for each point of the loops.
 */

import { sameShape } from "../ir/dim.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { accessesOf, computeOf, rankOf } from "./access.ts";
import { type AxisClass, findRowAxes, type RowAxes } from "./axes.ts";
import { isExpensive, isFree } from "./cost.ts";

/** `region` is the body of the group that would be: its yields are what others need of it. */
export function isKernelForm(region: Region): boolean {
  const roots = region.ops.filter((op) => computeOf(op).form !== "map");
  const [root] = roots;
  if (root === undefined) return isMapForm(region);
  const compute = computeOf(root);
  if (compute.form === "kernel") return region.yields.every((value) => root.results.includes(value)) && region.ops.every((op) => op === root || feeds(region, op, root));
  if (compute.form === "scan") return roots.length === 1 && isEpilogueForm(region, root);
  if (roots.some(isContraction)) return roots.length === 1 && isEpilogueForm(region, root) && hasCheapPrologue(region, root);
  return isRowForm(region);
}

export function isContraction(op: Op): boolean {
  const compute = computeOf(op);
  return compute.form === "reduce" && compute.contraction !== undefined;
}

function isMapForm(region: Region): boolean {
  const [first] = region.yields;
  if (first === undefined) return false;
  const { shape } = tensorTypeOf(first);
  if (!region.yields.every((value) => sameShape(tensorTypeOf(value).shape, shape))) return false;
  const loops = loopAxes(shape.length);
  const needs = followNeeds(region, region.yields.map((value) => ({ value, index: loops })));
  return needs !== undefined && repeatsNothingExpensive(region, needs, () => shape.length);
}

/** All results have the root's shape, and need the root at the index at which they are stored. */
function isEpilogueForm(region: Region, root: Op): boolean {
  const [result] = root.results;
  if (result === undefined) return false;
  const { shape } = tensorTypeOf(result);
  if (!region.yields.every((value) => sameShape(tensorTypeOf(value).shape, shape))) return false;
  const loops = loopAxes(shape.length);
  const needs = followNeeds(region, region.yields.map((value) => ({ value, index: loops })), root);
  if (needs === undefined) return false;
  const atRoot = needs.get(result) ?? [];
  return atRoot.length > 0 && atRoot.every((index) => sameIndex(index, loops)) && repeatsNothingExpensive(region, needs, () => shape.length, root);
}

/** Packing computes an operand's element more than once for large results: only what is cheap may be part of it. */
function hasCheapPrologue(region: Region, root: Op): boolean {
  const prologue = region.ops.filter((op) => feeds(region, op, root));
  return prologue.every((op) => isFree(op)) || prologue.filter((op) => !isFree(op)).length <= 4 && !prologue.some(isExpensive);
}

function isRowForm(region: Region): boolean {
  const axes = findRowAxes(region);
  if (axes === undefined) return false;
  const roots: Need[] = [];
  for (const value of region.yields) {
    const index = indexInRow(value, axes);
    if (index === undefined) return false;
    roots.push({ value, index });
  }
  const totals = new Map<Value, Index>();
  for (const op of region.ops) {
    const compute = computeOf(op);
    if (compute.form !== "reduce") continue;
    const [first] = op.results;
    if (first === undefined) return false;
    for (const result of op.results) totals.set(result, classIndex(result, axes));
    for (const { operand, index } of accessesOf(op)) {
      const value = op.operands[operand];
      if (value === undefined) return false;
      const rank = rankOf(first);
      roots.push({ value, index: index.map((component) => component === "other" ? "other" : component < rank ? axes.classOf(first, component) : axes.reducedClassOf(op, component - rank)) });
    }
  }
  const needs = followNeeds(region, roots, ...region.ops.filter((op) => computeOf(op).form === "reduce"));
  if (needs === undefined) return false;
  for (const [total, expected] of totals) {
    if (!(needs.get(total) ?? []).every((index) => sameIndex(index, expected))) return false;
  }
  const depth = axes.outer.length + axes.inner.length;
  return repeatsNothingExpensive(region, needs, (value) => Math.min(depth, Math.max(rankOf(value), axes.outer.length)));
}

/** The loops that a result is stored in: the outer ones, or all; undefined for a value of another shape. */
function indexInRow(value: Value, axes: RowAxes): Index | undefined {
  const index = classIndex(value, axes);
  const { shape } = tensorTypeOf(value);
  const loops = index.filter((axis, position) => shape[position] !== 1 || isLoop(axis, axes));
  if (!loops.every((axis) => isLoop(axis, axes))) return undefined;
  const covers = (expected: readonly AxisClass[]): boolean => expected.length === loops.length && expected.every((axis) => loops.includes(axis));
  return covers(axes.outer) || covers([...axes.outer, ...axes.inner]) ? index : undefined;
}

function isLoop(axis: Component, axes: RowAxes): boolean {
  return axis !== "other" && typeof axis !== "number" && (axes.outer.includes(axis) || axes.inner.includes(axis));
}

function classIndex(value: Value, axes: RowAxes): Index {
  return tensorTypeOf(value).shape.map((_, axis) => axes.classOf(value, axis));
}

/* ------------------------------------------------------------- needs */

/** A loop, by its number or class; "other" is a computed index. */
type Component = number | AxisClass | "other";
type Index = readonly Component[];

interface Need {
  readonly value: Value;
  readonly index: Index;
}

/** More indices than this for one value is a kernel that computes it over and over. */
const mostNeeds = 16;

/** At which indices each value is needed, from the roots through maps; values of `stops` are not looked behind. */
function followNeeds(region: Region, roots: readonly Need[], ...stops: readonly Op[]): ReadonlyMap<Value, readonly Index[]> | undefined {
  const needs = new Map<Value, Index[]>();
  const add = ({ value, index }: Need): boolean => {
    const known = needs.get(value) ?? [];
    if (known.some((other) => sameIndex(other, index))) return true;
    known.push(index);
    needs.set(value, known);
    return known.length <= mostNeeds;
  };
  if (!roots.every(add)) return undefined;
  for (const op of region.ops.toReversed()) {
    if (stops.includes(op)) continue;
    for (const result of op.results) {
      for (const index of needs.get(result) ?? []) {
        for (const access of accessesOf(op)) {
          const value = op.operands[access.operand];
          if (value === undefined) return undefined;
          const composed = access.index.map((component) => (component === "other" ? "other" : index[component] ?? "other"));
          if (!add({ value, index: composed })) return undefined;
        }
      }
    }
  }
  return needs;
}

function sameIndex(left: Index, right: Index): boolean {
  return left.length === right.length && left.every((component, axis) => component === right[axis] && component !== "other");
}

function loopAxes(rank: number): Index {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** An expensive op is needed at one index, and that index has every loop that its value is computed in. */
function repeatsNothingExpensive(region: Region, needs: ReadonlyMap<Value, readonly Index[]>, depthOf: (value: Value) => number, root?: Op): boolean {
  return region.ops.every((op) => {
    const [result] = op.results;
    if (!isExpensive(op) || result === undefined || op === root || rankOf(result) === 0) return true;
    const indices = needs.get(result) ?? [];
    return indices.length <= 1 && indices.every((index) => new Set(index).size >= depthOf(result));
  });
}

/** Whether a value that `op` computes is needed, by ops of the region, for `root`. */
function feeds(region: Region, op: Op, root: Op): boolean {
  const reached = new Set<Value>(root.operands);
  for (const other of region.ops.toReversed()) {
    if (other.results.some((result) => reached.has(result))) for (const operand of other.operands) reached.add(operand);
  }
  return op.results.some((result) => reached.has(result));
}
