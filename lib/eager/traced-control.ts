/**
 * cond, whileLoop and scan where JavaScript cannot decide: their functions are traced once, and become one computation with
 * control flow in it, which runs, is written into a trace around it, and has derivatives like any other.
 */

import { ArgumentError } from "tsdlc-runtime";
import { at } from "../../ir/expect.ts";
import type { Func, Value } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { type DType, type TensorType, tensorType } from "../../ir/type.ts";
import { buildScan } from "../surface/scan.ts";
import { computationOf, functionOf } from "./computation.ts";
import { dispatch, withFaults } from "./dispatch.ts";
import { deviceOf, execute } from "./execute.ts";
import type { TensorFacts } from "./generalize.ts";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { withoutTapes } from "./tape.ts";
import { currentTrace, Trace } from "./trace.ts";
import { describeValue, isTree, leavesOf, mapLeaves, type Path, pathName } from "./trees.ts";

/** Whether nothing can be read of these trees now. */
export function isTraced(trees: unknown): boolean {
  const trace = currentTrace();
  if (trace !== undefined) {
    if (!trace.isStatic) throw new ArgumentError("cond, whileLoop and scan cannot be used yet in a function that jit compiles with named axes: leave dims out");
    return true;
  }
  const leaves = leavesOf(trees);
  return leaves.length > 0 && deviceOf(leaves, "a condition").readSync === undefined;
}

/** Reads a condition. */
export function isTrue(name: string, condition: AnyTensor): boolean {
  requireCondition(name, "the condition", condition);
  return condition.item() !== 0;
}

export function traceCond<A extends readonly unknown[], R>(condition: AnyTensor, ifTrue: (...args: A) => R, ifFalse: (...args: A) => R, args: A): R {
  requireCondition("cond", "its first argument", condition);
  const inputs = leavesOf(args);
  const sides = [["the first function", ifTrue], ["the second function", ifFalse]] as const;
  const [then, otherwise] = sides.map(([what, fn]) => traceBody(`${what} of cond`, fn, args, inputs));
  const [first, second] = [at([then], 0), at([otherwise], 0)];
  requireSame("cond: the two functions must return the same", "the result", first.result, second.result, ["the first", "the second"]);
  const captured = [...new Set([...first.captured, ...second.captured])];
  const results = factsOf(first.result);
  const func = functionOf("cond", typesOf([condition, ...inputs, ...captured]), (b, [test, ...values]) => {
    const side = (traced: Body) => b.region([], () => inlineRegion(b, traced.func.body, argumentsOf(traced, values, inputs.length, captured)));
    return b.if(at([test], 0), {}, [side(first), side(second)]);
  });
  return run("cond", func, [condition, ...inputs, ...captured], results, first.result) as R;
}

export function traceWhile<S>(condition: (state: S) => AnyTensor, body: (state: S) => S, initial: S): S {
  requireTensors("whileLoop", "the initial state", initial, []);
  const inputs = leavesOf(initial);
  const test = traceBody("the condition of whileLoop", condition, [initial] as const, inputs);
  requireCondition("whileLoop", "what its condition returns", test.result);
  const turn = traceBody("the body of whileLoop", body, [initial] as const, inputs);
  requireSame("whileLoop: the body must return a state like the one that it is given", "the state", initial, turn.result, ["before a turn", "after it"]);
  const captured = [...new Set([...test.captured, ...turn.captured])];
  const func = functionOf("while_loop", typesOf([...inputs, ...captured]), (b, values) => {
    const state = values.slice(0, inputs.length);
    const region = (traced: Body) => b.region(state.map(({ type }) => type), (carries) => inlineRegion(b, traced.func.body, argumentsOf(traced, [...carries, ...values.slice(inputs.length)], inputs.length, captured)));
    return b.while(state, {}, [region(test), region(turn)]);
  });
  return run("whileLoop", func, [...inputs, ...captured], factsOf(initial), turn.result) as S;
}

