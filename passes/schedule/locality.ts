/**
 * How a region touches memory as one of its indices advances: which accesses are consecutive, which jump. This is
 * what decides along which axis to vectorize.
 */

import { type Region, type Value, visitOps } from "../../ir/module.ts";
import { consecutiveAxis } from "../../ir/type.ts";

/** Accesses that move to the next element, less those that jump; more is better, accesses that stay do not count. */
export function localityAlong(region: Region, axis: Value): number {
  const steps = new Map<Value, "one" | "jump">([[axis, "one"]]);
  let locality = 0;
  visitOps(region, (op) => {
    const moves = op.operands.map((operand) => steps.get(operand));
    if (op.name === "load" || op.name === "store") {
      const index = moves.slice(op.name === "load" ? 1 : 2);
      if (index.some((move) => move !== undefined)) {
        const next = nextAxis(op.operands[0]);
        const isConsecutive = index.every((move, position) => move === (position === next ? "one" : undefined));
        locality += isConsecutive ? 1 : -1;
      }
    }
    if (moves.every((move) => move === undefined)) return;
    const isShift = (op.name === "add" && moves.filter((move) => move !== undefined).length === 1) || (op.name === "sub" && moves[1] === undefined);
    for (const result of op.results) {
      if (result.type.kind === "scalar" && result.type.dtype === "index") {
        steps.set(result, isShift && moves.includes("one") ? "one" : "jump");
      }
    }
  });
  return locality;
}

function nextAxis(buffer: Value | undefined): number {
  return buffer?.type.kind === "buffer" ? consecutiveAxis(buffer.type.shape) : -1;
}
