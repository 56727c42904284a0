/** Which axis of each tensor of a tree has the examples, from what the user said: an axis, null, or a tree of those. */

import { ArgumentError } from "tsdlc-runtime";
import { type AnyTensor, isLeaf } from "./handles.ts";
import { describeValue, isTree, leavesOf, type Path, pathName, visitLeaves } from "./trees.ts";

export interface Place {
  /** `argument 1` */
  readonly root: string;
  readonly path: Path;
}

export interface MappedLeaf extends Place {
  readonly leaf: AnyTensor;
  /** Counted from 0; -1 where there are no examples. */
  readonly axis: number;
}

interface Where {
  readonly root: string;
  /** A result of one example gets the axis, so that there is one more place for it. */
  readonly isResult: boolean;
}

/** The tensors of `tree`, left to right, each with its axis. `what` begins messages. */
export function readAxes(what: string, tree: unknown, axes: unknown, where: Where, path: Path = []): readonly MappedLeaf[] {
  const place = pathName(where.root, path);
  if (axes === null || typeof axes === "number") {
    const found: MappedLeaf[] = [];
    visitLeaves(tree, (leaf, inner) => {
      const at = { root: where.root, path: [...path, ...inner] };
      found.push({ ...at, leaf, axis: axes === null ? -1 : axisOf(what, leaf, axes, where, pathName(at.root, at.path)) });
    });
    return found;
  }
  if (Array.isArray(axes)) {
    if (!Array.isArray(tree) || tree.length !== axes.length) throw new ArgumentError(`${what} has a list of ${axes.length} for ${place}, which is ${describeValue(tree)}: it needs an entry for each item, or one axis for all of them`);
    return tree.flatMap((item: unknown, i) => readAxes(what, item, (axes as readonly unknown[])[i], where, [...path, i]));
  }
  if (isTree(axes) && !isLeaf(axes)) {
    if (!isTree(tree) || isLeaf(tree)) throw new ArgumentError(`${what} has fields for ${place}, which is ${describeValue(tree)}: it needs an axis or null`);
    const extra = Object.keys(axes).find((key) => !Object.hasOwn(tree, key));
    if (extra !== undefined) throw new ArgumentError(`${what} has a field ${extra} for ${place}, which has none: it is ${describeValue(tree)}`);
    return Object.entries(tree).flatMap(([key, item]) => {
      // What has no tensors needs no entry.
      if (!Object.hasOwn(axes, key) && leavesOf(item).length === 0) return [];
      if (!Object.hasOwn(axes, key)) throw new ArgumentError(`${what} says nothing of ${pathName(where.root, [...path, key])}, ${describeValue(item)}: name its axis, or null if it is the same for all examples`);
      return readAxes(what, item, axes[key], where, [...path, key]);
    });
  }
  throw new ArgumentError(`${what} must say an axis, null, or a tree of those for ${place}, and it says ${describeValue(axes)}`);
}

function axisOf(what: string, leaf: AnyTensor, axis: number, { isResult }: Where, place: string): number {
  const places = leaf.shape.length + (isResult ? 1 : 0);
  if (Number.isInteger(axis) && axis >= -places && axis < places) return axis < 0 ? axis + places : axis;
  if (!Number.isInteger(axis)) throw new ArgumentError(`${what} must name axes by whole numbers, and for ${place} it is ${axis}`);
  const help = isResult ? `the examples can be along axis 0 to ${places - 1}` : places === 0 ? "it has no axes: say null if it is the same for all examples" : `its axes are 0 to ${places - 1}`;
  throw new ArgumentError(`${what} names axis ${axis} of ${place}, which is ${describeValue(leaf)}${isResult ? " for one example" : ""}: ${help}`);
}
