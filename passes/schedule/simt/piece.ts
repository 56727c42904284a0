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
  /** Whether words of a side are together in shared memory; else sides of a word are, with so many elements after them. */
  readonly isSideFirst: boolean;
  readonly padding: number;
  readonly stages: Stages;
}

/** Neighbours that travel together: 16 bytes of f32. */
const patchLength = 4;

/** Whether no edge of an operand parts the patches that run along the sum, or across it. */
export function hasPatches(isAlongSum: boolean, extent: Dim, terms: Dim, termsOfWord: number): boolean {
  return isAlongSum ? isMultiple(terms, patchLength * termsOfWord) : isMultiple(extent, patchLength);
}

export class Piece {
  readonly #b: Builder;
  readonly #options: PieceOptions;
  /**
   * One row of elements, so that an index can be what a thread knows beforehand plus what the text knows: then all that a
   * thread loads at a step is at one address and different offsets.
   */
  readonly #memory: Value;
  /** From one to the next. */
  readonly #strides: { readonly stage: number; readonly side: number; readonly word: number };
  readonly #fetched: Value;
  /** Sides and words of a patch, and how many each thread takes. */
  readonly #patch: { readonly sides: number; readonly words: number };
  readonly #count: number;

  constructor(b: Builder, options: PieceOptions) {
    const { threads, side, extent, depth, terms, termsOfWord, isAlongSum, wordType, elementType, isSideFirst, padding, stages } = options;
    this.#b = b;
    this.#options = options;
    const length = hasPatches(isAlongSum, extent, terms, termsOfWord) ? patchLength : 1;
    this.#patch = isAlongSum ? { sides: 1, words: length } : { sides: length, words: 1 };
    const wordsOfPatch = this.#patch.sides * this.#patch.words;
    this.#count = Math.ceil((side * depth) / wordsOfPatch / threads);
    this.#strides = isSideFirst ? { stage: side * depth, side: depth, word: 1 } : { stage: depth * (side + padding), side: 1, word: side + padding };
    this.#memory = shared(b, wordType, [stages * this.#strides.stage]);
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
  keep(thread: Value, stage: Value): void {
    const b = this.#b;
    const { termsOfWord, toWord } = this.#options;
    const { sides, words } = this.#patch;
    this.#eachPatch(thread, (turn, side, word) => {
      const places = range(words).flatMap((j) => range(sides).map((i) => [i, j] as const));
      const packed = places.map(([i, j]) =>
        toWord(range(termsOfWord).map((term) => b.load(this.#fetched, [thread, b.index(turn), b.index((j * termsOfWord + term) * sides + i)]))));
      const address = this.address(stage, side, word);
      places.forEach(([i, j], place) => b.store(this.#memory, at(packed, place), this.#index(address, i, j)));
    });
  }

  /** Where in shared memory a word is. */
  address(stage: Value, side: Value, word: Value): Value {
    const b = this.#b;
    const times = (index: Value, stride: number): Value => (stride === 1 ? index : b.mul(index, stride));
    return b.add(b.add(times(stage, this.#strides.stage), times(side, this.#strides.side)), times(word, this.#strides.word));
  }

  /** The address so many words further along the sum. */
  addressAfter(address: Value, words: Value): Value {
    return this.#b.add(address, this.#b.mul(words, this.#strides.word));
  }

  /** The word at an address, or so many sides and words after it. */
  load(address: Value, sides: number, words: number): Value {
    return this.#b.load(this.#memory, this.#index(address, sides, words));
  }

  #index(address: Value, sides: number, words: number): readonly Value[] {
    return [this.#plus(address, sides * this.#strides.side + words * this.#strides.word)];
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

  #patchAt(position: Value): readonly [side: Value, word: Value] {
    const b = this.#b;
    const sides = this.#options.side / this.#patch.sides;
    const words = this.#options.depth / this.#patch.words;
    const together = this.#sidesTogether(sides);
    const places = delinearize(b, position, [sides / together, words, together]);
    return [b.add(b.mul(at(places, 0), together), at(places, 2)), at(places, 1)];
  }

  /**
   * How many patches beside each other neighbouring threads take, before those that follow along the sum: so that a warp
   * takes at least 32 bytes in a row of the device's memory, which is what it gives at a time, and stores to different
   * banks of shared memory.
   */
  #sidesTogether(sides: number): number {
    const { isAlongSum, isSideFirst } = this.#options;
    const isPatch = this.#patch.sides * this.#patch.words > 1;
    // Sides of a word are together. Patches across the sum lie as threads do. Of one along it, four words are in rows that
    // (with padding) are 16 banks apart: 16 sides, and the same 16 four words further, are 32 banks. Of single words two
    // may meet.
    if (!isSideFirst) return !isAlongSum ? sides : isPatch ? 16 : 1;
    // Words of a side are together, and rows 16 banks apart. Whole rows are 32 banks at a time. Patches across the sum are
    // four rows apart: two threads to a bank; of single words, where 8 sides together are 32 bytes, four.
    return isAlongSum || isPatch ? 1 : 8;
  }
}
