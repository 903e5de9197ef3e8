// The share of calls that may be hedged.
import { expect, test } from "vitest";
import { counted, mayHedge, NO_HEDGES } from "../../../src/core/resilience/hedge.ts";

test("hedges are 5 % of the calls of a window; the first few are free", () => {
  let count = NO_HEDGES;
  let hedges = 0;
  for (let made = 0; made < 1_000; made += 1) {
    const now = made * 10;
    count = counted(count, "calls", now);
    if (!mayHedge(count, now)) continue;
    count = counted(count, "hedges", now);
    hedges += 1;
  }
  expect(hedges).toBe(50);
  expect(mayHedge(count, 10_000)).toBe(false);
  expect(mayHedge(count, 120_000)).toBe(true);
});
