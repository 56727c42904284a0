/**
 * transform: calls, derivatives of calls, and calls for many examples at once become ordinary ops.
 *
 * Needs: any module. Ensures: no `call`, `value_and_grad`, `jvp` or `vmap` is left, and no function that only they named.
 * Callees are transformed before their callers, so the innermost derivative is taken first, and what it leaves is
 * ordinary ops that the next one can differentiate: that is all that gradients of gradients need.
 *
 *     %y, %dx = value_and_grad %x {"callee":"square","wrt":[0]}
 *
 * where @square is mul %0, %0, becomes the ops below, of which simplify leaves two: mul %x, %x and add %x, %x.
 *
 *     %0 = mul %x, %x
 *     %1 = constant {"dtype":"f32","shape":[],"value":1}
 *     %2 = mul %1, %x
 *     %3 = mul %1, %x
 *     %4 = add %2, %3
 */

import { type Builder, IrError } from "../ir/builder.ts";
import { findFunction, type Func, type Module, type Op, type Value, visitOps } from "../ir/module.ts";
import { TypeFault } from "../ir/op.ts";
import type { VmapAttrs } from "../ir/ops/vmap.ts";
import { functionsOf, rewriteFunction } from "../ir/rewrite.ts";
import { printType } from "../ir/type.ts";
import { isDifferentiable } from "./activity.ts";
import { batch } from "./batch.ts";
import { inlineCall } from "./inline.ts";
import { pushForward, zeros } from "./linearize.ts";
import type { Pass } from "./pass.ts";
import { pullBack } from "./pull-back.ts";
import { weaveControl } from "./weave-control.ts";

const inlined: ReadonlySet<string> = new Set(["call", "value_and_grad", "jvp", "vmap"]);

export const transform: Pass = {
  name: "transform",
  run: (module, context) => {
    const callees = calleesOf(module);
    const transformed = createTransformer(module);
    const isKept = ({ name }: Func): boolean => !callees.has(name) || (context.entries?.includes(name) ?? false);
    // All are transformed, kept or not, so that what is wrong in any of them is found.
    return { ...module, functions: module.functions.map(({ name }) => transformed(name)).filter(isKept) };
  },
};

/** The names of functions that a call or a derivative refers to. */
function calleesOf(module: Module): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { body } of module.functions) {
    visitOps(body, (op) => {
      if (inlined.has(op.name)) names.add(calleeOf(op));
    });
  }
  return names;
}

/** Transforms functions on demand, each once; refuses a function that calls itself. */
function createTransformer(module: Module): (name: string) => Func {
  const done = new Map<string, Func>();
  const callers: string[] = [];
  const transformed = (name: string, site?: Op): Func => {
    const present = done.get(name);
    if (present !== undefined) return present;
    if (callers.includes(name)) {
      const cycle = [...callers.slice(callers.indexOf(name)), name].map((caller) => `@${caller}`).join(" calls ");
      throw new IrError(site?.name ?? "call", new TypeFault("a function cannot call itself", [cycle]), site?.spans ?? []);
    }
    callers.push(name);
    const func = rewriteFunction(
      findFunction(module, name),
      (b, op, operands) => (inlined.has(op.name) ? replaceCall(b, op, operands, transformed(calleeOf(op), op)) : undefined),
      functionsOf(module),
    );
    callers.pop();
    done.set(name, func);
    return func;
  };
  return transformed;
}

function replaceCall(b: Builder, op: Op, operands: readonly Value[], callee: Func): readonly Value[] {
  switch (op.name) {
    case "call": return inlineCall(b, callee, operands, op.spans);
    case "value_and_grad": return reverseMode(b, op, operands, callee);
    case "jvp": return forwardMode(b, op, operands, callee);
    case "vmap": return batch(b, callee, operands, op.attrs as VmapAttrs, op.spans);
    default: throw new Error(`${op.name} does not call a function`);
  }
}

function reverseMode(b: Builder, op: Op, operands: readonly Value[], callee: Func): readonly Value[] {
  const wrt = op.attrs["wrt"] as readonly number[];
  const types = wrt.map((position) => {
    const type = operands[position]?.type;
    if (type !== undefined && isDifferentiable(type)) return type;
    const name = callee.parameterNames[position] ?? String(position);
    throw new IrError(
      op.name,
      new TypeFault("a gradient can only be taken with respect to floats", [`${name} is ${type === undefined ? "not there" : printType(type)}`]),
      op.spans,
    );
  });
  const { results, gradients } = pullBack(b, callee, operands, wrt, op.spans);
  return [...results, ...types.map((type, i) => gradients[i] ?? zeros(b, type))];
}

function forwardMode(b: Builder, op: Op, operands: readonly Value[], callee: Func): readonly Value[] {
  const count = operands.length / 2;
  const primals = operands.slice(0, count);
  const tangents = primals.map((primal, i) => (isDifferentiable(primal.type) ? operands[count + i] : undefined));
  const wanted = callee.body.yields.map((_, i) => i);
  const pushed = pushForward(b, { region: callee.body, primals, tangents, wanted, site: op.spans, control: weaveControl });
  return [...pushed.results, ...pushed.results.map((result, i) => pushed.tangents[i] ?? zeros(b, result.type))];
}

function calleeOf(op: Op): string {
  return String(op.attrs["callee"]);
}
