/**
 * einsum, general: each operand is first brought to one axis per label (repeated labels take the diagonal), then
 * operands are contracted left to right. A label is summed at the first contraction after which nobody needs it, by
 * dot_general when both operands have it and by a reduction before it when only one does.
 */

import type { Builder } from "../../ir/builder.ts";
import { type Dim, printDim, sameDim } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { TypeFault } from "../../ir/op.ts";
import { printType, tensorType } from "../../ir/type.ts";
import { readTensor, type SurfaceArgument, type SurfaceContext, type SurfaceFunction, type TensorValue } from "./argument.ts";
import { requireSameDType } from "./broadcast.ts";

/** A tensor whose axes are labels, each once. */
interface Labelled {
  readonly value: Value;
  readonly labels: readonly string[];
}

export const einsum: SurfaceFunction = (b, context, equation, ...args) => {
  if (typeof equation !== "string") throw new TypeFault(`einsum takes an equation first, such as "ij,jk->ik"`);
  const tensors = args.map((argument: SurfaceArgument, position) => readTensor(argument, `operand ${position + 1} of einsum`));
  const { inputs, output } = parseEquation(equation, tensors);
  requireConsistentSizes(context, equation, inputs, tensors);

  const operands = tensors.map((tensor, position) => takeDiagonals(b, tensor, inputs[position] ?? []));
  let total: Labelled | undefined;
  operands.forEach((operand, position) => {
    const needed = new Set([...output, ...inputs.slice(position + 1).flat()]);
    total = total === undefined ? sumOut(b, operand, needed) : contractPair(b, total, operand, needed);
  });
  if (total === undefined) throw new TypeFault("einsum needs at least one operand");
  return permuteTo(b, total, output);
};

/** Labels of each operand and of the result; "..." becomes labels of its own, aligned at the right. */
function parseEquation(equation: string, tensors: readonly TensorValue[]): { inputs: string[][]; output: string[] } {
  const text = equation.replace(/\s+/g, "");
  const [left = "", right, ...rest] = text.split("->");
  const terms = left.split(",");
  if (rest.length > 0 || !terms.every(isTerm) || (right !== undefined && !isTerm(right))) {
    throw new TypeFault(`einsum cannot read the equation "${equation}"`, [], `write letters for axes, as in "bij,bjk->bik"`);
  }
  if (terms.length !== tensors.length) {
    throw new TypeFault(`the equation "${equation}" is for ${terms.length} operands`, [`einsum is given ${tensors.length}`]);
  }
  let ellipsis = 0;
  const inputs = terms.map((term, position) => {
    const type = tensors[position]?.type ?? tensorType("f32", []);
    const letters = term.replace("...", "").length;
    const rank = type.shape.length;
    if (term.includes("...") ? letters > rank : letters !== rank) {
      throw new TypeFault(`"${term}" in the equation "${equation}" names ${letters} axes`, [`operand ${position + 1} is ${printType(type)}`]);
    }
    ellipsis = Math.max(ellipsis, term.includes("...") ? rank - letters : 0);
    return expand(term, rank - letters);
  });
  const output = right === undefined ? implicitOutput(inputs, ellipsis) : expand(right, ellipsis);
  const known = new Set(inputs.flat());
  const bad = output.find((label, position) => !known.has(label) || output.indexOf(label) !== position);
  if (bad !== undefined) {
    const fault = known.has(bad) ? "appears twice in the result" : "is in no operand";
    throw new TypeFault(`label "${bad}" of the equation "${equation}" ${fault}`);
  }
  return { inputs, output };
}

function isTerm(term: string): boolean {
  return /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term);
}

/** The labels of a term; the last axis of an ellipsis is ".0", the one before it ".1", and so on. */
function expand(term: string, ellipsis: number): string[] {
  const [before = "", after] = term.split("...");
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: ellipsis }, (_, i) => `.${ellipsis - 1 - i}`), ...after];
}

/** Without "->": the ellipsis, then every label that appears once, in alphabetical order (NumPy's rule). */
function implicitOutput(inputs: readonly (readonly string[])[], ellipsis: number): string[] {
  const all = inputs.flat().filter((label) => !label.startsWith("."));
  const single = [...new Set(all)].filter((label) => all.indexOf(label) === all.lastIndexOf(label));
  return [...expand("...", ellipsis), ...single.sort()];
}

function requireConsistentSizes(context: SurfaceContext, equation: string, inputs: readonly (readonly string[])[], tensors: readonly TensorValue[]): void {
  const sizes = new Map<string, Dim>();
  const first = tensors[0];
  tensors.forEach(({ type }, position) => {
    if (first !== undefined) requireSameDType(first.type, type);
    type.shape.forEach((size, axis) => {
      const label = inputs[position]?.[axis] ?? "";
      const present = sizes.get(label);
      if (present === undefined) sizes.set(label, size);
      if (present === undefined || sameDim(present, size)) return;
      const rule = `label "${label}" of the equation "${equation}" must stand for one size`;
      const fact = `it is ${printDim(present)} and, in operand ${position + 1}, ${printDim(size)}`;
      if (typeof present === "number" && typeof size === "number") throw new TypeFault(rule, [fact]);
      context.requireEqual(present, size, `${rule}: ${fact}`);
    });
  });
}

/** x[i, i] for a repeated label: the elements where both indices agree, by a mask and a sum. */
function takeDiagonals(b: Builder, { value, type }: TensorValue, labels: readonly string[]): Labelled {
  const repeat = labels.findIndex((label, axis) => labels.indexOf(label) !== axis);
  if (repeat < 0) return { value, labels };
  const original = labels.indexOf(labels[repeat] ?? "");
  const index = (axis: number): Value => b.iota({ dtype: "i32", shape: type.shape, axis });
  const diagonal = b.reduceSum(b.select(b.eq(index(original), index(repeat)), value, 0), { axes: [repeat] });
  const remaining = labels.filter((_, axis) => axis !== repeat);
  return takeDiagonals(b, readTensor(diagonal), remaining);
}

function sumOut(b: Builder, { value, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  if (axes.length === 0) return { value, labels };
  return { value: b.reduceSum(value, { axes }), labels: labels.filter((label) => needed.has(label)) };
}

function contractPair(b: Builder, left: Labelled, right: Labelled, needed: ReadonlySet<string>): Labelled {
  const l = sumOut(b, left, new Set([...needed, ...right.labels]));
  const r = sumOut(b, right, new Set([...needed, ...left.labels]));
  const shared = l.labels.filter((label) => r.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const reduced = shared.filter((label) => !needed.has(label));
  const value = b.dotGeneral(l.value, r.value, {
    leftBatch: batch.map((label) => l.labels.indexOf(label)),
    rightBatch: batch.map((label) => r.labels.indexOf(label)),
    leftReduced: reduced.map((label) => l.labels.indexOf(label)),
    rightReduced: reduced.map((label) => r.labels.indexOf(label)),
  });
  const free = (labels: readonly string[]): readonly string[] => labels.filter((label) => !shared.includes(label));
  return { value, labels: [...batch, ...free(l.labels), ...free(r.labels)] };
}

function permuteTo(b: Builder, { value, labels }: Labelled, output: readonly string[]): Value {
  const permutation = output.map((label) => labels.indexOf(label));
  return permutation.every((from, to) => from === to) ? value : b.transpose(value, { permutation });
}
