/**
 * Control flow and index spaces of kernels, for the interpreter. Iterations of a parallel loop run in order, and are
 * numbered across the launch, so that memory can tell who touches what; parallel loops inside one are part of its
 * iterations.
 */

import { at } from "./expect.ts";
import {
  type Block, compileBlock, dimAttr, dimsAttr, type Frame, move, numberIn, regionOf, rounding, type Scope, slotOf, slotsOf, type Step,
} from "./interpret-frame.ts";
import type { Op } from "./module.ts";
import { isElementwise } from "./op.ts";
import type { BarrierAttrs } from "./ops/kernel.ts";
import { findRecord } from "./ops/table.ts";
import { printOp } from "./print.ts";
import { scalarTypeOf } from "./type-of.ts";

/* ------------------------------------------------------------- control flow */

export function compileIf(scope: Scope, op: Op): Step {
  const condition = slotOf(scope, op.operands[0]);
  const results = slotsOf(scope, op.results);
  const [then, otherwise] = [compileBlock(scope, regionOf(op, 0)), compileBlock(scope, regionOf(op, 1))];
  return (frame) => {
    const block = numberIn(frame, condition) !== 0 ? then : otherwise;
    block.run(frame);
    move(frame, block.yields, results);
  };
}

export function compileWhile(scope: Scope, op: Op): Step {
  const initial = slotsOf(scope, op.operands);
  const results = slotsOf(scope, op.results);
  const [condition, body] = [compileBlock(scope, regionOf(op, 0)), compileBlock(scope, regionOf(op, 1))];
  const test = slotOf(scope, regionOf(op, 0).yields[0]);
  return (frame) => {
    move(frame, initial, results);
    for (;;) {
      move(frame, results, condition.parameters);
      condition.run(frame);
      if (numberIn(frame, test) === 0) return;
      move(frame, results, body.parameters);
      body.run(frame);
      move(frame, body.yields, results);
    }
  };
}

export function compileFor(scope: Scope, op: Op): Step {
  const [start, stop, step] = [slotOf(scope, op.operands[0]), slotOf(scope, op.operands[1]), slotOf(scope, op.operands[2])];
  const initial = slotsOf(scope, op.operands.slice(3));
  const results = slotsOf(scope, op.results);
  const body = compileBlock(scope, regionOf(op, 0));
  const counter = slotOf(scope, regionOf(op, 0).parameters[0]);
  const carries = body.parameters.slice(1);
  const { kind, threads } = op.attrs;
  const isGrid = kind === "grid";
  const isPhase = kind === "thread";
  const fault = (rule: string): Error => new RangeError(`kernel @${scope.func.name}: ${printOp(op, scope.names)}: ${rule}`);
  if ((isGrid || isPhase) && results.length > 0) throw fault(`a ${kind} loop carries nothing from one iteration to the next`);
  return (frame) => {
    const [first, end, by] = [numberIn(frame, start), numberIn(frame, stop), numberIn(frame, step)];
    if (!(by > 0)) throw fault(`the step must be positive, and it is ${by}`);
    move(frame, initial, results);
    const loop = (begin: () => void): void => {
      for (let at = first; at < end; at += by) {
        begin();
        frame.cells[counter] = at;
        move(frame, results, carries);
        body.run(frame);
        move(frame, body.yields, results);
      }
    };
    if (isPhase) inThreads(frame, loop, fault);
    else if (isGrid && typeof threads === "number") inBlocks(frame, threads, loop);
    else if (isGrid) inParallel(frame, loop);
    else loop(() => undefined);
  };
}

/* ------------------------------------------------------------- index spaces */

export function compileParallel(scope: Scope, op: Op): Step {
  const extents = dimsAttr(scope, op, "extents");
  const body = compileBlock(scope, regionOf(op, 0));
  return (frame) =>
    inParallel(frame, (begin) =>
      forEachPoint(frame, extents, body.parameters, () => {
        begin();
        body.run(frame);
      }),
    );
}

export function compileReduce(scope: Scope, op: Op): Step {
  const extents = dimsAttr(scope, op, "extents");
  const element = compileBlock(scope, regionOf(op, 0));
  const combine = compileBlock(scope, regionOf(op, 1));
  const identities = slotsOf(scope, op.operands);
  const totals = slotsOf(scope, op.results);
  return (frame) => {
    move(frame, identities, totals);
    forEachPoint(frame, extents, element.parameters, () => {
      element.run(frame);
      move(frame, [...totals, ...element.yields], combine.parameters);
      combine.run(frame);
      move(frame, combine.yields, totals);
    });
  };
}

export function compileScan(scope: Scope, op: Op): Step {
  const extent = dimAttr(scope, op, "extent");
  const isReverse = op.attrs["reverse"] === true;
  const [element, combine, emit] = [compileBlock(scope, regionOf(op, 0)), compileBlock(scope, regionOf(op, 1)), compileBlock(scope, regionOf(op, 2))];
  const [position, running] = [slotOf(scope, regionOf(op, 2).parameters[0]), slotOf(scope, regionOf(op, 2).parameters[1])];
  const elementAt = slotOf(scope, regionOf(op, 0).parameters[0]);
  const identity = slotsOf(scope, op.operands);
  return (frame) => {
    move(frame, identity, [running]);
    for (let step = 0; step < extent; step++) {
      const at = isReverse ? extent - 1 - step : step;
      frame.cells[elementAt] = at;
      element.run(frame);
      move(frame, [running, ...element.yields], combine.parameters);
      combine.run(frame);
      move(frame, combine.yields, [running]);
      frame.cells[position] = at;
      emit.run(frame);
    }
  };
}

