/**
 * Contractions on the CPU: tiles of the result held in registers.
 *
 * A tile is a few rows by a few vectors of columns. For each step of the sum, its vectors of the right operand are
 * loaded once and multiplied by one element of each row, so a tile of 6 rows by 4 vectors does 24 fused multiply-adds
 * for 4 loads and 6 broadcasts. Rows of the left operand are read where they are. The right operand is read in panels
 * as wide as a tile: in place when its columns are consecutive and a panel's rows are close together, else from a copy
 * that a kernel of its own packs first (pack.ts), padded with zeros to whole panels.
 */

import type { Builder } from "../../ir/builder.ts";
import { ceilDivDims, type Dim, floorDivDims, minDims, mulDims, subDims } from "../../ir/dim.ts";
import { at, only } from "../../ir/expect.ts";
import type { Region, Value } from "../../ir/module.ts";
import { delinearize } from "../../ir/ops/indexing.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { inlineRegion } from "../../ir/rewrite.ts";
import { bytesOf, indexType, isFloat, scalarType } from "../../ir/type.ts";
import type { Limits } from "../limits.ts";
import { dotRows, isConsecutiveAlongSum } from "./dot-rows.ts";
import { localityAlong } from "./locality.ts";
import { grid, serialLoop, stripLoops } from "./loops.ts";
import { type Lanes, vectorize } from "./vectorize.ts";

export interface Tile {
  readonly rows: number;
  /** Vectors of columns. */
  readonly vectors: number;
  readonly lanes: number;
  readonly isPacked: boolean;
  /** A few tiles of rows are done by dot products, without the packed copy (dot-rows.ts). */
  readonly dotsFewRows: boolean;
}

export interface ContractionParts {
  readonly attrs: ContractAttrs;
  readonly left: Region;
  readonly right: Region;
  readonly epilogue: Region;
}

/** Columns of one grid item, at most, in panels: several items even for one row. */
const panelsPerItem = 8;

/** Rows of the right operand that are longer than this fall on few lines of the cache; a copy in panels does not. */
const longRowBytes = 2048;

/** Tiles of rows up to which dot products, which read the right operand once for each, cost less than a packed copy. */
const fewTiles = 8;

/** Rows of the result from which on a copy of the right operand costs less than it gains. */
const manyRows = 512;

export function partsOf(attrs: ContractAttrs, regions: readonly Region[]): ContractionParts {
  const [left, right, epilogue] = regions;
  if (left === undefined || right === undefined || epilogue === undefined) throw new Error("a contract has three regions");
  return { attrs, left, right, epilogue };
}

/** The tile for a contraction, or undefined when it is better done as a plain space: no row, one column, or no sum to speak of. */
export function chooseTile(parts: ContractionParts, limits: Limits): Tile | undefined {
  const { attrs: { m, n, k, dtype }, right } = parts;
  if (m === 0 || n === 1 || k === 1 || k === 0) return undefined;
  const lanes = limits.vectorBytes / bytesOf(dtype);
  const vectors = typeof n === "number" ? fittingVectors(n, lanes, limits) : widestVectors(limits);
  const rows = Math.min(rowsFor(vectors, limits), typeof m === "number" ? m : Infinity);
  const column = right.parameters.at(-1);
  const isConsecutive = column !== undefined && localityAlong(right, column) > 0;
  const isWhole = typeof n === "number" && n % (vectors * lanes) === 0;
  const isWorthCopying = typeof m === "number" && m >= manyRows && (typeof n !== "number" || n * bytesOf(dtype) > longRowBytes);
  const isPacked = !isConsecutive || !isWhole || isWorthCopying;
  const canDot = !isConsecutive && isConsecutiveAlongSum(parts);
  const hasFewRows = typeof m === "number" && m <= fewTiles * rows;
  const dotsFewRows = canDot && (hasFewRows || typeof m !== "number");
  return { rows, vectors, lanes, isPacked: isPacked && !(dotsFewRows && hasFewRows), dotsFewRows };
}

/**
 * Accumulators, the vectors of one step and a broadcast must fit in registers together. A narrow tile gains nothing
 * from more rows than hide the latency of a multiply-add; and more than 12 rows of the left operand, often a power of
 * two apart, do not stay in the first-level cache together.
 */
function rowsFor(vectors: number, limits: Limits): number {
  return Math.min(vectors === 1 ? 8 : 12, Math.floor((limits.vectorRegisters - vectors - 1) / vectors));
}

function widestVectors(limits: Limits): number {
  return limits.vectorRegisters >= 32 ? 4 : 2;
}

