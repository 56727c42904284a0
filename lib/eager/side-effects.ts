/**
 * What a function does beside its ops while it is traced, as far as it can be seen: it prints, or takes a number that is
 * another one each time. Compiled, it does neither again.
 *
 * Only while the function runs are these few functions of JavaScript replaced, by ones that take a note and do the same.
 */

import { siteAbove } from "tsdlc-runtime/library";

/** `console.log at model.ts:12:5` */
export type SideEffect = string;

type Owner = Record<string, unknown>;

const watched: readonly (readonly [name: string, owner: Owner, methods: readonly string[]])[] = [
  ["console", console as unknown as Owner, ["log", "info", "warn", "error", "debug", "dir", "table"]],
  ["Math", Math as unknown as Owner, ["random"]],
  ["Date", Date as unknown as Owner, ["now"]],
  ["performance", performance as unknown as Owner, ["now"]],
];

/** Runs `body`, and calls `note` for each side effect that it has. */
export function withSideEffects<T>(note: (effect: SideEffect) => void, body: () => T): T {
  const restore: (() => void)[] = [];
  try {
    for (const [name, owner, methods] of watched) for (const method of methods) restore.push(replace(`${name}.${method}`, owner, method, note));
    return body();
  } finally {
    for (const one of restore) one();
  }
}

function replace(what: string, owner: Owner, method: string, note: (effect: SideEffect) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, method);
  const original = owner[method];
  if (typeof original !== "function") return () => undefined;
  const noting = (...args: unknown[]): unknown => {
    note(`${what}${siteAbove(noting)}`);
    return Reflect.apply(original, owner, args) as unknown;
  };
  // What is frozen stays as it is, and is not seen.
  if (!Reflect.set(owner, method, noting)) return () => undefined;
  return () => {
    // Someone who put a function of their own in its place meanwhile keeps it.
    if (owner[method] !== noting) return;
    if (before === undefined) delete owner[method];
    else Object.defineProperty(owner, method, before);
  };
}
