// The number of series: names that callers choose have figures of their own up to a bound, and share `other` beyond it,
// within a part of the index, over its restarts, and where parts are merged.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import {
  addReport,
  emptyTotals,
  type MetricTotals,
} from "../../../src/core/monitoring/metrics/run-metrics.ts";
import { mergeParts } from "../../../src/core/monitoring/metrics/merge-parts.ts";
import { OTHER } from "../../../src/core/monitoring/metrics/names.ts";
import { MetricsPart } from "../../support/objects/metrics-part.ts";
import { names, report, type Report, stagesOf } from "../../core/monitoring/metrics/reports.ts";

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 26);
const runsOf = (figures: Iterable<MetricTotals>) =>
  Array.from(figures).reduce((sum, { runs }) => sum + runs.count, 0);

const countAll = (part: MetricsPart, reports: readonly Report[], at = NOW) =>
  part.count(part.store(), reports, at);

describe("a part of the index", () => {
  test("admits so many pipelines, and counts the rest together", () => {
    const part = new MetricsPart();
    countAll(
      part,
      names("p", LIMITS.METRICS_PIPELINES + 50).map((name) => report(name)),
    );
    const read = part.store().read("ever", NOW, undefined);
    expect(read.size).toBe(LIMITS.METRICS_PIPELINES + 1);
    expect(read.get(OTHER)?.runs.count).toBe(50);
    expect([...(read.get(OTHER)?.stages.keys() ?? [])]).toEqual([OTHER]);
    expect(runsOf(read.values())).toBe(LIMITS.METRICS_PIPELINES + 50);
  });

  test("stages that are run on their own take no pipeline's place", () => {
    const part = new MetricsPart();
    countAll(
      part,
      names("drawn", 500).map((name) => report(name, [name], true)),
    );
    countAll(
      part,
      names("p", LIMITS.METRICS_PIPELINES).map((name) => report(name)),
    );
    const store = part.store();
    const read = store.read("ever", NOW, undefined);
    expect(read.size).toBe(LIMITS.METRICS_PIPELINES + LIMITS.METRICS_SINGLE_STAGES + 1);
    expect(read.get(OTHER)?.runs.count).toBe(500 - LIMITS.METRICS_SINGLE_STAGES);
    // One of that name that is defined later is counted as one that is defined.
    part.count(store, [report("drawn0")], NOW);
    expect(store.read("ever", NOW, "drawn0").get("drawn0")?.single).toBeUndefined();
  });

  test("chooses the same names after a restart and over minutes, and counters never fall", () => {
    const part = new MetricsPart();
    const all = names("d", LIMITS.METRICS_SINGLE_STAGES + 100).map((name) => report(name, [name], true));
    countAll(part, all);
    const before = part.store().read("ever", NOW, undefined);
    for (const minute of [1, 2, 3]) {
      countAll(part, all.toReversed(), NOW + minute * MINUTE);
      const after = part.store().read("ever", NOW + minute * MINUTE, undefined);
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const [name, figures] of after) {
        expect(figures.runs.count, name).toBe((before.get(name)?.runs.count ?? 0) * (minute + 1));
      }
    }
    const window = part.store().read({ window_seconds: 60 }, NOW + 3 * MINUTE, undefined);
    expect([...window.keys()]).toEqual([...before.keys()]);
  });

  test("what was counted and could not be written is not admitted either", () => {
    const part = new MetricsPart();
    const store = part.store();
    store.count(report("lost"), NOW, NOW, NOW);
    store.forget();
    part.count(
      store,
      names("p", LIMITS.METRICS_PIPELINES).map((name) => report(name)),
      NOW,
    );
    expect(store.read("ever", NOW, undefined).has(OTHER)).toBe(false);
  });

  test("reads what earlier versions counted without bounds, and keeps the first of them", () => {
    const part = new MetricsPart();
    for (const name of names("old", LIMITS.METRICS_PIPELINES + 10)) {
      const totals = emptyTotals();
      addReport(totals, report(name));
      part.put(`ever/${name}`, totals);
    }
    part.put("folded", NOW / MINUTE);
    countAll(part, [report("new"), report("old0")]);
    const read = mergeParts([part.store().read("ever", NOW, undefined)]);
    expect(read.get("old0")?.runs.count).toBe(2);
    expect(read.get(OTHER)?.runs.count).toBe(11);
    expect(read.size).toBe(LIMITS.METRICS_PIPELINES + 1);
  });
});

describe("parts that are merged", () => {
  /** Eight parts, over which runs fall as they do by their ids. */
  const spread = (reports: readonly Report[]) => {
    const stores = Array.from({ length: 8 }, () => new MetricsPart().store());
    for (const [at, one] of reports.entries()) stores[at % 8]?.count(one, NOW, NOW, NOW);
    return stores.map((store) => store.read("ever", NOW, undefined));
  };
  const shuffled = <T>(items: readonly T[]) => [...items.slice(3), ...items.slice(0, 3)].toReversed();

  test("have no more names than each may have, the same in any order, and lose no run", () => {
    const drawn = names("d", 1_600).map((name) => report(name, [name], true));
    const defined = Array.from({ length: 80 }, () => report("mine", ["first", "second"]));
    const parts = spread([...drawn, ...defined]);
    const merged = mergeParts(parts);
    expect(merged.size).toBe(LIMITS.METRICS_SINGLE_STAGES + 2);
    expect(merged.get("mine")?.stages.get("second")?.durations.count).toBe(80);
    expect([...(merged.get(OTHER)?.stages.keys() ?? [])]).toEqual([OTHER]);
    expect(runsOf(merged.values())).toBe(1_680);
    expect(stagesOf(merged.values())).toBe(1_760);
    const again = mergeParts(shuffled(parts));
    expect([...again.keys()].toSorted()).toEqual([...merged.keys()].toSorted());
    for (const [name, figures] of merged) expect(again.get(name)?.runs).toEqual(figures.runs);
  });

  test("keep the stages that came early in any of them", () => {
    const own = ["first", "second"];
    const parts = spread([
      ...Array.from({ length: 8 }, () => report("p", own)),
      ...names("s", 1_000).map((stage) => report("p", [stage])),
    ]);
    const { stages } = mergeParts(parts).get("p") as MetricTotals;
    expect(stages.size).toBe(LIMITS.METRICS_STAGES + 1);
    for (const stage of own) expect(stages.get(stage)?.durations.count).toBe(8);
    expect(stagesOf([mergeParts(parts).get("p") as MetricTotals])).toBe(1_016);
  });

  test("a pipeline and a stage that are called `other` are counted", () => {
    const parts = spread(Array.from({ length: 8 }, () => report(OTHER, ["a", OTHER])));
    const merged = mergeParts(parts);
    expect([...merged.keys()]).toEqual([OTHER]);
    expect([...(merged.get(OTHER)?.stages.keys() ?? [])]).toEqual(["a", OTHER]);
  });
});
