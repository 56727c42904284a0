/** Going over a tensor, op by op: `for (const row of x)`. In a model the compiler takes the loop apart itself. */

import { ArgumentError } from "tsdlc-runtime";
import type { AnyTensor } from "./handles.ts";

/** What there is at each place of the first axis. Throws an ArgumentError for a tensor without axes. */
export function* rowsOf(tensor: AnyTensor): Generator<AnyTensor, undefined> {
  const [count] = tensor.shape as readonly number[];
  if (count === undefined) throw new ArgumentError(`a tensor without axes, ${tensor.dtype}[], has no items to go over: it is one number, and item() reads it`);
  for (let i = 0; i < count; i++) yield tensor.select(0, i);
}
