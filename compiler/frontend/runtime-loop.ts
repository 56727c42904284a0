/**
 * Loops whose turns are counted only at run time: one `while` of the IR, which carries what a turn changes (loop-state.ts), a
 * flag that says whether there is another turn, and, where the loop is left by `return` or for an outer loop, how.
 */

import type { ts } from "ts-morph";
import { at } from "../../ir/expect.ts";
import type { Region, Value } from "../../ir/module.ts";
import { printType, sameType, tensorType } from "../../ir/type.ts";
import { branch, fillerFor, valueOfBoolean, valueOfNumber } from "./branch.ts";
import { type Completion, isSameJump, whether, without } from "./completion.ts";
import { bool, booleanOperand, f64, runtimeOperand } from "./evaluate-operator.ts";
import { type Evaluation, makeOps, Refusal, refuse, runtimeBooleanOf, runtimeNumberOf, tensorOf, use } from "./evaluation.ts";
import { isBoolean, type Numeric } from "./join.ts";
import { type Content, contentOf, type Location, undone, write } from "./journal.ts";
import { differences, isOneKind, leafAt, type LeafPath, mapContent, partsOf, visibleLocations } from "./loop-state.ts";
import type { Binding, Scope } from "./scope.ts";
import { CollectionValue, describe, isArray, isNumeric, isRuntimeLeaf, ObjectValue, RuntimeBoolean, type RuntimeLeaf, RuntimeNumber, type StaticValue, TensorValue, Unjoined } from "./value.ts";

export interface Turn {
  /** Whether there is another turn. */
  test(): boolean | RuntimeBoolean;
  body(): Completion;
  /** What a `for` does after each turn. */
  step(): void;
  /** Whether a completion of the body leads to the next turn, or ends this loop and nothing else. */
  isNext(leaf: Completion): boolean;
  isEnd(leaf: Completion): boolean;
}

/** Whether there is a first turn, by `first`. */
export function evaluateRuntimeLoop(run: Evaluation, first: boolean | RuntimeBoolean, turn: Turn, scope: Scope, node: ts.Node): Completion {
  return new RuntimeLoop(run, turn, scope, node).evaluate(first);
}

/** A loop of known turns that is one only turn by turn: they change something that must be known now. */
class NeedsItsTurns extends Error {}

/** The variables of a `for`, and how many turns there are if nothing but its increment changes them. */
export interface OwnVariables {
  readonly variables: ReadonlySet<Binding>;
  readonly turns: number;
}

/**
 * A loop whose turns are known, as one loop all the same, when they change tensors alone, and numbers of run time, and need
 * not know which turn it is; undefined when that is not so.
 */
export function tryRuntimeLoop(run: Evaluation, turn: Turn, scope: Scope, own: OwnVariables, node: ts.Node): { readonly completion: Completion } | undefined {
  try {
    return { completion: new RuntimeLoop(run, turn, scope, node, own).evaluate(true) };
  } catch (error) {
    // One without an end has none turn by turn either.
    const isEndless = error instanceof Refusal && error.diagnostic.code === "TSDL3006";
    if (!isEndless && (error instanceof Refusal || error instanceof NeedsItsTurns)) return undefined;
    throw error;
  }
}

/** A leaf that the loop carries, and how it is held in the IR. */
interface Carry {
  readonly location: Location;
  readonly path: LeafPath;
  readonly initial: StaticValue;
}

const mostTrials = 64;

class RuntimeLoop {
  readonly #run: Evaluation;
  readonly #turn: Turn;
  readonly #node: ts.Node;
  readonly #scope: Scope;
  readonly #visible: Set<Location>;
  readonly #goesOn: Binding = { value: true, isConstant: false, isInitialized: true };
  /** Which of `#exits` ended the loop, counted from 1. */
  readonly #exit: Binding = { value: 0, isConstant: false, isInitialized: true };
  readonly #result: Binding = { value: undefined, isConstant: false, isInitialized: true };
  readonly #exits: Exclude<Completion, undefined>[] = [];
  readonly #carried = new Map<Location, Set<LeafPath>>();
  /** Leaves that have no one kind: they may not be read from one turn to the next. */
  readonly #unjoined = new Map<Location, Map<LeafPath, Unjoined>>();
  /** A copy of something that a turn returned. */
  #returned: StaticValue;
  #first: boolean | RuntimeBoolean = true;
  readonly #own: OwnVariables | undefined;
  /** Whether a turn may leave the loop, or change how many there are. */
  #isIrregular = false;
  #canEnd = false;

