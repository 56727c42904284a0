/**
 * From a total of each lane to the total of a row, in one of two ways.
 *
 * In shared memory, halves onto halves: a phase and a barrier for each halving. Or, where neighbours exchange registers
 * (limits.subgroup) and are the lanes of one row, from register to register: after a butterfly of log2(n) exchanges each
 * of n lanes has the total of all n. Where a row has more lanes than that, one lane of each group stores its total, and
 * after the one barrier every lane loads those of its row and folds them the same way.
 */

import type { Builder } from "../../../ir/builder.ts";
import { at } from "../../../ir/expect.ts";
import type { Region, Value } from "../../../ir/module.ts";
import { capturedValues } from "../../../ir/rewrite.ts";
import { type DType, scalarType } from "../../../ir/type.ts";
import { isCommutative } from "../../effects.ts";
import { range, when } from "../loops.ts";
import { phase, registers, shared } from "./block.ts";
import type { RowLayout } from "./layout.ts";

/** Where a thread is. */
export interface Place {
  readonly thread: Value;
  readonly lane: Value;
  /** The outer indices of its row. */
  readonly index: readonly Value[];
}

/** A reduction in the kernel around it. */
export interface Reduction {
  /** Of its slots. */
  readonly dtypes: readonly DType[];
  /** Whether some threads may have no row. */
  readonly hasIdleThreads: boolean;
  /** A phase of the threads that have a row, or of all. */
  phase(of: "rows" | "all", body: (place: Place) => void): void;
  readonly combine: Region;
  /** In a phase: two totals as one. */
  combined(place: Place, left: readonly Value[], right: readonly Value[]): readonly Value[];
}

export interface Totals {
  /** In a phase: the total of this lane. */
  keep(place: Place, totals: readonly Value[]): void;
  /** Phases in which the lanes' totals become the row's. */
  fold(): void;
  /** In a later phase: the row's total. */
  ofRow(place: Place): readonly Value[];
}

export function createTotals(b: Builder, layout: RowLayout, subgroup: number, reduction: Reduction): Totals {
  const isByExchange = layout.areLanesNeighbours && subgroup > 1;
  return isByExchange ? new ExchangedTotals(b, layout, Math.min(layout.lanes, subgroup), reduction) : new SharedTotals(b, layout, reduction);
}

/** Elements of shared memory that one slot of a reduction takes. */
export function sharedElements({ rows, lanes, areLanesNeighbours }: RowLayout, subgroup: number): number {
  if (!areLanesNeighbours || subgroup <= 1) return rows * lanes;
  return lanes > subgroup ? (rows * lanes) / subgroup : 0;
}

/** One element of shared memory for each thread; in the end those of lane 0 are the row's. */
class SharedTotals implements Totals {
  readonly #b: Builder;
  readonly #layout: RowLayout;
  readonly #reduction: Reduction;
  readonly #buffers: readonly Value[];

  constructor(b: Builder, layout: RowLayout, reduction: Reduction) {
    this.#b = b;
    this.#layout = layout;
    this.#reduction = reduction;
    this.#buffers = reduction.dtypes.map((dtype) => shared(b, dtype, [layout.rows * layout.lanes]));
  }

  keep({ thread }: Place, totals: readonly Value[]): void {
    totals.forEach((total, slot) => this.#b.store(at(this.#buffers, slot), total, [thread]));
  }

  /** Lane i takes that of lane i + distance. */
  fold(): void {
    const b = this.#b;
    const { rows, lanes, areLanesNeighbours } = this.#layout;
    for (let distance = lanes / 2; distance >= 1; distance /= 2) {
      this.#reduction.phase("rows", (place) => {
        when(b, b.lt(place.lane, b.index(distance)), () => {
          const other = b.add(place.thread, areLanesNeighbours ? distance : distance * rows);
          this.keep(place, this.#reduction.combined(place, this.#load(place.thread), this.#load(other)));
        });
      });
    }
  }

  ofRow({ thread, lane }: Place): readonly Value[] {
    const { rows, areLanesNeighbours } = this.#layout;
    return this.#load(areLanesNeighbours ? this.#b.sub(thread, lane) : rows === 1 ? this.#b.index(0) : this.#b.rem(thread, rows));
  }

  #load(index: Value): readonly Value[] {
    return this.#buffers.map((buffer) => this.#b.load(buffer, [index]));
  }
}

/**
 * Registers; in the end those of every lane are the row's. Lanes are a power of two, so that a lane's number and its
 * thread's are the same in the bits by which groups and partners are told.
 */
