/**
 * `--print-ir`: an observer of the passes that prints what each of them changed.
 *
 * Only functions whose text changed are printed, after every pass or after the one that was named. The output is
 * valid IR: what is said about it stands in comments.
 */

import type { Module } from "../ir/module.ts";
import { printFunction } from "../ir/print.ts";
import { type Observer, passes } from "../passes/pipeline.ts";
import { UsageError } from "./usage-error.ts";

/** An observer for `selection`: "all" or the name of a pass. */
export function createIrPrinter(selection: string, print: (text: string) => void): Observer {
  if (selection !== "all" && !Object.hasOwn(passes, selection)) {
    throw new UsageError(`there is no pass "${selection}" to print`, `the passes are ${Object.keys(passes).join(", ")}`);
  }
  return {
    now: () => performance.now(),
    passed({ pass, before, after, milliseconds }) {
      if (selection !== "all" && selection !== pass) return;
      const changed = changedFunctions(before, after);
      const what = changed.length === 0 ? "nothing changed" : `changed ${changed.length} of ${after.functions.length} functions`;
      print([`// after ${pass}: ${milliseconds.toFixed(1)} ms, ${what}\n`, ...changed].join("\n"));
    },
  };
}

function changedFunctions(before: Module, after: Module): readonly string[] {
  const previous = new Set(before.functions.map((func) => printFunction(func)));
  return after.functions.map((func) => printFunction(func)).filter((text) => !previous.has(text));
}
