/**
 * Plan memory: what buffers a function needs, when each is alive, and the steps that fill them.
 *
 * Needs: a scheduled function, whose ops are launches, reshapes, long constants and control flow. The plan is the skeleton
 * of a Program: buffers with roles and lifetimes, counted in steps depth first. Sizes of named dims have no order
 * before a call, so offsets are the runtime's business; what may share memory is decided here.
 */

import type { Dim } from "../ir/dim.ts";
import { at } from "../ir/expect.ts";
import { type Func, inputsOfLaunch, type Module, type Op, type Region, Value } from "../ir/module.ts";
import type { MemoryPlan, PlannedBuffer, PlannedStep } from "../ir/plan.ts";
import { functionsOf } from "../ir/rewrite.ts";
import { stackTypeOf, tensorTypeOf } from "../ir/type-of.ts";
import { bytesOf, printType, type StackType, type TensorType } from "../ir/type.ts";
import { elementCount, mulDims, sameDim } from "../ir/dim.ts";
import type { ConstantPool } from "./constant-pool.ts";
import { replacesElements } from "./in-place.ts";

/** `donated` holds positions of parameters whose memory results may take; long constants are added to the pool. */
export function planMemory(module: Module, func: Func, donated: ReadonlySet<number>, constants: ConstantPool): MemoryPlan {
  return new Planner(module, func, donated, constants).plan();
}

interface Draft {
  readonly type: TensorType;
  readonly leaf: number | undefined;
  readonly aliasOf: number | undefined;
  readonly constant?: number;
  first: number;
  last: number;
  isWritten: boolean;
}

class Planner {
  readonly #func: Func;
  readonly #donated: ReadonlySet<number>;
  readonly #drafts: Draft[] = [];
  readonly #bufferOf = new Map<Value, number>();
  /** Loops around the current step: what was made before a loop and is read in it lives until the loop ends. */
  readonly #loops: { readonly start: number; readonly read: Set<number> }[] = [];
  readonly #constants: ConstantPool;
  readonly #kernels: (name: string) => Func | undefined;
  readonly #launches = new Map<number, Op>();
  readonly #stacks: StackType[] = [];
  readonly #stackOf = new Map<Value, number>();
  #step = 0;

  constructor(module: Module, func: Func, donated: ReadonlySet<number>, constants: ConstantPool) {
    this.#kernels = functionsOf(module);
    this.#func = func;
    this.#donated = donated;
    this.#constants = constants;
  }

