/**
 * The units of a region while it is being fused: groups, and the ops that are no part of any kernel.
 *
 * A group is a set of ops that each belong to it alone (its own ops), and free ops, of which it has copies: what it
 * needs of them follows from its own ops. Two groups depend on each other through what the own ops of one compute and
 * the other reads, be it through copies.
 */

import type { Op, Region, Value } from "../ir/module.ts";
import { usedValues } from "../ir/rewrite.ts";
import { findCompute, rankOf } from "./access.ts";
import { isLongConstant } from "./constant-pool.ts";
import { isFree, isRenaming } from "./cost.ts";

export interface Group {
  readonly kind: "group";
  readonly own: ReadonlySet<Op>;
}

export interface Other {
  readonly kind: "other";
  readonly op: Op;
}

export type Unit = Group | Other;

export class Units {
  readonly #yields: ReadonlySet<Value>;
  readonly #position = new Map<Op, number>();
  readonly #definition = new Map<Value, Op>();
  readonly #unitOf = new Map<Op, Unit>();
  /** Units that read a value, be it in a copy. */
  readonly #readers = new Map<Value, Set<Unit>>();
  readonly #opsOf = new Map<Unit, readonly Op[]>();
  readonly #sourcesOf = new Map<Unit, readonly Op[]>();
  /** The ops that must stay before an op, since both use a stack. */
  readonly #before = new Map<Op, readonly Op[]>();
  readonly #refused = new Map<Group, Set<Group>>();

  /** A kernel binds at most `mostBuffers` buffers. */
  constructor(region: Region, mostBuffers = Infinity) {
    this.#yields = new Set(region.yields);
    region.ops.forEach((op, position) => {
      this.#position.set(op, position);
      for (const result of op.results) this.#definition.set(result, op);
    });
    this.#orderStacks(region);
    const wanted = new Set(region.yields);
    for (const op of region.ops) if (!isFusible(op)) for (const value of usedValues(op)) wanted.add(value);
    for (const op of region.ops) {
      if (!isFusible(op)) this.#unitOf.set(op, { kind: "other", op });
      // A free op that something other than a kernel wants has to be stored, and so is no copy.
      else if (!isFree(op) || op.results.some((result) => wanted.has(result))) this.#unitOf.set(op, { kind: "group", own: new Set([op]) });
    }
    if (mostBuffers < Infinity) this.#storeWhatBindsTooMuch(region, mostBuffers);
    for (const unit of this.#unitOf.values()) this.#addReader(unit);
  }

  /** A long computation on numbers is free op by op, and may read more than a kernel can bind: parts of it are stored. */
  #storeWhatBindsTooMuch(region: Region, mostBuffers: number): void {
    const read = new Map<Op, ReadonlySet<Value>>();
    const freeDefinition = (value: Value): Op | undefined => {
      const op = this.#definition.get(value);
      return op === undefined || this.#unitOf.has(op) ? undefined : op;
    };
    const readBy = (op: Op): ReadonlySet<Value> => new Set(op.operands.flatMap((operand) => {
      const definition = freeDefinition(operand);
      return definition === undefined ? [operand] : [...(read.get(definition) ?? [])];
    }));
    for (const op of region.ops) {
      if (!isFusible(op)) continue;
      let inputs = readBy(op);
      const parts = [...new Set(op.operands.map(freeDefinition))].filter((part) => part !== undefined);
      for (const part of parts.toSorted((left, right) => (read.get(right)?.size ?? 0) - (read.get(left)?.size ?? 0))) {
        if (inputs.size + op.results.length <= mostBuffers) break;
        this.#unitOf.set(part, { kind: "group", own: new Set([part]) });
        inputs = readBy(op);
      }
      read.set(op, inputs);
    }
  }

