// The sketch against exact quantiles: 100,000 samples each of three distributions, whole and merged out of parts.
import { describe, expect, test } from "vitest";
import {
  addValue,
  emptySketch,
  mergeSketch,
  quantile,
  type Sketch,
} from "../../../../src/core/monitoring/metrics/sketch.ts";
import { seeded } from "../../../support/values/chance.ts";

const SAMPLES = 100_000;
const seed = seeded(7);
const chance = () => seed.draw();
const gauss = () => Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());

const DISTRIBUTIONS: [string, () => number][] = [
  ["uniform", () => 1 + chance() * 9_999],
  ["log-normal", () => Math.exp(5 + 1.5 * gauss())],
  ["exponential, with a slow tail", () => (chance() < 0.02 ? 30_000 : 0) - 200 * Math.log(1 - chance())],
];

function sketchOf(values: readonly number[]): Sketch {
  const sketch = emptySketch();
  for (const value of values) addValue(sketch, value);
  return sketch;
}

/** The value at the nearest rank. */
function exact(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number;
}

describe.each(DISTRIBUTIONS)("%s", (_name, draw) => {
  const values = Array.from({ length: SAMPLES }, draw);
  const sorted = values.toSorted((a, b) => a - b);
  const whole = sketchOf(values);
  const merged = emptySketch();
  for (let part = 0; part < 8; part += 1) {
    mergeSketch(merged, sketchOf(values.filter((_, at) => at % 8 === part)));
  }

  test.each([0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])("quantile %d lies within 2 %%", (q) => {
    const truth = exact(sorted, q);
    for (const sketch of [whole, merged]) {
      expect(Math.abs(quantile(sketch, q) - truth) / truth).toBeLessThan(0.02);
    }
  });

  test("merged parts are the whole", () => {
    expect(merged.bins).toEqual(whole.bins);
    expect([merged.count, merged.min, merged.max]).toEqual([whole.count, whole.min, whole.max]);
    expect(merged.sum).toBeCloseTo(whole.sum, 3);
    expect(merged.bins.size).toBeLessThan(1_500);
  });
});

test("little is exact: nothing, zeros, one value", () => {
  expect(quantile(emptySketch(), 0.5)).toBe(0);
  expect(quantile(sketchOf([0, 0, 0]), 0.99)).toBe(0);
  expect(quantile(sketchOf([137]), 0.01)).toBe(137);
  expect(quantile(sketchOf([0, 0, 100]), 0.5)).toBe(0);
  expect(quantile(sketchOf([0, 0, 100]), 1)).toBe(100);
  expect(quantile(sketchOf([10, 900]), 0.95)).toBe(900);
});
