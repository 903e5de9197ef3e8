// Log lines of one kind: one in a given time, the others counted.
import { expect, test } from "vitest";
import { admitLine, type LineCount } from "../../../src/core/monitoring/line-limit.ts";

/** What is written for lines at these times: each with the number of those left out before it. */
function written(times: readonly number[]): [number, number][] {
  let counted: LineCount | undefined;
  return times.flatMap((now) => {
    const admitted = admitLine(counted, now, 1_000);
    counted = admitted.counted;
    return admitted.left_out === null ? [] : [[now, admitted.left_out] as [number, number]];
  });
}

test("the first line is written at once, further ones after the gap, with the number of those between", () => {
  expect(written([5_000])).toEqual([[5_000, 0]]);
  expect(written([5_000, 5_001, 5_500, 5_999, 6_000, 6_001, 9_000])).toEqual([
    [5_000, 0],
    [6_000, 3],
    [9_000, 1],
  ]);
});

test("however many come, one goes out in each gap", () => {
  const times = Array.from({ length: 10_000 }, (_, at) => at);
  const lines = written(times);
  expect(lines).toHaveLength(10);
  expect(lines.slice(1).every(([, left_out]) => left_out === 999)).toBe(true);
});

test("a clock that is set back silences nothing", () => {
  expect(written([3_600_000, 0, 500, 1_000])).toEqual([
    [3_600_000, 0],
    [0, 0],
    [1_000, 1],
  ]);
});
