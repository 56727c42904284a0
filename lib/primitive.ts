/**
 * Where a method of the library meets the compiler: `primitive("add", x, y)` stands for the entry of that name in the
 * surface table (surface.ts). The frontend replaces the call by IR. Nothing runs it as JavaScript in this version.
 */

import type { PrimitiveName } from "./surface.ts";

/** Something that only a built program can do was called as plain JavaScript. */
export class NotBuiltError extends Error {
  constructor(what: string) {
    super(
      `${what} ran outside of a built program. This version of tsdlc has no eager execution yet: ` +
        `put the code in a model(...) function, run "npx tsdlc build", and import the package that it writes.`,
    );
    this.name = "NotBuiltError";
  }
}

/** The result of a primitive, which the compiler makes; as plain JavaScript, throws NotBuiltError. */
export function primitive<Result>(name: PrimitiveName, ..._operands: readonly unknown[]): Result {
  return notBuilt(`the op ${name}`);
}

export function notBuilt(what: string): never {
  throw new NotBuiltError(what);
}
