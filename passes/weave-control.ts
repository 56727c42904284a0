/**
 * Branches and loops in forward mode: tangents are woven into them, so that one branch gives results and their tangents,
 * and a loop carries both.
 *
 *     %y: f32[] = while %x {..., body(%a) { %b = mul %a, %a; yield %b }}
 *
 * becomes, where %dx is the tangent of %x,
 *
 *     %y: f32[], %dy: f32[] = while %x, %dx {..., body(%a, %da) { ...; yield %b, %db }}
 */

import type { Builder } from "../ir/builder.ts";
import { at, present } from "../ir/expect.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import type { Rewriter } from "../ir/rewrite.ts";
import { type ControlRule, type Tangents, zeros } from "./linearize.ts";

export const weaveControl: ControlRule = (b, op, operands, rewriter, tangents) => {
  const active = op.name === "if" ? positionsOf(op.results, tangents.isActive) : activeCarries(op, tangents);
  const built = op.name === "if" ? weaveIf(b, op, operands, active, rewriter, tangents) : weaveLoop(b, op, operands, active, rewriter, tangents);
  active.forEach((position, i) => tangents.set(at(op.results, position), built[op.results.length + i]));
  return built.slice(0, op.results.length);
};

function weaveIf(b: Builder, op: Op, [condition]: readonly Value[], active: readonly number[], rewriter: Rewriter, tangents: Tangents): readonly Value[] {
  const regions = op.regions.map((region) => b.region([], () => [...rewriter.inline(region, []), ...tangentsAt(b, region.yields, active, tangents)]));
  return b.op(op.name, [present(condition, "an if has a condition")], op.attrs, regions);
}

function weaveLoop(b: Builder, op: Op, operands: readonly Value[], active: readonly number[], rewriter: Rewriter, tangents: Tangents): readonly Value[] {
  const { body, condition, initial, carries } = partsOf(op);
  // The counter of a for comes before its carries, and is none.
  const before = body.parameters.length - carries.length;
  const types = [...body.parameters, ...active.map((position) => at(carries, position))].map(({ type }) => type);
  const startingTangents = tangentsAt(b, initial, active, tangents);
  const woven = b.region(types, (values) => {
    active.forEach((position, i) => tangents.set(at(carries, position), values[body.parameters.length + i]));
    return [...rewriter.inline(body, values.slice(0, body.parameters.length)), ...tangentsAt(b, body.yields, active, tangents)];
  });
  const regions = condition === undefined ? [woven] : [b.region(types.slice(before), (values) => rewriter.inline(condition, values.slice(0, carries.length))), woven];
  return b.op(op.name, [...operands, ...startingTangents], op.attrs, regions);
}

/** A `for` or a `while` taken apart; `initial` and `carries` belong together. */
export function partsOf(op: Op): { readonly body: Region; readonly condition: Region | undefined; readonly initial: readonly Value[]; readonly carries: readonly Value[] } {
  if (op.name === "for") {
    const body = at(op.regions, 0);
    return { body, condition: undefined, initial: op.operands.slice(3), carries: body.parameters.slice(1) };
  }
  const body = at(op.regions, 1);
  return { body, condition: at(op.regions, 0), initial: op.operands, carries: body.parameters };
}

/** A carry may matter in the loop alone, and the result of one that is overwritten in each turn when there is none. */
export function activeCarries(op: Op, { isActive }: Tangents): readonly number[] {
  const { carries } = partsOf(op);
  return positionsOf(op.results.map((result, i) => [result, at(carries, i)]), (values) => values.some(isActive));
}

export function positionsOf<T>(items: readonly T[], holds: (item: T) => boolean): readonly number[] {
  return items.flatMap((item, i) => (holds(item) ? [i] : []));
}

function tangentsAt(b: Builder, values: readonly Value[], positions: readonly number[], tangents: Tangents): readonly Value[] {
  return positions.map((position) => {
    const value = at(values, position);
    return tangents.get(value) ?? zeros(b, value.type);
  });
}