/** Where rows can be read it is a loop of JavaScript. */
export function scanRows<C, Y>(step: (carry: C, row: unknown) => readonly [C, Y], initial: C, xs: unknown, reverse: boolean): readonly [C, unknown] {
  requireTensors("scan", "the initial carry", initial, []);
  requireTensors("scan", "xs", xs, []);
  const length = lengthOf(xs);
  // How many results there are without a row, only a trace can tell.
  if (length === 0 || isTraced([initial, xs])) return traceScan(step, initial, xs, reverse, length);
  let carry = initial;
  const results = new Array<Y>(length);
  for (let turn = 0; turn < length; turn++) {
    const i = reverse ? length - 1 - turn : turn;
    const made = pairOf(step(carry, mapLeaves(xs, (leaf) => rowOf(leaf, i))));
    requireSame("scan: the step must return a carry like the one that it is given", "the carry", initial, made[0], ["before a step", "after it"]);
    [carry, results[i] as Y] = made as readonly [C, Y];
    requireSame("scan: every step must return results alike", "the result", results[reverse ? length - 1 : 0], made[1], ["of the first step", "of a later one"]);
  }
  const columns = results.map((result) => leavesOf(result));
  let next = 0;
  return [carry, mapLeaves(results[0], () => {
    const position = next++;
    return dispatch("concat", [columns.map((leaves) => asRow(at(leaves, position))), 0]);
  })];
}

function traceScan<C, Y>(step: (carry: C, row: unknown) => readonly [C, Y], initial: C, xs: unknown, reverse: boolean, length: number): readonly [C, unknown] {
  const [carries, inputs] = [leavesOf(initial), leavesOf(xs)];
  const row = mapLeaves(xs, (leaf) => leaf);
  const traced = traceBody("the step of scan", (carry: C, of: unknown) => pairOf(step(carry, of)), [initial, row] as const, [...carries, ...inputs], (leaf, i) =>
    i < carries.length ? leaf : { dtype: leaf.dtype as DType, shape: leaf.shape.slice(1) });
  const [next, result] = traced.result as readonly [C, Y];
  requireSame("scan: the step must return a carry like the one that it is given", "the carry", initial, next, ["before a step", "after it"]);
  const results = factsOf(result);
  const count = carries.length + inputs.length;
  const func = functionOf("scan", typesOf([...carries, ...inputs, ...traced.captured]), (b, values) =>
    buildScan(b, {
      initial: values.slice(0, carries.length), inputs: values.slice(carries.length, count), length, reverse,
      results: results.map(({ dtype, shape }) => tensorType(dtype, shape)),
    }, (now, rows) => inlineRegion(b, traced.func.body, [...now, ...rows, ...values.slice(count)])));
  const facts = [...factsOf(initial), ...results.map(({ dtype, shape }) => ({ dtype, shape: [length, ...shape] }))];
  return run("scan", func, [...carries, ...inputs, ...traced.captured], facts, traced.result) as readonly [C, unknown];
}

/* ---------------------------------------------------------------- traced functions */

interface Body {
  readonly func: Func;
  readonly result: unknown;
  readonly captured: readonly AnyTensor[];
}

function traceBody<A extends readonly unknown[]>(name: string, fn: (...args: A) => unknown, args: A, inputs: readonly AnyTensor[], typeOf: (leaf: AnyTensor, position: number) => TensorFacts | AnyTensor = (leaf) => leaf): Body {
  const types = inputs.map((leaf, i) => {
    const { dtype, shape } = typeOf(leaf, i);
    return { dtype: dtype as DType, shape };
  });
  const { func, result, captured } = withoutTapes(() => withFaults(name, () => new Trace(name, types).run((tensors) => {
    let next = 0;
    const own = args.map((argument) => mapLeaves(argument, () => tensors[next++])) as unknown as A;
    const made = fn(...own);
    if (!(made instanceof Promise)) return made;
    made.catch(() => undefined);
    throw new ArgumentError(`${name} is async, and what it does is needed before it returns: leave out async and await`);
  }, leavesOf)), name);
  return { func, result, captured: captured.map(({ tensor }) => tensor) };
}

/** Values for the parameters of a traced function, from those of the inputs and of all that is captured. */
function argumentsOf(traced: Body, values: readonly Value[], inputs: number, captured: readonly AnyTensor[]): readonly Value[] {
  return [...values.slice(0, inputs), ...traced.captured.map((tensor) => at(values, inputs + captured.indexOf(tensor)))];
}

function run(name: string, func: Func, inputs: readonly AnyTensor[], results: readonly TensorFacts[], template: unknown): unknown {
  const made = execute({ computation: computationOf(func, []), sizes: [], results }, inputs, name);
  let next = 0;
  return mapLeaves(template, () => made[next++]);
}

