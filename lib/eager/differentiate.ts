/**
 * Derivatives of functions that run op by op: forward and reverse mode over a tape.
 *
 * The function gets its own handles of what it is differentiated by, so that the same tensor, captured from outside, is a
 * constant, as it is in a built program.
 */

import { ArgumentError, tensorBrand } from "tsdlc-runtime";
import { at } from "../../ir/expect.ts";
import { isFloat } from "../../ir/type.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { pullBack, pushForward } from "./computation.ts";
import { dispatch, withFaults } from "./dispatch.ts";
import { execute, withDevice } from "./execute.ts";
import { type Entry, Tape, withTape } from "./tape.ts";
import { describeValue, isTree, mapLeaves, type Path, pathName, visitLeaves } from "./trees.ts";

type AnyFunction = (...args: never[]) => unknown;

export interface Options {
  readonly wrt?: number | readonly number[];
  readonly aux?: boolean;
}

export interface Differentiated {
  /** What the function returned. */
  readonly value: unknown;
  /** A tree for each position in `wrt`, or the only one. */
  readonly gradient: unknown;
}

/** Runs `fn`, and its gradient after it. Throws an ArgumentError where there is nothing to differentiate. */
export function differentiate(what: string, fn: AnyFunction, options: Options, args: readonly unknown[]): Differentiated {
  const { wrt = 0, aux = false } = options;
  const positions = typeof wrt === "number" ? [wrt] : wrt;
  for (const position of positions) requirePosition(what, position, args.length);
  const watched = new Watched(what, args, positions);
  const value = watched.run(fn);
  const loss = requireLoss(what, aux && Array.isArray(value) ? value[0] : value, aux, value);
  const cotangents = reverse(watched.tape, loss);
  const trees = positions.map((position) => mapLeaves(watched.args[position], (leaf) => cotangents.get(leaf) ?? zerosLike(leaf)));
  return { value, gradient: typeof wrt === "number" ? trees[0] : trees };
}

/** Runs `fn` and the derivative along the tangents: [result, tangent]. */
export function forward(fn: AnyFunction, primals: readonly unknown[], tangents: readonly unknown[]): readonly [unknown, unknown] {
  if (primals.length !== tangents.length) throw new ArgumentError(`jvp: there are ${primals.length} arguments and ${tangents.length} tangents: each argument needs one`);
  const watched = new Watched("jvp", primals, primals.map((_, i) => i), false);
  const along = new Map<AnyTensor, AnyTensor>();
  watched.args.forEach((argument, i) => pairLeaves(argument, tangents[i], [i], (leaf, tangent, path) => {
    if (!isFloat(leaf.dtype)) return;
    if (!isLeaf(tangent) || tangent.dtype !== leaf.dtype || tangent.shape.join() !== leaf.shape.join()) {
      throw new ArgumentError(`jvp: the tangent of ${pathName("primals", path)} must be ${describeValue(leaf)}, and it is ${describeValue(tangent)}`);
    }
    along.set(leaf, tangent);
  }));
  const value = watched.run(fn);
  for (const entry of watched.tape.entries) pushEntry(entry, along);
  return [value, mapLeaves(value, (leaf) => along.get(leaf) ?? (isFloat(leaf.dtype) ? zerosLike(leaf) : leaf))];
}

/** Arguments of which some are followed by a tape. */
class Watched {
  readonly tape = new Tape();
  readonly args: readonly unknown[];
  readonly #given: readonly unknown[];
  readonly #positions: readonly number[];
  readonly #what: string;

