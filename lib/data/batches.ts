/** Batches of rows out of flat arrays, in order or shuffled by a seed; the same seed gives the same order anywhere. */

export type Column =
  | Float64Array | Float32Array | Int32Array | Int16Array | Int8Array | Uint32Array | Uint16Array | Uint8Array;

export interface BatchOptions {
  /** A seed: rows come in an order that depends on it alone. Without one, in the order of the arrays. */
  readonly shuffle?: number;
  /** Leave out a last batch that is smaller than the others. */
  readonly dropLast?: boolean;
  /** How many rows the arrays have; when absent, the length of the shortest array, which then has one element a row. */
  readonly rows?: number;
}

/**
 * Batches of `size` rows of every column; the last one has what is left. Each batch is a copy.
 *
 *     for (const { images, labels } of batches({ images, labels }, 128, { shuffle: epoch })) { ... }
 *
 * Throws a RangeError for a size below 1, and for columns whose lengths are no multiples of the number of rows.
 */
export function* batches<C extends Readonly<Record<string, Column>>>(columns: C, size: number, options: BatchOptions = {}): Generator<C> {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`a batch must have at least one row; the size is ${size}`);
  const entries = Object.entries(columns);
  const rows = options.rows ?? Math.min(...entries.map(([, column]) => column.length));
  if (entries.length === 0 || rows === 0) return;
  for (const [name, column] of entries) {
    if (column.length % rows !== 0) {
      throw new RangeError(`${name} has ${column.length} elements, which is no multiple of the ${rows} rows`);
    }
  }
  const order = options.shuffle === undefined ? undefined : permutation(rows, options.shuffle);
  const end = options.dropLast === true ? rows - (rows % size) : rows;
  for (let start = 0; start < end; start += size) {
    const stop = Math.min(start + size, rows);
    yield Object.fromEntries(entries.map(([name, column]) => [name, takeRows(column, column.length / rows, start, stop, order)])) as C;
  }
}

/** The numbers from 0 below `count` in an order that the seed decides (Fisher, Yates, in Durstenfeld's form). */
export function permutation(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const random = randomFractions(seed);
  for (let last = count - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    const moved = order[last] ?? 0;
    order[last] = order[chosen] ?? 0;
    order[chosen] = moved;
  }
  return order;
}

function takeRows(column: Column, width: number, start: number, stop: number, order: Uint32Array | undefined): Column {
  if (order === undefined) return column.slice(start * width, stop * width);
  const taken = column.slice(0, (stop - start) * width);
  for (let row = start; row < stop; row++) {
    const from = (order[row] ?? 0) * width;
    taken.set(column.subarray(from, from + width), (row - start) * width);
  }
  return taken;
}

/**
 * Fractions in [0, 1) by SplitMix: a counter through the 32-bit finalizer of MurmurHash3 (Steele, Lea, Flood, "Fast
 * splittable pseudorandom number generators", OOPSLA 2014).
 */
function randomFractions(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}
