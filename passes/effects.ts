/**
 * Which ops may be moved, merged, turned round and dropped. The op table needs no flag for it: memory is reached only through
 * buffer values, and an op that gives no value back is there for what it does.
 */

import type { Op } from "../ir/module.ts";
import { isMemory } from "../ir/type.ts";

/** Whether an op without uses still matters: a store, or regions that hold one. */
export function hasEffect(op: Op): boolean {
  if (op.regions.length === 0) return op.results.length === 0;
  return op.regions.some((region) => region.ops.some(hasEffect));
}

/** Whether equal operands and attrs give equal results: no memory is made, read or written, and no region runs. */
export function isPure(op: Op): boolean {
  return op.regions.length === 0 && op.results.length > 0 && ![...op.operands, ...op.results].some(({ type }) => isMemory(type));
}

const commutative: ReadonlySet<string> = new Set(["add", "mul", "and", "or", "xor", "eq", "ne", "mul_high"]);

/** Whether its two operands may be exchanged without changing one bit of the result. */
export function isCommutative({ name }: Op): boolean {
  return commutative.has(name);
}
