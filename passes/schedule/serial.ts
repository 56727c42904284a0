/**
 * The plain order: reductions, rows and scans as loops, one step after the other. It is what every schedule does inside
 * of what it has distributed, and the whole schedule of kernels with a body of their own on the CPU.
 */

import { type Builder, buildFunction } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Func, Op, Region, Value } from "../../ir/module.ts";
import { inlineRegion, type RewriteRule, withOuter } from "../../ir/rewrite.ts";
import { grid, nestedLoops, serialLoop } from "./loops.ts";
import { workOf } from "./work.ts";

/** Whether a kernel is one parallel space or contraction, and so can be cut into items. */
export function isOneSpace(func: Func): boolean {
  const [main, ...others] = func.body.ops.filter((op) => op.name !== "dim" && op.name !== "constant");
  return main !== undefined && others.length === 0 && (main.name === "parallel" || main.name === "contract");
}

/** A kernel with a body of its own is one item. */
export function inGrid(func: Func): Func {
  const parameters = func.body.parameters.map(({ type }, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type }));
  return buildFunction(func.name, parameters, (b, buffers) => {
    grid(b, 1, workOf(func.body), () => inlineRegion(b, func.body, buffers));
    return [];
  });
}

/** Reductions, rows and scans as plain loops. */
export const expandSerially: RewriteRule = (b, op, operands, rewriter) => {
  const regions = op.regions.map((region) => withOuter(region, rewriter.value));
  const [first, second, third] = regions;
  if (first === undefined) return undefined;
  if (op.name === "parallel") {
    nestedLoops(b, op.attrs["extents"] as readonly Dim[], [], (indices) => (inlineRegion(b, first, indices, expandSerially), []));
    return [];
  }
  if (second === undefined) return undefined;
  if (op.name === "reduce") {
    return nestedLoops(b, op.attrs["extents"] as readonly Dim[], operands, (indices, totals) =>
      inlineRegion(b, second, [...totals, ...inlineRegion(b, first, indices, expandSerially)], expandSerially));
  }
  if (op.name === "scan" && third !== undefined) return expandScan(b, op, operands, [first, second, third]);
  return undefined;
};

function expandScan(b: Builder, op: Op, [identity]: readonly Value[], [element, combine, emit]: readonly [Region, Region, Region]): readonly Value[] {
  if (identity === undefined) throw new Error("a scan starts from an identity");
  const extent = b.index(op.attrs["extent"] as Dim);
  serialLoop(b, b.index(0), extent, 1, [identity], (step, [total = identity]) => {
    const index = op.attrs["reverse"] === true ? b.sub(b.sub(extent, step), 1) : step;
    const next = inlineRegion(b, combine, [total, ...inlineRegion(b, element, [index], expandSerially)], expandSerially);
    inlineRegion(b, emit, [index, ...next], expandSerially);
    return next;
  });
  return [];
}
