// A bounded map: beyond its bound it forgets the entries that were unused for longest.

export interface LruBound<V> {
  entries: number;
  /** A second bound, on the sum of what the entries weigh; the entry that was set last stays, also where it exceeds it. */
  weight?: { most: number; of(value: V): number };
}

/** A map of bounded size. A read by `get` and a `set` count as a use, a read by `peek` does not. */
export class Lru<K, V> {
  private readonly bound: LruBound<V>;
  /** In the order of use, which is a Map's order of insertion. */
  private readonly known = new Map<K, V>();

  constructor(bound: LruBound<V>) {
    this.bound = bound;
  }

  /** The value, made where there is none. */
  get(key: K, make: () => V): V {
    const value = this.known.get(key) ?? make();
    this.set(key, value);
    return value;
  }

  peek(key: K): V | undefined {
    return this.known.get(key);
  }

  set(key: K, value: V): void {
    this.known.delete(key);
    this.known.set(key, value);
    this.trim(key);
  }

  delete(key: K): void {
    this.known.delete(key);
  }

  /** Forgets what exceeds the bound; to be called where a value's weight has changed. @param kept is not forgotten */
  trim(kept: K): void {
    const { entries, weight } = this.bound;
    if (weight === undefined) {
      const oldest = this.known.size > entries ? this.known.keys().next() : null;
      if (oldest?.done === false) this.known.delete(oldest.value);
      return;
    }
    let sum = 0;
    for (const value of this.known.values()) sum += weight.of(value);
    for (const [key, value] of this.known) {
      if ((this.known.size <= entries && sum <= weight.most) || key === kept) return;
      this.known.delete(key);
      sum -= weight.of(value);
    }
  }
}
