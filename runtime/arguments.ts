/**
 * Arguments of a call: from JavaScript values to checked leaves and the sizes of the named dims.
 *
 * Sizes come from tensors first, since a tensor knows its shape: an axis that is a plain name gives it. What is still
 * unknown is solved from formulas of one unknown, and last from the lengths of typed arrays. Everything is checked
 * before anything is changed, and each error names the argument by its path.
 */

import type { Device } from "./device.ts";
import { arrayName, holds, isTypedArray, refusal, type TypedArray } from "./dtype.ts";
import { ArgumentError } from "./errors.ts";
import { evaluateFormula, printFormula, solveFormula, unknownNames } from "./formula.ts";
import type { PlannedTensor } from "./plan.ts";
import type { DTypeName, Formula, Program } from "./program.ts";
import { present, sizeOf, type Shape, type Tensor, isTensor, typeOf } from "./tensor.ts";
import { describeForm, flatten, type Leaf, parameterLeaves, printTensorType } from "./tree.ts";

export type LeafValue = Tensor<Shape, DTypeName> | TypedArray | number;

type Axis = { readonly literal: number } | { readonly name: number } | { readonly formula: Formula };

export class ArgumentReader {
  readonly leaves: readonly Leaf[];
  readonly #program: Program;
  readonly #axes: readonly (readonly Axis[])[];

