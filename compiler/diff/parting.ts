/**
 * What two runs of a function say: the first place where they part, as a diagnostic, or how well they agree.
 *
 * Three things can be: an op gives something else when it is compiled with the others; every op is right, and one makes the
 * rounding of those before it large; or the values agree as long as all are kept, and the function without that differs.
 */

import { at } from "../../ir/expect.ts";
import type { Func, Op, Span } from "../../ir/module.ts";
import { definitions } from "../../ir/rewrite.ts";
import type { Precision } from "../../ir/signature.ts";
import type { Diagnostic } from "../diagnostics.ts";
import { type Distance, farthest, largestOf, type Step } from "./lockstep.ts";
import type { Numbers } from "./op-by-op.ts";

/** Both runs, and the function as it is. */
export interface BothRuns {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Of the eager run, and of the function compiled as it is. */
  readonly results: readonly Numbers[];
  readonly compiled: readonly Numbers[];
  /** What results are called: "state.params.w1". */
  readonly resultNames: readonly string[];
  /** What products may round to, where the model says so. */
  readonly precision: Precision | undefined;
  /** Where the compiled function ran. */
  readonly deviceName: string;
}

/** Undefined where nothing is farther apart than the tolerance, in ulps. */
export function partingOf(runs: BothRuns, func: Func, tolerance: number): Diagnostic | undefined {
  return otherwise(runs, tolerance) ?? magnified(runs, tolerance) ?? fused(runs, func, tolerance);
}

/** An op whose result is another although its operands are the same. */
function otherwise(runs: BothRuns, tolerance: number): Diagnostic | undefined {
  const { steps, name, deviceName } = runs;
  const found = steps.findIndex(({ own }) => own.ulps > tolerance);
  const step = steps[found];
  if (step === undefined) return undefined;
  const before = steps.slice(0, found).reduce((most, { own }) => Math.max(most, own.ulps), 0);
  const more = steps.filter(({ own }) => own.ulps > tolerance).length - 1;
  return {
    code: "TSDL6001",
    message: `${name}, compiled for ${deviceName}, parts from eager at ${step.op.name}`,
    labels: labelsOf(step.op, `${typeOf(step)}: ${printDistance(step.own)}`),
    notes: [
      `on the same operands it gives another result than by itself on the cpu${found === 0 ? "; it is the first value of the program" : `; the ${count(found, "value")} before it: at most ${printUlps(before)} of difference`}`,
      ...(more > 0 ? [`${count(more, "later op")} ${more === 1 ? "does" : "do"} so too${nextPlace(steps, found, tolerance)}`] : []),
      ...describeResults(runs),
    ],
    help: step.op.name === "dot_general" && runs.precision !== undefined
      ? `the model asks for it: precision "${runs.precision}" lets products of f32 round their factors`
      : `--ulp ${Math.ceil(step.own.ulps)} takes it for equal; tsdlc build --print-ir shows what became of the op`,
  };
}

/** Ops that are right on operands that are not: the first whose result is too far from that of the eager run. */
function magnified(runs: BothRuns, tolerance: number): Diagnostic | undefined {
  const { steps, name, deviceName } = runs;
  const step = steps.find(({ total }) => total.ulps > tolerance);
  if (step === undefined) return undefined;
  return {
    code: "TSDL6002",
    message: `${name}, compiled for ${deviceName}, parts from eager at ${step.op.name}, by rounding that grows`,
    labels: labelsOf(step.op, `${typeOf(step)}: ${printDistance(step.total)}, in ulp of its largest element`),
    notes: [
      `no op is wrong: this one is within ${printUlps(step.own.ulps)} of what it gives by itself on the same operands; these are up to ${printUlps(step.operands)} apart, from rounding in another order, and it makes that larger`,
      ...describeResults(runs),
    ],
    help: `compute it in a way that loses less, or take it for equal with --ulp ${Math.ceil(step.total.ulps)}`,
  };
}

