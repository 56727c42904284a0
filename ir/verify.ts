/**
 * Checks that a module is well formed. For every function:
 *
 *  1. its name is used once, and it has one parameter name for each parameter;
 *  2. every op is in the op table;
 *  3. every value is defined once: as a parameter of one region, or as a result of one op;
 *  4. every value is defined before it is used, in the same region or one around it; the body of a `group` sees
 *     nothing from outside;
 *  5. attrs are plain data: numbers, strings, booleans, dims, and arrays of them; dims stand in the attrs that the
 *     record says hold dims, and nowhere else;
 *  6. an op has the regions that its record names, and the operands and attrs that `infer` accepts, which includes
 *     the parameters and yields of its regions;
 *  7. results have the types that `infer` gives;
 *  8. a callee exists, and no function calls itself, directly or through others;
 *  9. a function whose parameters are buffers is a kernel: its values are scalars, vectors and buffers, and it returns
 *     nothing. All values of any other function are tensors and stacks; with a level given, every function is of that
 *     level;
 * 10. no region takes or yields a stack.
 *
 * A fault is thrown as a VerifyError that names the function, shows the op and says the rule.
 */

import { isDim } from "./dim.ts";
import { type Attrs, type Func, isKernel, type Module, type Op, type Region, type Span, Value, visitOps } from "./module.ts";
import { type OpRecord, TypeFault } from "./op.ts";
import { findRecord, opNames } from "./ops/table.ts";
import { nameValues, printOp } from "./print.ts";
import { functionsOf } from "./rewrite.ts";
import { printType, sameType, type Type } from "./type.ts";

export type Level = "tensor" | "kernel";

export class VerifyError extends Error {
  readonly func: string;
  readonly rule: string;
  readonly spans: readonly Span[];
  constructor(func: string, rule: string, op: string | undefined, spans: readonly Span[]) {
    super(`@${func}: ${rule}${op === undefined ? "" : `\n  in ${op}`}`);
    this.name = "VerifyError";
    this.func = func;
    this.rule = rule;
    this.spans = spans;
  }
}

export function verify(module: Module, level?: Level): void {
  const seen = new Set<string>();
  for (const func of module.functions) {
    if (seen.has(func.name)) throw new VerifyError(func.name, "two functions have this name", undefined, []);
    seen.add(func.name);
  }
  verifyCalls(module);
  const functions = functionsOf(module);
  const defined = new Set<Value>();
  for (const func of module.functions) {
    const actual: Level = isKernel(func) ? "kernel" : "tensor";
    if (level !== undefined && level !== actual) throw new VerifyError(func.name, `it is of ${actual} level, and all functions should be of ${level} level`, undefined, []);
    verifyFunction(func, functions, defined);
  }
}

interface Context {
  readonly func: Func;
  readonly functions: (name: string) => Func | undefined;
  /** In the whole module. */
  readonly defined: Set<Value>;
  readonly level: Level;
}

function verifyFunction(func: Func, functions: (name: string) => Func | undefined, defined: Set<Value>): void {
  const context: Context = { func, functions, defined, level: isKernel(func) ? "kernel" : "tensor" };
  const { parameters } = func.body;
  if (func.parameterNames.length !== parameters.length) {
    throw fault(context, `it has ${parameters.length} parameters and ${func.parameterNames.length} names for them`);
  }
  if (context.level === "kernel" && func.body.yields.length > 0) throw fault(context, "a kernel returns nothing; it stores to its buffers");
  parameters.forEach((parameter, i) => {
    const fits = context.level === "kernel" ? parameter.type.kind === "buffer" : parameter.type.kind === "tensor";
    if (!fits) throw fault(context, `parameter ${i} is ${printType(parameter.type)}: parameters are all tensors, or all buffers in a kernel`);
  });
  verifyRegion(context, func.body, new Set(), undefined);
}

/** `visible` are the values of the regions around; what this region defines is added to them, and leaves them at its end. */
function verifyRegion(context: Context, region: Region, visible: Set<Value>, owner: Op | undefined): void {
  const own: Value[] = [];
  const define = (value: Value, op: Op | undefined): void => {
    if (context.defined.has(value)) throw fault(context, "a value is defined twice", op);
    context.defined.add(value);
    visible.add(value);
    own.push(value);
  };
  const use = (value: Value, what: string, op: Op | undefined): void => {
    if (visible.has(value)) return;
    const name = nameValues(context.func).get(value);
    const why = name === undefined ? "is not defined in this function" : "is not defined before it, in its region or one around it";
    throw fault(context, `${what} (${name ?? "%?"}: ${printType(value.type)}) ${why}`, op);
  };
  region.parameters.forEach((parameter) => define(parameter, owner));
  for (const op of region.ops) {
    op.operands.forEach((operand, i) => use(operand, `operand ${i}`, op));
    const record = recordOf(context, op);
    verifyAttrs(context, op, record);
    verifyRegionCount(context, op, record);
    verifyTypes(context, op, record);
    for (const inner of op.regions) verifyRegion(context, inner, op.name === "group" ? new Set() : visible, op);
    op.results.forEach((result) => define(result, op));
  }
  region.yields.forEach((value, i) => use(value, owner === undefined ? `result ${i}` : `yield ${i}`, owner));
  for (const value of own) visible.delete(value);
}

