/** Functions with a gradient of their own: one entry on each tape, whatever ran inside. */

import { ArgumentError } from "tsdlc-runtime";
import { isFloat } from "../../ir/type.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { dispatch } from "./dispatch.ts";
import { hiddenBy, isTaping, withoutTapes, writeOnTapes } from "./tape.ts";
import { describeValue, leavesOf, mapLeaves, type Path, pathName, visitLeaves } from "./trees.ts";

type Rule<A extends unknown[], R> = (cotangent: R, result: R, ...args: A) => readonly unknown[];

/** Where the names go of functions that have a rule, as they are called. */
let met: Set<string> | undefined;

/** Runs `body`, and adds to `names` the functions with a rule that it calls: what is compiled of it is derived without. */
export function notingRules<T>(names: Set<string>, body: () => T): T {
  const outer = met;
  met = names;
  try {
    return body();
  } finally {
    met = outer;
  }
}

export function callWithRule<A extends unknown[], R>(fn: (...args: A) => R, rule: Rule<A, R>, args: A): R {
  const name = fn.name === "" ? "the function of customGrad" : fn.name;
  met?.add(name);
  const hider = hiddenBy();
  if (hider !== undefined) {
    throw new ArgumentError(`customGrad: ${name} runs in ${hider}, and a gradient that is taken outside of it does not see the rule: take it inside, as in vmap(grad(f)), or use stopGradient`);
  }
  if (!isTaping()) return fn(...args);
  const inputs = leavesOf(args);
  const given = new Set(inputs);
  // What is passed through is another tensor, or the rule would be that of the argument.
  const result = withoutTapes(() => mapLeaves(fn(...args), (leaf) => (given.has(leaf) ? dispatch("reshape", [leaf, leaf.shape]) : leaf))) as R;
  const outputs = leavesOf(result);
  writeOnTapes({
    name,
    inputs,
    outputs,
    pull: (cotangents) => {
      let next = 0;
      const cotangent = mapLeaves(result, (leaf) => cotangents[next++] ?? dispatch("full", [leaf.shape, 0, leaf.dtype])) as R;
      return gradientsOf(name, args, rule(cotangent, result, ...args));
    },
  });
  return result;
}

/** A gradient, or undefined, for each leaf of the arguments. Throws where the rule gave something else. */
function gradientsOf(name: string, args: readonly unknown[], given: unknown): readonly (AnyTensor | undefined)[] {
  if (!Array.isArray(given) || given.length > args.length) {
    throw new ArgumentError(`customGrad: the rule of ${name} must return a list with a gradient for each of its ${args.length} arguments, and it returns ${describeValue(given)}`);
  }
  return args.flatMap((argument, position) => {
    const found: (AnyTensor | undefined)[] = [];
    visitLeaves(argument, (leaf, path) => found.push(gradientAt(name, leaf, given[position], position, path)));
    return found;
  });
}

function gradientAt(name: string, leaf: AnyTensor, tree: unknown, position: number, path: Path): AnyTensor | undefined {
  const value = path.reduce<unknown>((inner, step) => (inner as Readonly<Record<string | number, unknown>> | undefined)?.[step], tree);
  if (value === undefined) return undefined;
  if (isLeaf(value) && value.dtype === leaf.dtype && value.shape.join() === leaf.shape.join() && isFloat(leaf.dtype)) return value;
  throw new ArgumentError(`customGrad: the rule of ${name} gives ${describeValue(value)} as the gradient of ${pathName(`argument ${position}`, path)}, which is ${describeValue(leaf)}`);
}
