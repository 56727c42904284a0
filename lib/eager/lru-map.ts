/** A map of so many entries: when it is full, the one that was asked for least recently goes. */

export class LruMap<K, V> {
  readonly #most: number;
  /** Least recently used first. */
  readonly #entries = new Map<K, V>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#most) for (const [oldest] of this.#entries) {
      this.#entries.delete(oldest);
      break;
    }
    this.#entries.set(key, value);
  }
}
