/**
 * A plan: a Program with every formula evaluated for one tuple of sizes. Made once for each tuple and kept.
 *
 * The one idea: structured steps become a flat list of a few instructions with jumps, buffers become (kind, position,
 * bytes) with aliases followed to their roots, and temporaries get offsets in one arena. What is left for a device is
 * a loop over integers. A plan is the same for every device except for the arena's alignment.
 *
 *   if c { A } else { B }     branch_if_false c L; A; jump M; L: B; M:
 *   loop { H } while c { B }  L: H; branch_if_false c M; B; jump L; M:
 *   repeat n { B }            B; B; ... B
 */

import { bytesPerElement } from "./dtype.ts";
import { ArgumentError, OutOfMemoryError, PackageError } from "./errors.ts";
import { evaluateFormula, printFormula, type Sizes } from "./formula.ts";
import { place } from "./placement.ts";
import type { BufferSpec, DTypeName, Formula, Program, Step } from "./program.ts";
import { parameterLeaves } from "./tree.ts";

/** Each is followed by its operands. */
export const instructions = {
  /** kernel, count, that many buffers */
  launch: 0,
  /** from, to */
  copy: 1,
  /** buffer of one bool, target */
  branchIfFalse: 2,
  /** target */
  jump: 3,
  /** stack, buffer */
  push: 4,
  /** stack, buffer */
  pop: 5,
  /** stack */
  clear: 6,
} as const;

export const bufferKinds = { parameter: 0, result: 1, temporary: 2, constant: 3 } as const;

export interface PlanBuffer {
  readonly kind: (typeof bufferKinds)[keyof typeof bufferKinds];
  /** Parameter leaf, result, or byte offset in the arena or in the constants. */
  readonly position: number;
  readonly bytes: number;
}

