/** Methods of static strings. */

import type { ts } from "ts-morph";
import { integer } from "./array-methods.ts";
import { textOf } from "./evaluate-operator.ts";
import type { Evaluation } from "./evaluation.ts";
import type { StaticValue } from "./value.ts";

type StringMethod = (run: Evaluation, text: string, args: readonly StaticValue[], node: ts.Node) => StaticValue;

export const stringMethods: Readonly<Record<string, StringMethod>> = {
  includes: (run, text, [part], node) => text.includes(textOf(run, part, node)),
  startsWith: (run, text, [part], node) => text.startsWith(textOf(run, part, node)),
  endsWith: (run, text, [part], node) => text.endsWith(textOf(run, part, node)),
  indexOf: (run, text, [part], node) => text.indexOf(textOf(run, part, node)),
  slice: (run, text, [start, end], node) => text.slice(integer(run, start, 0, node), integer(run, end, text.length, node)),
  at: (run, text, [position], node) => text.at(integer(run, position, 0, node)),
  split: (run, text, [separator], node) => (separator === undefined ? [text] : text.split(textOf(run, separator, node))),
  replaceAll: (run, text, [from, to], node) => text.replaceAll(textOf(run, from, node), textOf(run, to, node)),
  toUpperCase: (_run, text) => text.toUpperCase(),
  toLowerCase: (_run, text) => text.toLowerCase(),
  trim: (_run, text) => text.trim(),
  repeat: (run, text, [count], node) => text.repeat(integer(run, count, 0, node)),
  padStart: (run, text, [width, fill], node) => text.padStart(integer(run, width, 0, node), fill === undefined ? " " : textOf(run, fill, node)),
  padEnd: (run, text, [width, fill], node) => text.padEnd(integer(run, width, 0, node), fill === undefined ? " " : textOf(run, fill, node)),
};
