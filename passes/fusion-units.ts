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
  readonly #region: Region;
  readonly #position = new Map<Op, number>();
  readonly #definition = new Map<Value, Op>();
  readonly #unitOf = new Map<Op, Unit>();

  constructor(region: Region) {
    this.#region = region;
    region.ops.forEach((op, position) => {
      this.#position.set(op, position);
      for (const result of op.results) this.#definition.set(result, op);
    });
    const wanted = new Set(region.yields);
    for (const op of region.ops) if (!isFusible(op)) for (const value of usedValues(op)) wanted.add(value);
    for (const op of region.ops) {
      if (!isFusible(op)) this.#unitOf.set(op, { kind: "other", op });
      // A free op that something other than a kernel wants has to be stored, and so is no copy.
      else if (!isFree(op) || op.results.some((result) => wanted.has(result))) this.#unitOf.set(op, { kind: "group", own: new Set([op]) });
    }
  }

  groups(): readonly Group[] {
    return [...new Set(this.#unitOf.values())].filter((unit) => unit.kind === "group");
  }

  join(left: Group, right: Group): void {
    const joined: Group = { kind: "group", own: new Set([...left.own, ...right.own]) };
    for (const op of joined.own) this.#unitOf.set(op, joined);
  }

  /** Groups whose results a group reads, the nearest first. */
  producersOf(group: Group): readonly Group[] {
    const producers = this.#dependencies(group).filter((unit) => unit.kind === "group");
    return producers.toSorted((left, right) => this.#last(right) - this.#last(left));
  }

  /** Later groups that read an array that this one reads too. */
  siblingsOf(group: Group): readonly Group[] {
    const inputs = new Set(this.regionOf([group]).parameters.filter((value) => rankOf(value) > 0));
    return this.groups().filter((other) => this.#last(other) > this.#last(group) && this.regionOf([other]).parameters.some((value) => inputs.has(value)));
  }

  /** Whether something outside of both depends on `first` and is depended on by `second`. */
  isBetween(first: Group, second: Group): boolean {
    const seen = new Set<Unit>();
    const reaches = (unit: Unit, isDirect: boolean): boolean =>
      this.#dependencies(unit).some((dependency) => {
        if (dependency === first) return !isDirect;
        if (dependency === second || seen.has(dependency)) return false;
        seen.add(dependency);
        return reaches(dependency, false);
      });
    return reaches(second, true);
  }

  /** What the union of groups would be: inputs, ops with copies in order, and what others read of it. */
  regionOf(groups: readonly Group[]): Region {
    const own = new Set(groups.flatMap((group) => [...group.own]));
    const ops = this.#withCopies(own);
    const inside = new Set(ops.flatMap((op) => op.results));
    const parameters = new Set(ops.flatMap((op) => op.operands).filter((value) => !inside.has(value)));
    const readOutside = new Set(this.#region.yields);
    for (const unit of new Set(this.#unitOf.values())) {
      if (unit.kind === "other") for (const value of usedValues(unit.op)) readOutside.add(value);
      else if (![...unit.own].some((op) => own.has(op))) for (const op of this.#withCopies(unit.own)) for (const value of op.operands) readOutside.add(value);
    }
    const yields = ops.filter((op) => own.has(op)).flatMap((op) => op.results).filter((value) => readOutside.has(value));
    return { parameters: [...parameters], ops, yields };
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
    const ops = unit.kind === "other" ? [unit.op] : this.#withCopies(unit.own);
    const dependencies = new Set<Unit>();
    for (const value of ops.flatMap(usedValues)) {
      const definition = this.#definition.get(value);
      const other = definition === undefined ? undefined : this.#unitOf.get(definition);
      if (other !== undefined && other !== unit) dependencies.add(other);
    }
    return [...dependencies];
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

  #last(group: Group): number {
    return Math.max(...[...group.own].map((op) => this.#at(op)));
  }

  #at(op: Op): number {
    return this.#position.get(op) ?? -1;
  }
}

function isFusible(op: Op): boolean {
  return findCompute(op) !== undefined && !isRenaming(op) && !isLongConstant(op);
}
