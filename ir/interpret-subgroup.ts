/**
 * Exchange of registers in the interpreter. No thread reads what another one has: each gives its own register, and then
 * each takes what its partner gave.
 */

import { memoryIn, type Scope, slotsOf, type Step } from "./interpret-frame.ts";
import type { Op } from "./module.ts";
import type { ShuffleXorAttrs } from "./ops/subgroup.ts";
import { printOp } from "./print.ts";

export function compileShuffleXor(scope: Scope, op: Op): Step {
  const [to = -1, from = -1] = slotsOf(scope, op.operands);
  const { mask } = op.attrs as ShuffleXorAttrs;
  return (frame) => {
    const { iteration } = frame;
    const { block } = iteration;
    if (iteration.current !== block || block === 0) throw new RangeError(`kernel @${scope.func.name}: ${printOp(op, scope.names)}: a shuffle_xor stands between the phases of a block`);
    const asThread = <T>(thread: number, act: () => T): T => {
      iteration.current = block + 1 + thread;
      return act();
    };
    const [target, source] = [memoryIn(frame, to), memoryIn(frame, from)];
    const given = Array.from({ length: target.shape[0] ?? 0 }, (_, thread) => asThread(thread, () => source.load([thread], iteration)));
    given.forEach((_, thread) => asThread(thread, () => target.store([thread], given[thread ^ mask] ?? NaN, iteration)));
    iteration.current = block;
  };
}
