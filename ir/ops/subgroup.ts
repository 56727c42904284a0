/**
 * Exchange of registers between neighbouring threads of a block, without memory and without a barrier.
 */

import type { Attrs, Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import { printType, sameType } from "../type.ts";
import { given } from "./check.ts";

export interface ShuffleXorAttrs extends Attrs {
  /** A power of two: threads whose numbers differ in that bit alone are partners. */
  readonly mask: number;
}

/** Stands between the phases of a block, where all of its threads do it. */
export const shuffleXor: OpRecord<(to: Value, from: Value, attrs: ShuffleXorAttrs) => readonly Value[]> = {
  doc: "for each thread t of a block: to[t] = from[t ^ mask], from register to register",
  operands: ["to", "from"],
  results: [],
  infer: (operands, attrs) => {
    const [to, from] = [given(operands[0]), given(operands[1])];
    const mask = Number(attrs["mask"]);
    if (!Number.isInteger(mask) || mask < 1 || !Number.isInteger(Math.log2(mask))) throw new TypeFault("the mask of a shuffle_xor is a power of two", [`mask is ${String(attrs["mask"])}`]);
    if (to.kind !== "buffer" || to.space !== "private" || to.shape.length !== 1 || !sameType(to, from)) {
      throw new TypeFault("a shuffle_xor is between two private memories of one type, with an element for each thread", [`to is ${printType(to)}`, `from is ${printType(from)}`]);
    }
    const [threads] = to.shape;
    if (typeof threads !== "number" || threads % (2 * mask) !== 0) throw new TypeFault(`each of the threads needs a partner, so they are a multiple of ${2 * mask}`, [`to is ${printType(to)}`]);
    return [];
  },
};
