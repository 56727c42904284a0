/**
 * Rows by the lanes of a block: sums, softmax, layer norm and their kin, each in one kernel.
 *
 * A row is stages: reductions in order, then what is stored of it. In a stage the lanes of a row take its elements in
 * turns, four neighbours at a time where those are one access (widen-accesses); each lane keeps a total of its own, and
 * the totals are folded (totals.ts). What a stage needs of earlier ones is computed anew from their totals: it is scalar,
 * and cheaper than passing it on.
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, type Dim, mulDims } from "../../../ir/dim.ts";
import { at } from "../../../ir/expect.ts";
import type { Op, Region, Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { capturedValues, inlineRegion, type RewriteRule, withOuter } from "../../../ir/rewrite.ts";
import { bytesOf, type DType } from "../../../ir/type.ts";
import { hasEffect } from "../../effects.ts";
import type { Limits } from "../../limits.ts";
import { isMultiple } from "../choose-tile.ts";
import type { Space } from "../contract.ts";
import { range, serialLoop, when } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { workOf } from "../work.ts";
import { blocks, phase, whenBelow } from "./block.ts";
import { isAlongRow, type RowLayout } from "./layout.ts";
import { loadingOnce, neighbours, prefersNeighbours } from "./neighbours.ts";
import { createTotals, type Place, sharedElements, type Totals } from "./totals.ts";

/** Whether a body is stages that share nothing but totals, and whose totals fit into the memory of a block. */
export function isStaged({ body }: Space, layout: RowLayout, limits: Limits): boolean {
  const isStage = (op: Op): boolean => (isAlongRow(op) ? true : op.name === "store" || (!hasEffect(op) && op.name !== "alloc" && op.name !== "for" && op.name !== "scan"));
  const bytes = body.ops.filter((op) => op.name === "reduce").flatMap((op) => op.results)
    .reduce((sum, { type }) => sum + bytesOf(scalarTypeOfTotal(type)) * sharedElements(layout, limits.subgroup), 0);
  return body.ops.every(isStage) && bytes <= limits.sharedBytes;
}

export function scheduleRows(b: Builder, space: Space, layout: RowLayout, { subgroup }: Limits): void {
  const { rows, lanes } = layout;
  const count = mulDims(1, ...space.extents);
  blocks(b, ceilDivDims(count, rows), rows * lanes, mulDims(workOf(space.body), rows), (block) => {
    new RowStages(b, space, layout, subgroup, count, block).build();
  });
}

/** What is done at an element of a row, with how to inline it. */
type BodyAlongRow = (rule: RewriteRule, index: readonly Value[], carried: readonly Value[]) => readonly Value[];

class RowStages {
  readonly #b: Builder;
  readonly #space: Space;
  readonly #layout: RowLayout;
  readonly #subgroup: number;
  readonly #threads: number;
  readonly #count: Dim;
  readonly #block: Value;
  /** Of each reduction that is done. */
  readonly #totals = new Map<Op, Totals>();

  constructor(b: Builder, space: Space, layout: RowLayout, subgroup: number, count: Dim, block: Value) {
    this.#b = b;
    this.#space = space;
    this.#layout = layout;
    this.#subgroup = subgroup;
    this.#threads = layout.rows * layout.lanes;
    this.#count = count;
    this.#block = block;
  }

  build(): void {
    const { ops } = this.#space.body;
    ops.forEach((op, position) => {
      if (op.name === "reduce") this.#reduce(op, position);
    });
    this.#store();
  }

