/**
 * Rebuilding functions: the library by which passes change programs that are never changed in place.
 *
 * A rewrite walks the ops of a region in order and builds each anew, with operands mapped from old values to new. A
 * rule may answer an op with other values; where it answers undefined, the op is copied and its regions are walked in
 * turn. Spans are those of the old op, unless the rule says otherwise. Facts about uses stand at the end.
 */

import { type Builder, createBuilder } from "./builder.ts";
import { type Func, type Module, type Op, type Region, type Value, visitOps } from "./module.ts";

/**
 * What an op becomes: a value for each of its results, `[]` to remove it (its results must then have no uses left),
 * or undefined to copy it. `operands` are the new ones. Ops built through `b` get the spans of `op`.
 */
export type RewriteRule = (b: Builder, op: Op, operands: readonly Value[], rewriter: Rewriter) => readonly Value[] | undefined;

export interface Rewriter {
  readonly b: Builder;
  /** The new value that stands for an old one; a value from outside what is rewritten stands for itself. */
  value(old: Value): Value;
  /** A region of an op, rewritten: for rules that rebuild an op with regions themselves. */
  region(old: Region): Region;
  /** The ops of a region, rewritten into the region being built, with these values for its parameters; its yields. */
  inline(old: Region, parameters: readonly Value[]): readonly Value[];
}

/** A function with the same parameters, each op of which went through the rule. `functions` resolves callees. */
export function rewriteFunction(func: Func, rule: RewriteRule, functions?: (name: string) => Func | undefined): Func {
  const rewriter = createRewriter(createBuilder(functions), rule);
  return { ...func, body: rewriter.region(func.body) };
}

/** Copies the ops of a region (a callee's body, a branch) to where `b` builds; returns what the region yields there. */
export function inlineRegion(b: Builder, region: Region, parameters: readonly Value[], rule: RewriteRule = () => undefined): readonly Value[] {
  return createRewriter(b, rule).inline(region, parameters);
}

/** A region with the values that it uses from around itself replaced; its own values stay. */
export function withOuter(region: Region, outer: (value: Value) => Value): Region {
  const replace = (op: Op): Op => ({ ...op, operands: op.operands.map(outer), regions: op.regions.map((inner) => withOuter(inner, outer)) });
  return { ...region, ops: region.ops.map(replace), yields: region.yields.map(outer) };
}

export function mapModule(module: Module, change: (func: Func) => Func): Module {
  return { ...module, functions: module.functions.map(change) };
}

/** The functions of a module by name, as builders and rewrites ask for them. */
export function functionsOf(module: Module): (name: string) => Func | undefined {
  // Made when first asked: most functions call none.
  let byName: ReadonlyMap<string, Func> | undefined;
  return (name) => (byName ??= new Map(module.functions.map((func) => [func.name, func]))).get(name);
}

export function createRewriter(b: Builder, rule: RewriteRule): Rewriter {
  const replacements = new Map<Value, Value>();
  const removed = new Map<Value, Op>();

  const value = (old: Value): Value => {
    const op = removed.get(old);
    if (op !== undefined) throw new Error(`a result of ${op.name} is used, but the rewrite removed that op`);
    return replacements.get(old) ?? old;
  };

  const replace = (op: Op, values: readonly Value[]): void => {
    if (values.length !== op.results.length && values.length > 0) {
      throw new Error(`${op.name} has ${op.results.length} results, and the rewrite gave ${values.length} values for them`);
    }
    op.results.forEach((result, i) => {
      const replacement = values[i];
      // A region may be inlined more than once, and its ops answered differently each time.
      removed.delete(result);
      if (replacement === undefined) removed.set(result, op);
      else replacements.set(result, replacement);
    });
  };

  const rewriteOps = (ops: readonly Op[]): void => {
    for (const op of ops) {
      const operands = op.operands.map(value);
      replace(op, b.at(op.spans, () => rule(b, op, operands, rewriter)) ?? b.copy(op, operands, op.regions.map(rewriter.region)));
    }
  };

  const rewriter: Rewriter = {
    b,
    value,
    region: (old) => b.region(old.parameters.map(({ type }) => type), (parameters) => rewriter.inline(old, parameters)),
    inline: (old, parameters) => {
      if (parameters.length !== old.parameters.length) {
        throw new Error(`a region of ${old.parameters.length} parameters was given ${parameters.length} values`);
      }
      old.parameters.forEach((parameter, i) => replacements.set(parameter, parameters[i] ?? parameter));
      rewriteOps(old.ops);
      return old.yields.map(value);
    },
  };
  return rewriter;
}

/* ------------------------------------------------------------- facts about uses */

/** How often each value is used, as an operand or as a yield, in a region and the regions inside it. */
export function useCounts(region: Region): ReadonlyMap<Value, number> {
  const counts = new Map<Value, number>();
  const count = (value: Value): void => void counts.set(value, (counts.get(value) ?? 0) + 1);
  region.yields.forEach(count);
  visitOps(region, (op) => {
    op.operands.forEach(count);
    for (const inner of op.regions) inner.yields.forEach(count);
  });
  return counts;
}

/** The ops that have each value as an operand, in order, in a region and the regions inside it. */
export function usersOf(region: Region): ReadonlyMap<Value, readonly Op[]> {
  const users = new Map<Value, Op[]>();
  visitOps(region, (op) => {
    for (const operand of new Set(op.operands)) {
      const present = users.get(operand);
      if (present === undefined) users.set(operand, [op]);
      else present.push(op);
    }
  });
  return users;
}

/** The memory that a kernel stores to. */
export function storedBuffers({ body }: Func): ReadonlySet<Value> {
  const stored = new Set<Value>();
  visitOps(body, ({ name, operands: [buffer] }) => {
    if ((name === "store" || name === "atomic_add") && buffer !== undefined) stored.add(buffer);
  });
  return stored;
}

/** The op that defines each value; region parameters have none. */
export function definitions(region: Region): ReadonlyMap<Value, Op> {
  const definition = new Map<Value, Op>();
  visitOps(region, (op) => op.results.forEach((result) => definition.set(result, op)));
  return definition;
}

/** The values that a region uses but does not define, each once, in order of first use. */
export function capturedValues(region: Region): readonly Value[] {
  const defined = new Set<Value>(region.parameters);
  visitOps(region, (op) => {
    op.results.forEach((result) => defined.add(result));
    for (const inner of op.regions) inner.parameters.forEach((parameter) => defined.add(parameter));
  });
  const captured = new Set<Value>();
  const use = (value: Value): void => {
    if (!defined.has(value)) captured.add(value);
  };
  visitOps(region, (op) => {
    op.operands.forEach(use);
    for (const inner of op.regions) inner.yields.forEach(use);
  });
  region.yields.forEach(use);
  return [...captured];
}

/** The values that an op uses: its operands, and what its regions capture. */
export function usedValues(op: Op): readonly Value[] {
  return [...new Set([...op.operands, ...op.regions.flatMap(capturedValues)])];
}
