/**
 * Packs the right operand of a contraction: a kernel of its own that copies it into panels as wide as a tile, one row
 * of a panel after the other, so that the contraction reads memory strictly in order. Columns past the end are zeros.
 */

import type { Builder } from "../../ir/builder.ts";
import { ceilDivDims, mulDims } from "../../ir/dim.ts";
import { only } from "../../ir/expect.ts";
import type { Value } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { bufferType, type BufferType, scalarType } from "../../ir/type.ts";
import { isMultiple, type Tile } from "./choose-tile.ts";
import type { ContractionParts } from "./contract.ts";
import { restOf, transposeLanes } from "./lanes.ts";
import { localityAlong } from "./locality.ts";
import { grid, range, serialLoop, stripLoops } from "./loops.ts";
import { packedPanels } from "./tile-contraction.ts";
import { uniform, vectorize } from "./vectorize.ts";
import { workOf } from "./work.ts";

/** Steps of the sum that one grid item packs: the rows of a panel that its other axis walks over stay in the cache. */
const stepsPerItem = 64;

/** [batch..., panels, k, columns of a panel]. */
export function packedType(parts: ContractionParts, tile: Tile): BufferType {
  const { attrs: { batch, k, dtype } } = parts;
  return bufferType("global", dtype, [...batch, packedPanels(parts, tile), k, tile.vectors * tile.lanes]);
}

export function packRight(b: Builder, parts: ContractionParts, tile: Tile, packed: Value): void {
  const { attrs: { batch, n, k }, right } = parts;
  const width = tile.vectors * tile.lanes;
  const panels = packedPanels(parts, tile);
  const slabs = ceilDivDims(k, stepsPerItem);
  const work = mulDims(workOf(right), stepsPerItem, width);
  const column = right.parameters.at(-1);
  const isConsecutive = column !== undefined && localityAlong(right, column) > 0;
  grid(b, mulDims(...batch, panels, slabs), work, (item) => {
    const index = delinearize(b, item, [...batch, panels, slabs]);
    const batchIndex = index.slice(0, batch.length);
    const [panel, slab] = index.slice(batch.length);
    if (panel === undefined || slab === undefined) throw new Error("a slab has a place");
    const firstColumn = b.mul(panel, width);
    const start = b.mul(slab, stepsPerItem);
    const stop = b.min(b.add(start, stepsPerItem), b.index(k));
    const columns = isMultiple(n, width) ? b.index(width) : b.min(b.sub(b.index(n), firstColumn), b.index(width));
    const copy = (step: Value, offset: Value): void => {
      const [element] = inlineRegion(b, right, [...batchIndex, step, b.add(firstColumn, offset)]);
      if (element !== undefined) b.store(packed, element, [...batchIndex, panel, step, offset]);
    };
    const steps = (body: (step: Value) => void): void => void serialLoop(b, start, stop, 1, [], (step) => (body(step), []));
    const step = right.parameters.at(-2);
    if (isConsecutive) {
      steps((row) => stripLoops(b, b.index(0), columns, tile.lanes, !isMultiple(n, width),
        (offset) => {
          const vector = only(vectorize(b, right, [...uniform([...batchIndex, row]), { kind: "ramp", base: b.add(firstColumn, offset) }], tile.lanes));
          b.store(packed, vector, [...batchIndex, panel, row, offset]);
        },
        (offset) => copy(row, offset)));
    } else if (step !== undefined && localityAlong(right, step) > 0) {
      const { lanes } = tile;
      const copyColumn = (offset: Value, from: Value): void => void serialLoop(b, from, stop, 1, [], (row) => (copy(row, offset), []));
      stripLoops(b, b.index(0), columns, lanes, !isMultiple(n, width),
        (offset) => {
          const rest = restOf(b, start, stop, lanes, !isMultiple(k, stepsPerItem));
          serialLoop(b, start, rest, lanes, [], (base) => {
            const rows = range(lanes).map((lane) => {
              const column = b.add(firstColumn, lane === 0 ? offset : b.add(offset, lane));
              return only(vectorize(b, right, [...uniform(batchIndex), { kind: "ramp", base }, { kind: "uniform", value: column }], lanes));
            });
            transposeLanes(b, rows).forEach((vector, lane) => b.store(packed, vector, [...batchIndex, panel, lane === 0 ? base : b.add(base, lane), offset]));
            return [];
          });
          for (const lane of range(lanes)) copyColumn(lane === 0 ? offset : b.add(offset, lane), rest);
        },
        (offset) => copyColumn(offset, start));
    } else {
      serialLoop(b, b.index(0), columns, 1, [], (offset) => (steps((row) => copy(row, offset)), []));
    }
    if (isMultiple(n, width)) return;
    const zero = b.constantOf(scalarType(parts.attrs.dtype), 0);
    steps((step) => void serialLoop(b, columns, b.index(width), 1, [], (offset) => (b.store(packed, zero, [...batchIndex, panel, step, offset]), [])));
  });
}