  groups(): readonly Group[] {
    return [...new Set(this.#unitOf.values())].filter((unit) => unit.kind === "group");
  }

  join(left: Group, right: Group): void {
    const joined: Group = { kind: "group", own: new Set([...left.own, ...right.own]) };
    for (const op of joined.own) this.#unitOf.set(op, joined);
    for (const unit of [left, right]) for (const op of this.#opsIn(unit)) for (const value of op.operands) this.#readers.get(value)?.delete(unit);
    this.#addReader(joined);
  }

  /**
   * Remembers that two groups cannot be one. It stays so while neither grows: joining others takes away no path between
   * them, and changes nothing of what the union would be.
   */
  refuse(left: Group, right: Group): void {
    const others = this.#refused.get(left) ?? new Set();
    this.#refused.set(left, others.add(right));
  }

  wasRefused(left: Group, right: Group): boolean {
    return this.#refused.get(left)?.has(right) ?? false;
  }

  /** Groups whose results a group reads, the nearest first. */
  producersOf(group: Group): readonly Group[] {
    const producers = this.#dependencies(group).filter((unit) => unit.kind === "group");
    return producers.toSorted((left, right) => this.#last(right) - this.#last(left));
  }

  /** Later groups that read an array that this one reads too. */
  siblingsOf(group: Group): readonly Group[] {
    const inputs = this.#inputsOf(this.#opsIn(group)).filter((value) => rankOf(value) > 0);
    const others = new Set(inputs.flatMap((value) => [...(this.#readers.get(value) ?? [])]));
    return this.groups().filter((other) => others.has(other) && this.#last(other) > this.#last(group) && this.#inputsOf(this.#opsIn(other)).some((value) => inputs.includes(value)));
  }

  /** Whether something outside of both depends on `first` and is depended on by `second`. */
  isBetween(first: Group, second: Group): boolean {
    const seen = new Set<Unit>();
    const start = this.#startOf(first);
    const reaches = (unit: Unit, isDirect: boolean): boolean =>
      this.#dependencies(unit).some((dependency) => {
        if (dependency === first) return !isDirect;
        if (dependency === second || seen.has(dependency) || this.#last(dependency) < start) return false;
        seen.add(dependency);
        return reaches(dependency, false);
      });
    return reaches(second, true);
  }

  /**
   * What ends before here cannot depend on a group. That is before the group begins, unless another unit begins earlier and
   * ends later: it may read the group's results at its end, and be read at its beginning.
   */
  #startOf(group: Group): number {
    let start = this.#first(group);
    const units = this.groups();
    for (let earlier = start; ; start = earlier) {
      for (const unit of units) if (this.#last(unit) >= start) earlier = Math.min(earlier, this.#first(unit));
      if (earlier === start) return start;
    }
  }

  /** What the union of groups would be: inputs, ops with copies in order, and what others read of it. */
  regionOf(groups: readonly Group[]): Region {
    const own = new Set(groups.flatMap((group) => [...group.own]));
    const ops = this.#withCopies(own);
    const isReadOutside = (value: Value): boolean =>
      this.#yields.has(value) || [...(this.#readers.get(value) ?? [])].some((unit) => unit.kind === "other" || !groups.includes(unit));
    const yields = ops.filter((op) => own.has(op)).flatMap((op) => op.results).filter(isReadOutside);
    return { parameters: this.#inputsOf(ops), ops, yields };
  }

  /** Every unit after those it depends on; otherwise as the program has them. */
  inOrder(): readonly Unit[] {
    const ordered = new Set<Unit>();
    const visit = (unit: Unit): void => {
      if (ordered.has(unit)) return;
      for (const dependency of this.#dependencies(unit)) visit(dependency);
      ordered.add(unit);
    };
    for (const unit of this.#unitOf.values()) visit(unit);
    return [...ordered].filter((unit) => unit.kind === "other" || this.regionOf([unit]).yields.length > 0);
  }

  #dependencies(unit: Unit): readonly Unit[] {
    const dependencies = new Set<Unit>();
    for (const op of this.#sources(unit)) {
      const other = this.#unitOf.get(op);
      if (other !== undefined && other !== unit) dependencies.add(other);
    }
    return [...dependencies];
  }

  /** The ops, of whichever unit, that compute what a unit reads, or must come first for another reason. */
  #sources(unit: Unit): readonly Op[] {
    const known = this.#sourcesOf.get(unit);
    if (known !== undefined) return known;
    const sources = new Set<Op>();
    for (const value of this.#opsIn(unit).flatMap(usedValues)) {
      const definition = this.#definition.get(value);
      if (definition !== undefined) sources.add(definition);
    }
    if (unit.kind === "other") this.#before.get(unit.op)?.forEach((op) => sources.add(op));
    this.#sourcesOf.set(unit, [...sources]);
    return [...sources];
  }

  #orderStacks(region: Region): void {
    const last = new Map<Value, Op>();
    for (const op of region.ops) {
      const stacks = usedValues(op).filter(({ type }) => type.kind === "stack");
      const before = stacks.map((stack) => last.get(stack)).filter((earlier) => earlier !== undefined);
      if (before.length > 0) this.#before.set(op, before);
      stacks.forEach((stack) => last.set(stack, op));
    }
  }

  #addReader(unit: Unit): void {
    for (const value of this.#opsIn(unit).flatMap(usedValues)) {
      const readers = this.#readers.get(value) ?? new Set();
      this.#readers.set(value, readers.add(unit));
    }
  }

  /** The ops of a unit, copies included. */
  #opsIn(unit: Unit): readonly Op[] {
    const known = this.#opsOf.get(unit);
    if (known !== undefined) return known;
    const ops = unit.kind === "other" ? [unit.op] : this.#withCopies(unit.own);
    this.#opsOf.set(unit, ops);
    return ops;
  }

  /** What ops read and do not compute, each once. */
  #inputsOf(ops: readonly Op[]): readonly Value[] {
    const inside = new Set(ops.flatMap((op) => op.results));
    return [...new Set(ops.flatMap((op) => op.operands).filter((value) => !inside.has(value)))];
  }

  /** Own ops and the free ops that they need, in order. */
  #withCopies(own: ReadonlySet<Op>): readonly Op[] {
    const ops = new Set<Op>(own);
    const pending = [...own];
    for (let op = pending.pop(); op !== undefined; op = pending.pop()) {
      for (const operand of op.operands) {
        const definition = this.#definition.get(operand);
        if (definition === undefined || this.#unitOf.has(definition) || ops.has(definition)) continue;
        ops.add(definition);
        pending.push(definition);
      }
    }
    return [...ops].toSorted((left, right) => this.#at(left) - this.#at(right));
  }

  #first(unit: Unit): number {
    return unit.kind === "other" ? this.#at(unit.op) : Math.min(...[...unit.own].map((op) => this.#at(op)));
  }

  #last(unit: Unit): number {
    return unit.kind === "other" ? this.#at(unit.op) : Math.max(...[...unit.own].map((op) => this.#at(op)));
  }

  #at(op: Op): number {
    return this.#position.get(op) ?? -1;
  }
}

function isFusible(op: Op): boolean {
  return findCompute(op) !== undefined && !isRenaming(op) && !isLongConstant(op);
}
