/**
 * Reads the text that print.ts writes, and what a person writes by hand: any names, comments from `//` to the end of
 * the line, blank lines, attrs in any order. `;` stands for a line break.
 *
 * One pass over the tokens of cursor.ts with one of look-ahead. Types in text are kept as written and checked by the verifier;
 * here only what cannot be read is an error, told with line and column and what was expected.
 */

import { Cursor } from "./cursor.ts";
import { type Dim, parseDim } from "./dim.ts";
import { type Attrs, type AttrValue, type Func, type Module, type Op, type Region, type Span, Value } from "./module.ts";
import type { OpRecord } from "./op.ts";
import { findRecord, opNames } from "./ops/table.ts";
import { bufferType, type DType, dtypes, type ScalarDType, scalarType, spaces, stackType, tensorType, type Type } from "./type.ts";

export function parse(text: string): Module {
  const cursor = new Cursor(text);
  const functions: Func[] = [];
  while (cursor.peek().kind !== "end") functions.push(parseFunction(cursor));
  return { functions };
}

/** One type: `f32[N,784]`, `f32x16`, `local f32[64]`. */
export function parseType(text: string): Type {
  const cursor = new Cursor(text);
  const type = readType(cursor);
  if (cursor.peek().kind !== "end") throw cursor.fault("the end of the type");
  return type;
}

/* ------------------------------------------------------------- functions and ops */

const knownOps: ReadonlySet<string> = new Set(opNames());

/** Values by name; a name is looked up in the regions around too. */
class Names {
  readonly #values = new Map<string, Value>();
  readonly #outer: Names | undefined;

  constructor(outer?: Names) {
    this.#outer = outer;
  }

  find(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.find(name);
  }