  /** A phase in which only threads that have a row do anything, or all. */
  #phase(of: "rows" | "all", body: (place: Place) => void): void {
    const b = this.#b;
    const { rows, lanes, areLanesNeighbours } = this.#layout;
    phase(b, this.#threads, (thread) => {
      const row = areLanesNeighbours ? b.div(thread, lanes) : b.rem(thread, rows);
      const lane = rows === 1 ? thread : areLanesNeighbours ? b.rem(thread, lanes) : b.div(thread, rows);
      const item = rows === 1 ? this.#block : b.add(b.mul(this.#block, rows), row);
      const inPlace = (): void => body({ thread, lane, index: delinearize(b, item, this.#space.extents) });
      if (of === "all") inPlace();
      else whenBelow(b, item, this.#count, rows, inPlace);
    });
  }

  /** The values that `wanted` are for this thread's row, computed from the scalars and totals in front of an op. */
  #replay(position: number, wanted: readonly Value[], place: Place): (value: Value) => Value {
    const { body } = this.#space;
    const ops = body.ops.slice(0, position).filter((op) => op.name === "reduce" || !(isAlongRow(op) || op.name === "store"));
    const values = inlineRegion(this.#b, { parameters: body.parameters, ops, yields: wanted }, place.index, this.#loadTotals(place));
    const found = new Map(wanted.map((value, i) => [value, at(values, i)]));
    return (value) => found.get(value) ?? value;
  }

  #loadTotals(place: Place): RewriteRule {
    return (_b, op) => {
      if (op.name !== "reduce") return undefined;
      const totals = this.#totals.get(op);
      if (totals === undefined) throw new Error("a total is used before it is there");
      return totals.ofRow(place);
    };
  }

  #reduce(op: Op, position: number): void {
    const b = this.#b;
    const [, combine] = op.regions;
    if (combine === undefined) throw new Error("a reduce has two regions");
    const captured = capturedValues({ parameters: [], ops: [op], yields: [] });
    b.at(op.spans, () => {
      const totals = createTotals(b, this.#layout, this.#subgroup, {
        dtypes: op.results.map(({ type }) => scalarTypeOfTotal(type)),
        hasIdleThreads: !isMultiple(this.#count, this.#layout.rows),
        phase: (of, body) => this.#phase(of, body),
        combine,
        combined: (place, left, right) => inlineRegion(b, withOuter(combine, this.#replay(position, captured, place)), [...left, ...right], expandSerially),
      });
      this.#phase("rows", (place) => {
        const outer = this.#replay(position, captured, place);
        const element = withOuter(at(op.regions, 0), outer);
        const extents = op.attrs["extents"] as readonly Dim[];
        const combineHere = withOuter(combine, outer);
        totals.keep(place, this.#alongRow(element, extents, place.lane, op.operands.map(outer), (rule, index, carried) =>
          inlineRegion(b, combineHere, [...carried, ...inlineRegion(b, element, index, rule)], expandSerially)));
      });
      totals.fold();
      this.#totals.set(op, totals);
    });
  }

  /** The last stage: what is stored once for a row by its first lane, and what is stored along it by all of them. */
  #store(): void {
    const b = this.#b;
    const { ops } = this.#space.body;
    const stores = ops.filter((op) => op.name === "store");
    const alongRow = ops.filter((op) => op.name === "parallel");
    if (stores.length === 0 && alongRow.length === 0) return;
    const wanted = capturedValues({ parameters: [], ops: [...stores, ...alongRow], yields: [] });
    this.#phase("rows", (place) => {
      const outer = this.#replay(ops.length, wanted, place);
      if (stores.length > 0) when(b, b.eq(place.lane, b.index(0)), () => stores.forEach((op) => b.copy(op, op.operands.map(outer))));
      for (const op of alongRow) {
        const body: Region = withOuter(at(op.regions, 0), outer);
        this.#alongRow(body, op.attrs["extents"] as readonly Dim[], place.lane, [], (rule, index) => (inlineRegion(b, body, index, rule), []));
      }
    });
  }

  /**
   * The elements of a row that this lane has: one at a time, the lanes side by side; or four where the row is whole fours
   * and `accesses`, the region that the body inlines, touches memory that is consecutive along it.
   */
  #alongRow(accesses: Region, extents: readonly Dim[], lane: Value, carries: readonly Value[], body: BodyAlongRow): readonly Value[] {
    const b = this.#b;
    const { lanes } = this.#layout;
    const elements = mulDims(1, ...extents);
    const last = extents.at(-1);
    if (typeof last !== "number" || !isMultiple(last, neighbours) || !prefersNeighbours(accesses)) {
      return serialLoop(b, lane, b.index(elements), lanes, carries, (element, carried) => body(expandSerially, delinearize(b, element, extents), carried));
    }
    const shape = [...extents.slice(0, -1), last / neighbours];
    const four = (position: Value, carried: readonly Value[]): readonly Value[] => {
      const index = delinearize(b, position, shape);
      const first = b.mul(at(index, -1), neighbours);
      const once = loadingOnce(accesses);
      return range(neighbours).reduce((before, offset) => body(once, [...index.slice(0, -1), b.add(first, offset)], before), carried);
    };
    const fours = mulDims(1, ...shape);
    // As many lanes as fours: each has one.
    return fours === lanes ? four(lane, carries) : serialLoop(b, lane, b.index(fours), lanes, carries, four);
  }
}

function scalarTypeOfTotal(type: Value["type"]): DType {
  if (type.kind !== "scalar" || type.dtype === "index") throw new Error("a total is one element of a dtype");
  return type.dtype;
}
