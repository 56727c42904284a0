/**
 * The loop that scan is: carries, rows of inputs by the counter, and results written to their rows. Whoever calls says what
 * one step is.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Value } from "../../ir/module.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";

export interface Scan {
  readonly initial: readonly Value[];
  /** Each with one row for each turn. */
  readonly inputs: readonly Value[];
  readonly length: Dim;
  /** Of what a step gives beside carries. */
  readonly results: readonly TensorType[];
  readonly reverse: boolean;
}

/** The last carries, then the results with all their rows. */
export function buildScan(b: Builder, { initial, inputs, length, results, reverse }: Scan, step: (carries: readonly Value[], rows: readonly Value[]) => readonly Value[]): readonly Value[] {
  const count = tensorType("i32", []);
  const [zero, one] = [b.constantOf(count, 0), b.constantOf(count, 1)];
  const stop = typeof length === "number" ? b.constantOf(count, length) : b.size({ size: length, dtype: "i32" });
  // Rows are added to zeros, and there are no sums of bool.
  const stored = results.map(({ dtype, shape }) => tensorType(dtype === "bool" ? "u8" : dtype, [length, ...shape]));
  const carried = [...initial, ...stored.map((type) => b.constantOf(type, 0))];
  const body = b.region([count, ...carried.map(({ type }) => type)], ([counter, ...values]) => {
    if (counter === undefined) throw new Error("a for has a counter");
    const row = reverse ? b.sub(b.sub(stop, one), counter) : counter;
    const made = step(values.slice(0, initial.length), inputs.map((input) => b.gather(input, row, { axis: 0 })));
    const next = made.slice(0, initial.length);
    const rows = values.slice(initial.length).map((all, i) => {
      const value = made[initial.length + i];
      if (value === undefined) throw new Error("a step gives a value for each result");
      const { dtype } = tensorTypeOf(all);
      return b.scatterAdd(all, row, tensorTypeOf(value).dtype === dtype ? value : b.cast(value, { dtype }), { axis: 0 });
    });
    return [...next, ...rows];
  });
  const totals = b.for(zero, stop, one, carried, { kind: "serial" }, [body]);
  return totals.map((value, i) => {
    const wanted = results[i - initial.length];
    return wanted?.dtype === "bool" ? b.cast(value, { dtype: "bool" }) : value;
  });
}
