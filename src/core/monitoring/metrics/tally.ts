// Histograms: how many values fell into each bucket, and their sum. Added to in place.

/** How many fell into each bucket (not what is below it), and their sum. */
export interface Tally {
  count: number;
  sum_ms: number;
  buckets: Map<number, number>;
}

export function emptyTally(): Tally {
  return { count: 0, sum_ms: 0, buckets: new Map() };
}

/** @param bounds upper bounds of the buckets in seconds; the last bucket has none */
export function addTally(tally: Tally, ms: number, bounds: readonly number[]): void {
  tally.count += 1;
  tally.sum_ms += ms;
  const fits = bounds.findIndex((bound) => ms <= bound * 1_000);
  const bucket = fits === -1 ? bounds.length : fits;
  tally.buckets.set(bucket, (tally.buckets.get(bucket) ?? 0) + 1);
}

export function mergeTally(into: Tally, other: Tally): void {
  into.count += other.count;
  into.sum_ms += other.sum_ms;
  for (const [bucket, count] of other.buckets)
    into.buckets.set(bucket, (into.buckets.get(bucket) ?? 0) + count);
}
