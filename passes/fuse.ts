/**
 * Fuse: ops become groups, and each group will be one kernel.
 *
 * Needs: calls and derivatives are gone (transform). Ensures: every op with a compute rule is inside a group, except
 * reshapes that only rename memory (plan-memory lets them share a buffer) and long constants, which are data.
 *
 * Two ideas. An op that costs nothing where it is used (a broadcast, a transpose, a cast, anything of rank 0) is no
 * reason for a kernel: every group that reads it has its own copy. All other ops start as groups of one, and a group
 * joins a group that it feeds whenever the union is still a form that lower knows (form.ts) and nothing outside sits
 * between the two. So a softmax, a contraction with its bias and activation, and an optimizer's update of one tensor
 * are one kernel each, and no rule names them.
 */

import { type Builder, createBuilder } from "../ir/builder.ts";
import type { Func, Op, Region, Value } from "../ir/module.ts";
import { functionsOf, inlineRegion, mapModule } from "../ir/rewrite.ts";
import { isKernelForm } from "./form.ts";
import type { Limits } from "./limits.ts";
import { type Group, Units } from "./fusion-units.ts";
import type { Pass } from "./pass.ts";

export const fuse: Pass = {
  name: "fuse",
  run: (module, { limits }) => mapModule(module, (func) => fuseFunction(func, limits, functionsOf(module))),
};

function fuseFunction(func: Func, limits: Limits | undefined, functions: (name: string) => Func | undefined): Func {
  const b = createBuilder(functions);
  const mostBuffers = limits?.buffers ?? Infinity;
  const body = b.region(func.body.parameters.map(({ type }) => type), (parameters) => {
    const values = new Map<Value, Value>(func.body.parameters.map((parameter, i) => [parameter, parameters[i] ?? parameter]));
    return fuseRegion(b, func.body, values, mostBuffers);
  });
  return { ...func, body };
}

/** Builds the ops of a region as groups; `values` maps what is around it, and then its own values. */
function fuseRegion(b: Builder, region: Region, values: Map<Value, Value>, mostBuffers: number): readonly Value[] {
  const units = new Units(region, mostBuffers);
  joinProducers(units, mostBuffers);
  joinSiblings(units, mostBuffers);
  const valueOf = (old: Value): Value => values.get(old) ?? old;
  for (const unit of units.inOrder()) {
    const [old, built] = unit.kind === "group" ? buildGroup(b, units, unit, valueOf) : buildOther(b, unit.op, values, mostBuffers);
    old.forEach((value, i) => values.set(value, built[i] ?? value));
  }
  return region.yields.map(valueOf);
}

/** Joins each group with those that feed it, until nothing changes. */
function joinProducers(units: Units, mostBuffers: number): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const group of units.groups()) {
      const producer = units.producersOf(group).find((other) => canJoin(units, other, group, mostBuffers));
      if (producer === undefined) continue;
      units.join(producer, group);
      changed = true;
      break;
    }
  }
}

/** Joins groups that read the same memory, so that it is read once. */
function joinSiblings(units: Units, mostBuffers: number): void {
  for (let changed = true; changed; ) {
    changed = false;
    search: for (const left of units.groups()) {
      for (const right of units.siblingsOf(left)) {
        if (!canJoin(units, left, right, mostBuffers)) continue;
        units.join(left, right);
        changed = true;
        break search;
      }
    }
  }
}

function canJoin(units: Units, left: Group, right: Group, mostBuffers: number): boolean {
  if (units.wasRefused(left, right)) return false;
  const region = units.regionOf([left, right]);
  const isKernel = region.parameters.length + region.yields.length <= mostBuffers && isKernelForm(region);
  if (isKernel && !units.isBetween(left, right) && !units.isBetween(right, left)) return true;
  units.refuse(left, right);
  return false;
}

function buildGroup(b: Builder, units: Units, group: Group, valueOf: (old: Value) => Value): readonly [readonly Value[], readonly Value[]] {
  const region = units.regionOf([group]);
  const body = b.region(region.parameters.map(({ type }) => type), (parameters) => inlineRegion(b, region, parameters));
  return [region.yields, b.group(region.parameters.map(valueOf), {}, [body])];
}

/** Control flow, and ops that are no kernels: copied, with their regions fused in turn. */
function buildOther(b: Builder, op: Op, values: Map<Value, Value>, mostBuffers: number): readonly [readonly Value[], readonly Value[]] {
  const regions = op.regions.map((region) =>
    b.region(region.parameters.map(({ type }) => type), (parameters) => {
      const inner = new Map(values);
      region.parameters.forEach((parameter, i) => inner.set(parameter, parameters[i] ?? parameter));
      return fuseRegion(b, region, inner, mostBuffers);
    }));
  return [op.results, b.copy(op, op.operands.map((operand) => values.get(operand) ?? operand), regions)];
}
