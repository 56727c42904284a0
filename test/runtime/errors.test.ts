/** Error classes keep their names where a bundler shortens those of classes. */

import assert from "node:assert/strict";
import * as errors from "../../runtime/errors.ts";

describe("runtime: errors", () => {
  for (const [name, type] of Object.entries(errors).filter(([, value]) => value.prototype instanceof Error)) {
    it(`${name} is called so in messages and stacks, whatever its class is called`, () => {
      const Shortened = class extends (type as new (message: string, sourcePath: string) => Error) {};
      Object.defineProperty(Shortened, "name", { value: "a" });
      const error = new Shortened("what happened", "where.c");
      assert.equal(error.name, name);
      assert.equal(String(error), `${name}: what happened`);
      assert.ok(error.stack?.startsWith(`${name}: what happened`), error.stack);
    });
  }
});
