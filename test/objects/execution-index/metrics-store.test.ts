// The metrics of a shard: counted in memory, written in batches, and counted again from the rows where an instance was
// lost before. Whatever happens in between, each run is counted once.
import { expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import {
  addReport,
  emptyTotals,
  type MetricTotals,
} from "../../../src/core/monitoring/metrics/run-metrics.ts";
import { reportFrom, reportText } from "../../../src/core/monitoring/metrics/stored-report.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { MetricsPart } from "../../support/objects/metrics-part.ts";
import { seeded } from "../../support/values/chance.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 26);

const report = (pipeline: string, stages = ["a", "b"], duration_ms = 10) => ({
  pipeline,
  status: "completed" as const,
  duration_ms,
  context_bytes: 100,
  stages: stages.map((stage) => ({
    stage,
    status: "completed" as const,
    duration_ms: 5,
    path_ms: 5,
    retries: 1,
    cached: false,
  })),
});
const runsOf = (totals: Iterable<MetricTotals>) =>
  Array.from(totals).reduce((sum, { runs }) => sum + runs.count, 0);
const ever = (part: MetricsPart, now = NOW) => runsOf(part.store().read("ever", now, undefined).values());

test("a row's report comes back as it was", () => {
  const whole = { ...report("p"), single: true as const };
  for (const one of [whole, report("p", [])]) expect(reportFrom(reportText(one), one)).toEqual(one);
  expect(reportText(report("p", ["answer_generation"])).length).toBeLessThan(60);
});

test("256 runs of an hour cost two writes, each instance in between none", () => {
  const part = new MetricsPart();
  for (let at = 0; at < TIMINGS.METRICS_BATCH; at += 1) {
    part.count(part.store(), [report("p")], NOW + at * 14_000);
    if (at < TIMINGS.METRICS_BATCH - 1) expect(part.writes).toBe(0);
  }
  expect(part.writes).toBe(2);
  expect(ever(part)).toBe(TIMINGS.METRICS_BATCH);
  // A row that a batch has is not counted again.
  part.count(part.store(), [report("p")], NOW + DAY / 12);
  expect(ever(part)).toBe(TIMINGS.METRICS_BATCH + 1);
});

test("a busy shard writes a batch a minute", () => {
  const part = new MetricsPart();
  const store = part.store();
  for (let second = 0; second < 300; second += 1) {
    part.count(
      store,
      Array.from({ length: 50 }, () => report("p")),
      NOW + second * 1_000,
    );
  }
  expect(part.writes).toBeLessThanOrEqual(12);
  expect(ever(part)).toBe(15_000);
});

test("a run that began long ago is written at once: its row would not be found again", () => {
  const part = new MetricsPart();
  part.count(part.store(), [report("p")], NOW);
  part.count(part.store(), [report("p")], NOW + MINUTE, NOW - TIMINGS.METRICS_LOOKBACK_MS);
  expect(part.writes).toBe(2);
  expect(ever(part)).toBe(2);
});

test("a batch of many names is several values", () => {
  const part = new MetricsPart();
  const stages = Array.from({ length: 100 }, (_, at) => `s${at}`);
  const many = Array.from({ length: TIMINGS.METRICS_BATCH }, (_, at) => report(`p${at % 20}`, stages));
  part.count(part.store(), many, NOW);
  const batches = [...part.stored].filter(([key]) => key.startsWith("batch/"));
  expect(batches.length).toBeGreaterThan(3);
  for (const [, value] of batches) expect(JSON.stringify(value).length).toBeLessThan(1_000_000);
  expect(ever(part)).toBe(TIMINGS.METRICS_BATCH);
});

test("through lost instances, writes that fail, days and sweeps each run is counted once, in its minute", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const chance = seeded(seed);
    const part = new MetricsPart();
    let store = part.store();
    let now = NOW;
    const ends: number[] = [];
    for (let step = 0; step < 60; step += 1) {
      const dice = chance.draw();
      if (dice < 0.2) store = part.store();
      else if (dice < 0.3) {
        // A transaction that is rolled back.
        store.count(report("p"), now, now, now);
        store.forget();
      } else if (dice < 0.4) store.sweep(now);
      else if (dice < 0.5) now += Math.floor(chance.draw() * DAY * 0.4);
      else {
        const count = Math.floor(chance.draw() * 120);
        const started = chance.draw() < 0.1 ? now - DAY : now;
        part.count(
          store,
          Array.from({ length: count }, () => report("p")),
          now,
          started,
        );
        for (let at = 0; at < count; at += 1) ends.push(now);
      }
      now += Math.floor(chance.draw() * 2 * MINUTE);
      // Rows outlive their runs by a day, and sweeps are half a day apart.
      if (dice >= 0.4 && dice < 0.5) store.sweep(now);
      expect(runsOf(store.read("ever", now, undefined).values()), `seed ${seed}, step ${step}`).toBe(
        ends.length,
      );
      const first = Math.floor((now - DAY / 2) / MINUTE) * MINUTE;
      const wanted = ends.filter((end) => end >= first).length;
      const found = runsOf(store.read({ window_seconds: DAY / 2_000 }, now, undefined).values());
      expect(found, `seed ${seed}, step ${step}`).toBe(wanted);
    }
    expect(ever(part, now)).toBe(ends.length);
  }
});