  constructor(program: Program) {
    this.#program = program;
    this.leaves = parameterLeaves(program.parameters);
    const position = new Map(program.dims.map(({ name }, i) => [name, i]));
    this.#axes = this.leaves.map(({ shape }) =>
      shape.map((formula): Axis => {
        if (typeof formula === "number") return { literal: formula };
        const name = typeof formula === "string" ? position.get(formula) : undefined;
        return name === undefined ? { formula } : { name };
      }),
    );
  }

  /** The values of the leaves, each of the right kind and dtype. */
  read(args: readonly unknown[], device: Device): readonly LeafValue[] {
    const { name, parameters } = this.#program;
    if (args.length !== parameters.length) {
      const list = parameters.map((parameter) => parameter.name).join(", ");
      throw new ArgumentError(`${name} takes ${parameters.length} arguments (${list}), got ${args.length}`);
    }
    const values: unknown[] = [];
    for (let i = 0; i < parameters.length; i++) {
      const parameter = parameters[i];
      if (parameter !== undefined) flatten(name, parameter.tree, parameter.name, args[i], values);
    }
    return values.map((value, i) => this.#readLeaf(this.#leaf(i), value, device));
  }

  /** The sizes of the named dims, in the program's order. Throws ArgumentError where they conflict or stay unknown. */
  solve(values: readonly LeafValue[]): readonly number[] {
    const sizes = new Array<number | undefined>(this.#program.dims.length).fill(undefined);
    const givers = new Array<number>(sizes.length).fill(-1);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (isTensor(value)) this.#bindTensor(i, value, sizes, givers);
    }
    return isComplete(sizes) ? sizes : this.#solveRest(values, sizes, givers);
  }

  /** Checks every leaf against the plan: formulas of several names, and lengths of typed arrays. */
  check(values: readonly LeafValue[], expected: readonly PlannedTensor[]): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      const shape = expected[i]?.shape ?? [];
      if (isTensor(value)) {
        for (let axis = 0; axis < shape.length; axis++) {
          if (value.shape[axis] !== shape[axis]) throw this.#mismatch(i, typeOf(value), shape);
        }
      } else if (typeof value === "object" && value.length !== sizeOf(shape)) {
        throw this.#mismatch(i, `a ${value.constructor.name} of ${value.length}, not of ${sizeOf(shape)}`, shape);
      }
    }
  }

  #leaf(index: number): Leaf {
    const leaf = this.leaves[index];
    if (leaf === undefined) throw new RangeError(`${this.#program.name} has no leaf ${index}`);
    return leaf;
  }

  #readLeaf(leaf: Leaf, value: unknown, device: Device): LeafValue {
    const where = `${this.#program.name}: argument ${leaf.path}`;
    if (isTensor(value)) {
      const state = present(value, where);
      if (value.dtype !== leaf.dtype || value.shape.length !== leaf.shape.length) {
        throw new ArgumentError(`${where} must be ${expectedText(leaf)}, got ${typeOf(value)}`);
      }
      if (state.kind === "device" && state.device !== device) {
        throw new ArgumentError(`${where} is on ${state.device.name}, but ${this.#program.name} runs on ${device.name}: read it with data() and make a new tensor`);
      }
      return value;
    }
    if (typeof value === "number" || typeof value === "boolean") {
      if (leaf.shape.length > 0) throw new ArgumentError(`${where} must be ${expectedText(leaf)}, got the number ${value}`);
      const reason = refusal(leaf.dtype, Number(value));
      if (reason !== undefined) throw new ArgumentError(`${where} must be ${expectedText(leaf)}: ${reason}`);
      return Number(value);
    }
    if (isTypedArray(value)) {
      if (!holds(value, leaf.dtype)) {
        throw new ArgumentError(`${where} must be ${expectedText(leaf)}, which a ${arrayName(leaf.dtype)} can hold, got a ${value.constructor.name}`);
      }
      return value;
    }
    const advice = Array.isArray(value) ? ": wrap it in tensor(...)" : "";
    throw new ArgumentError(`${where} must be ${expectedText(leaf)}, got ${describeForm(value)}${advice}`);
  }

  #bindTensor(index: number, value: Tensor<Shape, DTypeName>, sizes: (number | undefined)[], givers: number[]): void {
    const axes = this.#axes[index] ?? [];
    for (let i = 0; i < axes.length; i++) {
      const axis = axes[i];
      const size = value.shape[i] ?? 0;
      if (axis === undefined || "formula" in axis) continue;
      if ("literal" in axis) {
        if (axis.literal !== size) throw this.#mismatch(index, typeOf(value));
      } else if (sizes[axis.name] === undefined) {
        sizes[axis.name] = size;
        givers[axis.name] = index;
      } else if (sizes[axis.name] !== size) {
        throw this.#conflict(axis.name, sizes[axis.name], givers[axis.name] ?? -1, size, index);
      }
    }
  }

  /** Axes that are formulas, then lengths of typed arrays, until nothing new is learnt. */
  #solveRest(values: readonly LeafValue[], sizes: (number | undefined)[], givers: number[]): readonly number[] {
    const learn = (solved: readonly [name: string, size: number] | undefined, index: number, got: string): boolean => {
      if (solved === undefined) return false;
      const [name, size] = solved;
      if (!Number.isInteger(size) || size < 0) throw this.#mismatch(index, `${got}, for which ${name} would be ${size}`);
      const position = this.#program.dims.findIndex((dim) => dim.name === name);
      sizes[position] = size;
      givers[position] = index;
      return true;
    };
    const known = (): Record<string, number | undefined> =>
      Object.fromEntries(this.#program.dims.map(({ name }, i) => [name, sizes[i]]));
    const fromTensors = (): boolean => values.some((value, i) => isTensor(value) &&
      this.#leaf(i).shape.some((formula, axis) => learn(solveFormula(formula, value.shape[axis] ?? 0, known()), i, typeOf(value))));
    const fromLengths = (): boolean => values.some((value, i) => !isTensor(value) && typeof value === "object" &&
      learn(solveLength(this.#leaf(i).shape, value.length, known()), i, `a ${value.constructor.name} of ${value.length}`));
    while (!isComplete(sizes) && (fromTensors() || fromLengths()));
    if (isComplete(sizes)) return sizes;
    throw this.#unsolved(values, known());
  }

  #mismatch(index: number, got: string, shape?: readonly number[]): ArgumentError {
    const leaf = this.#leaf(index);
    const expected = expectedText(leaf);
    const exact = shape === undefined ? expected : printTensorType(leaf.dtype, shape);
    const here = exact === expected ? "" : ` (here ${exact})`;
    return new ArgumentError(`${this.#program.name}: argument ${leaf.path} must be ${expected}${here}, got ${got}`);
  }

  #conflict(dim: number, size: number | undefined, giver: number, other: number, index: number): ArgumentError {
    const name = this.#program.dims[dim]?.name ?? "";
    const [first, second] = [this.#leaf(giver), this.#leaf(index)];
    if (giver === index) return new ArgumentError(`${this.#program.name}: ${name} is ${size} and ${other} in ${second.path}, which must be ${expectedText(second)}`);
    return new ArgumentError(
      `${this.#program.name}: ${name} is ${size} in ${first.path} but ${other} in ${second.path} (${first.path} is ${expectedText(first)}, ${second.path} is ${expectedText(second)})`,
    );
  }

  #unsolved(values: readonly LeafValue[], sizes: Readonly<Record<string, number | undefined>>): ArgumentError {
    const missing = Object.keys(sizes).filter((name) => sizes[name] === undefined);
    const list = missing.join(" and ");
    const array = values.findIndex((value, i) => isTypedArray(value) && this.#leaf(i).shape.some((formula) => unknownNames(formula, sizes).length > 0));
    const value = values[array];
    if (isTypedArray(value)) {
      const leaf = this.#leaf(array);
      return new ArgumentError(
        `${this.#program.name}: ${list} cannot be told from the ${value.length} elements of argument ${leaf.path}, which is ${expectedText(leaf)}: pass tensor(data, shape) there`,
      );
    }
    return new ArgumentError(`${this.#program.name}: no argument tells the size of ${list}: pass a tensor where a shape has ${missing[0]} as an axis`);
  }
}

/** The unknown size that makes a shape have `length` elements: one name, alone on one or more axes. */
function solveLength(
  shape: readonly Formula[],
  length: number,
  sizes: Readonly<Record<string, number | undefined>>,
): readonly [name: string, size: number] | undefined {
  const unknown = shape.filter((formula) => unknownNames(formula, sizes).length > 0);
  const first = unknown[0];
  if (first === undefined) return undefined;
  const rest = sizeOf(shape.filter((formula) => !unknown.includes(formula)).map((formula) => evaluateFormula(formula, sizes)));
  if (rest === 0) return undefined;
  if (unknown.length === 1) return solveFormula(first, length / rest, sizes);
  if (typeof first !== "string" || unknown.some((formula) => formula !== first)) return undefined;
  const root = (length / rest) ** (1 / unknown.length);
  return [first, Math.round(root) ** unknown.length * rest === length ? Math.round(root) : root];
}

function expectedText({ tree, dtype, shape }: Leaf): string {
  return tree.kind === "number" ? "a number" : `${dtype}[${shape.map(printFormula).join(",")}]`;
}

function isComplete(sizes: readonly (number | undefined)[]): sizes is readonly number[] {
  return !sizes.includes(undefined);
}