  plan(): MemoryPlan {
    this.#func.body.parameters.forEach((parameter, leaf) => {
      this.#bufferOf.set(parameter, this.#add({ type: tensorTypeOf(parameter), leaf, aliasOf: undefined }));
    });
    const steps = this.#region(this.#func.body);
    const results = this.#func.body.yields.map((value) => this.#buffer(value));
    steps.push(...this.#separate(results));
    return { buffers: this.#assignRoles(new Set(results.map((buffer) => this.#root(buffer)))), stacks: this.#stacks, steps, results };
  }

  /**
   * Gives a result memory of its own where it is another result's or a constant: two leaves of a tree that started
   * as the same zeros must not be one storage when the caller donates the tree.
   */
  #separate(results: number[]): readonly PlannedStep[] {
    const taken = new Set<number>();
    return results.flatMap((buffer, i) => {
      const root = this.#root(buffer);
      if (!taken.has(root) && this.#draft(root).constant === undefined) {
        taken.add(root);
        return [];
      }
      const own = this.#add({ type: this.#draft(buffer).type, leaf: undefined, aliasOf: undefined });
      results[i] = own;
      return [this.#copy(buffer, own)];
    });
  }

  #add(draft: Pick<Draft, "type" | "leaf" | "aliasOf" | "constant">): number {
    this.#drafts.push({ ...draft, first: this.#step, last: this.#step, isWritten: false });
    return this.#drafts.length - 1;
  }

  #region(region: Region): PlannedStep[] {
    return region.ops.flatMap((op) => this.#op(op));
  }

  #op(op: Op): readonly PlannedStep[] {
    switch (op.name) {
      case "launch": return [this.#launch(op)];
      case "reshape": {
        const [operand] = op.operands;
        const [result] = op.results;
        if (operand !== undefined && result !== undefined) {
          this.#bufferOf.set(result, this.#add({ type: tensorTypeOf(result), leaf: undefined, aliasOf: this.#buffer(operand) }));
        }
        return [];
      }
      case "constant": {
        const result = at(op.results, 0);
        const constant = this.#constants.add(tensorTypeOf(result), op.attrs);
        this.#bufferOf.set(result, this.#add({ type: tensorTypeOf(result), leaf: undefined, aliasOf: undefined, constant }));
        return [];
      }
      case "stack": return [this.#newStack(op)];
      case "push": return [this.#onStack("push", op, this.#read(at(op.operands, 1)))];
      case "pop": return [this.#onStack("pop", op, this.#write(this.#define(at(op.results, 0))))];
      case "if": return this.#if(op);
      case "while": return this.#while(op);
      case "repeat": return this.#repeat(op);
      default: throw new Error(`${op.name} is no step of a program`);
    }
  }

  #launch(op: Op): PlannedStep {
    const count = inputsOfLaunch(op.operands.length, op.attrs);
    const [inputs, before] = [op.operands.slice(0, count), op.operands.slice(count)].map((operands) => operands.map((operand) => this.#read(operand)));
    const outputs = op.results.map((result, i) => this.#write(this.#define(result, before?.[i])));
    this.#launches.set(this.#step, op);
    this.#step++;
    return { kind: "launch", kernel: String(op.attrs["callee"]), buffers: [...(inputs ?? []), ...outputs] };
  }

  #newStack(op: Op): PlannedStep {
    const stack = at(op.results, 0);
    this.#stackOf.set(stack, this.#stacks.push(stackTypeOf(stack)) - 1);
    this.#step++;
    return { kind: "clear", stack: this.#stacks.length - 1 };
  }

  #onStack(kind: "push" | "pop", { operands: [operand] }: Op, buffer: number): PlannedStep {
    const stack = operand === undefined ? undefined : this.#stackOf.get(operand);
    if (stack === undefined) throw new Error(`a ${kind} has a stack`);
    this.#step++;
    return { kind, stack, buffer };
  }

  #if(op: Op): readonly PlannedStep[] {
    const condition = this.#read(at(op.operands, 0));
    this.#step++;
    const results = op.results.map((result) => this.#define(result));
    const [then, otherwise] = op.regions.map((region) => [
      ...this.#region(region),
      ...region.yields.map((value, i) => this.#copy(this.#read(value), at(results, i))),
    ]);
    return [{ kind: "if", condition, then: then ?? [], otherwise: otherwise ?? [] }];
  }

  /** Carries have buffers of their own: written before the loop, and from what the body yields after each turn. */
  #while(op: Op): readonly PlannedStep[] {
    const [conditionRegion, bodyRegion] = op.regions;
    if (conditionRegion === undefined || bodyRegion === undefined) throw new Error("a while has two regions");
    const carries = op.results.map((result) => this.#define(result));
    const before = op.operands.map((operand, i) => this.#copy(this.#read(operand), at(carries, i)));
    const loop = this.#turns(carries, () => {
      for (const region of [conditionRegion, bodyRegion]) region.parameters.forEach((parameter, i) => this.#bufferOf.set(parameter, at(carries, i)));
      const head = this.#region(conditionRegion);
      const condition = this.#read(at(conditionRegion.yields, 0));
      this.#step++;
      const body = [...this.#region(bodyRegion), ...this.#carry(bodyRegion.yields, carries)];
      return { kind: "loop", head, condition, body } as const;
    });
    return [...before, loop];
  }

  #repeat(op: Op): readonly PlannedStep[] {
    const region = at(op.regions, 0);
    const carries = op.results.map((result) => this.#define(result));
    const before = op.operands.map((operand, i) => this.#copy(this.#read(operand), at(carries, i)));
    const body = this.#turns(carries, () => {
      region.parameters.forEach((parameter, i) => this.#bufferOf.set(parameter, at(carries, i)));
      return [...this.#region(region), ...this.#carry(region.yields, carries)];
    });
    return [...before, { kind: "repeat", turns: Number(op.attrs["turns"]), body }];
  }

  /** What is planned for the turns of a loop: what they read stays alive until its end. */
  #turns<T>(carries: readonly number[], plan: () => T): T {
    this.#loops.push({ start: this.#step, read: new Set() });
    const planned = plan();
    const loop = this.#loops.pop();
    for (const buffer of [...(loop?.read ?? []), ...carries]) this.#touch(buffer);
    return planned;
  }

  /** Copies all at once: what yields another carry is kept aside before that carry changes. */
  #carry(yields: readonly Value[], carries: readonly number[]): readonly PlannedStep[] {
    const steps: PlannedStep[] = [];
    const sources = yields.map((value, i) => {
      const from = this.#read(value);
      const carry = carries.indexOf(this.#root(from));
      if (carry < 0 || carry >= i) return from;
      const aside = this.#add({ type: tensorTypeOf(value), leaf: undefined, aliasOf: undefined });
      steps.push(this.#copy(from, aside));
      return aside;
    });
    sources.forEach((from, i) => {
      if (from !== carries[i]) steps.push(this.#copy(from, at(carries, i)));
    });
    return steps;
  }

  #copy(from: number, to: number): PlannedStep {
    this.#touch(from);
    this.#write(to);
    this.#step++;
    return { kind: "copy", from, to };
  }

  /** With `before`, in the memory of that buffer. */
  #define(value: Value, before?: number): number {
    const buffer = this.#add({ type: tensorTypeOf(value), leaf: undefined, aliasOf: before });
    this.#bufferOf.set(value, buffer);
    return buffer;
  }

  #write(buffer: number): number {
    this.#touch(buffer);
    this.#draft(this.#root(buffer)).isWritten = true;
    return buffer;
  }

  #read(value: Value): number {
    const buffer = this.#buffer(value);
    this.#touch(buffer);
    return buffer;
  }

  #touch(buffer: number): void {
    const root = this.#root(buffer);
    this.#draft(root).last = Math.max(this.#draft(root).last, this.#step);
    for (const loop of this.#loops) if (this.#draft(root).first < loop.start) loop.read.add(root);
  }

  #buffer(value: Value): number {
    const buffer = this.#bufferOf.get(value);
    if (buffer === undefined) throw new Error(`a value of type ${printType(value.type)} has no buffer`);
    return buffer;
  }

  #root(buffer: number): number {
    const { aliasOf } = this.#draft(buffer);
    return aliasOf === undefined ? buffer : this.#root(aliasOf);
  }

  #draft(buffer: number): Draft {
    return at(this.#drafts, buffer);
  }

  #assignRoles(results: ReadonlySet<number>): readonly PlannedBuffer[] {
    const taken = new Set<number>(results);
    return this.#drafts.map(({ type, leaf, aliasOf, constant, first, last }, buffer): PlannedBuffer => {
      if (constant !== undefined) return { type, role: { kind: "constant", offset: constant } };
      if (leaf !== undefined) return { type, role: { kind: "parameter", leaf } };
      if (aliasOf !== undefined) return { type, role: { kind: "alias", of: aliasOf } };
      if (!results.has(buffer)) return { type, role: { kind: "temporary", first, last } };
      return { type, role: { kind: "result", reuses: this.#donor(buffer, taken) } };
    });
  }

  /**
   * A donated parameter of the same size that nothing reads once the result is written: it was read for the last time
   * in an earlier step, or by the very kernel that writes the result, each element by who replaces it.
   */
  #donor(result: number, taken: Set<number>): number | undefined {
    const { type, first } = this.#draft(result);
    const donor = this.#drafts.findIndex((draft, buffer) =>
      draft.leaf !== undefined && this.#donated.has(draft.leaf) && !taken.has(buffer) && sameDim(bytesOfType(draft.type), bytesOfType(type))
      && (draft.last < first || (draft.last === first && this.#isReplacedInPlace(buffer, result, first))));
    if (donor < 0) return undefined;
    taken.add(donor);
    return this.#draft(donor).leaf;
  }

  #isReplacedInPlace(donor: number, result: number, step: number): boolean {
    const launch = this.#launches.get(step);
    const kernel = launch === undefined ? undefined : this.#kernels(String(launch.attrs["callee"]));
    if (launch === undefined || kernel === undefined) return false;
    const inputs = launch.operands.map((operand) => this.#buffer(operand));
    const output = launch.results.findIndex((value) => this.#buffer(value) === result);
    const input = inputs.indexOf(donor);
    // Read under another shape, or twice, its elements are not where the result's are.
    const isReadOnce = inputs.filter((buffer) => this.#root(buffer) === donor).length === 1;
    return output >= 0 && input >= 0 && isReadOnce && replacesElements(kernel, input, inputs.length + output);
  }
}

export function bytesOfType(type: TensorType): Dim {
  return mulDims(elementCount(type.shape), bytesOf(type.dtype));
}