test("what earlier versions wrote is added to what was before when a day has passed", () => {
  const part = new MetricsPart();
  const minute = (at: number) => `minute/${String(Math.floor(at / MINUTE)).padStart(10, "0")}/p`;
  const totals = emptyTotals();
  addReport(totals, report("p"));
  for (const at of [NOW - 3 * MINUTE, NOW - 2 * MINUTE]) part.put(minute(at), totals);
  part.put("ever/p", totals);
  // The earlier of the two minutes is in `ever/p`.
  part.put("folded", Math.floor(NOW / MINUTE) - 2);
  part.count(part.store(), [report("p")], NOW);
  expect(ever(part)).toBe(3);
  const day = { window_seconds: LIMITS.METRICS_WINDOW_SECONDS };
  expect(part.store().read(day, NOW, "p").get("p")?.runs.count).toBe(3);
  const later = NOW + 2 * DAY;
  // Nothing is left to be swept.
  expect(part.store().sweep(later)).toBe(false);
  expect([...part.stored.keys()].filter((key) => key.startsWith("minute/"))).toEqual([]);
  expect(part.store().read("ever", later, undefined).get("p")?.runs.count).toBe(3);
});

test("what was used is added to totals of earlier versions, which lack it, and is summed over an hour", () => {
  const part = new MetricsPart();
  const earlier = emptyTotals();
  addReport(earlier, report("p", ["a"]));
  part.put("ever/p", earlier);
  const used = { model: "m", cost_usd: 0.5, input_tokens: 2, output_tokens: 1, unpriced_tokens: 0 };
  const costly = (cost_usd: number) => ({
    ...report("p"),
    stages: report("p", ["a"]).stages.map((stage) => ({ ...stage, used: { ...used, cost_usd } })),
    tags: ["user=u1"],
  });
  part.count(part.store(), [costly(4)], NOW - 61 * MINUTE);
  part.count(part.store(), [costly(1), costly(2)], NOW);
  // In a batch, and not.
  for (let at = 0; at < TIMINGS.METRICS_BATCH; at += 1) part.count(part.store(), [costly(0)], NOW);
  part.count(part.store(), [costly(3)], NOW);
  const totals = part.store().read("ever", NOW, undefined).get("p");
  expect(totals?.stages.get("a")?.spent?.models.get("m")).toMatchObject({ cost_usd: 10 });
  expect(totals?.tags?.get("user=u1")).toBe(10);
  expect(totals?.runs.count).toBe(TIMINGS.METRICS_BATCH + 5);
  const since = NOW - TIMINGS.ALERT_COST_MS;
  const store = part.store();
  expect(store.spent(since)).toMatchObject({ cost_usd: 6, priced: TIMINGS.METRICS_BATCH + 3 });
  // What is counted from then on is added, and what is older goes.
  part.count(store, [costly(5)], NOW + MINUTE);
  expect(store.spent(since + MINUTE)).toMatchObject({ cost_usd: 11 });
  expect(store.spent(since + TIMINGS.ALERT_COST_MS + MINUTE)).toMatchObject({ cost_usd: 5 });
  store.forget();
  expect(store.spent(since)).toMatchObject({ cost_usd: 11 });
});
