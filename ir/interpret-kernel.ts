/**
 * Runs kernels: the kernel level as lower writes it (parallel, reduce, scan, contract) and as schedule leaves it (for,
 * vectors, scratch memory).
 *
 * A kernel is compiled once for each launch into closures over a frame with one cell for each value: a number, the
 * numbers of a vector's lanes, or memory. Iterations of a parallel loop run in order, but memory refuses whatever
 * would differ in another order (interpret-memory.ts).
 */

import { evaluateDim } from "./dim.ts";
import { at } from "./expect.ts";
import { type HostArray, roundTo } from "./host.ts";
import {
  type Cell, type Frame, laneIn, memoryIn, numberIn, dimAttr, rounding, type Scope, type Sizes, slotOf, slotsOf, type Step,
} from "./interpret-frame.ts";
import { compileBarrier, compileContract, compileFor, compileIf, compileParallel, compileReduce, compileScan, compileWhile } from "./interpret-loops.ts";
import { compileMma, compilePack } from "./interpret-matrix.ts";
import { Memory } from "./interpret-memory.ts";
import { compileShuffleXor } from "./interpret-subgroup.ts";
import type { Func, Op, Region, Value } from "./module.ts";
import { type ElementwiseRecord, evaluateScalar, isElementwise } from "./op.ts";
import { findRecord } from "./ops/table.ts";
import { nameValues, printOp } from "./print.ts";
import { scalarTypeOf } from "./type-of.ts";
import { consecutiveAxis, type BufferType, printType } from "./type.ts";

/** The results of a launch: what the kernel stores to the buffers that follow its inputs; `initial` is in them before, if given. */
export function runKernel(func: Func, inputs: readonly HostArray[], sizes: Sizes, initial: readonly HostArray[] = []): readonly HostArray[] {
  const scope: Scope = { func, sizes, names: nameValues(func), slots: new Map(), compile: compileRegion };
  const frame: Frame = { cells: [], iteration: { current: 0, first: 1, block: 0, epochs: { global: 0, shared: 0 } }, next: 1 };
  const memories = func.body.parameters.map((parameter, i) => {
    const { type } = parameter;
    if (type.kind !== "buffer") throw new RangeError(`kernel @${func.name} takes buffers alone, and parameter ${i} is ${printType(type)}`);
    const before = initial[i - inputs.length];
    const memory = before === undefined ? createMemory(scope, parameter, type, inputs[i], true) : Memory.filled(`kernel @${func.name}, ${scope.names.get(parameter) ?? "%?"}`, before);
    frame.cells[slotOf(scope, parameter)] = memory;
    return memory;
  });
  compileRegion(scope, func.body)(frame);
  const results = memories.slice(inputs.length);
  results.forEach((memory) => memory.checkComplete());
  return results.map(({ array }) => array);
}

/* ------------------------------------------------------------- ops */

function compileRegion(scope: Scope, region: Region): Step {
  const steps = region.ops.map((op) => compileOp(scope, op));
  return (frame) => {
    for (const step of steps) step(frame);
  };
}

function compileOp(scope: Scope, op: Op): Step {
  switch (op.name) {
    case "constant": return compileConstant(scope, op);
    case "dim": return setTo(slotOf(scope, op.results[0]), dimAttr(scope, op, "size"));
    case "parallel": return compileParallel(scope, op);
    case "reduce": return compileReduce(scope, op);
    case "scan": return compileScan(scope, op);
    case "contract": return compileContract(scope, op);
    case "for": return compileFor(scope, op);
    case "while": return compileWhile(scope, op);
    case "if": return compileIf(scope, op);
    case "alloc": return compileAlloc(scope, op);
    case "barrier": return compileBarrier(scope, op);
    case "pack": return compilePack(scope, op);
    case "mma": return compileMma(scope, op);
    case "shuffle_xor": return compileShuffleXor(scope, op);
    case "load": return compileLoad(scope, op);
    case "store": return compileStore(scope, op, (memory, index, value, iteration) => memory.store(index, value, iteration));
    case "atomic_add": return compileStore(scope, op, (memory, index, value, iteration) => memory.add(index, value, iteration));
    case "splat": return compileLanes(scope, op, (start) => start);
    case "ramp": return compileLanes(scope, op, (start, lane) => start + lane);
    case "extract": return compileExtract(scope, op);
    case "compose": return compileCompose(scope, op);
    case "shuffle": return compileShuffle(scope, op);
  }
  const record = findRecord(op.name);
  if (isElementwise(record)) return compileElementwise(scope, op, record);
  throw new Error(`kernel @${scope.func.name}: ${printOp(op, scope.names)}: ${op.name} does not exist in kernels`);
}

function setTo(slot: number, cell: Cell): Step {
  return (frame) => void (frame.cells[slot] = cell);
}

function compileConstant(scope: Scope, op: Op): Step {
  const result = scalarTypeOf(at(op.results, 0));
  const value = op.attrs["value"];
  if (typeof value !== "number") throw new TypeError(`the constant of ${printType(result)} must be one number`);
  const rounded = result.dtype === "index" ? value : roundTo(result.dtype, value);
  return setTo(slotOf(scope, op.results[0]), result.lanes === 1 ? rounded : new Array<number>(result.lanes).fill(rounded));
}