  /** `own` are the only variables that may turn from numbers into numbers of run time; undefined is all. */
  constructor(run: Evaluation, turn: Turn, scope: Scope, node: ts.Node, own?: OwnVariables) {
    this.#own = own;
    this.#run = run;
    this.#turn = turn;
    this.#node = node;
    this.#scope = scope;
    this.#visible = new Set([...visibleLocations(scope), this.#goesOn, this.#exit, this.#result]);
  }

  evaluate(first: boolean | RuntimeBoolean): Completion {
    this.#goesOn.value = first;
    this.#first = first;
    this.#carried.set(this.#goesOn, new Set([""]));
    for (let trial = 0; trial < mostTrials; trial++) {
      const carries = this.#carries();
      const { result: { region, start }, after } = undone(this.#run, () => this.#tryTurn(carries));
      if (!this.#grow(start, after)) return this.#build(carries, region, after);
    }
    return refuse(this.#run, this.#node, "TSDL3006", "what this loop carries from turn to turn does not settle");
  }

  #carries(): readonly Carry[] {
    return [...this.#carried].flatMap(([location, paths]) => [...paths].map((path): Carry => ({ location, path, initial: leafAt(contentOf(location), path, contentOf) })));
  }

  /** One turn on carries that are parameters of a region. */
  #tryTurn(carries: readonly Carry[]): { readonly region: Region; readonly start: ReadonlyMap<Location, Content> } {
    this.#canEnd = this.#first !== true;
    this.#isIrregular = false;
    const start = new Map<Location, Content>();
    const region = this.#run.b.region(carries.map((carry) => this.#typeOf(carry)), (parameters) => {
      this.#place(carries, parameters);
      const placed = [...this.#carried.keys()].flatMap((location) => ("value" in location ? partsOf((location as Binding).value) : []));
      for (const location of [...this.#visible, ...placed]) start.set(location, contentOf(location));
      this.#oneTurn();
      return [];
    });
    return { region, start };
  }

  #oneTurn(): void {
    const { body, test, step, isNext, isEnd } = this.#turn;
    const before = [...(this.#own?.variables ?? [])].map(({ value }) => value);
    const completion = body();
    if (![...(this.#own?.variables ?? [])].every(({ value }, i) => Object.is(value, before[i]))) this.#isIrregular = true;
    const goesOn = whether(this.#run, completion, isNext, this.#node);
    const next = (): void => {
      step();
      const again = test();
      if (again !== true) this.#canEnd = true;
      write(this.#run, this.#goesOn, { value: again, isInitialized: true });
    };
    const leave = (): void => {
      this.#isIrregular = true;
      write(this.#run, this.#goesOn, { value: false, isInitialized: true });
      this.#leave(without(completion, isNext), isEnd);
    };
    this.#either(goesOn, next, leave);
  }

  #either(condition: boolean | RuntimeBoolean, then: () => void, otherwise: () => void): void {
    if (typeof condition === "boolean") return condition ? then() : otherwise();
    branch<undefined>(this.#run, condition, [() => void then(), () => void otherwise()], () => undefined, this.#node);
  }

  /** Notes how the loop is left: a completion without leaves that go on. */
  #leave(completion: Completion, isEnd: (leaf: Completion) => boolean): void {
    if (completion?.kind === "either") {
      return this.#either(completion.condition, () => this.#leave(completion.then, isEnd), () => this.#leave(completion.otherwise, isEnd));
    }
    if (completion === undefined || isEnd(completion)) {
      this.#canEnd = true;
      return;
    }
    let position = this.#exits.findIndex((exit) => isSameJump(exit, completion));
    if (position < 0) position = this.#exits.push(completion) - 1;
    write(this.#run, this.#exit, { value: position + 1, isInitialized: true });
    if (completion.kind !== "return") return;
    this.#returned ??= mapRuntimeLeaves(completion.value, (leaf) => leaf);
    write(this.#run, this.#result, { value: completion.value, isInitialized: true });
  }

  /** Adds what a turn changed and is not carried; whether there was anything. */
  #grow(start: ReadonlyMap<Location, Content>, after: ReadonlyMap<Location, Content>): boolean {
    const read = (location: Location): Content => after.get(location) ?? contentOf(location);
    const states = { before: (location: Location) => start.get(location) ?? contentOf(location), after: read, isOwn: (location: Location) => this.#visible.has(location) };
    let grew = false;
    for (const [location, content] of after) {
      const before = start.get(location);
      if (before === undefined || !this.#visible.has(location)) continue;
      this.#requireOneStructure(location, before, content);
      for (const { path, before: was, after: is } of differences(before, content, states)) {
        this.#requireRuntimeLeaf(location, was);
        if (location === this.#result && was === undefined) {
          // What is returned later on has the structure of what was returned in this turn; until then nobody looks at it.
          this.#result.value = mapRuntimeLeaves(this.#returned, (leaf) => fillerFor(this.#run, leaf, this.#node));
          grew = true;
        } else if (isOneKind(was, is)) {
          this.#requireOneType(location, was, is);
          grew = this.#add(location, path) || grew;
        } else if (!(was instanceof Unjoined)) {
          const paths = this.#unjoined.get(location) ?? new Map<LeafPath, Unjoined>();
          const reason = is instanceof Unjoined ? is.reason : `it is ${describe(was)} before a turn of a loop and ${describe(is)} after it`;
          this.#unjoined.set(location, paths.set(path, new Unjoined(reason)));
          this.#carried.get(location)?.delete(path);
          grew = true;
        }
      }
      this.#refuseAliases(location, after);
    }
    return grew;
  }

  #requireRuntimeLeaf(location: Location, was: StaticValue): void {
    if (this.#own === undefined || isRuntimeLeaf(was)) return;
    if (![...this.#own.variables].some((variable) => variable === location) && location !== this.#goesOn && location !== this.#exit && location !== this.#result) throw new NeedsItsTurns();
  }

  #add(location: Location, path: LeafPath): boolean {
    const paths = this.#carried.get(location) ?? new Set<LeafPath>();
    if (paths.has(path)) return false;
    this.#carried.set(location, paths.add(path));
    return true;
  }

  #requireOneStructure(location: Location, before: Content, after: Content): void {
    const isList = Array.isArray(before) && Array.isArray(after);
    const [was, is] = isList ? [before.length, after.length] : before instanceof Map && after instanceof Map ? [before.size, after.size] : [0, 0];
    const isOneSet = isList || !(before instanceof Map && after instanceof Map) || [...before.keys()].every((key) => after.has(key));
    if (was === is && isOneSet) return;
    const parts = isList ? "elements" : location instanceof CollectionValue ? "keys" : "fields";
    refuse(this.#run, this.#node, "TSDL3004", `${this.#nameOf(location)} changes its ${isList ? "length" : parts} in a loop whose turns are counted at run time`, {
      label: was === is ? `it loses one of its ${parts} in a turn` : `it has ${was} ${parts} before a turn and ${is} after it`,
      help: "make room for all before the loop; tensors that turns make are collected by scan(f, initial, xs)",
    });
  }

  #requireOneType(location: Location, was: StaticValue, is: StaticValue): void {
    if (!(was instanceof TensorValue) || !(is instanceof TensorValue) || sameType(was.type, is.type)) return;
    refuse(this.#run, this.#node, "TSDL2003", `${this.#nameOf(location)} changes its type from one turn of a loop to the next`, {
      label: `it is ${printType(was.type)} before a turn and ${printType(is.type)} after it`,
      help: "keep one shape: start with a tensor of the final size, or collect what turns make in an array outside of a loop that run time decides",
    });
  }

  /** A variable that is given a new object in each turn stands for another object in each; nobody may write to the first one too. */
  #refuseAliases(location: Location, after: ReadonlyMap<Location, Content>): void {
    const paths = this.#carried.get(location);
    const now = contentOf(location);
    if (paths === undefined || location === this.#result || !("value" in now)) return;
    const parts = partsOf((now as { readonly value: StaticValue }).value);
    if (parts.length === 0 || !parts.some((part) => after.has(part) && this.#visible.has(part))) return;
    refuse(this.#run, this.#node, "TSDL3004", `${this.#nameOf(location)} is given new objects in a loop that run time decides, and the first one is changed in it too`, {
      help: "change fields alone, or make a new object each time and change none",
    });
  }

  /** Puts values in the place of the carries, and what nobody may read in that of the unjoined. */
  #place(carries: readonly Carry[], values: readonly Value[]): void {
    const wrapped = new Map<Location, Map<LeafPath, StaticValue>>();
    carries.forEach(({ location, path, initial }, i) => {
      const leaves = wrapped.get(location) ?? new Map<LeafPath, StaticValue>();
      wrapped.set(location, leaves.set(path, this.#wrap(initial, at(values, i))));
    });
    for (const location of new Set([...wrapped.keys(), ...this.#unjoined.keys()])) {
      const leaves = wrapped.get(location);
      const lost = this.#unjoined.get(location);
      write(this.#run, location, mapContent(contentOf(location), (value, path) => leaves?.get(path) ?? lost?.get(path) ?? value));
    }
  }

  #wrap(initial: StaticValue, value: Value): StaticValue {
    if (initial instanceof TensorValue) return tensorOf(this.#run, value);
    return isBoolean(initial) ? runtimeBooleanOf(this.#run, value) : runtimeNumberOf(this.#run, value);
  }

  #typeOf({ initial }: Carry) {
    if (initial instanceof TensorValue) return initial.type;
    return isBoolean(initial) ? bool : f64;
  }

  #operand(value: StaticValue): Value {
    if (value instanceof TensorValue) return use(this.#run, value, this.#node);
    if (isBoolean(value)) return booleanOperand(this.#run, value, this.#node);
    if (isNumeric(value)) return runtimeOperand(this.#run, value, this.#node);
    throw new Error(`${describe(value)} is no carry`);
  }

  /** What the body yields: values of its region, or constants. */
  #yielded(value: StaticValue): Value {
    if (value instanceof TensorValue) return value.value;
    if (isBoolean(value)) return valueOfBoolean(this.#run, value, this.#node);
    return valueOfNumber(this.#run, value as Numeric, this.#node);
  }

  #build(carries: readonly Carry[], body: Region, after: ReadonlyMap<Location, Content>): Completion {
    const run = this.#run;
    if (!this.#canEnd && this.#exits.length === 0) {
      refuse(run, this.#node, "TSDL3006", "this loop never ends", { label: "its condition is always true, and nothing in it leaves it", help: "write a condition on x.item(), or break when one holds" });
    }
    const read = (location: Location): Content => after.get(location) ?? contentOf(location);
    const operands = carries.map(({ initial }) => this.#operand(initial));
    const yields = carries.map(({ location, path }, i) => {
      const touched = after.get(location);
      // Untouched, a carry is what the turn began with.
      return touched === undefined ? at(body.parameters, i) : this.#yielded(leafAt(touched, path, read));
    });
    if (this.#own !== undefined && !this.#isIrregular) this.#place(carries.slice(1), this.#buildCounted(this.#own.turns, operands, body, yields));
    else {
      const condition = run.b.region(operands.map(({ type }) => type), ([goesOn]) => [at([goesOn], 0)]);
      this.#place(carries, makeOps(run, this.#node, (b) => b.while(operands, {}, [condition, { ...body, yields }])));
    }
    // Nobody else knows of them.
    for (const own of [this.#goesOn, this.#exit, this.#result]) run.journal?.forget(own);
    return this.#completion();
  }

  /** Nobody has to ask whether there is another turn. */
  #buildCounted(turns: number, [, ...operands]: readonly Value[], body: Region, [, ...yields]: readonly Value[]): readonly Value[] {
    const count = tensorType("i32", []);
    return makeOps(this.#run, this.#node, (b) => {
      const counted = b.region([count], () => []);
      const region = { parameters: [...counted.parameters, ...body.parameters.slice(1)], ops: body.ops, yields };
      return b.for(b.constantOf(count, 0), b.constantOf(count, turns), b.constantOf(count, 1), operands, { kind: "serial" }, [region]);
    });
  }

  /** How the loop completed. */
  #completion(): Completion {
    const run = this.#run;
    const { value: exit } = this.#exit;
    const leaves = this.#exits.map((each): Completion => (each.kind === "return" ? { kind: "return", value: this.#result.value } : each));
    if (!(exit instanceof RuntimeNumber)) return leaves.length === 0 ? undefined : leaves.at(-1);
    const others = this.#canEnd ? leaves : leaves.slice(0, -1);
    const last = this.#canEnd ? undefined : leaves.at(-1);
    return others.reduceRight<Completion>((otherwise, then, position) => {
      const operand = use(run, exit, this.#node);
      const condition = runtimeBooleanOf(run, makeOps(run, this.#node, (b) => b.eq(operand, position + 1)));
      return { kind: "either", condition, then, otherwise };
    }, last);
  }

  #nameOf(location: Location): string {
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.parent) {
      for (const [name, binding] of scope.bindings) if (binding === location || partsOf(binding.value).includes(location)) return name;
    }
    return location === this.#result ? "what is returned" : "an object";
  }
}

/** A copy of a tree with other leaves. */
function mapRuntimeLeaves(value: StaticValue, change: (leaf: RuntimeLeaf) => StaticValue): StaticValue {
  if (isRuntimeLeaf(value)) return change(value);
  if (isArray(value)) return value.map((item) => mapRuntimeLeaves(item, change));
  if (value instanceof ObjectValue) return value.like([...value.fields].map(([key, item]) => [key, mapRuntimeLeaves(item, change)] as const));
  return value;
}
