/**
 * What the kernel interpreter's closures run on: a frame with one cell for each value, and what is known of the kernel
 * while it is compiled.
 *
 * Each value has one slot for the whole launch. An op that runs again writes to its cell again; nothing else reads it
 * by then, because values are defined before they are used.
 */

import { type Dim, evaluateDim, isDim } from "./dim.ts";
import { roundTo } from "./host.ts";
import { type Iteration, Memory } from "./interpret-memory.ts";
import type { Func, Op, Region, Value } from "./module.ts";
import type { ScalarDType } from "./type.ts";

export type Cell = number | readonly number[] | Memory;

export interface Frame {
  readonly cells: Cell[];
  readonly iteration: Iteration;
  /** Of the next iteration of a parallel loop. */
  next: number;
}

export type Step = (frame: Frame) => void;

/** The size of each named dim. */
export type Sizes = Readonly<Record<string, number>>;

/** What is known when compiling. */
export interface Scope {
  readonly func: Func;
  readonly sizes: Sizes;
  readonly names: ReadonlyMap<Value, string>;
  readonly slots: Map<Value, number>;
  /** Compiles the ops of a region. */
  readonly compile: (scope: Scope, region: Region) => Step;
}

export function slotOf({ slots }: Scope, value: Value | undefined): number {
  if (value === undefined) throw new RangeError("an op has too few operands or results");
  const present = slots.get(value);
  if (present !== undefined) return present;
  slots.set(value, slots.size);
  return slots.size - 1;
}

export function slotsOf(scope: Scope, values: readonly Value[]): readonly number[] {
  return values.map((value) => slotOf(scope, value));
}

export function numberIn(frame: Frame, slot: number): number {
  const cell = frame.cells[slot];
  if (typeof cell === "number") return cell;
  throw new TypeError("a scalar was expected");
}

export function memoryIn(frame: Frame, slot: number): Memory {
  const cell = frame.cells[slot];
  if (cell instanceof Memory) return cell;
  throw new TypeError("memory was expected");
}

export function laneIn(frame: Frame, slot: number, lane: number): number {
  const cell = frame.cells[slot];
  if (typeof cell === "number") return cell;
  const number = cell instanceof Memory ? undefined : cell?.[lane];
  if (number === undefined) throw new TypeError(`a vector with a lane ${lane} was expected`);
  return number;
}

/** Copies all cells before it writes any: a loop may yield its carries in another order. */
export function move(frame: Frame, from: readonly number[], to: readonly number[]): void {
  const cells = from.map((slot) => cellIn(frame, slot));
  cells.forEach((cell, i) => {
    const slot = to[i];
    if (slot === undefined) throw new RangeError(`${from.length} values are moved to ${to.length}`);
    frame.cells[slot] = cell;
  });
}

function cellIn(frame: Frame, slot: number): Cell {
  const cell = frame.cells[slot];
  if (cell === undefined) throw new RangeError("a value is used before it is defined");
  return cell;
}

/* ------------------------------------------------------------- regions and attrs */

export interface Block {
  readonly parameters: readonly number[];
  readonly run: Step;
  readonly yields: readonly number[];
}

export function compileBlock(scope: Scope, region: Region): Block {
  const parameters = slotsOf(scope, region.parameters);
  const run = scope.compile(scope, region);
  return { parameters, run, yields: slotsOf(scope, region.yields) };
}

export function regionOf(op: Op, position: number): Region {
  const region = op.regions[position];
  if (region === undefined) throw new RangeError(`${op.name} has ${op.regions.length} regions`);
  return region;
}

export function dimAttr(scope: Scope, op: Op, name: string): number {
  const dim = op.attrs[name];
  if (!isDim(dim)) throw new TypeError(`attr ${name} of ${op.name} must be a dim`);
  return evaluateDim(dim, scope.sizes);
}

export function dimsAttr(scope: Scope, op: Op, name: string): readonly number[] {
  const dims = op.attrs[name];
  if (!Array.isArray(dims)) throw new TypeError(`attr ${name} of ${op.name} must be an array of dims`);
  return (dims as readonly Dim[]).map((dim) => evaluateDim(dim, scope.sizes));
}

export function rounding(dtype: ScalarDType): (value: number) => number {
  if (dtype === "f32") return Math.fround;
  return dtype === "index" ? Math.trunc : (value) => roundTo(dtype, value);
}
