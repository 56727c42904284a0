/** Between the host arrays of the interpreter and tensors that ops run on one by one. */

import { hostArray, type HostArray } from "../../ir/host.ts";
import type { Dim } from "../../ir/dim.ts";
import type { SignatureTree } from "../../ir/signature.ts";
import { Tensor } from "../../lib/tensor.ts";
import { decode, encode } from "../../runtime/library.ts";
import type { DTypeName } from "tsdlc-runtime";

export type AnyTensor = Tensor<readonly Dim[] & readonly never[], DTypeName>;

export function toTensor({ dtype, shape, data }: HostArray): AnyTensor {
  return new Tensor(dtype, shape, { kind: "host", data: encode(dtype, data) });
}

export async function toHost(tensor: AnyTensor): Promise<HostArray> {
  const data = await tensor.data();
  return hostArray(tensor.dtype, tensor.shape, Array.from({ length: data.length }, (_, i) => decode(tensor.dtype, data, i)));
}

/** The tree of a parameter with the next of the leaves at its leaves. */
export function growTree(tree: SignatureTree, leaves: Iterator<HostArray>): unknown {
  switch (tree.kind) {
    case "tensor": return toTensor(nextOf(leaves));
    case "number": return nextOf(leaves).data[0];
    case "array": return tree.items.map((item) => growTree(item, leaves));
    case "object": return Object.fromEntries(tree.fields.map(({ name, tree: inner }) => [name, growTree(inner, leaves)]));
  }
}

/** The leaves of a result, in the order of its tree. */
export async function leavesOf(tree: SignatureTree, value: unknown): Promise<readonly HostArray[]> {
  switch (tree.kind) {
    case "tensor":
    case "number": {
      if (!(value instanceof Tensor)) throw new TypeError(`a leaf is ${String(value)}, and no tensor of the library`);
      return [await toHost(value)];
    }
    case "array": return (await Promise.all(tree.items.map((item, i) => leavesOf(item, (value as readonly unknown[])[i])))).flat();
    case "object": return (await Promise.all(tree.fields.map(({ name, tree: inner }) => leavesOf(inner, (value as Readonly<Record<string, unknown>>)[name])))).flat();
  }
}

function nextOf(leaves: Iterator<HostArray>): HostArray {
  const { done, value } = leaves.next();
  if (done === true) throw new RangeError("there are too few leaves");
  return value;
}
