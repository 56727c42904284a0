/**
 * The parts of a contraction, and its meaning as a plain space: every (batch, i, j) in parallel, each with its own sum
 * over k. That is also the schedule of contractions that no tile suits.
 */

import type { Builder } from "../../ir/builder.ts";
import { type Dim, subDims } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import type { Op, Region, Value } from "../../ir/module.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { inlineRegion, withOuter } from "../../ir/rewrite.ts";
import { indexType, isFloat, scalarType } from "../../ir/type.ts";

export interface Space {
  readonly extents: readonly Dim[];
  readonly body: Region;
}

export interface ContractionParts {
  readonly attrs: ContractAttrs;
  readonly left: Region;
  readonly right: Region;
  readonly epilogue: Region;
}

export function partsOf(attrs: ContractAttrs, regions: readonly Region[]): ContractionParts {
  const [left, right, epilogue] = regions;
  if (left === undefined || right === undefined || epilogue === undefined) throw new Error("a contract has three regions");
  return { attrs, left, right, epilogue };
}

function contractionSpace(b: Builder, { attrs, left, right, epilogue }: ContractionParts): Space {
  const extents = [...attrs.batch, attrs.m, attrs.n];
  const element = scalarType(attrs.dtype);
  const body = b.region(extents.map(() => indexType), (indices) => {
    const batch = indices.slice(0, -2);
    const [row, column] = [at(indices, -2), at(indices, -1)];
    const product = b.region([indexType], ([step]) => {
      if (step === undefined) throw new Error("a contraction sums over an index");
      const factors = [...inlineRegion(b, left, [...batch, row, step]), ...inlineRegion(b, right, [...batch, step, column])];
      return b.op("mul", factors);
    });
    const sum = b.region([element, element], (sums) => b.op("add", sums));
    const totals = b.reduce([b.constantOf(element, 0)], { extents: [attrs.k] }, [product, sum]);
    inlineRegion(b, epilogue, [...indices, ...totals]);
    return [];
  });
  return { extents, body };
}

/** The outer space of a kernel that is one op: a parallel's own, or that of a contraction's results; else undefined. */
export function outerSpace(b: Builder, op: Op, outer: (value: Value) => Value): Space | undefined {
  const regions = op.regions.map((region) => withOuter(region, outer));
  const [body] = regions;
  if (body === undefined) return undefined;
  if (op.name === "contract") return contractionSpace(b, partsOf(op.attrs as ContractAttrs, regions));
  return { extents: op.attrs["extents"] as readonly Dim[], body };
}

/** The indices of some rows from the first on; past the end they repeat the last one, and nothing is stored of them. */
export function rowIndices(b: Builder, m: Dim, rows: number, firstRow: Value): readonly Value[] {
  const lastRow = b.index(subDims(m, 1));
  const isWhole = typeof m === "number" && m % rows === 0;
  return Array.from({ length: rows }, (_, row) => {
    if (row === 0) return firstRow;
    const index = b.add(firstRow, row);
    return isWhole ? index : b.min(index, lastRow);
  });
}

/** total + factor column, rounded once where the dtype is a float. */
export function multiplyAdd(b: Builder, factor: Value, column: Value, total: Value): Value {
  const isFused = factor.type.kind === "scalar" && isFloat(factor.type.dtype);
  return isFused ? b.fma(factor, column, total) : b.add(b.mul(factor, column), total);
}
