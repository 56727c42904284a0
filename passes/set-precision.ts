/**
 * Set precision: contractions of f32 in an entry whose model allows it may round their factors.
 *
 * Needs: calls inlined and derivatives made (transform), so that the contractions of a derivative are in the entry too,
 * and get what its model says. Ensures: nothing else changes; without a say, factors stay as they are.
 *
 *     %0 = dot_general %x, %w {...}    ->    %0 = dot_general %x, %w {..., "precision":"tf32"}
 */

import { at } from "../ir/expect.ts";
import { functionsOf, mapModule, rewriteFunction } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import type { Pass } from "./pass.ts";

export const setPrecision: Pass = {
  name: "set-precision",
  run: (module, { precisions }) => mapModule(module, (func) => {
    const precision = precisions?.get(func.name);
    if (precision === undefined) return func;
    return rewriteFunction(func, (b, op, operands) =>
      (op.name === "dot_general" && tensorTypeOf(at(operands, 0)).dtype === "f32" ? b.copy(op, operands, [], { ...op.attrs, precision }) : undefined), functionsOf(module));
  }),
};
