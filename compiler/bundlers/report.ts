/**
 * Faults of a model as bundlers report them: a place, a sentence, and our code frame, which Vite shows over the page.
 */

import { isAbsolute, resolve } from "node:path";
import { isDiagnosticsError } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";

export interface Report {
  /** All that there is to say in the place of a frame, for bundlers that show none. */
  readonly text: string;
  /** The first fault in a sentence. */
  readonly message: string;
  /** Where that is; lines and columns from 1. */
  readonly loc: { readonly file: string; readonly line: number; readonly column: number } | undefined;
  /** Every fault as `tsdlc check` prints it, the first without the sentence above; empty where there is no place in a source. */
  readonly frame: string;
}

/** Undefined for what is no fault of the program, and is thrown on as it is. */
export function reportOf(error: unknown): Report | undefined {
  if (error instanceof UsageError) {
    const message = error.help === undefined ? error.message : `${error.message}: ${error.help}`;
    return { text: message, message, loc: undefined, frame: "" };
  }
  if (!isDiagnosticsError(error)) return undefined;
  const [first] = error.diagnostics;
  const span = first?.labels[0]?.span;
  const others = error.diagnostics.length - 1;
  return {
    text: error.message,
    message: `${first?.code}: ${first?.message}${others === 0 ? "" : ` (and ${others} more)`}`,
    loc: span === undefined ? undefined : { file: isAbsolute(span.file) ? span.file : resolve(span.file), line: span.line, column: span.column },
    frame: span === undefined ? "" : error.message.slice(error.message.indexOf("\n") + 1),
  };
}
