/**
 * A function that returns every value on its way: after the results that it had, the results of its ops in the order of
 * the program. Compiled, it shows what a kernel makes of each line. Kernels may be other ones than without that, since
 * what is returned must be written.
 */

import { type Func, type Module, findFunction, type Op, type Value } from "../../ir/module.ts";
import type { Signature, SignatureTree } from "../../ir/signature.ts";
import { capturedValues, usedValues } from "../../ir/rewrite.ts";
import { runPasses } from "../../passes/pipeline.ts";

/** Ops that run by themselves together: one, or all those between the first and the last use of a stack. */
export interface Unit {
  readonly ops: readonly Op[];
  /** What it takes, in order. */
  readonly inputs: readonly Value[];
  /** The tensors that it makes, in order. */
  readonly outputs: readonly Value[];
}

export interface Watched {
  /** The function itself, with calls inlined and derivatives as ops. */
  readonly func: Func;
  readonly units: readonly Unit[];
  /** The function that returns all, and the values after its results. */
  readonly watching: Func;
  readonly values: readonly Value[];
  readonly signature: Signature;
}

export function watch(module: Module, signature: Signature): Watched {
  const func = findFunction(runPasses(module, ["transform"], { entries: [signature.name] }), signature.name);
  const units = unitsOf(func);
  // What is made of nothing, such as a constant, cannot differ.
  const values = units.flatMap(({ inputs, outputs }) => (inputs.length === 0 ? [] : outputs));
  const name = `${signature.name}_watched`;
  const yields = [...func.body.yields, ...values];
  return {
    func, units, values,
    watching: { ...func, name, body: { ...func.body, yields } },
    signature: {
      ...signature, name, mutations: [], result: { kind: "array", items: yields.map(leafOf) },
      parameters: signature.parameters.map((parameter) => ({ ...parameter, donated: false })),
    },
  };
}

function leafOf({ type }: Value): SignatureTree {
  if (type.kind !== "tensor") throw new Error("a function returns tensors");
  return { kind: "tensor", type };
}

function unitsOf({ body }: Func): readonly Unit[] {
  const units: Unit[] = [];
  for (let start = 0; start < body.ops.length;) {
    const end = endOfUnit(body.ops, start);
    const ops = body.ops.slice(start, end);
    const outputs = ops.flatMap(({ results }) => results).filter(({ type }) => type.kind === "tensor");
    units.push({ ops, inputs: capturedValues({ parameters: [], ops, yields: [] }), outputs });
    start = end;
  }
  return units;
}

/** After the last use of any stack that is made on the way: a stack cannot be passed from outside. */
function endOfUnit(ops: readonly Op[], start: number): number {
  let end = start + 1;
  for (let i = start; i < end; i++) {
    const made = ops[i]?.results.filter(({ type }) => type.kind === "stack") ?? [];
    for (const stack of made) end = Math.max(end, ops.findLastIndex((op) => usedValues(op).includes(stack)) + 1);
  }
  return end;
}
