/**
 * The constants of a package that are too long to be part of kernels: their bytes, little-endian, each at an offset
 * that every dtype is aligned to, equal ones once.
 */

import { hostArray } from "../ir/host.ts";
import type { Attrs, Op } from "../ir/module.ts";
import type { TensorType } from "../ir/type.ts";

/** More elements than this are data; fewer are cheaper as part of the kernel. */
const longest = 8;
/** Bytes. Vectors of the CPU are that long, and those that a thread of a GPU loads at once divide it. */
const alignment = 64;

export function isLongConstant(op: Op): boolean {
  const { value } = op.attrs;
  return op.name === "constant" && Array.isArray(value) && value.length > longest;
}

export class ConstantPool {
  readonly #offsets = new Map<string, number>();
  #bytes = new Uint8Array(0);

  /** The offset of a constant's bytes. */
  add(type: TensorType, attrs: Attrs): number {
    const values = attrs["value"] as readonly number[];
    const shape = type.shape.map((dim) => {
      if (typeof dim !== "number") throw new Error("a constant that lists its elements has a literal shape");
      return dim;
    });
    const { data } = hostArray(type.dtype, shape, values);
    const key = `${type.dtype}:${values.join(",")}`;
    const known = this.#offsets.get(key);
    if (known !== undefined) return known;
    const offset = Math.ceil(this.#bytes.length / alignment) * alignment;
    const grown = new Uint8Array(offset + data.byteLength);
    grown.set(this.#bytes);
    grown.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    this.#bytes = grown;
    this.#offsets.set(key, offset);
    return offset;
  }

  get bytes(): Uint8Array | undefined {
    return this.#bytes.length === 0 ? undefined : this.#bytes;
  }
}
