/**
 * Where a method of the library meets the compiler: `primitive("add", x, y)` stands for the entry of that name in the
 * surface table (surface.ts). The frontend replaces the call by IR. Nothing runs it as JavaScript in this version.
 */

import { NotBuiltError } from "./not-built.ts";
import type { PrimitiveName } from "./surface.ts";

/** The result of a primitive, which the compiler makes; as plain JavaScript, throws NotBuiltError. */
export function primitive<Result>(name: PrimitiveName, ..._operands: readonly unknown[]): Result {
  return notBuilt(`the op ${name}`);
}

export function notBuilt(what: string): never {
  throw new NotBuiltError(what);
}
