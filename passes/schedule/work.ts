/**
 * A rough count of scalar operations, as a dim: how the runtime tells a launch that is worth spreading over threads
 * from one that is not.
 */

import { addDims, type Dim, mulDims } from "../../ir/dim.ts";
import type { Op, Region } from "../../ir/module.ts";

/** What costs more than an addition, in additions. */
const costs: Readonly<Record<string, number>> = {
  div: 4, rem: 4, sqrt: 4, rsqrt: 4, exp: 10, expm1: 10, log: 10, log1p: 10, sin: 10, cos: 10, tanh: 15, erf: 15, pow: 20,
  constant: 0, dim: 0,
};

export function workOf(region: Region): Dim {
  return addDims(0, ...region.ops.map(workOfOp));
}

function workOfOp(op: Op): Dim {
  switch (op.name) {
    case "parallel":
    case "reduce": {
      const inner = addDims(...op.regions.map(workOf));
      return mulDims(inner, ...(op.attrs["extents"] as readonly Dim[]));
    }
    case "scan": return mulDims(addDims(...op.regions.map(workOf)), op.attrs["extent"] as Dim);
    default: return addDims(costs[op.name] ?? 1, ...op.regions.map(workOf));
  }
}