function recordOf(context: Context, op: Op): OpRecord {
  if (!knownOps.has(op.name)) throw fault(context, `there is no op "${op.name}"`, op);
  return findRecord(op.name);
}

const knownOps: ReadonlySet<string> = new Set(opNames());

function verifyAttrs(context: Context, op: Op, record: OpRecord): void {
  for (const [name, value] of Object.entries(op.attrs)) {
    const holdsDims = record.dimAttrs?.includes(name) ?? false;
    const reason = impurity(value, holdsDims);
    if (reason !== undefined) throw fault(context, `attr ${name} ${reason}`, { ...op, attrs: withoutAttr(op.attrs, name) });
  }
}

/** Why a value cannot stand in text and be read back; undefined if it can. */
function impurity(value: unknown, holdsDims: boolean): string | undefined {
  if (typeof value === "number") return undefined;
  if (Array.isArray(value)) return value.map((item) => impurity(item, holdsDims)).find((reason) => reason !== undefined);
  if (isDim(value)) return holdsDims ? undefined : "holds a dim, and the op's record does not say so";
  if (typeof value === "boolean" || typeof value === "string") return holdsDims ? `holds a ${typeof value} instead of a dim` : undefined;
  return `is ${value === undefined ? "undefined" : `of type ${typeof value}`}, not plain data`;
}

function withoutAttr(attrs: Attrs, name: string): Attrs {
  return Object.fromEntries(Object.entries(attrs).filter(([key]) => key !== name));
}

function verifyRegionCount(context: Context, op: Op, record: OpRecord): void {
  const labels = record.regions ?? [];
  if (op.regions.length === labels.length) return;
  throw fault(context, `it has ${op.regions.length} regions, and ${op.name} has ${labels.length === 0 ? "none" : labels.join(", ")}`, op);
}

function verifyTypes(context: Context, op: Op, record: OpRecord): void {
  const callee = typeof op.attrs["callee"] === "string" ? context.functions(op.attrs["callee"]) : undefined;
  const inferred = inferTypes(context, op, record, callee);
  const same = inferred.length === op.results.length && op.results.every(({ type }, i) => inferred[i] !== undefined && sameType(type, inferred[i]));
  if (!same) throw fault(context, `its results are declared (${printTypes(op.results.map(({ type }) => type))}), and follow as (${printTypes(inferred)})`, op);
  for (const result of op.results) verifyLevel(context, result.type, op);
  for (const region of op.regions) {
    for (const parameter of region.parameters) verifyLevel(context, parameter.type, op);
    const stray = [...region.parameters, ...region.yields].find((value) => value.type.kind === "stack");
    if (stray !== undefined) throw fault(context, `a region takes or yields ${printType(stray.type)}, and stacks are only captured`, op);
  }
}

function verifyLevel({ func, level }: Context, type: Type, op: Op): void {
  if ((type.kind === "tensor" || type.kind === "stack") !== (level === "tensor")) throw fault({ func }, `a value of ${printType(type)} cannot stand in a function of ${level} level`, op);
}

function inferTypes(context: Context, op: Op, record: OpRecord, callee: Func | undefined): readonly Type[] {
  try {
    return record.infer(op.operands.map(({ type }) => type), op.attrs, op.regions, callee);
  } catch (error) {
    if (!(error instanceof TypeFault)) throw error;
    throw fault(context, [error.message, ...error.facts].join("; "), op);
  }
}

function verifyCalls(module: Module): void {
  const callees = new Map<string, readonly string[]>();
  for (const func of module.functions) {
    const called = new Set<string>();
    visitOps(func.body, ({ attrs }) => {
      if (typeof attrs["callee"] === "string") called.add(attrs["callee"]);
    });
    callees.set(func.name, [...called]);
  }
  const finished = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      const cycle = [...path.slice(path.indexOf(name)), name].map((callee) => `@${callee}`).join(" calls ");
      throw new VerifyError(name, `a function may not call itself: ${cycle}`, undefined, []);
    }
    if (finished.has(name)) return;
    for (const callee of callees.get(name) ?? []) visit(callee, [...path, name]);
    finished.add(name);
  };
  for (const func of module.functions) visit(func.name, []);
}

function fault({ func }: Pick<Context, "func">, rule: string, op?: Op): VerifyError {
  return new VerifyError(func.name, rule, op === undefined ? undefined : printOp(op, nameValues(func)), op?.spans ?? []);
}

function printTypes(types: readonly Type[]): string {
  return types.map(printType).join(", ");
}
