/**
 * A contraction by matrix instructions, where its factors may be rounded to what they take.
 *
 * A block walks along the sum (walk.ts) with pieces in packed words, and each warp of it has a part of the tile, which it
 * makes of products of 16 by 8. Words of one row are together in shared memory, 16 of them, for two products. A sum has no
 * order: so a thread takes four neighbouring words of a row as its parts of both, in one access of 16 bytes, and those
 * that eight threads load at once, of two rows, are on 32 different banks.
 */

import type { Builder } from "../../../ir/builder.ts";
import { ceilDivDims, type Dim, mulDims } from "../../../ir/dim.ts";
import { at, only } from "../../../ir/expect.ts";
import type { Region, Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { type FactorFormat, registersOfMma } from "../../../ir/ops/matrix.ts";
import { inlineRegion } from "../../../ir/rewrite.ts";
import { scalarType } from "../../../ir/type.ts";
import type { Limits } from "../../limits.ts";
import type { ContractionParts } from "../contract.ts";
import { localityAlong } from "../locality.ts";
import { range } from "../loops.ts";
import { expandSerially } from "../serial.ts";
import { blocks, phase, registers } from "./block.ts";
import { eachBelow } from "./edges.ts";
import { Piece } from "./piece.ts";
import { type Stages, stagesFor, type ThreadPart, walkAlongSum } from "./walk.ts";

export interface MatrixTile {
  readonly format: FactorFormat;
  readonly rows: number;
  readonly columns: number;
  /** Warps down and across the tile. */
  readonly warpRows: number;
  readonly warpColumns: number;
  /** Terms of the sum in a word of 32 bits. */
  readonly termsOfWord: number;
  readonly stages: Stages;
  readonly isLeftAlongSum: boolean;
  readonly isRightAlongSum: boolean;
}

/** Of one product; and how many a piece is deep. */
const [productRows, productColumns, productWords] = [16, 8, 8];
const products = 2;
/** Words of a piece along the sum, and of a thread in a row of them. */
const depth = products * productWords;
const wordsOfThread = depth / 4;

/** Smaller results fill too little of a product, and go without. */
const fewest = 16;
/** Results of which both sides are at least this long have tiles of 128 to spare. */
const large = 1024;

export function chooseMatrixTile(parts: ContractionParts, limits: Limits): MatrixTile | undefined {
  const { attrs: { m, n, k, dtype, precision }, left, right } = parts;
  if (!limits.hasMatrixUnits || precision === undefined || precision === "f32" || dtype !== "f32") return undefined;
  if ([m, n, k].some((size) => typeof size === "number" && size < fewest)) return undefined;
  const [row, leftTerm, rightTerm, column] = [left.parameters.at(-2), left.parameters.at(-1), right.parameters.at(-2), right.parameters.at(-1)];
  if (row === undefined || leftTerm === undefined || rightTerm === undefined || column === undefined) return undefined;
  const isLarge = typeof m === "number" && typeof n === "number" && m >= large && n >= large;
  const size = isLarge ? { rows: 128, columns: 128, warpRows: 2, warpColumns: 4 } : { rows: 64, columns: 64, warpRows: 2, warpColumns: 2 };
  const termsOfWord = precision === "tf32" ? 1 : 2;
  const stages = stagesFor(k, depth * termsOfWord).find((count) => count * 4 * (size.rows + size.columns) * depth <= limits.sharedBytes);
  if (stages === undefined) return undefined;
  return {
    format: precision,
    ...size,
    termsOfWord,
    stages,
    isLeftAlongSum: localityAlong(left, leftTerm) > localityAlong(left, row),
    isRightAlongSum: localityAlong(right, rightTerm) > localityAlong(right, column),
  };
}

export function tileByMatrix(b: Builder, parts: ContractionParts, tile: MatrixTile): void {
  const { batch, m, n, k } = parts.attrs;
  const { rows, columns, warpRows, warpColumns } = tile;
  const grid = [...batch, ceilDivDims(m, rows), ceilDivDims(n, columns)];
  const threads = warpRows * warpColumns * 32;
  blocks(b, mulDims(1, ...grid), threads, mulDims(k, rows * columns), (block) => {
    const position = delinearize(b, block, grid);
    new TileOfWarps(b, parts, tile, threads, position.slice(0, -2), b.mul(at(position, -2), rows), b.mul(at(position, -1), columns)).build();
  });
}

class TileOfWarps {
  readonly #b: Builder;
  readonly #parts: ContractionParts;
  readonly #tile: MatrixTile;
  readonly #threads: number;
  readonly #batch: readonly Value[];
  readonly #firstRow: Value;
  readonly #firstColumn: Value;
  /** Products down and across a warp's part of the tile. */
  readonly #down: number;
  readonly #across: number;

  constructor(b: Builder, parts: ContractionParts, tile: MatrixTile, threads: number, batch: readonly Value[], firstRow: Value, firstColumn: Value) {
    this.#b = b;
    this.#parts = parts;
    this.#tile = tile;
    this.#threads = threads;
    this.#batch = batch;
    this.#firstRow = firstRow;
    this.#firstColumn = firstColumn;
    this.#down = tile.rows / tile.warpRows / productRows;
    this.#across = tile.columns / tile.warpColumns / productColumns;
  }

  build(): void {
    const b = this.#b;
    const threads = this.#threads;
    const { format, rows, columns, termsOfWord, stages, isLeftAlongSum, isRightAlongSum } = this.#tile;
    const { attrs: { m, n, k }, left, right } = this.#parts;
    const inlined = (region: Region, index: readonly Value[]): Value => only(inlineRegion(b, region, [...this.#batch, ...index], expandSerially));
    const piece = (side: number, extent: Dim, first: Value, isAlongSum: boolean, element: (side: Value, term: Value) => Value): Piece => new Piece(b, {
      threads, side, extent, first, isAlongSum, element, depth, stages, termsOfWord, terms: k, wordType: "u32", elementType: "f32",
      toWord: (elements) => b.pack(elements, { format }), isSideFirst: true, padding: 0,
    });
    const leftPiece = piece(rows, m, this.#firstRow, isLeftAlongSum, (row, term) => inlined(left, [row, term]));
    const rightPiece = piece(columns, n, this.#firstColumn, isRightAlongSum, (column, term) => inlined(right, [term, column]));
    const totals = registers(b, "f32", threads, [this.#down * this.#across * registersOfMma.total]);
    const lefts = registers(b, "u32", threads, [products * this.#down * registersOfMma.left]);
    const rights = registers(b, "u32", threads, [products * this.#across * registersOfMma.right]);

    /** Factors are loaded by each thread, and multiplied by all of them together. */
    const multiply = (stage: Value, first: ThreadPart): void => {
      phase(b, threads, (thread) => {
        first(thread);
        this.#loadFactors(thread, stage, leftPiece, rightPiece, lefts, rights);
      });
      for (const product of range(products)) {
        for (const i of range(this.#down)) {
          for (const j of range(this.#across)) {
            b.mma(totals, lefts, rights, {
              format,
              total: (i * this.#across + j) * registersOfMma.total,
              left: this.#leftRegister(product, i),
              right: this.#rightRegister(product, j),
            });
          }
        }
      }
    };

    walkAlongSum(b, {
      threads, terms: k, termsOfStep: depth * termsOfWord, stages, pieces: [leftPiece, rightPiece], multiply,
      begin: (thread) => {
        const zero = b.constantOf(scalarType("f32"), 0);
        for (const register of range(this.#down * this.#across * registersOfMma.total)) b.store(totals, zero, [thread, b.index(register)]);
      },
    });
    phase(b, threads, (thread) => this.#finish(thread, totals));
  }

  /** The corner of the warp's part of the tile, and the thread's group and place in the warp (ir/ops/matrix.ts). */
  #placeOf(thread: Value): { readonly row: Value; readonly column: Value; readonly group: Value; readonly place: Value } {
    const b = this.#b;
    const { warpColumns } = this.#tile;
    const warp = b.div(thread, 32);
    const lane = b.rem(thread, 32);
    return {
      row: b.mul(b.div(warp, warpColumns), this.#down * productRows),
      column: b.mul(b.rem(warp, warpColumns), this.#across * productColumns),
      group: b.div(lane, 4),
      place: b.rem(lane, 4),
    };
  }

  /** Of a thread's four words the first two are its words p and p + 4 in the first product, the others in the second. */
  #loadFactors(thread: Value, stage: Value, left: Piece, right: Piece, lefts: Value, rights: Value): void {
    const b = this.#b;
    const { row, column, group, place } = this.#placeOf(thread);
    const firstWord = b.mul(place, wordsOfThread);
    const leftAddress = left.address(stage, b.add(row, group), firstWord);
    const rightAddress = right.address(stage, b.add(column, group), firstWord);
    const wordsOf = (piece: Piece, address: Value, sides: number): readonly Value[] => range(wordsOfThread).map((word) => piece.load(address, sides, word));
    for (const i of range(this.#down)) {
      for (const half of range(2)) {
        wordsOf(left, leftAddress, i * productRows + 8 * half).forEach((word, position) => {
          const register = this.#leftRegister(Math.floor(position / 2), i) + half + 2 * (position % 2);
          b.store(lefts, word, [thread, b.index(register)]);
        });
      }
    }
    for (const j of range(this.#across)) {
      wordsOf(right, rightAddress, j * productColumns).forEach((word, position) => {
        b.store(rights, word, [thread, b.index(this.#rightRegister(Math.floor(position / 2), j) + (position % 2))]);
      });
    }
  }

  #leftRegister(product: number, down: number): number {
    return (product * this.#down + down) * registersOfMma.left;
  }

  #rightRegister(product: number, across: number): number {
    return (product * this.#across + across) * registersOfMma.right;
  }

  #finish(thread: Value, totals: Value): void {
    const b = this.#b;
    const { rows, columns } = this.#tile;
    const { attrs: { m, n }, epilogue } = this.#parts;
    const { row: firstRow, column: firstColumn, group, place } = this.#placeOf(thread);
    const pairColumn = b.add(b.add(this.#firstColumn, firstColumn), b.mul(place, 2));
    for (const i of range(this.#down)) {
      for (const half of range(2)) {
        const firstRowOfHalf = b.add(this.#firstRow, b.add(b.add(firstRow, group), i * productRows + 8 * half));
        eachBelow(b, { first: firstRowOfHalf, count: 1, extent: m, tile: rows }, (row) => {
          for (const j of range(this.#across)) {
            eachBelow(b, { first: b.add(pairColumn, j * productColumns), count: 2, extent: n, tile: columns }, (column, odd) => {
              const register = (i * this.#across + j) * registersOfMma.total + 2 * half + odd;
              const total = b.load(totals, [thread, b.index(register)]);
              inlineRegion(b, epilogue, [...this.#batch, row, column, total], expandSerially);
            });
          }
        });
      }
    }
  }
}
