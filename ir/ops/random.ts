/**
 * Random bits from a key, by Philox. A draw depends on the key and on the position in the result and nothing else, so it is the same on every
 * target, and a fused kernel may compute it again instead of storing it.
 *
 * Element i is word i mod 4 of the block whose counter is i div 4. Several keys make as many draws, each as if alone.
 */

import type { Builder } from "../builder.ts";
import { type Dim, elementCount, namedDim, sameDim } from "../dim.ts";
import { offsetOf } from "../host.ts";
import type { Value } from "../module.ts";
import { type ComputeContext, type TensorOpRecord, TypeFault } from "../op.ts";
import { philox, philoxKeySteps, philoxMultipliers, philoxRounds } from "../philox.ts";
import { scalarType, tensorType } from "../type.ts";
import { dimsAttr, expectOperandCount, fact, tensorAt } from "./check.ts";
import { linearize } from "./indexing.ts";
import { sameOp } from "./make-batch.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export const randomBits: TensorOpRecord<(key: Value, attrs: { readonly shape: readonly Dim[] }) => Value> = {
  doc: "u32 bits for each key: word i mod 4 of philox4x32-10(counter i div 4, key) for the i-th element of its shape in row-major order",
  operands: ["key"],
  results: ["bits"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 1);
    const key = tensorAt(operands, 0, "key");
    if (key.dtype !== "u32" || !sameDim(key.shape.at(-1) ?? 0, 2)) {
      throw new TypeFault("a key is u32[2]", [fact("key", key)]);
    }
    return [tensorType("u32", [...key.shape.slice(0, -1), ...dimsAttr(attrs, "shape")])];
  },
  evaluate: (operands, attrs, [result]) => {
    const keys = operandAt(operands, 0);
    const shape = attrs["shape"] as readonly number[];
    const axes = keys.shape.length - 1;
    return [
      tabulate(result, (index) => {
        const words = [0, 1].map((word) => elementAt(keys, [...index.slice(0, axes), word]));
        const position = offsetOf(shape, index.slice(axes));
        const block = Math.floor(position / 4);
        return philox([block % 2 ** 32, Math.floor(block / 2 ** 32), 0, 0], words)[position % 4] ?? 0;
      }),
    ];
  },
  compute: { form: "map", at: bitsAt },
  derivative: "none",
  batch: sameOp(),
  samples: [
    { operands: [tensorType("u32", [2])], attrs: { shape: [namedDim("N"), 3] }, range: [0, 2 ** 32 - 1] },
    { operands: [tensorType("u32", [2])], attrs: { shape: [9] }, range: [0, 2 ** 32 - 1] },
    { operands: [tensorType("u32", [2])], attrs: { shape: [] }, range: [0, 2 ** 32 - 1] },
    { operands: [tensorType("u32", [3, 2])], attrs: { shape: [namedDim("N"), 3] }, range: [0, 2 ** 32 - 1] },
    { operands: [tensorType("u32", [namedDim("N"), 2, 2])], attrs: { shape: [] }, range: [0, 2 ** 32 - 1] },
  ],
};

function bitsAt(b: Builder, context: ComputeContext, index: readonly Value[]): Value {
  const shape = dimsAttr(context.attrs, "shape");
  const ofKey = index.slice(0, index.length - shape.length);
  const word = (value: number): Value => b.constantOf(scalarType("u32"), value);
  const position = linearize(b, index.slice(ofKey.length), shape);
  const block = b.div(position, b.index(4));
  let counter = [b.cast(block, { dtype: "u32" }), highWord(b, block, elementCount(shape)), word(0), word(0)] as const;
  let key = [context.load(0, [...ofKey, b.index(0)]), context.load(0, [...ofKey, b.index(1)])] as const;
  for (let round = 0; round < philoxRounds; round++) {
    const [c0, c1, c2, c3] = counter;
    counter = [
      b.xor(b.xor(b.mulHigh(c2, philoxMultipliers[1]), c1), key[0]),
      b.mul(c2, philoxMultipliers[1]),
      b.xor(b.xor(b.mulHigh(c0, philoxMultipliers[0]), c3), key[1]),
      b.mul(c0, philoxMultipliers[0]),
    ];
    key = [b.add(key[0], philoxKeySteps[0]), b.add(key[1], philoxKeySteps[1])];
  }
  const lane = b.rem(position, b.index(4));
  const [w0, w1, w2, w3] = counter;
  const isFirstPair = b.lt(lane, b.index(2));
  const isEven = b.eq(b.rem(lane, b.index(2)), b.index(0));
  return b.select(isFirstPair, b.select(isEven, w0, w1), b.select(isEven, w2, w3));
}

/**
 * The bits of a block number from 32 up; none for shapes known to be small. In two steps, because 2^32 is no index
 * where an index has 32 bits.
 */
function highWord(b: Builder, block: Value, count: Dim): Value {
  if (typeof count === "number" && count <= 2 ** 34) return b.constantOf(scalarType("u32"), 0);
  const half = b.index(2 ** 16);
  return b.cast(b.div(b.div(block, half), half), { dtype: "u32" });
}
