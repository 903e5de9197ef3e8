// A recorded run once more: what the scheduler's rules make of the durations that were seen, and what a change saves.
import { expect, test } from "vitest";
import type { RunShape, StageShape } from "../../../../../src/core/monitoring/metrics/report.ts";
import {
  changeStages,
  lastTries,
  mostOf,
  saving,
  simulate,
  withCache,
  withConcurrency,
  workOf,
} from "../../../../../src/core/monitoring/metrics/analysis/simulate.ts";

const stage = (name: string, ms: number, fields: Partial<StageShape> = {}): StageShape => ({
  stage: name,
  depends_on: [],
  parallel: true,
  timeout_ms: 1_000,
  tries_ms: [ms],
  waits_ms: 0,
  cached: false,
  asked: name,
  ...fields,
});
const run = (stages: StageShape[], fields: Partial<RunShape> = {}): RunShape => ({
  started_at: 0,
  max_concurrent_stages: 6,
  cache_ttl_ms: 1_000,
  stages,
  ...fields,
});
const queued = (ms: number) => ({ queue: { agent: "x", ms, reasons: { concurrency: ms } } });
const after = (...depends_on: string[]) => ({ depends_on });

test.each<readonly [string, RunShape, number]>([
  ["nothing", run([]), 0],
  ["one", run([stage("a", 10)]), 10],
  ["side by side", run([stage("a", 10), stage("b", 30)]), 30],
  ["a chain", run([stage("a", 10), stage("b", 30, after("a"))]), 40],
  ["one place", run([stage("a", 10), stage("b", 30)], { max_concurrent_stages: 1 }), 40],
  [
    "two places of three",
    run([stage("a", 10), stage("b", 30), stage("c", 25)], { max_concurrent_stages: 2 }),
    35,
  ],
  [
    "an exclusive stage waits and is alone",
    run([stage("a", 10), stage("b", 30, { parallel: false }), stage("c", 5)]),
    45,
  ],
  ["tries and delays", run([stage("a", 0, { tries_ms: [5, 7], waits_ms: 3 })]), 15],
  ["a wait for an agent", run([stage("a", 10, queued(5)), stage("b", 30, after("a"))]), 45],
  [
    "one that waits for its agent takes no place",
    run([stage("a", 10, queued(25)), stage("b", 30)], { max_concurrent_stages: 1 }),
    40,
  ],
  ["an edge that leads nowhere", run([stage("a", 10), stage("b", 30, after("gone"))]), 10],
])("%s", (_, shape, ms) => {
  expect(simulate(shape)).toBe(ms);
});

test("a saving is the mean over the runs, and never below nothing", () => {
  const runs = [run([stage("a", 10)]), run([stage("a", 30)])];
  const halved = (shape: RunShape) => changeStages(shape, (one) => ({ tries_ms: [workOf(one) / 2] }));
  expect(saving(runs, halved)).toBe(10);
  expect(saving(runs, (shape) => changeStages(shape, () => ({ tries_ms: [1_000] })))).toBe(0);
});

test("a cache answers what was asked within its time to live, of the stage that has one", () => {
  const at = (started_at: number, asked = "q") =>
    run([stage("a", 10, { asked }), stage("b", 20, { asked })], { started_at });
  const ms = (runs: RunShape[], only?: string) => withCache(runs, only).map(simulate);
  expect(ms([at(0), at(999), at(1_000), at(1_500)])).toEqual([20, 0, 20, 0]);
  expect(ms([at(0), at(1, "another")])).toEqual([20, 20]);
  expect(ms([at(0), at(1)], "b")).toEqual([20, 10]);
  // What could not be asked again has no key.
  expect(ms([at(0, ""), at(1, "")])).toEqual([20, 20]);
});

const mapped = (items_ms: number[], concurrency: number, items = items_ms.length) =>
  stage("each", 100, { map: { concurrency, items, items_ms }, waits_ms: 10 });

test.each<readonly [string, number[], number, number, number]>([
  ["one at a time", [10, 10, 10, 10], 2, 1, 2],
  ["all at a time", [10, 10, 10, 10], 2, 4, 0.5],
  ["no faster than the slowest item", [10, 40, 10, 10], 1, 4, 40 / 70],
  ["in turns, as places come free", [30, 10, 10, 10], 1, 2, 30 / 60],
  ["more places than items", [10, 20], 2, 50, 1],
])("a map under another concurrency: %s", (_, items_ms, before, after, factor) => {
  const changed = withConcurrency(mapped(items_ms, before), after);
  expect(changed.tries_ms?.[0]).toBeCloseTo(100 * factor, 10);
  expect(changed.waits_ms).toBeCloseTo(10 * factor, 10);
  expect(changed.map?.concurrency).toBe(after);
});

test("kept items are taken for those around them, and a shape without items stays as it is", () => {
  // A thousand of 10 ms.
  expect(withConcurrency(mapped([10, 10], 4, 1_000), 1_000).tries_ms?.[0]).toBeCloseTo(100 / 250, 10);
  expect(withConcurrency(stage("plain", 10), 3)).toEqual({});
  expect(withConcurrency(mapped([0, 0], 1), 2)).toEqual({});
});

test("the sample of a stage is its last tries, without what the cache answered", () => {
  const runs = [
    run([stage("a", 0, { tries_ms: [90, 10] })]),
    run([stage("a", 20), stage("b", 5)]),
    run([stage("a", 0, { cached: true })]),
  ];
  expect(lastTries(runs, "a")).toEqual([10, 20]);
  expect([0.5, 0.99, 1].map((q) => mostOf([40, 10, 30, 20], q))).toEqual([20, 40, 40]);
  expect(mostOf([], 0.5)).toBe(0);
});
