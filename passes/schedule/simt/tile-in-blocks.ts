/**
 * A contraction in tiles of a block (Volkov and Demmel, Benchmarking GPUs to Tune Dense Linear Algebra, 2008).
 *
 * A block walks along the sum (walk.ts) with pieces of both operands in shared memory. Each thread keeps the totals of
 * its part of the tile in registers from the first step to the last, where the epilogue takes them. Past the edges the
 * operands are 0 and nothing is stored.
 *
 * A thread's part is groups of four rows by groups of four columns, each of which is one access of 16 bytes. A group of
 * one thread is beside those of the threads next to it, and the thread's next group comes after those of its whole warp:
 * so a warp reads 128 bytes of columns without a gap, and stores whole lines.
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, type Dim, mulDims } from "../../../ir/dim.ts";
import { at, only } from "../../../ir/expect.ts";
import type { Region, Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { inlineRegion } from "../../../ir/rewrite.ts";
import { scalarType } from "../../../ir/type.ts";
import { type ContractionParts, multiplyAdd } from "../contract.ts";
import { range } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { blocks, phase, registers } from "./block.ts";
import type { BlockTile } from "./block-tile.ts";
import { eachBelow } from "./edges.ts";
import { Piece } from "./piece.ts";
import { walkAlongSum } from "./walk.ts";

/** Threads of a warp, and how many of them are side by side in a tile, if it is wide enough. */
const [warp, mostAcross] = [32, 8];

export function tileInBlocks(b: Builder, parts: ContractionParts, tile: BlockTile): void {
  const { batch, m, n, k } = parts.attrs;
  const { rows, columns, threads } = tile;
  const grid = [...batch, ceilDivDims(m, rows), ceilDivDims(n, columns)];
  blocks(b, mulDims(1, ...grid), threads, mulDims(k, rows * columns), (block) => {
    const position = delinearize(b, block, grid);
    new TileOfBlock(b, parts, tile, position.slice(0, -2), b.mul(at(position, -2), rows), b.mul(at(position, -1), columns)).build();
  });
}

/** Along one axis: rows or columns of the tile, of each thread, and the threads of a warp. */
interface Axis {
  readonly tile: number;
  readonly thread: number;
  readonly lanes: number;
}

class TileOfBlock {
  readonly #b: Builder;
  readonly #parts: ContractionParts;
  readonly #tile: BlockTile;
  readonly #batch: readonly Value[];
  readonly #firstRow: Value;
  readonly #firstColumn: Value;
  readonly #rows: Axis;
  readonly #columns: Axis;
  readonly #totals: Value;

  constructor(b: Builder, parts: ContractionParts, tile: BlockTile, batch: readonly Value[], firstRow: Value, firstColumn: Value) {
    this.#b = b;
    this.#parts = parts;
    this.#tile = tile;
    this.#batch = batch;
    this.#firstRow = firstRow;
    this.#firstColumn = firstColumn;
    const across = Math.min(mostAcross, tile.columns / tile.threadColumns);
    this.#rows = { tile: tile.rows, thread: tile.threadRows, lanes: warp / across };
    this.#columns = { tile: tile.columns, thread: tile.threadColumns, lanes: across };
    this.#totals = registers(b, parts.attrs.dtype, tile.threads, [tile.threadRows, tile.threadColumns]);
  }

