/**
 * Contractions on the CPU: tiles of the result held in registers.
 *
 * For each step of the sum, a tile's vectors of the right operand are loaded once and multiplied by one element of each
 * row, so a tile of 6 rows by 4 vectors does 24 fused multiply-adds for 4 loads and 6 broadcasts. Rows of the left
 * operand are read where they are. The right operand is read in panels as wide as a tile: in place, or from a copy that
 * a kernel of its own packs first (pack.ts), padded with zeros to whole panels.
 */

import type { Builder } from "../../ir/builder.ts";
import { ceilDivDims, type Dim, floorDivDims, minDims, mulDims } from "../../ir/dim.ts";
import { at, only } from "../../ir/expect.ts";
import type { Value } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { scalarType } from "../../ir/type.ts";
import { fewTiles, isMultiple, type Tile } from "./choose-tile.ts";
import { type ContractionParts, multiplyAdd, rowIndices } from "./contract.ts";
import { dotRows } from "./dot-rows.ts";
import { grid, range, serialLoop, stripLoops, when } from "./loops.ts";
import { type Lanes, uniform, vectorize } from "./vectorize.ts";

/** Columns of one grid item, at most, in panels: several items even for one row. */
const panelsPerItem = 8;

/**
 * Panels that a packed copy has: none where few rows are done without it, so that it takes neither time nor memory.
 */
export function packedPanels({ attrs: { m, n } }: ContractionParts, tile: Tile): Dim {
  const panels = ceilDivDims(n, tile.vectors * tile.lanes);
  return tile.dotsFewRows ? mulDims(panels, minDims(floorDivDims(m, fewTiles * tile.rows + 1), 1)) : panels;
}

/** The grid of a contraction in tiles; `packed` is the copy of the right operand, if it has one. */
export function tileContraction(b: Builder, parts: ContractionParts, tile: Tile, packed: Value | undefined): void {
  const { attrs: { batch, m, n, k } } = parts;
  const width = tile.vectors * tile.lanes;
  const panels = ceilDivDims(n, width);
  const blocks = ceilDivDims(n, width * panelsPerItem);
  const strips = ceilDivDims(m, tile.rows);
  const work = mulDims(2 * tile.rows, k, n);
  grid(b, mulDims(...batch, blocks, strips), work, (item) => {
    const index = delinearize(b, item, [...batch, blocks, strips]);
    const batchIndex = index.slice(0, batch.length);
    const [block, strip] = index.slice(batch.length);
    if (block === undefined || strip === undefined) throw new Error("a tile has a place among rows and columns");
    const firstRow = b.mul(strip, tile.rows);
    const firstPanel = b.mul(block, panelsPerItem);
    const inTiles = (): void => {
      const stop = b.min(b.add(firstPanel, panelsPerItem), b.index(panels));
      serialLoop(b, firstPanel, stop, 1, [], (panel) => {
        const totals = sumTile(b, parts, tile, packed, batchIndex, firstRow, panel);
        storeTile(b, parts, tile, batchIndex, firstRow, b.mul(panel, width), totals);
        return [];
      });
    };
    if (!tile.dotsFewRows) return inTiles();
    const inDots = (): void => {
      const start = b.mul(firstPanel, width);
      dotRows(b, parts, tile, batchIndex, firstRow, start, b.min(b.add(start, panelsPerItem * width), b.index(n)));
    };
    if (!tile.isPacked) return inDots();
    b.if(b.le(b.index(m), fewTiles * tile.rows), {}, [b.region([], () => (inDots(), [])), b.region([], () => (inTiles(), []))]);
  });
}

/** The sums of one tile, row by row. */
function sumTile(b: Builder, { attrs, left, right }: ContractionParts, tile: Tile, packed: Value | undefined, batch: readonly Value[], firstRow: Value, panel: Value): readonly Value[] {
  const { m, k, dtype } = attrs;
  const { rows, vectors, lanes } = tile;
  const vector = scalarType(dtype, lanes);
  const width = vectors * lanes;
  const rowsOfTile = rowIndices(b, m, tile.rows, firstRow);
  const firstColumn = b.mul(panel, width);
  const zeros = range(rows * vectors).map(() => b.constantOf(vector, 0));
  return serialLoop(b, b.index(0), b.index(k), 1, zeros, (step, totals) => {
    const columns = range(vectors).map((position) => {
      const offset = position * lanes;
      if (packed !== undefined) return b.load(packed, [...batch, panel, step, b.index(offset)], { lanes });
      const base = offset === 0 ? firstColumn : b.add(firstColumn, offset);
      return only(vectorize(b, right, [...uniform([...batch, step]), { kind: "ramp", base }], lanes));
    });
    return rowsOfTile.flatMap((row, position) => {
      const factor = b.splat(only(inlineRegion(b, left, [...batch, row, step])), { lanes });
      return columns.map((column, i) => multiplyAdd(b, factor, column, at(totals, position * vectors + i)));
    });
  });
}

/** Hands the totals to the epilogue: as vectors where the panel is whole, else through memory, as far as it goes. */
function storeTile(b: Builder, { attrs, epilogue }: ContractionParts, tile: Tile, batch: readonly Value[], firstRow: Value, firstColumn: Value, totals: readonly Value[]): void {
  const { m, n, dtype } = attrs;
  const { rows, vectors, lanes } = tile;
  const width = vectors * lanes;
  const inRows = (body: (row: Value, position: number) => void): void => {
    for (const position of range(rows)) {
      const row = position === 0 ? firstRow : b.add(firstRow, position);
      if (position === 0 || isMultiple(m, rows)) body(row, position);
      else when(b, b.lt(row, b.index(m)), () => body(row, position));
    }
  };
  const storeWhole = (): void => inRows((row, position) => {
    for (const column of range(vectors)) {
      const base = column === 0 ? firstColumn : b.add(firstColumn, column * lanes);
      const total: Lanes = { kind: "vector", value: at(totals, position * vectors + column) };
      vectorize(b, epilogue, [...uniform([...batch, row]), { kind: "ramp", base }, total], lanes);
    }
  });
  const storePart = (): void => {
    const scratch = b.alloc({ dtype, shape: [rows, width] });
    totals.forEach((total, i) => b.store(scratch, total, [b.index(Math.floor(i / vectors)), b.index((i % vectors) * lanes)]));
    const stop = b.min(b.sub(b.index(n), firstColumn), b.index(width));
    inRows((row, position) => {
      const scratchRow = b.index(position);
      stripLoops(b, b.index(0), stop, lanes, true,
        (offset) => {
          const total: Lanes = { kind: "vector", value: b.load(scratch, [scratchRow, offset], { lanes }) };
          vectorize(b, epilogue, [...uniform([...batch, row]), { kind: "ramp", base: b.add(firstColumn, offset) }, total], lanes);
        },
        (offset) => {
          inlineRegion(b, epilogue, [...batch, row, b.add(firstColumn, offset), b.load(scratch, [scratchRow, offset])]);
        });
    });
  };
  if (isMultiple(n, width)) storeWhole();
  else if (typeof n === "number" && n < width) storePart();
  else {
    const isWholePanel = b.le(b.add(firstColumn, width), b.index(n));
    b.if(isWholePanel, {}, [b.region([], () => (storeWhole(), [])), b.region([], () => (storePart(), []))]);
  }
}
