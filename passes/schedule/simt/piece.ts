/**
 * One operand's way through a tiled contraction: a piece of it at a time, from the device's memory to registers, and
 * from there to shared memory in words that the multiplication takes.
 *
 * A word is one term of the sum, or several packed into 32 bits. Past the edges of the operand elements are 0.
 */

import type { Builder } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import type { Value } from "../../../ir/module.ts";
import { type DType, scalarType } from "../../../ir/type.ts";
import { isMultiple } from "../choose-tile.ts";
import { range } from "../loops.ts";
import { registers, shared, whenBelow } from "./block.ts";

export interface PieceOptions {
  readonly threads: number;
  /** Rows or columns of the piece, of how many there are, and the first one. */
  readonly side: number;
  readonly extent: Dim;
  readonly first: Value;
  /** Words along the sum, terms in a word, and terms of the whole sum. */
  readonly depth: number;
  readonly termsOfWord: number;
  readonly terms: Dim;
  /** Whether neighbouring elements are neighbours along the sum: then neighbouring threads fetch along it. */
  readonly isAlongSum: boolean;
  /** Of a word in shared memory, and of an element before it is one. */
  readonly wordType: DType;
  readonly elementType: DType;
  /** The operand's element at a row or column and a term. */
  readonly element: (side: Value, term: Value) => Value;
  readonly toWord: (elements: readonly Value[]) => Value;
  /** Whether words of a side are together in memory, with so many more between sides; else sides of a word are. */
  readonly isSideFirst: boolean;
  readonly padding: number;
}

export class Piece {
  readonly #b: Builder;
  readonly #options: PieceOptions;
  readonly #memory: Value;
  readonly #fetched: Value;
  /** Words that each thread fetches. */
  readonly #count: number;

  constructor(b: Builder, options: PieceOptions) {
    const { threads, side, depth, wordType, isSideFirst, padding } = options;
    this.#b = b;
    this.#options = options;
    this.#count = Math.ceil((side * depth) / threads);
    this.#memory = shared(b, wordType, isSideFirst ? [side, depth + padding] : [depth, side + padding]);
    this.#fetched = registers(b, wordType, threads, [this.#count]);
  }

  /** Loads the thread's words of the piece that starts at a term into its registers. */
  fetch(thread: Value, firstTerm: Value): void {
    const b = this.#b;
    const { first, extent, side, terms, termsOfWord, elementType, element, toWord } = this.#options;
    const zero = b.constantOf(scalarType(elementType), 0);
    this.#eachWord(thread, (turn, sideInPiece, word) => {
      const place = b.add(first, sideInPiece);
      const start = b.add(firstTerm, termsOfWord === 1 ? word : b.mul(word, termsOfWord));
      const elements = range(termsOfWord).map((offset) => {
        const term = offset === 0 ? start : b.add(start, offset);
        const isTerm = b.lt(term, b.index(terms));
        const isInside = isMultiple(extent, side) ? isTerm : b.and(isTerm, b.lt(place, b.index(extent)));
        const [value] = b.if(isInside, {}, [b.region([], () => [element(place, term)]), b.region([], () => [zero])]);
        if (value === undefined) throw new Error("an if with a yield has a result");
        return value;
      });
      b.store(this.#fetched, toWord(elements), [thread, b.index(turn)]);
    });
  }

  /** Stores what the thread has fetched to shared memory. */
  keep(thread: Value): void {
    this.#eachWord(thread, (turn, side, word) => {
      this.#b.store(this.#memory, this.#b.load(this.#fetched, [thread, this.#b.index(turn)]), this.#index(side, word));
    });
  }

  load(side: Value, word: Value): Value {
    return this.#b.load(this.#memory, this.#index(side, word));
  }

  #index(side: Value, word: Value): readonly Value[] {
    return this.#options.isSideFirst ? [side, word] : [word, side];
  }

  /** Where in the piece the words of a thread are; `body` is not for those past its end. */
  #eachWord(thread: Value, body: (turn: number, side: Value, word: Value) => void): void {
    const b = this.#b;
    const { threads, side, depth, isAlongSum } = this.#options;
    const words = side * depth;
    const inner = isAlongSum ? depth : side;
    for (const turn of range(this.#count)) {
      const position = turn === 0 ? thread : b.add(thread, turn * threads);
      const each = (): void => {
        const [high, low] = [b.div(position, inner), b.rem(position, inner)];
        if (isAlongSum) body(turn, high, low);
        else body(turn, low, high);
      };
      if (words % threads === 0) each();
      else whenBelow(b, position, words, 0, each);
    }
  }
}