/**
 * Elements of left and right are computed once for each batch, as one iteration of their own: an epilogue that stores
 * to what any of them loads is a race. The total is accumulated in order of p by fused multiply-add.
 */
export function compileContract(scope: Scope, op: Op): Step {
  const batch = dimsAttr(scope, op, "batch");
  const [m, n, k] = [dimAttr(scope, op, "m"), dimAttr(scope, op, "n"), dimAttr(scope, op, "k")];
  const [left, right, epilogue] = [compileBlock(scope, regionOf(op, 0)), compileBlock(scope, regionOf(op, 1)), compileBlock(scope, regionOf(op, 2))];
  const dtype = scalarTypeOf(at(regionOf(op, 0).yields, 0)).dtype;
  const round = rounding(dtype);
  const fma = findRecord("fma");
  if (!isElementwise(fma)) throw new TypeError("fma is elementwise");
  const batchSlots = epilogue.parameters.slice(0, batch.length);
  const { parameters } = regionOf(op, 2);
  const [row, column, total] = [slotOf(scope, parameters.at(-3)), slotOf(scope, parameters.at(-2)), slotOf(scope, parameters.at(-1))];

  const panel = (frame: Frame, block: Block, rows: number, columns: number): readonly number[] => {
    const [element] = block.yields;
    if (element === undefined) throw new RangeError("a region of a contract yields an element");
    move(frame, batchSlots, block.parameters.slice(0, batch.length));
    const elements: number[] = [];
    forEachPoint(frame, [rows, columns], block.parameters.slice(batch.length), () => {
      block.run(frame);
      elements.push(numberIn(frame, element));
    });
    return elements;
  };
  const run = (frame: Frame, begin: () => void): void =>
    forEachPoint(frame, batch, batchSlots, () => {
      begin();
      const [lefts, rights] = [panel(frame, left, m, k), panel(frame, right, k, n)];
      forEachPoint(frame, [m, n], [row, column], () => {
        begin();
        const [i, j] = [numberIn(frame, row), numberIn(frame, column)];
        let sum = 0;
        for (let p = 0; p < k; p++) sum = round(fma.scalar(dtype, lefts[i * k + p] ?? NaN, rights[p * n + j] ?? NaN, sum));
        frame.cells[total] = sum;
        epilogue.run(frame);
      });
    });
  return (frame) => inParallel(frame, (begin) => run(frame, begin));
}

/** Runs `visit` for each point of the extents in row-major order, with its index in the slots. */
function forEachPoint(frame: Frame, extents: readonly number[], slots: readonly number[], visit: () => void, axis = 0): void {
  if (axis === extents.length) {
    visit();
    return;
  }
  const [extent, slot] = [extents[axis], slots[axis]];
  if (extent === undefined || slot === undefined) throw new RangeError(`${slots.length} indices for ${extents.length} extents`);
  for (let at = 0; at < extent; at++) {
    frame.cells[slot] = at;
    forEachPoint(frame, extents, slots, visit, axis + 1);
  }
}

/** Runs a loop of independent iterations, each of which calls `begin` first; inside another, it is part of that one's. */
function inParallel(frame: Frame, loop: (begin: () => void) => void): void {
  inBlocks(frame, 0, loop);
}

/** The same for iterations that are blocks: each has a number of its own, and its threads have the ones that follow. */
function inBlocks(frame: Frame, threads: number, loop: (begin: () => void) => void): void {
  const { iteration } = frame;
  if (iteration.current > 0) return loop(() => undefined);
  iteration.first = frame.next;
  loop(() => {
    iteration.current = iteration.block = frame.next;
    iteration.epochs.global++;
    iteration.epochs.shared++;
    frame.next += 1 + threads;
  });
  iteration.current = 0;
}

/** One phase of a block. A thread has the same number in each. */
function inThreads(frame: Frame, loop: (begin: () => void) => void, fault: (rule: string) => Error): void {
  const { iteration } = frame;
  const { block } = iteration;
  if (iteration.current !== block || block === 0) throw fault("a phase of threads stands in a block, and in no other phase");
  let thread = 0;
  loop(() => {
    iteration.current = block + 1 + thread++;
    if (iteration.current >= frame.next) throw fault(`its block has ${frame.next - block - 1} threads, and this is one more`);
  });
  iteration.current = block;
}

/** What the threads of a block did before is ordered before what they do after it. */
export function compileBarrier(scope: Scope, op: Op): Step {
  const { orders } = op.attrs as BarrierAttrs;
  return ({ iteration }) => {
    if (iteration.current !== iteration.block || iteration.block === 0) throw new RangeError(`kernel @${scope.func.name}: ${printOp(op, scope.names)}: a barrier stands between the phases of a block`);
    for (const space of orders) iteration.epochs[space]++;
  };
}
