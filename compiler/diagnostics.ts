/**
 * Diagnostics: what is wrong with the user's program, as data until the edge, and the renderer that shows it there.
 *
 * A diagnostic has a code, one sentence, labelled places in the source (the first is the fault itself), notes and
 * help. The command line prints it as a code frame; a test compares the text; an editor would use the data.
 */

import { readFileSync } from "node:fs";
import picocolors from "picocolors";
import type { Span } from "../ir/module.ts";

/** Every code once: 1xxx types of parameters, 2xxx values and shapes, 3xxx the language, 4xxx files and models, 5xxx targets, 6xxx comparisons. */
export const diagnosticCodes = {
  TSDL1001: "a parameter of a model has a type that is not a tree of tensors and numbers",
  TSDL1002: "the parameter list of a model has a form that callers of a package cannot use",
  TSDL1003: "a model returns something that is not a tree of tensors and numbers",
  TSDL1004: "an option of a model is wrong",
  TSDL2001: "an operator or a call got a value of the wrong kind",
  TSDL2002: "a number that is known only at run time stands where a static one is needed",
  TSDL2003: "tensors with shapes, dtypes or axes that do not fit",
  TSDL2004: "a value is read that does not exist: undefined, or out of range",
  TSDL2005: "a size is used in a way that named dims do not allow",
  TSDL2006: "a derivative is taken of a function that has none",
  TSDL2007: "the program itself threw an error while it was built",
  TSDL2008: "a function is mapped over examples that its arguments do not have, or assigns to them",
  TSDL3001: "a statement that is not compiled",
  TSDL3002: "an expression that is not compiled",
  TSDL3003: "a call of something that cannot be compiled",
  TSDL3004: "control flow that depends on a tensor or on a number of run time",
  TSDL3005: "state that outlives a call of the model",
  TSDL3006: "evaluation does not end",
  TSDL4001: "a file cannot be read",
  TSDL4002: "there is no model function to build",
  TSDL4003: "a model is not exported by name",
  TSDL4004: "two models have one name",
  TSDL4006: "a module in text form breaks a rule of the IR",
  TSDL5001: "a value has a dtype that a target does not have",
  TSDL6001: "a compiled op gives another result than the same op by itself",
  TSDL6002: "rounding grows until a compiled program and the same ops one by one differ",
  TSDL6003: "a compiled program gives other results when the values on its way are not kept",
} as const;

export type DiagnosticCode = keyof typeof diagnosticCodes;

export interface Diagnostic {
  /** One of `diagnosticCodes`, or `TS2345` where the TypeScript checker speaks. */
  readonly code: DiagnosticCode | `TS${number}`;
  readonly message: string;
  /** The first is the fault; none for a fault that has no place in a source file. */
  readonly labels: readonly Label[];
  readonly notes: readonly string[];
  readonly help: string | undefined;
}

export interface Label {
  readonly span: Span;
  readonly text: string;
}

/** The program cannot be compiled, for all these reasons. */
export class DiagnosticsError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  /** Absolute paths of the user's files that were read: a change to one of them may be the repair. */
  readonly files: readonly string[];
  constructor(diagnostics: readonly Diagnostic[], files: readonly string[] = []) {
    super(diagnostics.map((diagnostic) => renderDiagnostic(diagnostic)).join("\n"));
    this.name = "DiagnosticsError";
    this.diagnostics = diagnostics;
    this.files = files;
  }
}

export interface RenderOptions {
  readonly colours?: boolean;
  /** The text of a file that a span names; read from the disk when absent. */
  readonly source?: (file: string) => string | undefined;
}

/** A code frame for each label, then notes and help; ends with a line break. */
export function renderDiagnostic(diagnostic: Diagnostic, options: RenderOptions = {}): string {
  const color = picocolors.createColors(options.colours ?? false);
  const source = options.source ?? readSource;
  const lines = [`${color.red(color.bold(`error ${diagnostic.code}`))}${color.bold(`: ${diagnostic.message}`)}`];
  const margin = Math.max(2, ...diagnostic.labels.map(({ span }) => String(span.line).length));
  diagnostic.labels.forEach((label, position) => {
    const mark = position === 0 ? color.red : color.cyan;
    lines.push(...renderFrame(label, margin, source(label.span.file), mark, color.dim));
  });
  for (const note of diagnostic.notes) lines.push(`${color.cyan("note")}: ${note}`);
  if (diagnostic.help !== undefined) lines.push(`${color.green("help")}: ${diagnostic.help}`);
  return `${lines.join("\n")}\n`;
}

type Paint = (text: string) => string;

function renderFrame({ span, text }: Label, margin: number, source: string | undefined, mark: Paint, dim: Paint): readonly string[] {
  const gutter = " ".repeat(margin + 2);
  const frame = [`${dim(" ".repeat(margin) + "-->")} ${span.file}:${span.line}:${span.column}`];
  const line = source?.split(/\r?\n/)[span.line - 1];
  if (line === undefined) return text === "" ? frame : [...frame, `${gutter}${dim("=")} ${text}`];
  const before = line.slice(0, span.column - 1);
  const carets = "^".repeat(Math.max(1, Math.min(span.length, line.length - before.length)));
  frame.push(`${dim(`${String(span.line).padStart(margin + 1)} |`)} ${line}`);
  // A tab stays a tab, so that the carets stand under their characters at any tab width.
  frame.push(`${gutter}${dim("|")} ${before.replace(/[^\t]/g, " ")}${mark(text === "" ? carets : `${carets} ${text}`)}`);
  return frame;
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