function compileElementwise(scope: Scope, op: Op, record: ElementwiseRecord<unknown>): Step {
  const operands = slotsOf(scope, op.operands);
  const target = slotOf(scope, op.results[0]);
  const { dtype, lanes } = scalarTypeOf(at(op.results, 0));
  const from = scalarTypeOf(at(op.operands, 0)).dtype;
  if (lanes > 1) {
    return (frame) => {
      const result = new Array<number>(lanes);
      for (let lane = 0; lane < lanes; lane++) {
        result[lane] = evaluateScalar(record, from, dtype, operands.map((slot) => laneIn(frame, slot, lane)));
      }
      frame.cells[target] = result;
    };
  }
  const [first = 0, second = 0] = operands;
  const round = rounding(dtype);
  if (record.convert === undefined && operands.length === 1) {
    return (frame) => void (frame.cells[target] = round(record.scalar(from, numberIn(frame, first))));
  }
  if (record.convert === undefined && operands.length === 2) {
    return (frame) => void (frame.cells[target] = round(record.scalar(from, numberIn(frame, first), numberIn(frame, second))));
  }
  return (frame) => void (frame.cells[target] = evaluateScalar(record, from, dtype, operands.map((slot) => numberIn(frame, slot))));
}

function compileLanes(scope: Scope, op: Op, lane: (start: number, lane: number) => number): Step {
  const source = slotOf(scope, op.operands[0]);
  const target = slotOf(scope, op.results[0]);
  const { dtype, lanes } = scalarTypeOf(at(op.results, 0));
  const round = rounding(dtype);
  return (frame) => {
    const start = numberIn(frame, source);
    frame.cells[target] = Array.from({ length: lanes }, (_, i) => round(lane(start, i)));
  };
}

function compileExtract(scope: Scope, op: Op): Step {
  const [source, target, lane] = [slotOf(scope, op.operands[0]), slotOf(scope, op.results[0]), Number(op.attrs["lane"])];
  return (frame) => void (frame.cells[target] = laneIn(frame, source, lane));
}

function compileCompose(scope: Scope, op: Op): Step {
  const [elements, target] = [slotsOf(scope, op.operands), slotOf(scope, op.results[0])];
  return (frame) => void (frame.cells[target] = elements.map((slot) => numberIn(frame, slot)));
}

function compileShuffle(scope: Scope, op: Op): Step {
  const [left, right, target] = [slotOf(scope, op.operands[0]), slotOf(scope, op.operands[1]), slotOf(scope, op.results[0])];
  const { lanes: width } = scalarTypeOf(at(op.operands, 0));
  const lanes = op.attrs["lanes"] as readonly number[];
  return (frame) => void (frame.cells[target] = lanes.map((lane) => (lane < width ? laneIn(frame, left, lane) : laneIn(frame, right, lane - width))));
}

/* ------------------------------------------------------------- memory */

function createMemory(scope: Scope, value: Value, type: BufferType, input: HostArray | undefined, isShared: boolean): Memory {
  const shape = type.shape.map((dim) => evaluateDim(dim, scope.sizes));
  const description = `kernel @${scope.func.name}, ${scope.names.get(value) ?? "%?"}`;
  if (input === undefined) {
    return Memory.fresh(description, type.space === "global" ? "result" : type.space, type.dtype, shape, isShared);
  }
  if (input.dtype !== type.dtype || input.shape.join() !== shape.join()) {
    throw new RangeError(`${description} is ${type.dtype}[${shape.join(",")}], and the input is ${input.dtype}[${input.shape.join(",")}]`);
  }
  return new Memory(description, "input", input, isShared);
}

function compileAlloc(scope: Scope, op: Op): Step {
  const [result] = op.results;
  const target = slotOf(scope, result);
  if (result?.type.kind !== "buffer") throw new TypeError("an alloc gives memory");
  const { type } = result;
  return (frame) => void (frame.cells[target] = createMemory(scope, result, type, undefined, frame.iteration.current === 0 || type.space === "shared"));
}

function compileLoad(scope: Scope, op: Op): Step {
  const buffer = slotOf(scope, op.operands[0]);
  const target = slotOf(scope, op.results[0]);
  const { lanes } = scalarTypeOf(at(op.results, 0));
  const place = compilePlace(scope, op.operands[0], op.operands.slice(1));
  return (frame) => {
    const memory = memoryIn(frame, buffer);
    frame.cells[target] =
      lanes === 1
        ? memory.load(place(frame, 0), frame.iteration)
        : Array.from({ length: lanes }, (_, lane) => memory.load(place(frame, lane), frame.iteration));
  };
}

type Access = (memory: Memory, index: readonly number[], value: number, iteration: Frame["iteration"]) => void;

function compileStore(scope: Scope, op: Op, access: Access): Step {
  const [buffer, value] = [slotOf(scope, op.operands[0]), slotOf(scope, op.operands[1])];
  const { lanes } = scalarTypeOf(at(op.operands, 1));
  const place = compilePlace(scope, op.operands[0], op.operands.slice(2));
  return (frame) => {
    const memory = memoryIn(frame, buffer);
    for (let lane = 0; lane < lanes; lane++) access(memory, place(frame, lane), laneIn(frame, value, lane), frame.iteration);
  };
}

/** The index of each lane: along a vector index, or else along the axis on which memory is consecutive. */
function compilePlace(scope: Scope, buffer: Value | undefined, values: readonly Value[]): (frame: Frame, lane: number) => readonly number[] {
  const slots = slotsOf(scope, values);
  const index = new Array<number>(slots.length).fill(0);
  const last = buffer?.type.kind === "buffer" ? consecutiveAxis(buffer.type.shape) : slots.length - 1;
  const isVector = values.some((value) => scalarTypeOf(value).lanes > 1);
  return (frame, lane) => {
    slots.forEach((slot, axis) => (index[axis] = laneIn(frame, slot, lane)));
    if (!isVector && lane > 0 && last >= 0) index[last] = (index[last] ?? 0) + lane;
    return index;
  };
}
