/**
 * A program: a module of functions, each one region of ops in single-assignment form.
 *
 * Everything is readonly plain data. A value's identity is the object itself; names appear only in text. Control flow
 * is structured: an op owns regions, a region has parameters, ops in order, and the values it yields. There are no
 * blocks and no phi. Passes build new functions (rewrite.ts); nothing is changed in place.
 */

import type { Dim } from "./dim.ts";
import type { Type } from "./type.ts";

export interface Module {
  readonly functions: readonly Func[];
}

export interface Func {
  readonly name: string;
  /** Names of the parameters, for messages and kernels; one for each parameter of the body. */
  readonly parameterNames: readonly string[];
  readonly body: Region;
}

export interface Region {
  readonly parameters: readonly Value[];
  readonly ops: readonly Op[];
  readonly yields: readonly Value[];
}

export interface Op {
  readonly name: string;
  readonly operands: readonly Value[];
  readonly results: readonly Value[];
  readonly attrs: Attrs;
  readonly regions: readonly Region[];
  /**
   * The source that this op came from: the innermost frame of the user's own files, then its callers, then the frames
   * of the library, innermost first too.
   */
  readonly spans: readonly Span[];
}

export class Value {
  readonly type: Type;
  constructor(type: Type) {
    this.type = type;
  }
}

export type AttrValue = number | string | boolean | Dim | readonly AttrValue[];

export type Attrs = Readonly<Record<string, AttrValue>>;

/** A stretch of a source file; lines and columns from 1, `length` in characters on the first line. */
export interface Span {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

export function findFunction(module: Module, name: string): Func {
  const found = module.functions.find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`the module has no function @${name}`);
  return found;
}

/** Whether a function is of kernel level: it takes buffers, and a launch runs it. */
export function isKernel(func: Func): boolean {
  return func.body.parameters.length > 0 && func.body.parameters.every(({ type }) => type.kind === "buffer");
}

/** Visits every op of a region, outer before inner. */
export function visitOps(region: Region, visit: (op: Op) => void): void {
  for (const op of region.ops) {
    visit(op);
    for (const inner of op.regions) visitOps(inner, visit);
  }
}

/** How many of a launch's operands are inputs of its kernel; those after them are what its results start from. */
export function inputsOfLaunch(operands: number, { continues = 0 }: Attrs): number {
  return operands - Number(continues);
}
