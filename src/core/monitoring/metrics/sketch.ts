// A sketch of many durations: how often each fell into a bin whose bounds grow by a fixed ratio (the idea of DDSketch),
// so that every quantile comes out within 1 % of a value that was there, and sketches merge by adding bins.
// Sketches are added to in place: they are the one thing here that is written a hundred thousand times.

export interface Sketch {
  count: number;
  sum: number;
  min: number;
  max: number;
  /** Values below SMALLEST, which a logarithm cannot place. */
  zeros: number;
  bins: Map<number, number>;
}

/** The relative error of a bin's middle. */
const ERROR = 0.01;
const RATIO = (1 + ERROR) / (1 - ERROR);
const LOG_RATIO = Math.log(RATIO);
/** A microsecond, for values in ms: what is shorter is no time at all. */
const SMALLEST = 0.001;

export function emptySketch(): Sketch {
  return { count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: 0, zeros: 0, bins: new Map() };
}

/** @param value not negative */
export function addValue(sketch: Sketch, value: number): void {
  sketch.count += 1;
  sketch.sum += value;
  sketch.min = Math.min(sketch.min, value);
  sketch.max = Math.max(sketch.max, value);
  if (value < SMALLEST) sketch.zeros += 1;
  else {
    const bin = Math.ceil(Math.log(value) / LOG_RATIO);
    sketch.bins.set(bin, (sketch.bins.get(bin) ?? 0) + 1);
  }
}

export function mergeSketch(into: Sketch, other: Sketch): void {
  into.count += other.count;
  into.sum += other.sum;
  into.min = Math.min(into.min, other.min);
  into.max = Math.max(into.max, other.max);
  into.zeros += other.zeros;
  for (const [bin, count] of other.bins) into.bins.set(bin, (into.bins.get(bin) ?? 0) + count);
}

/** The value at rank q · (count − 1), within 1 %; 0 of an empty sketch. */
export function quantile(sketch: Sketch, q: number): number {
  // The nearest rank, so that of two values the larger is the 95th percentile.
  const rank = Math.max(0, Math.ceil(q * sketch.count) - 1);
  let below = sketch.zeros;
  if (rank < below || sketch.count === 0) return 0;
  for (const [bin, count] of [...sketch.bins].toSorted(([a], [b]) => a - b)) {
    below += count;
    if (below > rank) {
      const middle = (2 * RATIO ** bin) / (RATIO + 1);
      return Math.min(sketch.max, Math.max(sketch.min, middle));
    }
  }
  return sketch.max;
}

export function mean(sketch: Pick<Sketch, "count" | "sum">): number {
  return sketch.count === 0 ? 0 : sketch.sum / sketch.count;
}
