/**
 * Contractions as a plain space: every (batch, i, j) in parallel, each with its own sum over k. Right for shapes too
 * small to be worth packing, and the meaning of every other schedule.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Region } from "../../ir/module.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { indexType, scalarType } from "../../ir/type.ts";

export function contractionSpace(b: Builder, attrs: ContractAttrs, regions: readonly Region[]): { readonly extents: readonly Dim[]; readonly body: Region } {
  const [left, right, epilogue] = regions;
  if (left === undefined || right === undefined || epilogue === undefined) throw new Error("a contract has three regions");
  const extents = [...attrs.batch, attrs.m, attrs.n];
  const element = scalarType(attrs.dtype);
  const body = b.region(extents.map(() => indexType), (indices) => {
    const batch = indices.slice(0, -2);
    const [row, column] = indices.slice(-2);
    if (row === undefined || column === undefined) throw new Error("a contraction has rows and columns");
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
