/**
 * Many examples at once: a region of one example becomes ops on tensors with one more axis, axis 0.
 *
 * Values that are the same for all examples (find-mapped.ts) are computed once, as they are; of the others each op is
 * replaced by the `batch` rule of its record. With %x: f32[3] mapped over 8 examples and %w: f32[3] not,
 *
 *     %0: f32[3] = exp %w                    %0: f32[3] = exp %w
 *     %1: f32[3] = mul %x, %0                %1: f32[8,3] = broadcast %0 {"axes":[1],"shape":[8,3]}
 *                                            %2: f32[8,3] = mul %x, %1
 *
 * Control flow stays where all examples go the same way. Otherwise all ways are gone and each example selects what is its
 * own (batch-control.ts). A push is one for all examples, those among them that do not come to it: so a stack stays one
 * stack, and each pop finds what its push left, as long as loops that pop go backwards through the turns of those that push.
 */

import { type Builder, IrError } from "../ir/builder.ts";
import type { Dim } from "../ir/dim.ts";
import { at, present } from "../ir/expect.ts";
import type { Func, Op, Region, Span, Value } from "../ir/module.ts";
import { TypeFault } from "../ir/op.ts";
import { moveAxis, repeat } from "../ir/ops/make-batch.ts";
import type { StackAttrs } from "../ir/ops/stack.ts";
import { findRecord } from "../ir/ops/table.ts";
import { examplesAlong, type VmapAttrs } from "../ir/ops/vmap.ts";
import { inlineRegion } from "../ir/rewrite.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { printType, sameType, tensorType } from "../ir/type.ts";
import { type Batching, batchControlFlow } from "./batch-control.ts";
import { findMapped } from "./find-mapped.ts";

/** The results of `callee` for all examples of these operands: what a vmap op becomes. */
export function batch(b: Builder, callee: Func, operands: readonly Value[], { axes, outAxes }: VmapAttrs, site: readonly Span[]): readonly Value[] {
  const size = examplesAlong(operands.map(({ type }) => type), axes);
  const isMapped = axes.map((axis) => axis >= 0);
  const inFront = operands.map((operand, i) => (isMapped[i] === true ? moveAxis(b, operand, at(axes, i), 0) : operand));
  const batched = batchRegion(b, callee.body, inFront, isMapped, size, site);
  return batched.values.map((value, i) => {
    const [axis, isExamples] = [at(outAxes, i), batched.isMapped[i] === true];
    if (axis >= 0) return moveAxis(b, isExamples ? value : repeat(b, value, size), 0, axis);
    if (!isExamples) return value;
    throw new IrError("vmap", new TypeFault(
      "a result without an axis for the examples must be the same for all of them",
      [`result ${i} of @${callee.name}, ${printType(at(callee.body.yields, i).type)}, depends on what is mapped`],
      "say which axis of the result the examples are to be along",
    ), site);
  });
}

interface Batched {
  readonly values: readonly Value[];
  /** For each value, whether it has the examples along axis 0. */
  readonly isMapped: readonly boolean[];
}

function batchRegion(b: Builder, region: Region, operands: readonly Value[], isMapped: readonly boolean[], size: Dim, site: readonly Span[]): Batched {
  const mapped = findMapped(region, region.parameters.filter((_, i) => isMapped[i] === true));
  const batching: Batching = { b, size, mapped, active: undefined };
  const values = inlineRegion(b, region, operands, (_b, op, given, rewriter) =>
    b.at([...op.spans, ...site], () => (op.regions.length > 0 ? batchControlFlow(batching, op, given, rewriter) : batchOp(batching, op, given))));
  return { values, isMapped: region.yields.map((value) => mapped.has(value)) };
}

function batchOp(batching: Batching, op: Op, operands: readonly Value[]): readonly Value[] {
  const { b, size, mapped } = batching;
  if (op.name === "stack" || op.name === "push" || op.name === "pop") return batchStack(batching, op, operands);
  if (!op.results.some((result) => mapped.has(result))) return b.op(op.name, operands, op.attrs);
  const rule = present(findRecord(op.name).batch, `the record of ${op.name} does not say how it is done for many examples`);
  if (rule === "unmapped") throw new Error(`${op.name} has a mapped operand, and its record says that it has none`);
  const results = rule(b, operands, {
    name: op.name,
    operands: op.operands.map(tensorTypeOf),
    attrs: op.attrs,
    isMapped: op.operands.map((operand) => mapped.has(operand)),
    size,
  });
  op.results.forEach((result, i) => {
    const { dtype, shape } = tensorTypeOf(result);
    const expected = tensorType(dtype, [size, ...shape]);
    const actual = at(results, i).type;
    if (!sameType(expected, actual)) throw new Error(`the batch rule of ${op.name} gives ${printType(actual)}, and ${printType(expected)} was expected`);
  });
  return results;
}

function batchStack({ b, size, mapped }: Batching, op: Op, operands: readonly Value[]): readonly Value[] {
  const isMapped = mapped.has(op.name === "stack" ? at(op.results, 0) : at(op.operands, 0));
  if (!isMapped || op.name === "pop") return b.op(op.name, operands, op.attrs);
  if (op.name === "stack") return [b.stack({ ...(op.attrs as StackAttrs), shape: [size, ...(op.attrs as StackAttrs).shape] })];
  const value = at(operands, 1);
  return b.push(at(operands, 0), mapped.has(at(op.operands, 1)) ? value : repeat(b, value, size));
}
