/**
 * Schedule for targets whose lanes are threads: one thread for each point of the outer space, and serial loops inside.
 */

import { type Builder, buildFunction } from "../../ir/builder.ts";
import { type Dim, mulDims } from "../../ir/dim.ts";
import type { Func, Op, Region, Value } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import { inlineRegion, type RewriteRule, rewriteFunction, withOuter } from "../../ir/rewrite.ts";
import { outerSpace } from "./contract.ts";
import { grid, nestedLoops, serialLoop } from "./loops.ts";
import { workOf } from "./work.ts";

export function scheduleThreads(func: Func): Func {
  return rewriteFunction(isOneSpace(func) ? distributeFunction(func) : inGrid(func), expandSerially);
}

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

function distributeFunction(func: Func): Func {
  return rewriteFunction(func, (b, op, _operands, rewriter) => {
    const space = outerSpace(b, op, rewriter.value);
    if (space === undefined) return undefined;
    grid(b, mulDims(1, ...space.extents), workOf(space.body), (item) => inlineRegion(b, space.body, delinearize(b, item, space.extents)));
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
