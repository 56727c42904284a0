/**
 * The state of one evaluation, and how it refuses.
 *
 * Every fault of the user's program ends in `refuse`: it finds the innermost place of the user's own source on the
 * call stack, puts the label there, and mentions the library's line in a note when the fault is inside the library.
 */

import { ts } from "ts-morph";
import { IrError, type Builder } from "../../ir/builder.ts";
import type { Func, Span, Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import type { Dim } from "../../ir/dim.ts";
import type { DimGuard } from "../../ir/signature.ts";
import type { Diagnostic, DiagnosticCode } from "../diagnostics.ts";
import type { SourceProject } from "./load-project.ts";
import { type FunctionBuild, useIn } from "./build-function.ts";
import type { Journal } from "./journal.ts";
import type { Scope } from "./scope.ts";
import { RuntimeBoolean, RuntimeNumber, type StaticValue, TensorValue, Unjoined } from "./value.ts";

export interface Evaluation {
  readonly project: SourceProject;
  readonly b: Builder;
  /** The function whose ops are being made; undefined while options of a model are read. */
  build: FunctionBuild | undefined;
  readonly functions: Map<string, Func>;
  readonly takenNames: Set<string>;
  /** Calls that are being evaluated, outermost first. */
  readonly frames: Frame[];
  /** Where writes are noted, while what is evaluated may have to be undone. */
  journal: Journal | undefined;
  /** How many branches and loops around are decided at run time. */
  runtimeDepth: number;
  /** Statements evaluated so far; a loop that does not end is stopped by it. */
  steps: number;
  /** Named dims that had to be equal to something else: the name, and what stands for it. */
  readonly equalities: Map<string, DimEquality>;
  /** What sizes must not exceed, by its text: checked at each call. */
  readonly bounds: Map<string, DimGuard>;
  /** Where calls of the user stand, for suggestions. */
  readonly scopesOfCalls: WeakMap<ts.Node, Scope>;
  /** Declarations at module level that are being evaluated now. */
  readonly inProgress: Set<ts.Node>;
}

export interface Frame {
  /** The call expression. */
  readonly site: ts.Node;
  readonly callee: string;
}

export interface DimEquality {
  readonly dim: Dim;
  readonly guard: DimGuard;
}

/** One fault, thrown from where it is found to the model that it belongs to. */
export class Refusal extends Error {
  readonly diagnostic: Diagnostic;
  constructor(diagnostic: Diagnostic) {
    super(diagnostic.message);
    this.name = "Refusal";
    this.diagnostic = diagnostic;
  }
}

export interface RefusalDetails {
  /** What stands beside the carets. */
  readonly label?: string;
  readonly help?: string | undefined;
  readonly notes?: readonly string[];
}

export function refuse(run: Evaluation, node: ts.Node, code: DiagnosticCode, message: string, details: RefusalDetails = {}): never {
  const { place, via } = innermostUserNode(run, node);
  const notes = [...(details.notes ?? [])];
  if (via !== undefined) notes.push(`found inside the library, at ${via}`);
  throw new Refusal({
    code,
    message,
    labels: [{ span: spanOf(run.project, place), text: details.label ?? "" }],
    notes,
    help: details.help,
  });
}

/** A value that can be read: not one that depends on a branch. */
export function known(run: Evaluation, value: StaticValue, name: string, node: ts.Node): StaticValue {
  if (!(value instanceof Unjoined)) return value;
  return refuse(run, node, "TSDL3004", `${name} has no one value here`, {
    label: value.reason,
    help: "give it values of one shape and dtype, or of one structure, in every branch; a variable that only a branch needs is declared inside of it",
  });
}

export const recursionLimit = 400;
export const stepLimit = 1_000_000;

/** Runs what makes ops, with the spans of the call stack; faults of the IR become refusals at `node`. */
export function makeOps<T>(run: Evaluation, node: ts.Node, make: (b: Builder) => T, details: RefusalDetails = {}): T {
  try {
    return run.b.at(spansAt(run, node), () => make(run.b));
  } catch (error) {
    if (error instanceof TypeFault || error instanceof IrError) {
      const facts = error.facts.join(", ");
      refuse(run, node, "TSDL2003", error.message.replace(` (${facts})`, ""), { label: facts, ...details, help: error.help ?? details.help });
    }
    throw error;
  }
}

/** The IR value of a tensor or a number, captured if it belongs to a function around this one. */
export function use(run: Evaluation, value: TensorValue | RuntimeNumber | RuntimeBoolean, node: ts.Node): Value {
  const found = useIn(run.build, value);
  if (found !== undefined) return found;
  return refuse(run, node, "TSDL2006", "a tensor that was made inside a differentiated or mapped function is used outside of it", {
    label: "it exists only inside that function",
    help: "return it from the function, beside the loss: return [loss, tensor]",
  });
}

export function tensorOf(run: Evaluation, value: Value): TensorValue {
  return new TensorValue(value, currentBuild(run));
}

export function runtimeNumberOf(run: Evaluation, value: Value): RuntimeNumber {
  return new RuntimeNumber(value, currentBuild(run));
}

export function runtimeBooleanOf(run: Evaluation, value: Value): RuntimeBoolean {
  return new RuntimeBoolean(value, currentBuild(run));
}

function currentBuild(run: Evaluation): FunctionBuild {
  if (run.build === undefined) throw new Error("no function is being built");
  return run.build;
}

/* ---------------------------------------------------------------- places */

/** User frames innermost first, then the library's. */
export function spansAt(run: Evaluation, node: ts.Node): readonly Span[] {
  const user: Span[] = [];
  const library: Span[] = [];
  for (const place of [node, ...run.frames.map(({ site }) => site).reverse()]) {
    (isUserNode(run.project, place) ? user : library).push(spanOf(run.project, place));
  }
  return [...user, ...library];
}

function innermostUserNode(run: Evaluation, node: ts.Node): { place: ts.Node; via: string | undefined } {
  if (isUserNode(run.project, node)) return { place: node, via: undefined };
  const { file, line } = spanOf(run.project, node);
  const inward = [...run.frames].reverse();
  // A method that is one primitive is the call itself: where it is written says nothing more.
  const isComposite = !isUserNode(run.project, inward[0]?.site ?? node);
  for (const { site } of inward) {
    if (isUserNode(run.project, site)) return { place: site, via: isComposite ? `${file}:${line}` : undefined };
  }
  return { place: node, via: undefined };
}

function isUserNode(project: SourceProject, node: ts.Node): boolean {
  return project.isUserFile(node.getSourceFile());
}

/**
 * The place of a node. A method call in a chain is the part from the method's name on: the whole chain would point at
 * its first line and say nothing about which call is meant.
 */
export function spanOf(project: SourceProject, node: ts.Node): Span {
  const file = node.getSourceFile();
  const start = startOf(node, file);
  const { line, character } = file.getLineAndCharacterOfPosition(start);
  const lineEnd = file.getLineEndOfPosition(start);
  return {
    file: project.displayName(file),
    line: line + 1,
    column: character + 1,
    length: Math.max(1, Math.min(node.getEnd(), lineEnd) - start),
  };
}

function startOf(node: ts.Node, file: ts.SourceFile): number {
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const receiver = node.expression.expression;
    const name = node.expression.name.getStart(file);
    const isOtherLine = file.getLineAndCharacterOfPosition(receiver.getStart(file)).line !== file.getLineAndCharacterOfPosition(name).line;
    if (isOtherLine || ts.isCallExpression(receiver)) return name;
  }
  return node.getStart(file);
}
