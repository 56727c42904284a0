/**
 * scan(step, initial, xs): the step becomes a function of the module, over a carry and one row of each input, and one loop of
 * the IR calls it.
 */

import type { ts } from "ts-morph";
import { type Dim, printDim, sameDim } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { printType, sameType, tensorType } from "../../ir/type.ts";
import { buildScan } from "../../lib/surface/scan.ts";
import { type Evaluation, makeOps, refuse, runtimeBooleanOf, use } from "./evaluation.ts";
import { traceFunction, wrap } from "./trace-function.ts";
import { type Leaf, leavesOf, pathName, replaceLeaves } from "./tree.ts";
import { describe, isArray, ObjectValue, type RuntimeBoolean, type StaticValue, TensorValue } from "./value.ts";

export function scan(run: Evaluation, step: StaticValue, initial: StaticValue, xs: StaticValue, options: StaticValue, node: ts.Node): StaticValue {
  const reverse = options instanceof ObjectValue && options.fields.get("reverse") === true;
  const [carries, inputs] = [leavesOf(initial), leavesOf(xs)];
  for (const leaf of carries) requireTensor(run, leaf, "the initial carry", node);
  const length = lengthOf(run, inputs, node);
  const traced = traceFunction(run, step, [initial, xs], node, (result) => {
    if (isArray(result) && result.length === 2) return;
    refuse(run, node, "TSDL2001", "the step of scan must return [next carry, result]", { label: `it returns ${describe(result)}` });
  }, ({ value }, i) => {
    const type = tensorTypeOf(value.value);
    return i < carries.length ? type : tensorType(type.dtype, type.shape.slice(1));
  });
  if (traced.changes.length > 0) {
    refuse(run, node, "TSDL1003", "the step of scan assigns to its arguments", { label: "a carry or a row is changed in it", help: "return the next carry instead: [next, result]" });
  }
  const [next, result] = traced.value as readonly [StaticValue, StaticValue];
  requireSameCarry(run, carries, leavesOf(next), node);
  const results = leavesOf(result).map(({ value }) => tensorTypeOf(value.value));
  const count = carries.length + inputs.length;
  const values = makeOps(run, node, (b) => buildScan(b, {
    initial: traced.operands.slice(0, carries.length), inputs: traced.operands.slice(carries.length, count), length, results, reverse,
  }, (now, rows) => b.call([...now, ...rows, ...traced.operands.slice(count)], { callee: traced.name })));
  let position = 0;
  return replaceLeaves([next, result], (leaf) => wrap(run, leaf, at(values, position++)));
}

/** A bool of rank 0 as what decides: of cond and whileLoop. */
export function truthOfTensor(run: Evaluation, value: StaticValue, node: ts.Node): RuntimeBoolean {
  if (value instanceof TensorValue && value.type.dtype === "bool" && value.type.shape.length === 0) return runtimeBooleanOf(run, use(run, value, node));
  return refuse(run, node, "TSDL2001", "a condition must be a bool of rank 0", {
    label: `it is ${describe(value)}`,
    help: value instanceof TensorValue && value.type.shape.length > 0 ? "reduce it with .any() or .all()" : "compare tensors with x.gt(y), not with >",
  });
}

function lengthOf(run: Evaluation, inputs: readonly Leaf[], node: ts.Node): Dim {
  const rows = inputs.map((leaf) => {
    const { type } = requireTensor(run, leaf, "xs", node);
    const [length] = type.shape;
    return length ?? refuse(run, node, "TSDL2003", "scan goes along the first axis of each tensor", { label: `${nameOf(leaf, "xs")} is ${printType(type)}, which has none` });
  });
  const [first, ...others] = rows;
  if (first === undefined) return refuse(run, node, "TSDL2001", "scan needs rows to go over", { label: "xs has no tensors", help: "pass arange(n), or loop with while" });
  const other = others.find((length) => !sameDim(first, length));
  if (other === undefined) return first;
  return refuse(run, node, "TSDL2003", "all tensors of xs must have as many rows", { label: `one has ${printDim(first)} rows, and one ${printDim(other)}` });
}

function requireSameCarry(run: Evaluation, before: readonly Leaf[], after: readonly Leaf[], node: ts.Node): void {
  const rule = "the step of scan must return a carry like the one that it is given";
  if (before.length !== after.length) refuse(run, node, "TSDL2003", rule, { label: `it is given ${before.length} tensors and returns ${after.length}` });
  before.forEach((leaf, i) => {
    const [was, is] = [leaf.value.value.type, at(after, i).value.value.type];
    if (sameType(was, is)) return;
    refuse(run, node, "TSDL2003", rule, { label: `${nameOf(leaf, "the carry")} is ${printType(was)} before a step and ${printType(is)} after it` });
  });
}

function requireTensor(run: Evaluation, leaf: Leaf, root: string, node: ts.Node): TensorValue {
  if (leaf.value instanceof TensorValue) return leaf.value;
  return refuse(run, node, "TSDL2001", "scan carries and goes over tensors", { label: `${nameOf(leaf, root)} is ${describe(leaf.value)}`, help: "make a tensor of it: full([], n)" });
}

function nameOf({ path }: Leaf, root: string): string {
  return path.length === 0 ? root : `${pathName(path)} of ${root}`;
}
