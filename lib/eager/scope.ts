/**
 * Scopes, for who wants memory back sooner than the collector brings it: when one ends, the tensors that were made in it
 * and that it does not return are released.
 */

import { ArgumentError } from "tsdlc-runtime";
import type { AnyTensor } from "./handles.ts";
import { isTaping } from "./tape.ts";
import { leavesOf } from "./trees.ts";

/** Innermost last. */
const open: Set<AnyTensor>[] = [];

/** For whoever makes tensors: they belong to the innermost scope. */
export function noteInScope(tensors: readonly AnyTensor[]): void {
  const innermost = open.at(-1);
  if (innermost !== undefined) for (const tensor of tensors) innermost.add(tensor);
}

/**
 * Runs `body` and releases what it made but for the tensors in the tree that it returns, which go to the scope around
 * it. Nothing has to be in a scope. Under `grad`, which reads later on what ran, nothing is released early.
 *
 *     const norm = scope(() => x.sub(x.mean()).square().sum().sqrt());
 */
export function scope<T>(body: () => T): T {
  const made = new Set<AnyTensor>();
  open.push(made);
  let kept: readonly AnyTensor[] = [];
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new ArgumentError("scope: the function is async, and a scope ends when it returns: leave out async and await");
    }
    kept = leavesOf(result);
    return result;
  } finally {
    open.splice(open.indexOf(made), 1);
    for (const tensor of kept) made.delete(tensor);
    noteInScope(kept);
    if (!isTaping()) for (const tensor of made) tensor.dispose();
    else noteInScope([...made]);
  }
}
