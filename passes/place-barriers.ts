/**
 * Place barriers: where a phase of a block touches memory that other threads may have touched differently before, the
 * block waits first.
 *
 * Needs: kernels of blocks, scheduled. Ensures: between a store of one phase and a load or store of the same memory in a
 * later one, and between a load and a later store, there is on every path a barrier that orders this kind of memory:
 * shared, or the device's. Memory counts as a whole: which elements a thread touches is not looked at. A phase itself has no order between threads; what it does to shared memory
 * must not depend on any (the interpreter refuses it).
 *
 *   for %0, %1, %2 {"kind":"thread"} { ... store %tile ... }
 *   for %0, %1, %2 {"kind":"thread"} { ... load %tile ... }
 *
 * gets a `barrier {"orders":["shared"]}` between the two. A loop around phases is looked at as if what its end leaves stood before it too.
 */

import { isKernel, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import type { BarrierAttrs, CommonSpace } from "../ir/ops/kernel.ts";
import { mapModule } from "../ir/rewrite.ts";
import type { Pass } from "./pass.ts";

export const placeBarriers: Pass = {
  name: "place-barriers",
  run: (module) => mapModule(module, (func) => (isKernel(func) ? { ...func, body: { ...func.body, ops: func.body.ops.map(inGrid) } } : func)),
};

/** What threads did since the last barrier that ordered it. */
interface Pending {
  readonly loaded: ReadonlySet<Value>;
  readonly stored: ReadonlySet<Value>;
}

const nothing: Pending = { loaded: new Set(), stored: new Set() };

function barrier(orders: readonly CommonSpace[]): Op {
  const attrs: BarrierAttrs = { orders };
  return { name: "barrier", operands: [], results: [], attrs, regions: [], spans: [] };
}

function inGrid(op: Op): Op {
  const [body] = op.regions;
  if (op.attrs["kind"] !== "grid" || op.attrs["threads"] === undefined || body === undefined) return op;
  return { ...op, regions: [{ ...body, ops: inOrder(body.ops, nothing).ops }] };
}

interface Ordered {
  readonly ops: readonly Op[];
  /** What is pending at the end. */
  readonly pending: Pending;
}

function inOrder(ops: readonly Op[], before: Pending): Ordered {
  const ordered: Op[] = [];
  let pending = before;
  for (const op of ops) {
    if (op.attrs["kind"] !== "thread" && op.regions.some(hasPhases)) {
      const around = aroundPhases(op, pending);
      ordered.push(...around.ops);
      pending = around.pending;
      continue;
    }
    const touched = touchedBy(op);
    const conflicts = [...conflictsOf(pending, touched)].sort();
    if (conflicts.length > 0) {
      ordered.push(barrier(conflicts));
      pending = without(pending, conflicts);
    }
    ordered.push(op);
    pending = union(pending, touched);
  }
  return { ops: ordered, pending };
}

/** A loop or branch around phases. A loop may come around: what is pending at its end is pending at its start too. */
function aroundPhases(op: Op, before: Pending): Ordered {
  let start = before;
  for (;;) {
    const inner = op.regions.map((region) => inOrder(region.ops, start));
    const end = inner.reduce((sum, { pending }) => union(sum, pending), start);
    if (op.name === "for" && !isWithin(end, start)) {
      start = end;
      continue;
    }
    const regions = op.regions.map((region, i) => ({ ...region, ops: inner[i]?.ops ?? [] }));
    return { ops: [{ ...op, regions }], pending: end };
  }
}

function hasPhases(region: Region): boolean {
  let found = false;
  visitOps(region, (op) => (found ||= op.attrs["kind"] === "thread"));
  return found;
}

/** Memory that threads have together: what a thread has for itself needs no barrier. */
function touchedBy(op: Op): Pending {
  const loaded = new Set<Value>();
  const stored = new Set<Value>();
  const note = ({ name, operands: [buffer] }: Op): void => {
    if (buffer === undefined || commonSpaceOf(buffer) === undefined) return;
    (name === "load" ? loaded : stored).add(buffer);
  };
  note(op);
  for (const region of op.regions) visitOps(region, note);
  return { loaded, stored };
}

function commonSpaceOf({ type }: Value): CommonSpace | undefined {
  return type.kind === "buffer" && (type.space === "shared" || type.space === "global") ? type.space : undefined;
}

/** The kinds of memory over which what came before and what comes after meet. */
function conflictsOf(before: Pending, after: Pending): ReadonlySet<CommonSpace> {
  const meeting = (left: ReadonlySet<Value>, right: ReadonlySet<Value>): readonly Value[] => [...left].filter((value) => right.has(value));
  const values = [...meeting(before.stored, after.loaded), ...meeting(before.stored, after.stored), ...meeting(before.loaded, after.stored)];
  return new Set(values.map(commonSpaceOf).filter((space) => space !== undefined));
}

function without({ loaded, stored }: Pending, ordered: readonly CommonSpace[]): Pending {
  const isPending = (value: Value): boolean => !ordered.some((space) => space === commonSpaceOf(value));
  return { loaded: new Set([...loaded].filter(isPending)), stored: new Set([...stored].filter(isPending)) };
}

function union(left: Pending, right: Pending): Pending {
  return { loaded: new Set([...left.loaded, ...right.loaded]), stored: new Set([...left.stored, ...right.stored]) };
}

function isWithin(part: Pending, whole: Pending): boolean {
  return [...part.loaded].every((value) => whole.loaded.has(value)) && [...part.stored].every((value) => whole.stored.has(value));
}
