/**
 * A contraction in tiles of a block (Volkov and Demmel, Benchmarking GPUs to Tune Dense Linear Algebra, 2008).
 *
 * A block walks along the sum. At each step its threads have the next pieces of both operands in registers; they store
 * them to shared memory, and while they multiply what is there, the loads of the pieces after it are on their way. Each
 * thread keeps the totals of its part of the tile in registers from the first step to the last, where the epilogue
 * takes them. Past the edges the operands are 0 and nothing is stored.
 *
 *   fetch; for each step { store pieces | fetch next, multiply and add }; epilogue     (phases; | is a barrier)
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, type Dim, mulDims } from "../../../ir/dim.ts";
import { at, only } from "../../../ir/expect.ts";
import type { Region, Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { inlineRegion } from "../../../ir/rewrite.ts";
import { scalarType } from "../../../ir/type.ts";
import { type ContractionParts, multiplyAdd } from "../contract.ts";
import { range, serialLoop } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { blocks, phase, registers, whenBelow } from "./block.ts";
import type { BlockTile } from "./block-tile.ts";
import { Piece } from "./piece.ts";

export function tileInBlocks(b: Builder, parts: ContractionParts, tile: BlockTile): void {
  const { batch, m, n, k } = parts.attrs;
  const { rows, columns, threads } = tile;
  const grid = [...batch, ceilDivDims(m, rows), ceilDivDims(n, columns)];
  blocks(b, mulDims(1, ...grid), threads, mulDims(k, rows * columns), (block) => {
    const position = delinearize(b, block, grid);
    new TileOfBlock(b, parts, tile, position.slice(0, -2), b.mul(at(position, -2), rows), b.mul(at(position, -1), columns)).build();
  });
}

class TileOfBlock {
  readonly #b: Builder;
  readonly #parts: ContractionParts;
  readonly #tile: BlockTile;
  readonly #batch: readonly Value[];
  readonly #firstRow: Value;
  readonly #firstColumn: Value;
  readonly #totals: Value;

  constructor(b: Builder, parts: ContractionParts, tile: BlockTile, batch: readonly Value[], firstRow: Value, firstColumn: Value) {
    this.#b = b;
    this.#parts = parts;
    this.#tile = tile;
    this.#batch = batch;
    this.#firstRow = firstRow;
    this.#firstColumn = firstColumn;
    this.#totals = registers(b, parts.attrs.dtype, tile.threads, [tile.threadRows, tile.threadColumns]);
  }

  build(): void {
    const b = this.#b;
    const { threads, depth, rows, columns, isLeftAlongSum, isRightAlongSum } = this.#tile;
    const { attrs: { m, n, k, dtype }, left, right } = this.#parts;
    const inlined = (region: Region, index: readonly Value[]): Value => only(inlineRegion(b, region, [...this.#batch, ...index], expandSerially));
    const piece = (side: number, extent: Dim, first: Value, isAlongSum: boolean, element: (side: Value, term: Value) => Value): Piece => new Piece(b, {
      threads, side, extent, first, isAlongSum, element, depth, termsOfWord: 1, terms: k, wordType: dtype, elementType: dtype, toWord: only,
      // Threads that are neighbours along the sum store to different rows: one element more keeps them off one bank.
      isSideFirst: false, padding: isAlongSum ? 1 : 0,
    });
    const leftPiece = piece(rows, m, this.#firstRow, isLeftAlongSum, (row, term) => inlined(left, [row, term]));
    const rightPiece = piece(columns, n, this.#firstColumn, isRightAlongSum, (column, term) => inlined(right, [term, column]));
    const pieces = [leftPiece, rightPiece];
    const fetch = (thread: Value, firstTerm: Value): void => pieces.forEach((each) => each.fetch(thread, firstTerm));

    phase(b, threads, (thread) => {
      const zero = b.constantOf(scalarType(dtype), 0);
      for (const index of this.#part()) b.store(this.#totals, zero, [thread, ...index]);
      fetch(thread, b.index(0));
    });
    serialLoop(b, b.index(0), b.index(k), depth, [], (firstTerm) => {
      phase(b, threads, (thread) => pieces.forEach((each) => each.keep(thread)));
      phase(b, threads, (thread) => {
        fetch(thread, b.add(firstTerm, depth));
        this.#multiply(leftPiece, rightPiece, thread);
      });
      return [];
    });
    phase(b, threads, (thread) => this.#finish(thread));
  }

  #multiply(left: Piece, right: Piece, thread: Value): void {
    const b = this.#b;
    const { depth, threadRows, threadColumns } = this.#tile;
    const [row, column] = this.#corner(thread);
    const before = this.#part().map((index) => b.load(this.#totals, [thread, ...index]));
    const region = b.region([b.index(0).type, ...before.map(({ type }) => type)], ([term, ...totals]) => {
      if (term === undefined) throw new Error("a loop gives its body an index");
      const factors = range(threadRows).map((i) => left.load(this.#rowOf(row, i), term));
      const others = range(threadColumns).map((j) => right.load(this.#columnOf(column, j), term));
      return factors.flatMap((factor, i) => others.map((other, j) => multiplyAdd(b, factor, other, at(totals, i * threadColumns + j))));
    });
    const after = b.for(b.index(0), b.index(depth), b.index(1), before, { kind: "unroll" }, [region]);
    this.#part().forEach((index, i) => b.store(this.#totals, at(after, i), [thread, ...index]));
  }

  #finish(thread: Value): void {
    const b = this.#b;
    const { rows, columns, threadRows, threadColumns } = this.#tile;
    const { attrs: { m, n }, epilogue } = this.#parts;
    const [rowInTile, columnInTile] = this.#corner(thread);
    for (const i of range(threadRows)) {
      const row = b.add(this.#firstRow, this.#rowOf(rowInTile, i));
      whenBelow(b, row, m, rows, () => {
        for (const j of range(threadColumns)) {
          const column = b.add(this.#firstColumn, this.#columnOf(columnInTile, j));
          whenBelow(b, column, n, columns, () => {
            const total = b.load(this.#totals, [thread, b.index(i), b.index(j)]);
            inlineRegion(b, epilogue, [...this.#batch, row, column, total], expandSerially);
          });
        }
      });
    }
  }

  /** The thread's place among those that share the tile. */
  #corner(thread: Value): readonly [row: Value, column: Value] {
    const across = this.#tile.columns / this.#tile.threadColumns;
    return [this.#b.div(thread, across), this.#b.rem(thread, across)];
  }

  /** Rows of a thread are together: a warp has few rows, and reads them as broadcasts. */
  #rowOf(row: Value, i: number): Value {
    return this.#b.add(this.#b.mul(row, this.#tile.threadRows), i);
  }

  /** Columns of a thread are apart, so that those of neighbours are neighbours, in shared memory and where they are stored. */
  #columnOf(column: Value, j: number): Value {
    return j === 0 ? column : this.#b.add(column, j * (this.#tile.columns / this.#tile.threadColumns));
  }

  /** The indices of a thread's totals. */
  #part(): readonly (readonly Value[])[] {
    const { threadRows, threadColumns } = this.#tile;
    return range(threadRows).flatMap((i) => range(threadColumns).map((j) => [this.#b.index(i), this.#b.index(j)]));
  }
}
