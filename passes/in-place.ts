/**
 * Whether a kernel may write an output over one of its inputs: every element of the input is loaded by the code that
 * stores the output's element at the same index, and before it does.
 */

import type { Func, Op, Region, Value } from "../ir/module.ts";

/** `input` and `output` are positions of parameters. */
export function replacesElements(kernel: Func, input: number, output: number): boolean {
  const read = kernel.body.parameters[input];
  const written = kernel.body.parameters[output];
  return read !== undefined && written !== undefined && isReplaced(kernel.body, read, written);
}

function isReplaced(region: Region, read: Value, written: Value): boolean {
  return region.ops.every((op, position) => {
    if (op.name === "load" && op.operands[0] === read) {
      return region.ops.slice(position + 1).some((later) => later.name === "store" && later.operands[0] === written && isSameAccess(op, later));
    }
    return op.regions.every((inner) => isReplaced(inner, read, written));
  });
}

function isSameAccess(load: Op, store: Op): boolean {
  const [, ...from] = load.operands;
  const [, value, ...to] = store.operands;
  const lanes = (type: Value["type"] | undefined): number => (type?.kind === "scalar" ? type.lanes : 0);
  return lanes(load.results[0]?.type) === lanes(value?.type) && from.length === to.length && from.every((component, axis) => component === to[axis]);
}