  build(): void {
    const b = this.#b;
    const { threads, depth, stages, padding, rows, columns, isLeftAlongSum, isRightAlongSum } = this.#tile;
    const { attrs: { m, n, k, dtype }, left, right } = this.#parts;
    const inlined = (region: Region, index: readonly Value[]): Value => only(inlineRegion(b, region, [...this.#batch, ...index], expandSerially));
    const piece = (side: number, extent: Dim, first: Value, isAlongSum: boolean, element: (side: Value, term: Value) => Value): Piece => new Piece(b, {
      threads, side, extent, first, isAlongSum, element, depth, stages, termsOfWord: 1, terms: k, wordType: dtype, elementType: dtype, toWord: only,
      isSideFirst: false, padding,
    });
    const leftPiece = piece(rows, m, this.#firstRow, isLeftAlongSum, (row, term) => inlined(left, [row, term]));
    const rightPiece = piece(columns, n, this.#firstColumn, isRightAlongSum, (column, term) => inlined(right, [term, column]));
    walkAlongSum(b, {
      threads, terms: k, termsOfStep: depth, stages, pieces: [leftPiece, rightPiece],
      begin: (thread) => {
        const zero = b.constantOf(scalarType(dtype), 0);
        for (const index of this.#part()) b.store(this.#totals, zero, [thread, ...index]);
      },
      multiply: (stage, first) => phase(b, threads, (thread) => {
        first(thread);
        this.#multiply(leftPiece, rightPiece, stage, thread);
      }),
    });
    phase(b, threads, (thread) => this.#finish(thread));
  }

  #multiply(left: Piece, right: Piece, stage: Value, thread: Value): void {
    const b = this.#b;
    const { depth, threadRows, threadColumns } = this.#tile;
    const [rows, columns] = this.#groupsOf(thread);
    const addresses = (piece: Piece, groups: readonly Value[]): readonly Value[] => groups.map((first) => piece.address(stage, first, b.index(0)));
    const [leftAddresses, rightAddresses] = [addresses(left, rows), addresses(right, columns)];
    const before = this.#part().map((index) => b.load(this.#totals, [thread, ...index]));
    const region = b.region([b.index(0).type, ...before.map(({ type }) => type)], ([term, ...totals]) => {
      if (term === undefined) throw new Error("a loop gives its body an index");
      const elements = (piece: Piece, groups: readonly Value[], count: number): readonly Value[] => groups.flatMap((first) => {
        const address = piece.addressAfter(first, term);
        return range(count / groups.length).map((side) => piece.load(address, side, 0));
      });
      const factors = elements(left, leftAddresses, threadRows);
      const others = elements(right, rightAddresses, threadColumns);
      return factors.flatMap((factor, i) => others.map((other, j) => multiplyAdd(b, factor, other, at(totals, i * threadColumns + j))));
    });
    const after = b.for(b.index(0), b.index(depth), b.index(1), before, { kind: "unroll" }, [region]);
    this.#part().forEach((index, i) => b.store(this.#totals, at(after, i), [thread, ...index]));
  }

  #finish(thread: Value): void {
    const b = this.#b;
    const { rows, columns, threadRows, threadColumns } = this.#tile;
    const { attrs: { m, n }, epilogue } = this.#parts;
    const [rowGroups, columnGroups] = this.#groupsOf(thread);
    const [rowsOfGroup, columnsOfGroup] = [threadRows / rowGroups.length, threadColumns / columnGroups.length];
    rowGroups.forEach((firstRow, down) => {
      eachBelow(b, { first: b.add(this.#firstRow, firstRow), count: rowsOfGroup, extent: m, tile: rows }, (row, i) => {
        columnGroups.forEach((firstColumn, across) => {
          eachBelow(b, { first: b.add(this.#firstColumn, firstColumn), count: columnsOfGroup, extent: n, tile: columns }, (column, j) => {
            const total = b.load(this.#totals, [thread, b.index(down * rowsOfGroup + i), b.index(across * columnsOfGroup + j)]);
            inlineRegion(b, epilogue, [...this.#batch, row, column, total], expandSerially);
          });
        });
      });
    });
  }

  /**
   * The first row and column, in the tile, of each of a thread's groups. Of two neighbouring threads one is below the
   * other, and of four two are beside the others: where half of what eight threads read is the same, they read it in
   * the time of four.
   */
  #groupsOf(thread: Value): readonly [rows: readonly Value[], columns: readonly Value[]] {
    const b = this.#b;
    const warps = ({ tile, thread: each, lanes }: Axis): number => tile / each / lanes;
    const places = delinearize(b, thread, [warps(this.#rows), warps(this.#columns), this.#rows.lanes / 2, this.#columns.lanes, 2]);
    const laneRow = b.add(b.mul(at(places, 2), 2), at(places, 4));
    const groups = ({ thread: each, lanes }: Axis, warpPlace: Value, lane: Value): readonly Value[] => {
      const count = Math.min(4, each);
      const first = b.add(b.mul(warpPlace, each * lanes), b.mul(lane, count));
      return range(each / count).map((group) => (group === 0 ? first : b.add(first, group * count * lanes)));
    };
    return [groups(this.#rows, at(places, 0), laneRow), groups(this.#columns, at(places, 1), at(places, 3))];
  }

  /** The indices of a thread's totals. */
  #part(): readonly (readonly Value[])[] {
    const { threadRows, threadColumns } = this.#tile;
    return range(threadRows).flatMap((i) => range(threadColumns).map((j) => [this.#b.index(i), this.#b.index(j)]));
  }
}
