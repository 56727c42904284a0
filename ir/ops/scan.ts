/**
 * Running folds along one axis.
 */

import { namedDim } from "../dim.ts";
import type { Attrs, Value } from "../module.ts";
import { type TensorOpRecord, TypeFault } from "../op.ts";
import { tensorType } from "../type.ts";
import { axisAttr, fact, tensorAt } from "./check.ts";
import { sameOp, shiftedAxis } from "./make-batch.ts";
import { floatSamples, linearRule } from "./make-rules.ts";
import { elementAt, operandAt, tabulate } from "./tabulate.ts";

export interface CumsumAttrs extends Attrs {
  readonly axis: number;
  /** Sums from the end: result[i] = x[i] + x[i + 1] + ... */
  readonly reverse: boolean;
}

export const cumsum: TensorOpRecord<(x: Value, attrs: CumsumAttrs) => Value> = {
  doc: "result[i] = x[0] + ... + x[i] along an axis, from the end when reverse",
  operands: ["x"],
  results: ["result"],
  infer: (operands, attrs) => {
    const x = tensorAt(operands, 0, "x");
    axisAttr(attrs, x.shape.length);
    if (typeof attrs["reverse"] !== "boolean") throw new TypeFault("attr reverse must be true or false");
    if (x.dtype === "bool") throw new TypeFault("cumsum takes floats and integers", [fact("x", x)], "cast it to i32");
    return [x];
  },
  evaluate: (operands, attrs, [result]) => {
    const x = operandAt(operands, 0);
    const { axis, reverse } = attrs as CumsumAttrs;
    return [
      tabulate(result, (index) => {
        const here = index[axis] ?? 0;
        const [from, to] = reverse ? [here, x.shape[axis] ?? 0] : [0, here + 1];
        let sum = 0;
        for (let i = from; i < to; i++) sum += elementAt(x, index.with(axis, i));
        return sum;
      }),
    ];
  },
  compute: {
    form: "scan",
    axis: (attrs) => (attrs as CumsumAttrs).axis,
    reverse: (attrs) => (attrs as CumsumAttrs).reverse,
    identity: () => 0,
    element: (_b, context, index) => context.load(0, index),
    combine: (b, left, right) => b.add(left, right),
  },
  derivative: linearRule((b, cotangent, _x, attrs) => {
    const { axis, reverse } = attrs as CumsumAttrs;
    return b.cumsum(cotangent, { axis, reverse: !reverse });
  }),
  batch: sameOp(shiftedAxis),
  samples: [
    ...floatSamples([namedDim("N"), 3], { axis: 0, reverse: false }, { range: [0.5, 2], ulp: 16 }),
    ...floatSamples([2, namedDim("N")], { axis: 1, reverse: true }, { range: [0.5, 2], ulp: 16 }),
    { operands: [tensorType("i32", [2, namedDim("N"), 2])], attrs: { axis: 1, reverse: false }, range: [-4, 4] },
  ],
};