/** The widest panel that pads the columns least. */
function fittingVectors(n: number, lanes: number, limits: Limits): number {
  const padded = (vectors: number): number => Math.ceil(n / (vectors * lanes)) * vectors;
  let best = widestVectors(limits);
  for (let vectors = best - 1; vectors >= 1; vectors--) if (padded(vectors) < padded(best)) best = vectors;
  return best;
}

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

/** The indices of a tile's rows; past the end they repeat the last one, and nothing is stored of them. */
export function rowsOf(b: Builder, m: Dim, { rows }: Tile, firstRow: Value): readonly Value[] {
  const lastRow = b.index(subDims(m, 1));
  return range(rows).map((row) => {
    if (row === 0) return firstRow;
    const index = b.add(firstRow, row);
    return isMultiple(m, rows) ? index : b.min(index, lastRow);
  });
}

/** The sums of one tile, row by row. */
function sumTile(b: Builder, { attrs, left, right }: ContractionParts, tile: Tile, packed: Value | undefined, batch: readonly Value[], firstRow: Value, panel: Value): readonly Value[] {
  const { m, k, dtype } = attrs;
  const { rows, vectors, lanes } = tile;
  const vector = scalarType(dtype, lanes);
  const width = vectors * lanes;
  const rowIndices = rowsOf(b, m, tile, firstRow);
  const firstColumn = b.mul(panel, width);
  const zeros = range(rows * vectors).map(() => b.constantOf(vector, 0));
  return serialLoop(b, b.index(0), b.index(k), 1, zeros, (step, totals) => {
    const columns = range(vectors).map((position) => {
      const offset = position * lanes;
      if (packed !== undefined) return b.load(packed, [...batch, panel, step, b.index(offset)], { lanes });
      const base = offset === 0 ? firstColumn : b.add(firstColumn, offset);
      const parameters = [...batch, step].map((value): Lanes => ({ kind: "uniform", value }));
      return only(vectorize(b, right, [...parameters, { kind: "ramp", base }], lanes));
    });
    return rowIndices.flatMap((row, position) => {
      const factor = b.splat(only(inlineRegion(b, left, [...batch, row, step])), { lanes });
      return columns.map((column, i) => multiplyAdd(b, factor, column, at(totals, position * vectors + i)));
    });
  });
}

export function multiplyAdd(b: Builder, factor: Value, column: Value, total: Value): Value {
  const isFused = factor.type.kind === "scalar" && isFloat(factor.type.dtype);
  return isFused ? b.fma(factor, column, total) : b.add(b.mul(factor, column), total);
}

/** Hands the totals to the epilogue: as vectors where the panel is whole, else through memory, as far as it goes. */
function storeTile(b: Builder, { attrs, epilogue }: ContractionParts, tile: Tile, batch: readonly Value[], firstRow: Value, firstColumn: Value, totals: readonly Value[]): void {
  const { m, n, dtype } = attrs;
  const { rows, vectors, lanes } = tile;
  const width = vectors * lanes;
  const uniform = (values: readonly Value[]): readonly Lanes[] => values.map((value) => ({ kind: "uniform", value }));
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

export function when(b: Builder, condition: Value, body: () => void): void {
  b.if(condition, {}, [b.region([], () => (body(), [])), b.region([], () => [])]);
}

/** The contraction as a plain space: every (batch, i, j) in parallel, each with its own sum over k. */
export function contractionSpace(b: Builder, { attrs, left, right, epilogue }: ContractionParts): { readonly extents: readonly Dim[]; readonly body: Region } {
  const extents = [...attrs.batch, attrs.m, attrs.n];
  const element = scalarType(attrs.dtype);
  const body = b.region(extents.map(() => indexType), (indices) => {
    const batch = indices.slice(0, -2);
    const [row, column] = [at(indices, -2), at(indices, -1)];
    const product = b.region([indexType], ([step]) => {
      if (step === undefined) throw new Error("a contraction sums over an index");
      const factors = [...inlineRegion(b, left, [...batch, row, step]), ...inlineRegion(b, right, [...batch, step, column])];
      return b.op("mul", factors);
    });
    const sum = b.region([element, element], (sums) => b.op("add", sums));
    const totals = b.reduce([b.constantOf(element, 0)], { extents: [attrs.k] }, [product, sum]);
    inlineRegion(b, epilogue, [...indices, ...totals]);
    return [];
  });
  return { extents, body };
}

export function isMultiple(dim: Dim, factor: number): boolean {
  return factor === 1 || (typeof dim === "number" && dim % factor === 0);
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, position) => position);
}
