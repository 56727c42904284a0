/**
 * Widen accesses: loads of neighbouring elements by one thread become one load, and stores one store.
 *
 * Needs: kernels of blocks in which equal indices are one value (simplify, hoist, cse). In one list of ops, accesses of
 * one buffer at base, base + 1, base + 2 and base + 3, base a multiple of 4, are one access of four elements; of 64 bits,
 * or where there are no four, of two. A load stands where the first of its parts stood, a store where the last did, if
 * nothing on the way may touch the same elements otherwise. Vectors are for memory alone: what is computed is scalar.
 *
 *   %a = load %x, %i                        %v = load %x, %i {"lanes":4}
 *   %j = add %i, 1   %b = load %x, %j  ->   %a = extract %v {"lane":0}   %b = extract %v {"lane":1}
 *   ...                                     ...
 *
 * Every row of a buffer must start at such a multiple too. Different buffers are different memory; where a result takes
 * over an input's (plan-memory), that was decided by what this pass leaves.
 */

import { divisorOfDim, elementCount } from "../ir/dim.ts";
import { isKernel, type Func, type Op, type Region, Value, visitOps } from "../ir/module.ts";
import { mapModule } from "../ir/rewrite.ts";
import { bufferTypeOf, scalarTypeOf } from "../ir/type-of.ts";
import { type BufferType, bytesOf, consecutiveAxis, scalarType } from "../ir/type.ts";
import { IndexDivisors } from "./index-divisor.ts";
import type { Limits } from "./limits.ts";
import type { Pass } from "./pass.ts";
import { type Access, type AccessRun, AccessRuns } from "./access-runs.ts";

export const widenAccesses: Pass = {
  name: "widen-accesses",
  run: (module, { limits }) =>
    limits === undefined || limits.wideBytes === 0 ? module : mapModule(module, (func) => (isKernel(func) ? new Widening(func, limits).run() : func)),
};

/** Accesses that become one, from the lowest element up; of a load that is there more than once, all of them. */
interface Group {
  readonly name: "load" | "store";
  readonly buffer: Value;
  readonly lanes: readonly (readonly Access[])[];
  /** Where in its list of ops the one access stands. */
  readonly position: number;
}

class Widening {
  readonly #func: Func;
  readonly #limits: Limits;
  readonly #divisors: IndexDivisors;
  /** By the list of ops they are in. */
  readonly #groups = new Map<readonly Op[], readonly Group[]>();

  constructor(func: Func, limits: Limits) {
    this.#func = func;
    this.#limits = limits;
    this.#divisors = new IndexDivisors(func.body);
  }