/** All values agree while they are kept, and the function as it is gives other results. */
function fused(runs: BothRuns, func: Func, tolerance: number): Diagnostic | undefined {
  const { results, compiled, name, deviceName, resultNames } = runs;
  const position = results.findIndex((result, i) => resultDistance(result, at(compiled, i)).ulps > tolerance);
  const [result, other] = [results[position], compiled[position]];
  if (result === undefined || other === undefined) return undefined;
  const op = definitions(func.body).get(at(func.body.yields, position));
  const which = resultNames[position] ?? "a result";
  return {
    code: "TSDL6003",
    message: `${name}, compiled for ${deviceName}, gives another ${which} than eager, and does not when all values on the way are kept`,
    labels: op === undefined ? [] : labelsOf(op, `${which}: ${printDistance(resultDistance(result, other))}, in ulp of its largest element`),
    notes: ["so the difference comes from kernels that do several ops at once", ...describeResults(runs)],
    help: "tsdlc build --print-ir=fuse shows which",
  };
}

/** Standard output where the runs agree. */
export function describeAgreement(runs: BothRuns, tolerance: number): string {
  const { name, steps, deviceName } = runs;
  const worst = steps.reduce<Step | undefined>((most, step) => (most === undefined || step.own.ulps > most.own.ulps ? step : most), undefined);
  const lines = [`${name}: eager on the cpu and compiled for ${deviceName} agree: ${count(steps.length, "value")}, none more than ${tolerance} ulp apart`];
  if (worst !== undefined && worst.own.ulps > 0) {
    const [span] = worst.op.spans;
    lines.push(`the most: ${worst.op.name}${span === undefined ? "" : ` at ${printSpan(span)}`}, ${typeOf(worst)}: ${printDistance(worst.own)}`);
  }
  lines.push(...describeResults(runs));
  return `${lines.join("\n")}\n`;
}

function count(items: number, what: string): string {
  return `${items} ${what}${items === 1 ? "" : "s"}`;
}

const resultsShown = 5;

function describeResults({ results, compiled, resultNames }: BothRuns): readonly string[] {
  const distances = results.map((result, i) => ({ name: resultNames[i] ?? `result ${i}`, ulps: resultDistance(result, at(compiled, i)).ulps }));
  const different = distances.filter(({ ulps }) => ulps > 0).toSorted((a, b) => b.ulps - a.ulps);
  if (different.length === 0) return ["the results are equal bit for bit"];
  const shown = different.slice(0, resultsShown).map(({ name, ulps }) => `${name} by ${printUlps(ulps)}`);
  return [`of ${results.length} results, in ulp of the largest element of each, ${different.length} differ: ${shown.join(", ")}${different.length > resultsShown ? ", ..." : ""}`];
}

function resultDistance(eager: Numbers, compiled: Numbers): Distance {
  return farthest(eager, compiled, largestOf(eager));
}

function nextPlace(steps: readonly Step[], found: number, tolerance: number): string {
  const first = steps[found]?.op.spans[0];
  const next = steps.slice(found + 1).find(({ own, op }) => own.ulps > tolerance && op.spans[0]?.line !== first?.line)?.op.spans[0];
  return next === undefined ? "" : `, next at ${printSpan(next)}`;
}

/** The user's line, and the place in the library that it came to. */
function labelsOf({ spans }: Op, text: string): Diagnostic["labels"] {
  const [span] = spans;
  return span === undefined ? [] : [{ span, text }];
}

function typeOf({ value, shape }: Step): string {
  return value.type.kind === "tensor" ? `${value.type.dtype}[${shape.join(",")}]` : "";
}

function printDistance({ ulps, isOfTerms, index, eager, compiled }: Distance): string {
  return `${printUlps(ulps)}${isOfTerms === true ? " of what it adds up" : ""} apart${index.length === 0 ? "" : ` at [${index.join(",")}]`}, eager ${printNumber(eager)}, compiled ${printNumber(compiled)}`;
}

function printUlps(ulps: number): string {
  if (ulps === Infinity) return "any number of ulp (one of them is not finite)";
  return `${ulps < 10 ? Number(ulps.toPrecision(2)) : Math.round(ulps).toLocaleString("en-US")} ulp`;
}

function printNumber(value: number): string {
  return String(Number(value.toPrecision(9)));
}

function printSpan({ file, line, column }: Span): string {
  return `${file}:${line}:${column}`;
}
