/**
 * Emit: one walk over the ops of a kernel that every target shares. It names values, keeps loops and carries in order,
 * linearizes indices, and asks the target's record how each thing is spelled. It decides nothing.
 */

import { type Dim, elementCount } from "../ir/dim.ts";
import { at, only } from "../ir/expect.ts";
import { type Func, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import type { BarrierAttrs } from "../ir/ops/kernel.ts";
import { type MmaAttrs, type PackAttrs, registersOfMma } from "../ir/ops/matrix.ts";
import type { ShuffleXorAttrs } from "../ir/ops/subgroup.ts";
import { storedBuffers } from "../ir/rewrite.ts";
import { bufferTypeOf, scalarTypeOf } from "../ir/type-of.ts";
import { type BufferType, printType, type ScalarType, scalarType } from "../ir/type.ts";
import type { Definition, ElementwiseName, KernelMemory, KernelParameter, KernelText, MatrixSpelling, Target, Use } from "./target.ts";

/** A counter of this name would hide the type from what comes after it. */
const typeNames: ReadonlySet<string> = new Set(["i8", "i16", "i32", "i64"]);

/** A kernel function and what its text says besides: the named dims it knows, in order, and what it is. */
export type KernelRequest = Pick<KernelText, "dims" | "comment" | "isInPlace"> & { readonly func: Func };

/** The text of kernels with the definitions they rely on. */
export function emitFile(target: Target, kernels: readonly KernelRequest[]): string {
  const definitions = new Map<string, string>();
  const use: Use = (definition) => useDefinition(definitions, definition);
  const texts = kernels.map((kernel) => new KernelEmitter(target, use).emit(kernel));
  return target.file([...definitions.values()], texts);
}

/** A definition comes after those it is made of. */
function useDefinition(definitions: Map<string, string>, definition: Definition): string {
  if (!definitions.has(definition.name)) {
    const text = definition.text((other) => useDefinition(definitions, other));
    definitions.set(definition.name, text);
  }
  return definition.name;
}

class KernelEmitter {
  readonly #target: Target;
  readonly #use: Use;
  readonly #names = new Map<Value, string>();
  readonly #literals = new Map<Value, number>();
  readonly #wide = new Set<Value>();
  readonly #shared: string[] = [];
  #threads = 0;
  #place = "";
  #kernel = "";
  #lines: string[] = [];
  #count = 0;

  constructor(target: Target, use: Use) {
    this.#target = target;
    this.#use = use;
  }

  emit({ func, ...request }: KernelRequest): string {
    this.#kernel = func.name;
    const written = storedBuffers(func);
    const atomic = new Set<Value | undefined>();
    visitOps(func.body, (op) => {
      const [buffer] = op.operands;
      if (op.name === "atomic_add") atomic.add(buffer);
      if (buffer !== undefined && isWideAccess(op)) this.#wide.add(buffer);
    });
    const parameters = func.body.parameters.map((value, i): KernelParameter => {
      const name = func.parameterNames[i] ?? `buffer${i}`;
      this.#names.set(value, name);
      return { name, type: this.#memory(value), isWritten: written.has(value), isAtomic: atomic.has(value) };
    });
    const body = this.#block(func.body);
    return this.#target.kernel({ ...request, name: func.name, parameters, shared: this.#shared, threads: this.#threads, body }, this.#use);
  }

  #block(region: Region): readonly string[] {
    const outer = this.#lines;
    this.#lines = [];
    for (const op of region.ops) this.#op(op);
    const lines = this.#lines;
    this.#lines = outer;
    return lines;
  }

  #op(op: Op): void {
    this.#say(op);
    switch (op.name) {
      case "constant": return this.#constant(op);
      case "dim": return this.#dim(op);
      case "load": return this.#load(op);
      case "store": return this.#store(op);
      case "atomic_add": return this.#atomicAdd(op);
      case "pack": return this.#define(op, this.#matrix().pack((op.attrs as PackAttrs).format, op.operands.map((operand) => this.#name(operand)), this.#use));
      case "mma": return this.#mma(op);
      case "shuffle_xor": return this.#shuffleXor(op);
      case "splat": return this.#splat(op);
      case "ramp": return this.#define(op, this.#target.ramp(this.#operand(op, 0), resultType(op), this.#use));
      case "extract":
        return this.#define(op, this.#target.extract(this.#operand(op, 0), Number(op.attrs["lane"]), scalarTypeOf(only(op.operands)), this.#use));
      case "compose": return this.#define(op, this.#target.compose(op.operands.map((operand) => this.#name(operand)), resultType(op), this.#use));
      case "shuffle": {
        const [left, right] = [this.#operand(op, 0), this.#operand(op, 1)];
        const lanes = op.attrs["lanes"] as readonly number[];
        return this.#define(op, this.#target.shuffle(left, right, lanes, scalarTypeOf(at(op.operands, 0)), resultType(op), this.#use));
      }
      case "alloc": return this.#alloc(op);
      case "barrier": return void this.#lines.push(this.#target.barrier((op.attrs as BarrierAttrs).orders));
      case "for": return this.#for(op);
      case "if": return this.#if(op);
      default: return this.#elementwise(op);
    }
  }

  /** Where an op comes from, if the one before it in this text came from elsewhere. */
  #say({ spans: [span] }: Op): void {
    if (span === undefined || this.#target.place === undefined) return;
    const place = this.#target.place(span);
    if (place === this.#place) return;
    this.#place = place;
    this.#lines.push(place);
  }

  #constant(op: Op): void {
    const value = Number(op.attrs["value"]);
    this.#literals.set(only(op.results), value);
    this.#setName(only(op.results), this.#target.constant(resultType(op), value, this.#use));
  }

  #dim(op: Op): void {
    const size = op.attrs["size"] as Dim;
    if (typeof size === "number") this.#literals.set(only(op.results), size);
    this.#setName(only(op.results), this.#target.dim(size));
  }

  /** Of a literal it is a literal too. */
  #splat(op: Op): void {
    const literal = this.#literals.get(only(op.operands));
    if (literal !== undefined) this.#literals.set(only(op.results), literal);
    this.#define(op, this.#target.splat(this.#operand(op, 0), resultType(op), this.#use));
  }

  #elementwise(op: Op): void {
    if (!(op.name in this.#target.elementwise)) throw new Error(`${op.name} has no place in a kernel for ${this.#target.name}`);
    const spelling = this.#target.elementwise[op.name as ElementwiseName];
    const operandTypes = op.operands.map(scalarTypeOf);
    const call = {
      operands: op.operands.map((operand) => this.#name(operand)),
      type: operandTypes.at(-1) ?? resultType(op),
      operandTypes,
      result: resultType(op),
      attrs: op.attrs,
      literals: op.operands.map((operand) => this.#literals.get(operand)),
    };
    this.#define(op, spelling(call, this.#use));
  }

  #load(op: Op): void {
    const [buffer, ...index] = op.operands;
    if (buffer === undefined) throw new Error("a load needs a buffer");
    const lanes = index.some((component) => scalarTypeOf(component).lanes > 1);
    const memory = this.#memory(buffer);
    if (memory.space === "private") return this.#define(op, this.#register(buffer, memory, index));
    const offset = this.#offset(memory, index);
    const result = resultType(op);
    const name = this.#name(buffer);
    this.#define(op, lanes
      ? this.#target.gather(name, memory, offset, result, this.#use)
      : this.#target.load(name, memory, offset, result, this.#use));
  }

  #store(op: Op): void {
    const [buffer, value, ...index] = op.operands;
    if (buffer === undefined || value === undefined) throw new Error("a store needs a buffer and a value");
    const lanes = index.some((component) => scalarTypeOf(component).lanes > 1);
    const memory = this.#memory(buffer);
    if (memory.space === "private") return void this.#lines.push(`${this.#register(buffer, memory, index)} = ${this.#name(value)};`);
    const offset = this.#offset(memory, index);
    const [name, stored] = [this.#name(buffer), this.#name(value)];
    this.#lines.push(lanes
      ? this.#target.scatter(name, memory, offset, stored, scalarTypeOf(value), this.#use)
      : this.#target.store(name, memory, offset, stored, scalarTypeOf(value), this.#use));
  }

  #atomicAdd(op: Op): void {
    const [buffer, value, ...index] = op.operands;
    if (buffer === undefined || value === undefined) throw new Error("an atomic addition needs a buffer and a value");
    const memory = this.#memory(buffer);
    this.#lines.push(...this.#target.atomicAdd(this.#name(buffer), memory, this.#offset(memory, index), this.#name(value), this.#use));
  }

  #mma(op: Op): void {
    const attrs = op.attrs as MmaAttrs;
    const registersAt = (position: number, first: number, count: number): readonly string[] =>
      Array.from({ length: count }, (_, i) => `${this.#operand(op, position)}_${first + i}`);
    this.#lines.push(...this.#matrix().mma(
      attrs.format,
      registersAt(0, attrs.total, registersOfMma.total),
      registersAt(1, attrs.left, registersOfMma.left),
      registersAt(2, attrs.right, registersOfMma.right),
      this.#use,
    ));
  }

  #shuffleXor(op: Op): void {
    const [to, from] = [at(op.operands, 0), at(op.operands, 1)];
    const memory = bufferTypeOf(to);
    if (this.#target.shuffleXor === undefined) throw new Error(`threads for ${this.#target.name} cannot exchange registers`);
    const given = this.#target.shuffleXor(this.#register(from, memory, []), scalarType(memory.dtype), (op.attrs as ShuffleXorAttrs).mask, Number(memory.shape[0]), this.#use);
    this.#lines.push(`${this.#register(to, memory, [])} = ${given};`);
  }

  #matrix(): MatrixSpelling {
    if (this.#target.matrix === undefined) throw new Error(`${this.#target.name} has no matrix instructions`);
    return this.#target.matrix;
  }

  /** The row-major position, by Horner's rule; a vector when an index is. */
  #offset(memory: BufferType, index: readonly Value[]): string {
    const lanes = Math.max(1, ...index.map((component) => scalarTypeOf(component).lanes));
    const spell = (value: Value): string =>
      lanes > 1 && scalarTypeOf(value).lanes === 1 ? this.#target.splat(this.#name(value), scalarType("index", lanes), this.#use) : this.#name(value);
    return index.reduce((offset, component, axis) => {
      if (axis === 0) return spell(component);
      const extent = this.#target.dim(memory.shape[axis] ?? 1);
      const zero = this.#literals.get(component) === 0;
      return zero ? `(${offset}) * ${extent}` : `(${offset}) * ${extent} + ${spell(component)}`;
    }, "0");
  }

  #memory(buffer: Value): KernelMemory {
    return { ...bufferTypeOf(buffer), isWide: this.#wide.has(buffer) };
  }

  #alloc(op: Op): void {
    const buffer = only(op.results);
    const memory = this.#memory(buffer);
    if (memory.space === "private") return this.#registers(buffer, memory);
    const name = memory.space === "shared" ? `${this.#kernel}_${this.#fresh("shared")}` : this.#fresh("scratch");
    this.#setName(buffer, name);
    const elements = elementCount(memory.shape);
    // An array of nothing, which an axis of no elements asks for, is an array in no target's language.
    const declared = this.#target.alloc(name, memory, this.#target.dim(elements === 0 ? 1 : elements), this.#use);
    (memory.space === "shared" ? this.#shared : this.#lines).push(declared);
  }

  /** Each register is a variable of its own: the first index is the thread that runs this text, the others are known. */
  #registers(buffer: Value, memory: BufferType): void {
    const name = this.#fresh("r");
    this.#setName(buffer, name);
    const count = memory.shape.slice(1).reduce<number>((product, size) => product * Number(size), 1);
    for (let i = 0; i < count; i++) this.#lines.push(this.#target.declare(scalarType(memory.dtype), `${name}_${i}`, undefined, this.#use));
  }

  #register(buffer: Value, memory: BufferType, [, ...index]: readonly Value[]): string {
    const position = index.reduce((sum, component, axis) => {
      const at = this.#literals.get(component);
      if (at === undefined) throw new Error(`registers of @${this.#kernel} are indexed by numbers that are known, and this one is not`);
      return sum * Number(memory.shape[axis + 1]) + at;
    }, 0);
    return `${this.#name(buffer)}_${position}`;
  }

  #for(op: Op): void {
    const [body] = op.regions;
    const [start, stop, step, ...initial] = op.operands;
    if (body === undefined || start === undefined || stop === undefined || step === undefined) throw new Error("a for has a body and bounds");
    const [counter, ...carries] = body.parameters;
    if (counter === undefined) throw new Error("the body of a for takes the counter");
    const index = this.#fresh("i");
    this.#setName(counter, index);
    carries.forEach((carry, i) => {
      const name = this.#fresh("c");
      this.#lines.push(this.#target.declare(scalarTypeOf(carry), name, this.#name(at(initial, i)), this.#use));
      this.#setName(carry, name);
      this.#setName(at(op.results, i), name);
    });
    const lines = [...this.#block(body), ...this.#carry(carries, body.yields)];
    const { kind, threads } = op.attrs;
    if (typeof threads === "number") this.#threads = threads;
    this.#lines.push(...(kind === "grid"
      ? this.#target.grid(index, this.#name(stop), lines)
      : kind === "thread"
      ? this.#target.phase(index, lines)
      : this.#target.loop(kind === "unroll" ? "unroll" : "serial", index, this.#name(start), this.#name(stop), this.#name(step), lines)));
  }

  #if(op: Op): void {
    const results = op.results.map((result) => {
      const name = this.#fresh("c");
      this.#lines.push(this.#target.declare(scalarTypeOf(result), name, undefined, this.#use));
      return name;
    });
    const branches = op.regions.map((region) => [
      ...this.#block(region),
      ...region.yields.map((value, i) => `${results[i]} = ${this.#name(value)};`),
    ]);
    op.results.forEach((result, i) => this.#setName(result, results[i] ?? ""));
    this.#lines.push(...this.#target.branch(this.#operand(op, 0), branches[0] ?? [], branches[1] ?? []));
  }

  /** Assigns what a loop yields to its carries, all at once: a yield that is another carry is read before it changes. */
  #carry(carries: readonly Value[], yields: readonly Value[]): readonly string[] {
    const lines: string[] = [];
    const names = carries.map((carry) => this.#name(carry));
    const values = yields.map((value, i) => {
      const name = this.#name(value);
      if (!names.includes(name) || name === names[i]) return name;
      const copy = this.#fresh("t");
      lines.push(this.#target.define(scalarTypeOf(value), copy, name, this.#use));
      return copy;
    });
    values.forEach((value, i) => {
      if (value !== names[i]) lines.push(`${names[i]} = ${value};`);
    });
    return lines;
  }

  #define(op: Op, expression: string): void {
    const name = this.#fresh("v");
    this.#lines.push(this.#target.define(resultType(op), name, expression, this.#use));
    this.#setName(only(op.results), name);
  }

  #operand(op: Op, position: number): string {
    return this.#name(at(op.operands, position));
  }

  #name(value: Value): string {
    const name = this.#names.get(value);
    if (name === undefined) throw new Error(`a value of type ${printType(value.type)} is used before it is computed`);
    return name;
  }

  #setName(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  #fresh(prefix: string): string {
    const name = `${prefix}${this.#count++}`;
    return typeNames.has(name) ? this.#fresh(prefix) : name;
  }
}

/** Of neighbouring elements; not of one for each lane of a vector index. */
function isWideAccess({ name, operands: [, value], results: [result], attrs }: Op): boolean {
  const moved = name === "load" && attrs["lanes"] !== undefined ? result : name === "store" ? value : undefined;
  return moved !== undefined && scalarTypeOf(moved).lanes > 1;
}

function resultType(op: Op): ScalarType {
  return scalarTypeOf(only(op.results));
}

