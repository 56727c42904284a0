/**
 * The text of a program, one canonical spelling for each: `%2: f32[N,10] = dot_general %x, %w {"leftBatch":[],...}`.
 *
 * Parameters of functions keep their names; all other values are numbered in the order in which they are defined, so
 * the text of a function does not depend on how it came about. Attrs are JSON with sorted keys, with two additions:
 * dims that are not numbers are strings, and Infinity, -Infinity, NaN and -0 are spelled so. Regions follow in braces,
 * each under its name in the op record. parse.ts reads all of it back.
 */

import { type Dim, isDim, printDim } from "./dim.ts";
import type { Attrs, AttrValue, Func, Module, Op, Region, Span, Value } from "./module.ts";
import { findRecord } from "./ops/table.ts";
import { printType } from "./type.ts";

export interface PrintOptions {
  /** Whether ops end in the places they came from, `@"model.ts:3:5+4"`. */
  readonly spans?: boolean;
}

/** What a parameter's name must be to stand in text; `layers[0].weight` is one. */
export const namePattern = /^[A-Za-z_$][\w$.[\]]*$/;

export function print(module: Module, options: PrintOptions = {}): string {
  return module.functions.map((func) => printFunction(func, options)).join("\n");
}

export function printFunction(func: Func, options: PrintOptions = {}): string {
  const names = nameValues(func);
  const body = printBody(func.body, "return", names, options, "  ");
  return `func @${func.name}(${printParameters(func.body.parameters, names)}) {\n${body}}\n`;
}

/** The names that values of a function have in its text, with the percent sign. */
export function nameValues(func: Func): ReadonlyMap<Value, string> {
  const names = new Map<Value, string>();
  const taken = new Set<string>();
  let next = 0;
  const number = (value: Value): void => void names.set(value, `%${next++}`);
  func.body.parameters.forEach((parameter, i) => {
    const name = func.parameterNames[i];
    if (name === undefined || !namePattern.test(name) || taken.has(name)) return number(parameter);
    taken.add(name);
    names.set(parameter, `%${name}`);
  });
  const numberOps = (region: Region): void => {
    for (const op of region.ops) {
      op.results.forEach(number);
      for (const inner of op.regions) {
        inner.parameters.forEach(number);
        numberOps(inner);
      }
    }
  };
  numberOps(func.body);
  return names;
}

/** One op without its regions, as it stands in the text of the function that `names` are of. */
export function printOp(op: Op, names: ReadonlyMap<Value, string>, options: PrintOptions = {}): string {
  const results = op.results.map((result) => `${show(result, names)}: ${printType(result.type)}`).join(", ");
  const operands = op.operands.map((operand) => show(operand, names)).join(", ");
  const attrs = Object.keys(op.attrs).length > 0 ? printAttrs(op.attrs) : "";
  const spans = options.spans === true ? op.spans.map(printSpan).join(" ") : "";
  return [results === "" ? "" : `${results} =`, op.name, operands, attrs, spans].filter((part) => part !== "").join(" ");
}

/** Attrs as in text; equal attrs have equal text. */
export function printAttrs(attrs: Attrs): string {
  const entries = Object.keys(attrs).sort().flatMap((key) => {
    const value = attrs[key];
    return value === undefined ? [] : [`${JSON.stringify(key)}:${printAttr(value)}`];
  });
  return `{${entries.join(",")}}`;
}

export function printSpan({ file, line, column, length }: Span): string {
  return `@${JSON.stringify(`${file}:${line}:${column}+${length}`)}`;
}

function printBody(region: Region, end: "return" | "yield", names: ReadonlyMap<Value, string>, options: PrintOptions, indent: string): string {
  const lines = region.ops.map((op) => `${indent}${printOp(op, names, options)}${printRegions(op, names, options, indent)}\n`);
  if (region.yields.length > 0) lines.push(`${indent}${end} ${region.yields.map((value) => show(value, names)).join(", ")}\n`);
  return lines.join("");
}

function printRegions(op: Op, names: ReadonlyMap<Value, string>, options: PrintOptions, indent: string): string {
  if (op.regions.length === 0) return "";
  const labels = findRecord(op.name).regions ?? [];
  const inner = op.regions.map((region, i) => {
    const body = printBody(region, "yield", names, options, `${indent}    `);
    return `${indent}  ${labels[i] ?? `region${i}`}(${printParameters(region.parameters, names)}) {\n${body}${indent}  }\n`;
  });
  return ` {\n${inner.join("")}${indent}}`;
}

function printParameters(parameters: readonly Value[], names: ReadonlyMap<Value, string>): string {
  return parameters.map((parameter) => `${show(parameter, names)}: ${printType(parameter.type)}`).join(", ");
}

function printAttr(value: AttrValue): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (isDimExpression(value)) return JSON.stringify(printDim(value));
  return `[${value.map(printAttr).join(",")}]`;
}

function isDimExpression(value: Dim | readonly AttrValue[]): value is Dim {
  return isDim(value);
}

/** A value that the function does not define shows as a question mark; the verifier says so before anyone else. */
function show(value: Value, names: ReadonlyMap<Value, string>): string {
  return names.get(value) ?? "%?";
}
