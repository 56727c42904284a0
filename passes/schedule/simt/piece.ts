/**
 * One operand's way through a tiled contraction: a piece of it at a time, from the device's memory to registers, and
 * from there to shared memory in words that the multiplication takes.
 *
 * A word is one term of the sum, or several packed into 32 bits. A thread takes patches of four neighbours, so that they
 * can travel together, where the operand's edges do not part them; else single words. Past the edges elements are 0.
 */

import type { Builder } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import { at } from "../../../ir/expect.ts";
import type { Value } from "../../../ir/module.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { type DType, scalarType } from "../../../ir/type.ts";
import { isMultiple } from "../choose-tile.ts";
import { range } from "../loops.ts";
import { registers, shared, whenBelow } from "./block.ts";
import type { Stages } from "./walk.ts";

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
  /** Whether neighbouring elements are neighbours along the sum: then patches are too. */
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
  readonly stages: Stages;
}

/** Neighbours that travel together: 16 bytes of f32. */
const patchLength = 4;

/**
 * Sides whose patches along the sum neighbouring threads take, before those that follow along the sum: a warp takes 32
 * bytes of each or more, which is what memory gives at least. Banks of what it stores: where sides of a word are
 * together, 16 and 16, if four words are 16 banks apart; where words of a side are, 8 threads at a time store four words
 * each to rows that are an odd multiple of four banks apart: 32 in both cases.
 */
const sidesTogether = 16;

export class Piece {
  readonly #b: Builder;
  readonly #options: PieceOptions;
  /** Of each stage. */
  readonly #memory: readonly Value[];
  readonly #fetched: Value;
  /** Sides and words of a patch, and how many each thread takes. */
  readonly #patch: { readonly sides: number; readonly words: number };
  readonly #count: number;

  constructor(b: Builder, options: PieceOptions) {
    const { threads, side, extent, depth, terms, termsOfWord, isAlongSum, wordType, elementType, isSideFirst, padding, stages } = options;
    this.#b = b;
    this.#options = options;
    const isParted = isAlongSum ? !isMultiple(terms, patchLength * termsOfWord) : !isMultiple(extent, patchLength);
    this.#patch = isParted ? { sides: 1, words: 1 } : isAlongSum ? { sides: 1, words: patchLength } : { sides: patchLength, words: 1 };
    const wordsOfPatch = this.#patch.sides * this.#patch.words;
    this.#count = Math.ceil((side * depth) / wordsOfPatch / threads);
    this.#memory = range(stages).map(() => shared(b, wordType, isSideFirst ? [side, depth + padding] : [depth, side + padding]));
    this.#fetched = registers(b, elementType, threads, [this.#count, wordsOfPatch * termsOfWord]);
  }

  /** Loads the thread's part of the piece that starts at a term, one that is in the sum, into its registers. */
  fetch(thread: Value, firstTerm: Value): void {
    const b = this.#b;
    const { first, termsOfWord } = this.#options;
    this.#eachPatch(thread, (turn, side, word) => {
      const term = b.add(firstTerm, termsOfWord === 1 ? word : b.mul(word, termsOfWord));
      this.#elements(b.add(first, side), term).forEach((element, i) => b.store(this.#fetched, element, [thread, b.index(turn), b.index(i)]));
    });
  }

  /** Stores what the thread has fetched to a stage of shared memory. Only now are words made: that waits for the loads. */
  keep(thread: Value, stage: number): void {
    const b = this.#b;
    const { termsOfWord, toWord } = this.#options;
    const { sides, words } = this.#patch;
    this.#eachPatch(thread, (turn, side, word) => {
      for (const i of range(sides)) {
        for (const j of range(words)) {
          const elements = range(termsOfWord).map((term) => b.load(this.#fetched, [thread, b.index(turn), b.index((j * termsOfWord + term) * sides + i)]));
          b.store(at(this.#memory, stage), toWord(elements), this.#index(this.#plus(side, i), this.#plus(word, j)));
        }
      }
    });
  }

  load(stage: number, side: Value, word: Value): Value {
    return this.#b.load(at(this.#memory, stage), this.#index(side, word));
  }

  #index(side: Value, word: Value): readonly Value[] {
    return this.#options.isSideFirst ? [side, word] : [word, side];
  }

  #plus(index: Value, offset: number): Value {
    return offset === 0 ? index : this.#b.add(index, offset);
  }

  /** The elements of a patch, sides of a term together: one test for all, where an edge can only be in front of a patch. */
  #elements(firstSide: Value, firstTerm: Value): readonly Value[] {
    const b = this.#b;
    const { extent, side, terms, termsOfWord, depth, element } = this.#options;
    const termsOfPatch = this.#patch.words * termsOfWord;
    const isTermParted = !isMultiple(terms, termsOfPatch);
    const isTerm = (term: Value): Value => b.lt(term, b.index(terms));
    const tests = [
      ...(isTermParted || isMultiple(terms, depth * termsOfWord) ? [] : [isTerm(firstTerm)]),
      ...(isMultiple(extent, side) ? [] : [b.lt(firstSide, b.index(extent))]),
    ];
    return this.#orZero(tests, termsOfPatch * this.#patch.sides, () => range(termsOfPatch).flatMap((i) => {
      const term = this.#plus(firstTerm, i);
      return this.#orZero(isTermParted ? [isTerm(term)] : [], this.#patch.sides, () => range(this.#patch.sides).map((j) => element(this.#plus(firstSide, j), term)));
    }));
  }

  #orZero(tests: readonly Value[], count: number, elements: () => readonly Value[]): readonly Value[] {
    const b = this.#b;
    const [test, ...others] = tests;
    if (test === undefined) return elements();
    const zero = b.constantOf(scalarType(this.#options.elementType), 0);
    return b.if(others.reduce((all, other) => b.and(all, other), test), {}, [b.region([], elements), b.region([], () => range(count).map(() => zero))]);
  }

  /** The first side and word of each patch of a thread; `body` is not for those past the end of the piece. */
  #eachPatch(thread: Value, body: (turn: number, side: Value, word: Value) => void): void {
    const b = this.#b;
    const { threads } = this.#options;
    const { sides, words } = this.#patch;
    const patches = (this.#options.side / sides) * (this.#options.depth / words);
    for (const turn of range(this.#count)) {
      const position = turn === 0 ? thread : b.add(thread, turn * threads);
      const each = (): void => {
        const [side, word] = this.#patchAt(position);
        body(turn, sides === 1 ? side : b.mul(side, sides), words === 1 ? word : b.mul(word, words));
      };
      if (patches % threads === 0) each();
      else whenBelow(b, position, patches, 0, each);
    }
  }

  /** Neighbouring threads take what is neighbouring in the device's memory, and store to different banks. */
  #patchAt(position: Value): readonly [side: Value, word: Value] {
    const b = this.#b;
    const { isAlongSum, isSideFirst } = this.#options;
    const sides = this.#options.side / this.#patch.sides;
    const words = this.#options.depth / this.#patch.words;
    if (isAlongSum && this.#patch.words > 1) {
      const places = delinearize(b, position, [sides / sidesTogether, words, sidesTogether]);
      return [b.add(b.mul(at(places, 0), sidesTogether), at(places, 2)), at(places, 1)];
    }
    // Rows of words are four patches of sides away from each other: 16 banks, which the words of two patches fill.
    const areWordsNeighbours = isAlongSum || (isSideFirst && this.#patch.sides > 1);
    const places = delinearize(b, position, areWordsNeighbours ? [sides, words] : [words, sides]);
    return areWordsNeighbours ? [at(places, 0), at(places, 1)] : [at(places, 1), at(places, 0)];
  }
}