  define(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}

function parseFunction(cursor: Cursor): Func {
  cursor.expect("func", " that begins a function");
  const name = cursor.expectKind("function", "the function's name, such as @main");
  const names = new Names();
  const parameters = parseParameters(cursor, names);
  const body = parseBody(cursor, names, "return", parameters.map(({ value }) => value));
  return { name, parameterNames: parameters.map((parameter) => parameter.name), body };
}

function parseParameters(cursor: Cursor, names: Names): readonly TypedName[] {
  cursor.expect("(", " that begins the parameters");
  const parameters: TypedName[] = [];
  while (!cursor.is(")")) {
    if (parameters.length > 0) cursor.expect(",", ' or ")"');
    const parameter = parseTypedName(cursor, names);
    names.define(parameter.name, parameter.value);
    parameters.push(parameter);
  }
  cursor.take();
  return parameters;
}

interface TypedName {
  readonly name: string;
  readonly start: number;
  readonly value: Value;
}

/** `%x: f32[N]`, a value that is being defined; shadowing would make text ambiguous to readers. */
function parseTypedName(cursor: Cursor, names: Names): TypedName {
  const { start } = cursor.peek();
  const name = cursor.expectKind("value", "a value, such as %x");
  if (names.find(name) !== undefined) throw cursor.errorAt(start, `%${name} is already defined`);
  cursor.expect(":", ` and the type of %${name}`);
  return { name, start, value: new Value(readType(cursor)) };
}

function parseBody(cursor: Cursor, names: Names, end: "return" | "yield", parameters: readonly Value[]): Region {
  cursor.expect("{", " that begins a body");
  const ops: Op[] = [];
  while (!cursor.is("}") && !cursor.is(end)) ops.push(parseOp(cursor, names));
  const yields = cursor.accept(end) ? parseValues(cursor, names) : [];
  cursor.expect("}", ` after the body's ${end}`);
  return { parameters, ops, yields };
}

function parseOp(cursor: Cursor, names: Names): Op {
  const defined: TypedName[] = [];
  if (cursor.peek().kind === "value") {
    do {
      defined.push(parseTypedName(cursor, names));
    } while (cursor.accept(","));
    cursor.expect("=", " after the results");
  }
  const { start } = cursor.peek();
  const name = cursor.expectKind("word", "the name of an op");
  if (!knownOps.has(name)) throw cursor.errorAt(start, `there is no op "${name}"${suggestion(name)}`);
  const record = findRecord(name);
  const operands = parseValues(cursor, names);
  const attrs = cursor.opensAttrs() ? parseAttrs(cursor, record) : {};
  const spans = parseSpans(cursor);
  const regions = parseRegions(cursor, names, name, record);
  for (const result of defined) {
    if (names.find(result.name) !== undefined) throw cursor.errorAt(result.start, `%${result.name} is defined twice by one op`);
    names.define(result.name, result.value);
  }
  return { name, operands, results: defined.map(({ value }) => value), attrs, regions, spans };
}

/** Operands and yields stand on the line of what they belong to. */
function parseValues(cursor: Cursor, names: Names): readonly Value[] {
  const values: Value[] = [];
  if (cursor.peek().kind !== "value" || cursor.peek().isFirst) return values;
  do {
    const { start } = cursor.peek();
    const name = cursor.expectKind("value", "a value, such as %x");
    const value = names.find(name);
    if (value === undefined) throw cursor.errorAt(start, `%${name} is not defined here`);
    values.push(value);
  } while (cursor.accept(","));
  return values;
}

function parseRegions(cursor: Cursor, names: Names, op: string, record: OpRecord): readonly Region[] {
  const labels = record.regions ?? [];
  if (labels.length === 0) return [];
  cursor.expect("{", ` that begins the regions of ${op} (${labels.join(", ")})`);
  const regions = labels.map((label) => {
    cursor.expect(label, ` that begins a region of ${op}`);
    const inner = new Names(names);
    return parseBody(cursor, inner, "yield", parseParameters(cursor, inner).map(({ value }) => value));
  });
  cursor.expect("}", ` after the regions of ${op}`);
  return regions;
}

function parseSpans(cursor: Cursor): readonly Span[] {
  const spans: Span[] = [];
  while (cursor.peek().kind === "location") {
    const { text, start } = cursor.take();
    const match = /^(.*):(\d+):(\d+)\+(\d+)$/.exec(text);
    if (match === null) throw cursor.errorAt(start, `a place is written @"file:line:column+length"`);
    const [, file = "", line, column, length] = match;
    spans.push({ file, line: Number(line), column: Number(column), length: Number(length) });
  }
  return spans;
}

function suggestion(name: string): string {
  const near = [...knownOps].filter((candidate) => candidate.replaceAll("_", "") === name.toLowerCase().replaceAll("_", ""));
  return near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
}

/* ------------------------------------------------------------- attrs */

function parseAttrs(cursor: Cursor, record: OpRecord): Attrs {
  const attrs: Record<string, AttrValue> = {};
  cursor.expect("{");
  while (!cursor.is("}")) {
    if (Object.keys(attrs).length > 0) cursor.expect(",", ' or "}"');
    const { start } = cursor.peek();
    const key = cursor.expectKind("string", "the quoted name of an attr");
    if (key in attrs) throw cursor.errorAt(start, `attr "${key}" is given twice`);
    cursor.expect(":", ` after "${key}"`);
    attrs[key] = parseAttr(cursor, record.dimAttrs?.includes(key) ?? false);
  }
  cursor.take();
  return attrs;
}

function parseAttr(cursor: Cursor, isDimAttr: boolean): AttrValue {
  const { kind, text, start } = cursor.peek();
  if (kind === "string") {
    cursor.take();
    return isDimAttr ? readDim(cursor, text, start) : text;
  }
  if (kind === "number" || cursor.is("NaN")) {
    cursor.take();
    return Number(text);
  }
  if (cursor.is("true") || cursor.is("false")) return cursor.take().text === "true";
  if (!cursor.accept("[")) throw cursor.fault("the value of an attr");
  const items: AttrValue[] = [];
  while (!cursor.is("]")) {
    if (items.length > 0) cursor.expect(",", ' or "]"');
    items.push(parseAttr(cursor, isDimAttr));
  }
  cursor.take();
  return items;
}

/* ------------------------------------------------------------- types */

function readType(cursor: Cursor): Type {
  const { start } = cursor.peek();
  const word = cursor.expectKind("word", "a type, such as f32[N,784]");
  const space = spaces.find((name) => name === word);
  if (space !== undefined || word === "stack") {
    const element = cursor.peek().start;
    const dtype = expectDType(cursor, element, cursor.expectKind("word", `a dtype after ${word}`));
    const shape = readShape(cursor);
    return space === undefined ? stackType(dtype, shape) : bufferType(space, dtype, shape);
  }
  if (cursor.is("[")) return tensorType(expectDType(cursor, start, word), readShape(cursor));
  const vector = /^([a-z]+\d*)x(\d+)$/.exec(word);
  const dtype: string = vector?.[1] ?? word;
  if (!isScalarDType(dtype)) throw cursor.errorAt(start, `"${word}" is no type: expected one of ${dtypes.join(", ")} or index, or a shape after one`);
  return scalarType(dtype, vector === null ? 1 : Number(vector[2]));
}

function readShape(cursor: Cursor): readonly Dim[] {
  if (!cursor.is("[")) throw cursor.fault('"[" that begins a shape');
  const { items, start } = cursor.takeBracketed();
  return items.map((item) => readDim(cursor, item, start));
}

function readDim(cursor: Cursor, text: string, start: number): Dim {
  try {
    return parseDim(text);
  } catch (error) {
    throw error instanceof Error ? cursor.errorAt(start, error.message) : error;
  }
}

function expectDType(cursor: Cursor, start: number, text: string): DType {
  const found = dtypes.find((dtype) => dtype === text);
  if (found === undefined) throw cursor.errorAt(start, `"${text}" is no dtype: expected one of ${dtypes.join(", ")}`);
  return found;
}

function isScalarDType(text: string): text is ScalarDType {
  return text === "index" || dtypes.some((dtype) => dtype === text);
}