export interface PlannedTensor {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface Plan {
  /** In the order of `Program.dims`. */
  readonly sizes: readonly number[];
  /** What each parameter leaf must be. */
  readonly parameters: readonly PlannedTensor[];
  readonly parameterDonated: readonly boolean[];
  /** What each of `Program.resultBuffers` will be. */
  readonly results: readonly PlannedTensor[];
  /** In the order of `Program.buffers`. */
  readonly buffers: readonly PlanBuffer[];
  /** The buffers a run allocates, in the order of their positions; `reuses` is a donated parameter leaf or -1. */
  readonly allocations: readonly { readonly bytes: number; readonly reuses: number }[];
  readonly arenaBytes: number;
  /** Of one element of each stack. */
  readonly stackBytes: readonly number[];
  readonly kernels: readonly { readonly grid: number; readonly work: number }[];
  readonly code: readonly number[];
  /** Scalar operations of a whole run; infinite where loops make it unknown. */
  readonly work: number;
}

/** `sizes` in the order of `program.dims`. Throws when a size comes out negative or a buffer too large to address. */
export function planOf(program: Program, sizes: readonly number[], alignment: number): Plan {
  const named: Sizes = Object.fromEntries(program.dims.map(({ name }, i) => [name, sizes[i]]));
  const evaluate = (formula: Formula): number => {
    const value = evaluateFormula(formula, named);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    const given = program.dims.map(({ name }, i) => `${name} = ${sizes[i]}`).join(", ");
    if (value > 0 && Number.isInteger(value)) throw new OutOfMemoryError(`${program.name}: out of memory: with ${given} the size ${printFormula(formula)} is ${value}`);
    throw new ArgumentError(`${program.name}: with ${given} the size ${printFormula(formula)} is ${value}: it must be a whole number that is not negative`);
  };
  const tensorOf = (dtype: DTypeName, formulas: readonly Formula[]): PlannedTensor => {
    const shape = formulas.map(evaluate);
    const bytes = shape.reduce((product, size) => product * size, bytesPerElement(dtype));
    if (Number.isSafeInteger(bytes)) return { dtype, shape, bytes };
    throw new OutOfMemoryError(`${program.name}: out of memory: a buffer ${dtype}[${shape.join(",")}] has ${bytes} bytes`);
  };

  const leaves = parameterLeaves(program.parameters);
  const parameters = leaves.map(({ dtype, shape }) => tensorOf(dtype, shape));
  const bytesOf = ({ dtype, shape }: BufferSpec): number => tensorOf(dtype, shape).bytes;
  const { buffers, allocations, arenaBytes } = planBuffers(program, bytesOf, parameters, alignment);
  const kernels = program.kernels.map(({ grid, work }) => ({ grid: evaluate(grid), work: Math.max(1, evaluateFormula(work, named)) }));
  const code: number[] = [];
  emit(program.steps, code);
  return {
    sizes,
    parameters,
    parameterDonated: leaves.map(({ parameter }) => at(program, program.parameters, parameter, "parameter").donated),
    results: program.resultBuffers.map((index) => {
      const { dtype, shape } = at(program, program.buffers, index, "buffer");
      return tensorOf(dtype, shape);
    }),
    buffers,
    allocations,
    arenaBytes,
    stackBytes: (program.stacks ?? []).map(({ dtype, shape }) => tensorOf(dtype, shape).bytes),
    kernels,
    code,
    work: workOf(program, program.steps, kernels, buffers),
  };
}

function planBuffers(
  program: Program,
  bytesOf: (spec: BufferSpec) => number,
  parameters: readonly PlannedTensor[],
  alignment: number,
): Pick<Plan, "buffers" | "allocations" | "arenaBytes"> {
  const temporaries = program.buffers.flatMap((spec) =>
    spec.role.kind === "temporary" ? [{ bytes: bytesOf(spec), first: spec.role.first, last: spec.role.last }] : [],
  );
  const placement = place(temporaries, alignment);
  const buffers: PlanBuffer[] = [];
  const allocations: { bytes: number; reuses: number }[] = [];
  let temporary = 0;
  for (const spec of program.buffers) {
    const { role } = spec;
    const bytes = bytesOf(spec);
    switch (role.kind) {
      case "parameter":
        buffers.push({ kind: bufferKinds.parameter, position: role.leaf, bytes });
        break;
      case "result":
        buffers.push({ kind: bufferKinds.result, position: allocations.length, bytes });
        allocations.push({ bytes, reuses: role.reuses ?? -1 });
        break;
      case "temporary":
        buffers.push({ kind: bufferKinds.temporary, position: placement.offsets[temporary++] ?? 0, bytes });
        break;
      case "constant":
        buffers.push({ kind: bufferKinds.constant, position: role.offset, bytes });
        break;
      case "alias":
        buffers.push({ ...at(program, buffers, role.of, "aliased buffer"), bytes });
        break;
    }
  }
  // A parameter is only worth taking over when its memory has the result's size in full.
  for (const allocation of allocations) {
    if (parameters[allocation.reuses]?.bytes !== allocation.bytes) allocation.reuses = -1;
  }
  return { buffers, allocations, arenaBytes: placement.total };
}

function emit(steps: readonly Step[], code: number[]): void {
  for (const step of steps) {
    switch (step.kind) {
      case "launch":
        code.push(instructions.launch, step.kernel, step.buffers.length, ...step.buffers);
        break;
      case "copy":
        code.push(instructions.copy, step.from, step.to);
        break;
      case "push":
      case "pop":
        code.push(instructions[step.kind], step.stack, step.buffer);
        break;
      case "clear":
        code.push(instructions.clear, step.stack);
        break;
      case "if": {
        const toOtherwise = code.push(instructions.branchIfFalse, step.condition, 0) - 1;
        emit(step.then, code);
        const toEnd = code.push(instructions.jump, 0) - 1;
        code[toOtherwise] = code.length;
        emit(step.otherwise, code);
        code[toEnd] = code.length;
        break;
      }
      case "repeat":
        for (let turn = 0; turn < step.turns; turn++) emit(step.body, code);
        break;
      case "loop": {
        const start = code.length;
        emit(step.head, code);
        const toEnd = code.push(instructions.branchIfFalse, step.condition, 0) - 1;
        emit(step.body, code);
        code.push(instructions.jump, start);
        code[toEnd] = code.length;
        break;
      }
    }
  }
}

function workOf(program: Program, steps: readonly Step[], kernels: Plan["kernels"], buffers: readonly PlanBuffer[]): number {
  let work = 0;
  for (const step of steps) {
    switch (step.kind) {
      case "launch": {
        const { grid, work: each } = at(program, kernels, step.kernel, "kernel");
        work += grid * each;
        break;
      }
      case "copy":
        work += at(program, buffers, step.to, "buffer").bytes / 16;
        break;
      case "push":
      case "pop":
        work += at(program, buffers, step.buffer, "buffer").bytes / 16;
        break;
      case "clear":
        break;
      case "if":
        work += Math.max(workOf(program, step.then, kernels, buffers), workOf(program, step.otherwise, kernels, buffers));
        break;
      case "repeat":
        work += step.turns * workOf(program, step.body, kernels, buffers);
        break;
      case "loop":
        return Infinity;
    }
  }
  return work;
}

function at<T>(program: Program, list: readonly T[], index: number, what: string): T {
  const item = list[index];
  if (item === undefined) throw new PackageError(`the program ${program.name} is broken: it has no ${what} ${index}; build it again`);
  return item;
}
