/**
 * Which axes of the values of a group are the same loop: classes of axes, joined wherever an op reads its operand at
 * exactly a loop axis.
 *
 * For a group with reductions this decides whether it is a row kernel: every reduction folds the same classes (inner)
 * and keeps the same classes (outer), so that one pass over the outer space can compute each row's totals and then
 * use them. Softmax over [N,10] has outer N and inner 10; the column sums of a bias gradient have them swapped.
 */

import { type Dim, sameDim } from "../ir/dim.ts";
import type { Op, Region, Value } from "../ir/module.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { accessesOf, computeOf, rankOf, tensorTypesOf } from "./access.ts";

export interface RowAxes {
  readonly outer: readonly AxisClass[];
  readonly inner: readonly AxisClass[];
  /** The class of each axis of a value. */
  classOf(value: Value, axis: number): AxisClass;
  reducedClassOf(op: Op, axis: number): AxisClass;
}

export interface AxisClass {
  readonly extent: Dim;
}

/** The row structure of a region whose reductions agree on it; undefined when they do not, or there are none. */
export function findRowAxes(region: Region): RowAxes | undefined {
  const classes = new Classes();
  const reductions: Op[] = [];
  for (const op of region.ops) {
    const compute = computeOf(op);
    if (compute.form !== "map" && compute.form !== "reduce") return undefined;
    const extents = compute.form === "reduce" ? compute.extents(tensorTypesOf(op.operands), op.attrs) : [];
    extents.forEach((extent, axis) => classes.add(op, axis, extent));
    for (const result of op.results) classes.addValue(result);
    const [first, ...others] = op.results;
    if (first === undefined) return undefined;
    for (const other of others) for (let axis = 0; axis < rankOf(other); axis++) classes.join([first, axis], [other, axis]);
    if (compute.form === "reduce") reductions.push(op);
    for (const { operand, index } of accessesOf(op)) {
      const read = op.operands[operand];
      if (read === undefined) return undefined;
      classes.addValue(read);
      index.forEach((component, axis) => {
        if (component === "other") return;
        const rank = rankOf(first);
        classes.join([read, axis], component < rank ? [first, component] : [op, component - rank]);
      });
    }
  }
  const [pattern] = reductions;
  if (pattern === undefined || classes.hasValueWithOneClassTwice()) return undefined;
  const outer = outerOf(classes, pattern);
  const inner = innerOf(classes, pattern);
  const fits = (op: Op): boolean => sameSet(outerOf(classes, op), outer) && sameSet(innerOf(classes, op), inner);
  if (outer.some((axis) => inner.includes(axis)) || !reductions.every(fits)) return undefined;
  return {
    outer,
    inner,
    classOf: (value, axis) => classes.find(value, axis),
    reducedClassOf: (op, axis) => classes.find(op, axis),
  };
}

function outerOf(classes: Classes, op: Op): readonly AxisClass[] {
  const [result] = op.results;
  return result === undefined ? [] : tensorTypeOf(result).shape.map((_, axis) => classes.find(result, axis));
}

function innerOf(classes: Classes, op: Op): readonly AxisClass[] {
  const compute = computeOf(op);
  if (compute.form !== "reduce") return [];
  return compute.extents(tensorTypesOf(op.operands), op.attrs).map((_, axis) => classes.find(op, axis));
}

function sameSet(left: readonly AxisClass[], right: readonly AxisClass[]): boolean {
  return left.length === right.length && left.every((item) => right.includes(item));
}

/** Union-find over the axes of values, and the reduced axes of ops. */
class Classes {
  readonly #nodes = new Map<Value | Op, Node[]>();

  addValue(value: Value): void {
    if (!this.#nodes.has(value)) tensorTypeOf(value).shape.forEach((extent, axis) => this.add(value, axis, extent));
  }

  add(owner: Value | Op, axis: number, extent: Dim): void {
    const nodes = this.#nodes.get(owner) ?? [];
    nodes[axis] = { parent: undefined, extent };
    this.#nodes.set(owner, nodes);
  }

  join(left: readonly [Value | Op, number], right: readonly [Value | Op, number]): void {
    const a = this.find(...left);
    const c = this.find(...right);
    if (a !== c && sameDim(a.extent, c.extent)) a.parent = c;
  }

  find(owner: Value | Op, axis: number): Node {
    let node = this.#nodes.get(owner)?.[axis];
    if (node === undefined) throw new Error(`axis ${axis} has no class`);
    while (node.parent !== undefined) node = node.parent;
    return node;
  }

  hasValueWithOneClassTwice(): boolean {
    return [...this.#nodes.keys()].some((owner) => {
      const roots = (this.#nodes.get(owner) ?? []).map((_, axis) => this.find(owner, axis));
      return new Set(roots).size < roots.length;
    });
  }
}

interface Node extends AxisClass {
  parent: Node | undefined;
}