class ExchangedTotals implements Totals {
  readonly #b: Builder;
  readonly #layout: RowLayout;
  /** Lanes of a row that exchange registers with each other. */
  readonly #width: number;
  readonly #reduction: Reduction;
  /** Who combines: a test for a row is needed only where the monoid needs something of it. */
  readonly #threads: "rows" | "all";
  readonly #own: readonly Value[];
  readonly #partners: readonly Value[];

  constructor(b: Builder, layout: RowLayout, width: number, reduction: Reduction) {
    const threads = layout.rows * layout.lanes;
    const each = (): readonly Value[] => reduction.dtypes.map((dtype) => registers(b, dtype, threads, []));
    this.#b = b;
    this.#layout = layout;
    this.#width = width;
    this.#reduction = reduction;
    this.#threads = capturedValues(reduction.combine).length === 0 ? "all" : "rows";
    this.#own = each();
    this.#partners = each();
    // All threads exchange, those without a row too, and a register that nothing was stored to must not be read.
    if (reduction.hasIdleThreads) phase(b, threads, (thread) => this.#own.forEach((own, slot) => b.store(own, b.constantOf(scalarType(at(reduction.dtypes, slot)), 0), [thread])));
  }

  keep({ thread }: Place, totals: readonly Value[]): void {
    totals.forEach((total, slot) => this.#b.store(at(this.#own, slot), total, [thread]));
  }

  fold(): void {
    this.#butterfly(this.#width);
    const groups = this.#layout.lanes / this.#width;
    if (groups > 1) this.#acrossGroups(groups);
  }

  ofRow({ thread }: Place): readonly Value[] {
    return load(this.#b, this.#own, thread);
  }

  /** Afterwards each of `lanes` neighbours has the total of all of them, to the last bit the same. */
  #butterfly(lanes: number): void {
    const b = this.#b;
    const { combine } = this.#reduction;
    for (let mask = 1; mask < lanes; mask *= 2) {
      this.#partners.forEach((partner, slot) => b.shuffleXor(partner, at(this.#own, slot), { mask }));
      this.#reduction.phase(this.#threads, (place) => {
        const [own, others] = [load(b, this.#own, place.thread), load(b, this.#partners, place.thread)];
        this.keep(place, isSymmetric(combine) ? this.#reduction.combined(place, own, others) : this.#inOrder(place, mask, own, others));
      });
    }
  }

  /** The lower lane's total is the left operand for both partners, so that both get the same. */
  #inOrder(place: Place, mask: number, own: readonly Value[], others: readonly Value[]): readonly Value[] {
    const b = this.#b;
    const isLower = b.lt(b.rem(place.thread, 2 * mask), b.index(mask));
    const select = (first: readonly Value[], second: readonly Value[]): readonly Value[] => first.map((value, slot) => b.select(isLower, value, at(second, slot)));
    return this.#reduction.combined(place, select(own, others), select(others, own));
  }

  #acrossGroups(groups: number): void {
    const b = this.#b;
    const { rows, lanes } = this.#layout;
    const width = this.#width;
    const buffers = this.#reduction.dtypes.map((dtype) => shared(b, dtype, [rows * groups]));
    this.#reduction.phase(this.#threads, (place) => {
      when(b, b.eq(b.rem(place.thread, width), b.index(0)), () => {
        load(b, this.#own, place.thread).forEach((total, slot) => b.store(at(buffers, slot), total, [b.div(place.thread, width)]));
      });
    });
    const folding = Math.min(groups, width);
    this.#reduction.phase(this.#threads, (place) => {
      const first = b.add(b.div(b.sub(place.thread, place.lane), width), b.rem(place.thread, folding));
      const parts = range(groups / folding).map((turn) => load(b, buffers, turn === 0 ? first : b.add(first, turn * folding)));
      this.keep(place, parts.reduce((left, right) => this.#reduction.combined(place, left, right)));
    });
    this.#butterfly(folding);
  }
}

function load(b: Builder, buffers: readonly Value[], index: Value): readonly Value[] {
  return buffers.map((buffer) => b.load(buffer, [index]));
}

/** Whether a monoid gives the same bits for its operands in either order: one op that does. */
function isSymmetric({ parameters, ops, yields }: Region): boolean {
  const [op, ...others] = ops;
  return op !== undefined && others.length === 0 && isCommutative(op) && yields[0] === op.results[0] && parameters.every((parameter) => op.operands.includes(parameter));
}
