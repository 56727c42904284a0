/**
 * Runs of accesses: the loads, or the stores, of one buffer in a list of ops that may be brought together, because
 * nothing between them touches the same elements otherwise.
 *
 * A run has one linear form (linear-index.ts) for the index on each axis, but for the numbers in them; so its accesses
 * are known distances apart, and two whose numbers differ touch different elements. Of anything else in the buffer it is
 * taken that it may be the same element. Loads of a run may move up to its first, stores down to its last.
 */

import type { Op, Value } from "../ir/module.ts";
import { visitOps } from "../ir/module.ts";
import { consecutiveAxis } from "../ir/type.ts";
import type { LinearIndices } from "./linear-index.ts";

export interface Access {
  readonly op: Op;
  readonly position: number;
  readonly index: readonly Value[];
  /** The number in the index along the axis on which memory is consecutive. */
  readonly offset: number;
}

/** Accesses at one place on all axes but the consecutive one. */
export interface AccessRun {
  readonly name: "load" | "store";
  readonly buffer: Value;
  readonly accesses: readonly Access[];
}

interface OpenRun {
  readonly name: "load" | "store";
  readonly buffer: Value;
  /** The linear forms without their numbers, as text. */
  readonly form: string;
  readonly accesses: (Access & { readonly numbers: readonly number[] })[];
}

export class AccessRuns {
  readonly #linear: LinearIndices;
  readonly #ids = new Map<Value, number>();
  readonly #done: AccessRun[] = [];
  #open: OpenRun[] = [];

  constructor(linear: LinearIndices, ops: readonly Op[]) {
    this.#linear = linear;
    ops.forEach((op, position) => this.#add(op, position));
    this.#close(() => true);
  }

  all(): readonly AccessRun[] {
    return this.#done;
  }

  #add(op: Op, position: number): void {
    if (op.regions.length > 0) {
      for (const region of op.regions) visitOps(region, (inner) => this.#meet(inner));
      return;
    }
    const access = accessOf(op);
    if (access === undefined) return this.#meet(op);
    const { name, buffer, index } = access;
    const forms = index.map((component) => this.#linear.of(component));
    const form = forms.map(({ terms }) => [...terms].map(([value, factor]) => `${factor}*${this.#id(value)}`).sort().join("+")).join();
    const numbers = forms.map(({ constant }) => constant);
    // A load after a store of another element does not mind where that store ends up; the same of two stores.
    const isApart = (run: OpenRun): boolean =>
      run.form === form && run.accesses.every((other) => other.numbers.some((number, axis) => number !== numbers[axis]));
    this.#close((run) => run.buffer === buffer && (name === "store" ? run.name === "load" || !isApart(run) : run.name === "store" && !isApart(run)));
    let run = this.#open.find((open) => open.name === name && open.buffer === buffer && open.form === form);
    if (run === undefined) this.#open.push((run = { name, buffer, form, accesses: [] }));
    const axis = buffer.type.kind === "buffer" ? consecutiveAxis(buffer.type.shape) : -1;
    run.accesses.push({ op, position, index, offset: numbers[axis] ?? 0, numbers });
  }

  /** Ends the runs that an op gets between, wherever in the buffer it does what it does. */
  #meet(op: Op): void {
    const [buffer] = op.operands;
    if (op.name === "barrier" || op.name === "mma") this.#close(() => true);
    else if (op.name === "load") this.#close((run) => run.buffer === buffer && run.name === "store");
    else if (op.name === "store" || op.name === "atomic_add") this.#close((run) => run.buffer === buffer);
  }

  #close(isClosed: (run: OpenRun) => boolean): void {
    for (const { name, buffer, accesses } of this.#open.filter(isClosed)) {
      const axis = buffer.type.kind === "buffer" ? consecutiveAxis(buffer.type.shape) : -1;
      const places = new Map<string, Access[]>();
      for (const access of accesses) {
        const place = access.numbers.filter((_, i) => i !== axis).join();
        places.set(place, [...(places.get(place) ?? []), access]);
      }
      for (const together of places.values()) this.#done.push({ name, buffer, accesses: together });
    }
    this.#open = this.#open.filter((run) => !isClosed(run));
  }

  #id(value: Value): number {
    const known = this.#ids.get(value) ?? this.#ids.size;
    this.#ids.set(value, known);
    return known;
  }
}

/** A load or store of one element in memory that threads have together. */
function accessOf(op: Op): { readonly name: "load" | "store"; readonly buffer: Value; readonly index: readonly Value[] } | undefined {
  if (op.name !== "load" && op.name !== "store") return undefined;
  const [buffer, ...others] = op.operands;
  const index = op.name === "load" ? others : others.slice(1);
  const moved = op.name === "load" ? op.results[0] : others[0];
  const isScalar = (value: Value | undefined): boolean => value?.type.kind === "scalar" && value.type.lanes === 1;
  if (buffer?.type.kind !== "buffer" || (buffer.type.space !== "global" && buffer.type.space !== "shared")) return undefined;
  return isScalar(moved) && index.every(isScalar) ? { name: op.name, buffer, index } : undefined;
}
