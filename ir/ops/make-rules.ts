/**
 * Makes the parts of records that many families share: derivatives from factors, and samples.
 *
 * A jvp rule multiplies tangents by functions of the primals and nothing else, which keeps it linear in them.
 */

import type { Builder } from "../builder.ts";
import type { Dim } from "../dim.ts";
import { at } from "../expect.ts";
import type { Attrs, Value } from "../module.ts";
import type { Derivative, Sample } from "../op.ts";
import { type DType, isMemory, printType, type TensorType, tensorType } from "../type.ts";

/** d f(x) = factor(x, f(x)) dx */
export function factorRule(factor: (b: Builder, x: Value, result: Value) => Value): Derivative {
  return {
    jvp: (b, primals, tangents, results) => {
      const [tangent] = tangents;
      return [tangent === undefined ? undefined : b.mul(tangent, factor(b, at(primals, 0), at(results, 0)))];
    },
  };
}

/** d f(x, y) = left(x, y, f) dx + right(x, y, f) dy; the parts of zero tangents are not built. */
export function factorsRule(
  left: (b: Builder, x: Value, y: Value, result: Value) => Value,
  right: (b: Builder, x: Value, y: Value, result: Value) => Value,
): Derivative {
  return {
    jvp: (b, primals, tangents, results) => {
      const [x, y, result] = [at(primals, 0), at(primals, 1), at(results, 0)];
      const [dx, dy] = tangents;
      return [
        addTangents(
          b,
          dx === undefined ? undefined : b.mul(dx, left(b, x, y, result)),
          dy === undefined ? undefined : b.mul(dy, right(b, x, y, result)),
        ),
      ];
    },
  };
}

/** The sum of the tangents that are not zero. */
export function addTangents(b: Builder, ...tangents: readonly (Value | undefined)[]): Value | undefined {
  return tangents.reduce((sum, tangent) => (sum === undefined ? tangent : tangent === undefined ? sum : b.add(sum, tangent)), undefined);
}

/** A splat of a value's own type. */
export function splat(b: Builder, like: Value, value: number): Value {
  if (isMemory(like.type)) throw new RangeError(`${printType(like.type)} has no constants`);
  return b.constantOf(like.type, value);
}

/** Of an op that is linear in its only operand, `x`. */
export function linearRule(transposed: (b: Builder, cotangent: Value, x: TensorType, attrs: Attrs) => Value): Derivative {
  return {
    linear: [0],
    transpose: (b, cotangents, _operands, [x], attrs) => {
      if (x === undefined) throw new RangeError("the derivative rule needs the type of x");
      return [transposed(b, at(cotangents, 0), x, attrs)];
    },
  };
}

/** One float operand of a shape. */
export function floatSamples(shape: readonly Dim[], attrs: Attrs, rest: Omit<Sample, "operands" | "attrs"> = {}): readonly Sample[] {
  return (["f32", "f64"] satisfies readonly DType[]).map((dtype) => ({ operands: [tensorType(dtype, shape)], attrs, ...rest }));
}
