/**
 * Where a method of the library meets the compiler: `primitive("add", x, y)` stands for the entry of that name in the
 * surface table (surface.ts). The frontend replaces the call by IR; as plain JavaScript it runs at once (eager/).
 */

import { dispatch } from "./eager/dispatch.ts";
import type { PrimitiveName } from "./surface.ts";

/** The result of a primitive: a tensor, or a list where the primitive gives one. Throws an ArgumentError. */
export function primitive<Result>(name: PrimitiveName, ...operands: readonly unknown[]): Result {
  return dispatch(name, operands) as Result;
}