  constructor(what: string, args: readonly unknown[], positions: readonly number[], floatsOnly = true) {
    this.#given = args;
    this.#positions = positions;
    this.#what = what;
    this.args = args.map((argument, i) => (positions.includes(i) ? this.#watch(argument, i, floatsOnly) : argument));
  }

  #watch(argument: unknown, position: number, floatsOnly: boolean): unknown {
    if (typeof argument === "number") {
      throw new ArgumentError(`${this.#what}: argument ${position} is the number ${argument}, and only tensors can be differentiated by when ops run one by one: pass tensor(${argument})`);
    }
    return mapLeaves(argument, (leaf, path) => {
      if (!isFloat(leaf.dtype)) {
        if (!floatsOnly) return leaf;
        throw new ArgumentError(`${this.#what}: ${pathName(`argument ${position}`, path)} is ${describeValue(leaf)}, and a gradient can only be taken with respect to floats: name the arguments with { wrt: [...] }, or convert it with .to("f32")`);
      }
      const own = dispatch("reshape", [leaf, leaf.shape]) as AnyTensor;
      this.tape.watch(own);
      return own;
    });
  }

  run(fn: AnyFunction): unknown {
    const before = this.args.map((argument) => mapLeaves(argument, (leaf) => leaf));
    const result = withTape(this.tape, () => (fn as (...args: readonly unknown[]) => unknown)(...this.args));
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new ArgumentError(`${this.#what}: the function is async, and a derivative follows only what runs before it returns: leave out async and await, and read values after it`);
    }
    // Fields that the function assigned are the caller's too.
    for (const position of this.#positions) assignChanges(before[position], this.args[position], this.#given[position]);
    return result;
  }
}

function assignChanges(before: unknown, after: unknown, given: unknown): void {
  if (!isTree(after) && !Array.isArray(after)) return;
  const [was, is, theirs] = [before, after, given] as readonly Record<string, unknown>[];
  if (was === undefined || is === undefined || theirs === undefined) return;
  for (const key of Object.keys(is)) {
    if (isLeaf(is[key]) || !(isTree(is[key]) || Array.isArray(is[key]))) {
      if (is[key] !== was[key]) theirs[key] = is[key];
    } else assignChanges(was[key], is[key], theirs[key]);
  }
}

/* ---------------------------------------------------------------- along a tape */

/** The cotangent of everything on the tape that the loss depends on. */
function reverse(tape: Tape, loss: AnyTensor): ReadonlyMap<AnyTensor, AnyTensor> {
  const cotangents = new Map<AnyTensor, AnyTensor>();
  if (tape.follows(loss)) cotangents.set(loss, filledLike(loss, 1));
  for (const entry of [...tape.entries].reverse()) pullEntry(tape, entry, cotangents);
  return cotangents;
}

function pullEntry(tape: Tape, entry: Entry, cotangents: Map<AnyTensor, AnyTensor>): void {
  const { inputs, outputs } = entry;
  if ("pull" in entry) {
    if (!outputs.some((output) => cotangents.has(output))) return;
    entry.pull(outputs.map((output) => cotangents.get(output))).forEach((part, i) => {
      const input = at(inputs, i);
      if (part !== undefined && tape.follows(input)) accumulate(cotangents, input, part);
    });
    return;
  }
  const { computation, sizes } = entry;
  const from = outputs.flatMap((output, i) => (cotangents.has(output) ? [i] : []));
  const to = inputs.flatMap((input, i) => (tape.follows(input) && isFloat(input.dtype) ? [i] : []));
  if (from.length === 0 || to.length === 0) return;
  const { name } = computation.func;
  const { computation: gradient, takes } = withFaults(`the gradient of ${name}`, () => pullBack(computation, from, to));
  const offered = [...inputs, ...from.map((i) => cotangents.get(at(outputs, i)))];
  const results = to.map((i) => at(inputs, i));
  const parts = execute({ computation: gradient, sizes, results }, takes.map((i) => at(offered, i)), `the gradient of ${name}`);
  results.forEach((input, i) => accumulate(cotangents, input, at(parts, i)));
}

function accumulate(cotangents: Map<AnyTensor, AnyTensor>, tensor: AnyTensor, part: AnyTensor): void {
  const before = cotangents.get(tensor);
  cotangents.set(tensor, before === undefined ? part : (dispatch("add", [before, part]) as AnyTensor));
}

function pushEntry(entry: Entry, along: Map<AnyTensor, AnyTensor>): void {
  if ("pull" in entry) throw new ArgumentError(`jvp: ${entry.name} has a rule for reverse mode alone: differentiate it with grad`);
  const { computation, sizes, inputs, outputs } = entry;
  const wanted = outputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
  const { name } = computation.func;
  const { computation: derivative, takes } = withFaults(`the tangent of ${name}`, () => pushForward(computation, wanted));
  const offered = takes.map((i) => (i < inputs.length ? at(inputs, i) : tangentOf(at(inputs, i - inputs.length))));
  const results = wanted.map((i) => at(outputs, i));
  const parts = execute({ computation: derivative, sizes, results }, offered, `the tangent of ${name}`);
  results.forEach((output, i) => along.set(output, at(parts, i)));

  function tangentOf(input: AnyTensor): AnyTensor {
    return along.get(input) ?? zerosLike(input);
  }
}

function zerosLike(tensor: AnyTensor): AnyTensor {
  return filledLike(tensor, 0);
}

/** Where the tensor is, which need not be where tensors are made. */
function filledLike({ dtype, shape, [tensorBrand]: state }: AnyTensor, value: number): AnyTensor {
  const make = (): AnyTensor => dispatch("full", [shape, value, dtype]) as AnyTensor;
  return state.kind === "device" ? withDevice(state.device, make) : make();
}

/* ---------------------------------------------------------------- what is refused */

function requirePosition(what: string, position: number, count: number): void {
  if (Number.isInteger(position) && position >= 0 && position < count) return;
  throw new ArgumentError(`${what}: wrt names arguments by position, it is ${position}, and the function is called with ${count} argument${count === 1 ? "" : "s"}: the first is 0, as in { wrt: [0, 2] }`);
}

function requireLoss(what: string, loss: unknown, aux: boolean, value: unknown): AnyTensor {
  if (isLeaf(loss) && loss.shape.length === 0 && isFloat(loss.dtype)) return loss;
  const advice = !aux && Array.isArray(value)
    ? `if the first is the loss and the rest goes along, say so: ${what}(f, { aux: true })`
    : isLeaf(loss) && loss.shape.length > 0 ? "reduce the result with .mean() or .sum()" : "return the loss, a tensor of rank 0";
  throw new ArgumentError(`${what}: only a function that returns one float can be differentiated, and it returns ${describeValue(aux ? loss : value)}: ${advice}`);
}

/** Leaves of one tree with what is at the same place of another. */
function pairLeaves(tree: unknown, other: unknown, path: Path, visit: (leaf: AnyTensor, other: unknown, path: Path) => void): void {
  visitLeaves(tree, (leaf, inner) => {
    const beside = inner.reduce<unknown>((value, step) => (value as Readonly<Record<string | number, unknown>> | undefined)?.[step], other);
    visit(leaf, beside, [...path, ...inner]);
  });
}