function factsOf(tree: unknown): readonly TensorFacts[] {
  return leavesOf(tree).map(({ dtype, shape }) => ({ dtype: dtype as DType, shape }));
}

function typesOf(tensors: readonly AnyTensor[]): readonly TensorType[] {
  return tensors.map(({ dtype, shape }) => tensorType(dtype as DType, shape));
}

/* ---------------------------------------------------------------- rows */

function rowOf(x: AnyTensor, i: number): AnyTensor {
  const row = dispatch("narrow", [x, 0, i, 1]) as AnyTensor;
  return dispatch("reshape", [row, x.shape.slice(1)]) as AnyTensor;
}

function asRow(x: AnyTensor): AnyTensor {
  return dispatch("reshape", [x, [1, ...x.shape]]) as AnyTensor;
}

function lengthOf(xs: unknown): number {
  const leaves: (readonly [AnyTensor, Path])[] = [];
  mapLeaves(xs, (leaf, path) => leaves.push([leaf, path]));
  const [first] = leaves;
  if (first === undefined) throw new ArgumentError("scan: xs has no tensors, so there are no rows: loop with whileLoop, or pass arange(n)");
  for (const [leaf, path] of leaves) {
    if (leaf.shape.length === 0) throw new ArgumentError(`scan: ${pathName("xs", path)} is ${describeValue(leaf)}, which has no rows`);
    if (leaf.shape[0] !== first[0].shape[0]) {
      throw new ArgumentError(`scan: all tensors of xs must have as many rows: ${pathName("xs", first[1])} is ${describeValue(first[0])}, and ${pathName("xs", path)} is ${describeValue(leaf)}`);
    }
  }
  return first[0].shape[0] ?? 0;
}

/* ---------------------------------------------------------------- what is refused */

function pairOf(made: unknown): readonly [unknown, unknown] {
  if (Array.isArray(made) && made.length === 2) return made as unknown as readonly [unknown, unknown];
  throw new ArgumentError(`scan: the step must return [next carry, result], and it returns ${describeValue(made)}`);
}

function requireCondition(name: string, what: string, value: unknown): void {
  if (isLeaf(value) && value.dtype === "bool" && value.shape.length === 0) return;
  const advice = isLeaf(value) ? (value.shape.length > 0 ? ": reduce it with .any() or .all()" : ": compare it, as in x.gt(0)") : ": compare tensors with x.gt(y), not with >";
  throw new ArgumentError(`${name}: ${what} must be a bool of rank 0, and it is ${describeValue(value)}${advice}`);
}

/** A number would be one of the trace, the same in every turn. */
function requireTensors(name: string, root: string, tree: unknown, path: Path): void {
  if (isLeaf(tree)) return;
  if (Array.isArray(tree)) return tree.forEach((item, i) => requireTensors(name, root, item, [...path, i]));
  if (isTree(tree)) return Object.entries(tree).forEach(([key, item]) => requireTensors(name, root, item, [...path, key]));
  throw new ArgumentError(`${name}: ${pathName(root, path)} is ${describeValue(tree)}, and only tensors can change from turn to turn${typeof tree === "number" ? `: pass tensor(${tree})` : ""}`);
}

function requireSame(rule: string, root: string, left: unknown, right: unknown, [before, after]: readonly [string, string], path: Path = []): void {
  const differ = (): never => {
    throw new ArgumentError(`${rule}: ${pathName(root, path)} is ${describeValue(left)} ${before} and ${describeValue(right)} ${after}`);
  };
  if (isLeaf(left) || isLeaf(right)) {
    if (!isLeaf(left) || !isLeaf(right) || left.dtype !== right.dtype || left.shape.join() !== right.shape.join()) differ();
    return;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    if (left.length !== right.length) differ();
    return left.forEach((item, i) => requireSame(rule, root, item, right[i], [before, after], [...path, i]));
  }
  if (isTree(left) && isTree(right)) {
    const [keys, others] = [Object.keys(left), Object.keys(right)];
    if (keys.length !== others.length || !keys.every((key) => Object.hasOwn(right, key))) differ();
    return keys.forEach((key) => requireSame(rule, root, left[key], right[key], [before, after], [...path, key]));
  }
  if (!Object.is(left, right)) differ();
}

