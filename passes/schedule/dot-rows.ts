/**
 * Contractions with few rows whose operands are both consecutive along the sum, as a dense layer applied to one
 * sample with weights stored by output: dot products, with lanes along the sum.
 *
 * Packing such a right operand costs as much as reading it several times, which only many rows repay. So for a few
 * tiles of rows the kernel reads the operand where it is, each vector of it once for the rows of a tile.
 */

import type { Builder } from "../../ir/builder.ts";
import { at, only } from "../../ir/expect.ts";
import type { Value } from "../../ir/module.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { scalarType } from "../../ir/type.ts";
import type { Tile } from "./choose-tile.ts";
import { type ContractionParts, multiplyAdd, rowIndices } from "./contract.ts";
import { foldLanes, restOf } from "./lanes.ts";
import { serialLoop, when } from "./loops.ts";
import { uniform, vectorize } from "./vectorize.ts";

/** The results of a tile's rows in the columns from `start` to `stop`. */
export function dotRows(b: Builder, parts: ContractionParts, tile: Tile, batch: readonly Value[], firstRow: Value, start: Value, stop: Value): void {
  const { attrs: { m, k, dtype }, left, right, epilogue } = parts;
  const { lanes } = tile;
  const rows = rowIndices(b, m, tile.rows, firstRow);
  const element = scalarType(dtype);
  const add = b.region([element, element], (pair) => b.op("add", pair));
  const zero = b.constantOf(element, 0);
  const zeros = b.constantOf(scalarType(dtype, lanes), 0);
  const end = b.index(k);
  const rest = restOf(b, b.index(0), end, lanes, typeof k !== "number" || k % lanes !== 0);
  serialLoop(b, start, stop, 1, [], (column) => {
    const vectors = serialLoop(b, b.index(0), rest, lanes, rows.map(() => zeros), (base, totals) => {
      const factor = only(vectorize(b, right, [...uniform(batch), { kind: "ramp", base }, { kind: "uniform", value: column }], lanes));
      return rows.map((row, i) => {
        const other = only(vectorize(b, left, [...uniform([...batch, row]), { kind: "ramp", base }], lanes));
        return multiplyAdd(b, other, factor, at(totals, i));
      });
    });
    const folded = vectors.map((vector) => only(foldLanes(b, [vector], add)));
    const sums = serialLoop(b, rest, end, 1, rows.map(() => zero), (step, totals) => {
      const factor = only(inlineRegion(b, right, [...batch, step, column]));
      return rows.map((row, i) => multiplyAdd(b, only(inlineRegion(b, left, [...batch, row, step])), factor, at(totals, i)));
    });
    rows.forEach((_, position) => {
      const row = position === 0 ? firstRow : b.add(firstRow, position);
      const total = b.add(at(folded, position), at(sums, position));
      const store = (): void => void inlineRegion(b, epilogue, [...batch, row, column, total]);
      if (position === 0) store();
      else when(b, b.lt(row, b.index(m)), store);
    });
    return [];
  });
}
