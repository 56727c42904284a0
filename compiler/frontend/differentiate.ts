/**
 * Derivatives: the function that is differentiated becomes a function of the module, over the leaves of its arguments
 * and what it captures, and one op asks for the derivative. The transform pass does the mathematics.
 */

import { ts } from "ts-morph";
import { isFloat, printType } from "../../ir/type.ts";
import { runtimeOperand } from "./evaluate-operator.ts";
import { type Evaluation, makeOps, refuse, runtimeNumberOf, use } from "./evaluation.ts";
import { traceFunction, wrap } from "./trace-function.ts";
import { isLeaf, leavesOf, type LeafValue, type Path, pathName, replaceLeaves, zerosOf } from "./tree.ts";
import { CollectionValue, describe, isArray, ObjectValue, RuntimeNumber, type StaticValue, TensorValue } from "./value.ts";

export interface Differentiated {
  /** The result of the function: the loss, or [loss, aux]. */
  readonly value: StaticValue;
  readonly gradient: StaticValue;
  readonly hasAux: boolean;
}

export function differentiate(
  run: Evaluation,
  fn: StaticValue,
  options: StaticValue,
  given: readonly StaticValue[],
  optionsNode: ts.Node,
  node: ts.Node,
): Differentiated {
  const { positions, isList, hasAux } = readOptions(run, options, given.length, optionsNode);
  const args = given.map((argument, i) =>
    typeof argument === "number" && positions.includes(i) ? runtimeNumberOf(run, runtimeOperand(run, argument, node)) : argument,
  );
  const traced = traceFunction(run, fn, args, node, (result) => {
    const loss = hasAux && isArray(result) ? result[0] : result;
    refuseOtherThanLoss(run, loss, hasAux, result, node);
  });
  const wrt = positions.flatMap((position) => {
    refuseStaticLeaves(run, args[position], [], node);
    return traced.leaves.flatMap(({ path, value }, i) => {
      if (path[0] !== position) return [];
      refuseInteger(run, value, path, traced.names[i] ?? "", node);
      return [i];
    });
  });
  const results = makeOps(run, node, (b) => b.valueAndGrad(traced.operands, { callee: traced.name, wrt }));
  const gradients = results.slice(traced.results.length);
  const value = traced.restore(results);
  let next = 0;
  const gradientOf = (position: number): StaticValue =>
    replaceLeaves(args[position], (leaf) => wrap(run, leaf, gradients[next++]));
  const trees = positions.map(gradientOf);
  return { value, gradient: isList ? trees : trees[0], hasAux };
}

/** jvp(fn, primals, tangents): [result, tangent of the result]. */
export function pushForward(run: Evaluation, fn: StaticValue, primals: StaticValue, tangents: StaticValue, node: ts.Node): StaticValue {
  if (!isArray(primals) || !isArray(tangents) || primals.length !== tangents.length) {
    return refuse(run, node, "TSDL2001", "jvp takes a function, its arguments in an array, and as many tangents", {
      label: `primals are ${describe(primals)}, tangents are ${describe(tangents)}`,
    });
  }
  const traced = traceFunction(run, fn, primals, node, () => undefined);
  const directions = leavesOf(tangents);
  if (directions.length !== traced.leaves.length || directions.some(({ path }, i) => pathName(path) !== pathName(traced.leaves[i]?.path ?? []))) {
    refuse(run, node, "TSDL2001", "the tangents must have the structure of the arguments", {
      label: `arguments have ${traced.leaves.length} tensors, tangents have ${directions.length}`,
    });
  }
  const captured = traced.operands.slice(traced.leaves.length);
  const operands = [...traced.operands, ...directions.map(({ value }) => use(run, value, node)), ...zerosOf(run, captured, node)];
  const results = makeOps(run, node, (b) => b.jvp(operands, { callee: traced.name }));
  const value = traced.restore(results);
  return [value, traced.restoreValue(results.slice(traced.results.length))];
}

/* ---------------------------------------------------------------- options and refusals */

function readOptions(run: Evaluation, options: StaticValue, count: number, node: ts.Node): { positions: readonly number[]; isList: boolean; hasAux: boolean } {
  const fields = options instanceof ObjectValue ? options.fields : new Map<string, StaticValue>();
  const wrt = fields.get("wrt") ?? 0;
  const positions = isArray(wrt) ? wrt : [wrt];
  const checked = positions.map((position) => {
    if (typeof position === "number" && Number.isInteger(position) && position >= 0 && position < count) return position;
    return refuse(run, node, "TSDL2006", "wrt names arguments by position", {
      label: `it is ${describe(position)}, and the function is called with ${count} argument${count === 1 ? "" : "s"}`,
      help: "the first argument is 0: { wrt: [0, 2] }",
    });
  });
  return { positions: checked, isList: isArray(wrt), hasAux: fields.get("aux") === true };
}

function refuseOtherThanLoss(run: Evaluation, loss: StaticValue, hasAux: boolean, result: StaticValue, node: ts.Node): void {
  if (loss instanceof RuntimeNumber) return;
  if (loss instanceof TensorValue && loss.type.shape.length === 0 && isFloat(loss.type.dtype)) return;
  if (!hasAux && isArray(result)) {
    refuse(run, node, "TSDL2006", "only a function that returns one float can be differentiated", {
      label: `it returns ${describe(result)}`,
      help: "if the first is the loss and the rest goes along, say so: valueAndGrad(f, { aux: true })",
    });
  }
  refuse(run, node, "TSDL2006", "only a function that returns one float can be differentiated", {
    label: `it returns ${describe(loss)}`,
    help: loss instanceof TensorValue && loss.type.shape.length > 0 ? "reduce the result with .mean() or .sum()" : "return the loss",
  });
}

function refuseInteger(run: Evaluation, value: LeafValue, path: Path, name: string, node: ts.Node): void {
  const { type } = value.value;
  if (type.kind === "tensor" && isFloat(type.dtype)) return;
  refuse(run, node, "TSDL2006", "there is no derivative with respect to integers", {
    label: `${name} is ${printType(type)}`,
    help: path.length > 1 ? "pass it as an argument of its own, which is not differentiated" : "differentiate with respect to another argument: { wrt: 1 }",
  });
}

function refuseStaticLeaves(run: Evaluation, value: StaticValue, path: Path, node: ts.Node): void {
  if (isLeaf(value) || value === undefined || value === null || typeof value === "string" || typeof value === "boolean") return;
  if (isArray(value)) return value.forEach((item, i) => refuseStaticLeaves(run, item, [...path, i], node));
  if (value instanceof ObjectValue && !(value instanceof CollectionValue)) return value.fields.forEach((item, key) => refuseStaticLeaves(run, item, [...path, key], node));
  refuse(run, node, "TSDL2006", "a derivative is taken with respect to tensors", {
    label: `${path.length === 0 ? "the argument" : `${pathName(path)} of the argument`} is ${describe(value)}`,
    help: "pass what is no tensor as an argument of its own",
  });
}

