/** How often a `for` of tensors goes through its body. */

import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/module.ts";

/** The distance divided by the step, rounded up; none where stop is not above start. */
export function turnsOf(b: Builder, start: Value, stop: Value, step: Value): Value {
  return b.max(b.div(b.add(b.sub(stop, start), b.sub(step, 1)), step), 0);
}