  run(): Func {
    this.#visit(this.#func.body);
    if (!this.#limits.mixesWidths) this.#dropMixed();
    return { ...this.#func, body: this.#rewrite(this.#func.body) };
  }

  #visit(region: Region): void {
    const runs = new AccessRuns(this.#divisors.linear, region.ops).all();
    const madeAt = new Map(region.ops.flatMap(({ results }, position) => results.map((result) => [result, position] as const)));
    this.#groups.set(region.ops, runs.flatMap((run) => this.#groupsOf(run, madeAt)));
    for (const op of region.ops) op.regions.forEach((inner) => this.#visit(inner));
  }

  /** Four neighbours where there are four, then two. */
  #groupsOf({ name, buffer, accesses }: AccessRun, madeAt: ReadonlyMap<Value, number>): readonly Group[] {
    const memory = bufferTypeOf(buffer);
    const byOffset = new Map<number, Access[]>();
    for (const access of accesses) byOffset.set(access.offset, [...(byOffset.get(access.offset) ?? []), access]);
    const groups: Group[] = [];
    const taken = new Set<number>();
    for (const width of this.#widthsOf(memory)) {
      for (const offset of [...byOffset.keys()].toSorted((left, right) => left - right)) {
        const lanes = Array.from({ length: width }, (_, lane) => (taken.has(offset + lane) ? undefined : byOffset.get(offset + lane)));
        if (!lanes.every((lane) => lane !== undefined) || !this.#isAligned(lanes[0]?.[0], memory, width)) continue;
        const group = groupAt(name, buffer, lanes, madeAt);
        if (group === undefined) continue;
        groups.push(group);
        for (let lane = 0; lane < width; lane++) taken.add(offset + lane);
      }
    }
    return groups;
  }

  #widthsOf({ space, dtype, shape }: BufferType): readonly number[] {
    const { wideBytes, mixesWidths } = this.#limits;
    if (mixesWidths) return [4, 2].filter((width) => width * bytesOf(dtype) <= wideBytes);
    // An array of vectors has no part of one at its end; buffers of the device are padded.
    return space === "shared" && divisorOfDim(elementCount(shape)) % 4 !== 0 ? [] : [4];
  }

  #isAligned(access: Access | undefined, { shape }: BufferType, width: number): boolean {
    const axis = consecutiveAxis(shape);
    const index = access?.index[axis];
    if (index === undefined || this.#divisors.of(index) % width !== 0) return false;
    return shape.slice(0, axis).every((size) => size === 1) || divisorOfDim(shape[axis] ?? 1) % width === 0;
  }

  /** Keeps groups of memory alone that is never stored to an element at a time. */
  #dropMixed(): void {
    const widened = new Set([...this.#groups.values()].flat().filter(({ name }) => name === "store").flatMap(({ lanes }) => lanes.flat().map(({ op }) => op)));
    const mixed = new Set<Value | undefined>();
    visitOps(this.#func.body, (op) => {
      if (op.name === "atomic_add" || (op.name === "store" && !widened.has(op))) mixed.add(op.operands[0]);
    });
    for (const [ops, groups] of this.#groups) this.#groups.set(ops, groups.filter(({ buffer }) => !mixed.has(buffer)));
  }

  #rewrite(region: Region): Region {
    const groups = this.#groups.get(region.ops) ?? [];
    const gone = new Set(groups.flatMap(({ lanes }) => lanes.flat().map(({ op }) => op)));
    const ops = region.ops.flatMap((op, position) => {
      const own = groups.filter((group) => group.position === position).flatMap(opsOf);
      if (gone.has(op)) return own;
      return op.regions.length === 0 ? [op] : [{ ...op, regions: op.regions.map((inner) => this.#rewrite(inner)) }];
    });
    return { ...region, ops };
  }
}

/** Undefined where the index of a load would be needed before it is there; `madeAt` is where the list makes its values. */
function groupAt(name: Group["name"], buffer: Value, lanes: readonly (readonly Access[])[], madeAt: ReadonlyMap<Value, number>): Group | undefined {
  const positions = lanes.flat().map(({ position }) => position);
  const position = name === "load" ? Math.min(...positions) : Math.max(...positions);
  const isThere = (value: Value): boolean => (madeAt.get(value) ?? -1) < position;
  return lanes[0]?.[0]?.index.every(isThere) === true ? { name, buffer, lanes, position } : undefined;
}

/** The one access, with what takes its vector apart or makes it. */
function opsOf({ name, buffer, lanes }: Group): readonly Op[] {
  const [base] = lanes.flat();
  if (base === undefined) throw new Error("a group has accesses");
  const { spans } = base.op;
  const { dtype } = scalarTypeOf(name === "load" ? first(base.op.results) : first(base.op.operands.slice(1)));
  const vector = new Value(scalarType(dtype, lanes.length));
  const made = { regions: [], spans };
  if (name === "store") {
    const elements = lanes.map((accesses) => first(first(accesses).op.operands.slice(1)));
    return [
      { ...made, name: "compose", operands: elements, results: [vector], attrs: {} },
      { ...made, name: "store", operands: [buffer, vector, ...base.index], results: [], attrs: {} },
    ];
  }
  return [
    { ...made, name: "load", operands: [buffer, ...base.index], results: [vector], attrs: { lanes: lanes.length } },
    // The values keep their identity, so nothing that uses them changes.
    ...lanes.flatMap((accesses, lane) => accesses.map(({ op }): Op => ({ name: "extract", operands: [vector], results: op.results, attrs: { lane }, regions: [], spans: op.spans }))),
  ];
}

function first<T>([item]: readonly T[]): T {
  if (item === undefined) throw new Error("a load has a result, and a store a value");
  return item;
}
