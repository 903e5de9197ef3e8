// Figures of questions: what is counted of a run that asked, and that a question's time is in no other figure.
import { expect, test } from "vitest";
import type { WaitSpec } from "../../../../src/contract/wait.ts";
import type { ResolvedStage } from "../../../../src/contract/stage.ts";
import { metricsOf } from "../../../../src/core/monitoring/metrics/metrics.ts";
import { mergeParts } from "../../../../src/core/monitoring/metrics/merge-parts.ts";
import { runReport, type RunReport } from "../../../../src/core/monitoring/metrics/report.ts";
import { addReport, emptyTotals } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import { reportFrom, reportText } from "../../../../src/core/monitoring/metrics/stored-report.ts";
import { mergeOpenWaits, oldestOf } from "../../../../src/core/monitoring/metrics/waits.ts";
import { ok, Play } from "../../rules/play.ts";
import { makeStage } from "../../simulation/spec.ts";

const DAY = 86_400_000;

function question(
  name: string,
  on_timeout: WaitSpec["on_timeout"],
  depends_on: string[] = [],
): ResolvedStage {
  const wait = { timeout_seconds: 86_400, on_timeout };
  return { name, required: false, parallel: false, depends_on, config: {}, wait };
}

const answer = { ok: true, data: {} } as const;

/** The report, also as its row gives it back. */
function reportOf(play: Play): RunReport {
  const report = runReport(play.state);
  if (report === null) throw new Error("the run goes on");
  const { shape: _, ...counted } = report;
  const { pipeline, status } = report;
  const row = { pipeline, status, duration_ms: play.now - play.began };
  expect(reportFrom(reportText(report), row)).toEqual(counted);
  return report;
}

test("a run's duration is without the time in which it did nothing but wait for an answer", () => {
  const play = new Play([makeStage("draft"), question("approval", "fail", ["draft"])]);
  play.after(100).answer("draft", ok());
  play.after(DAY - 1);
  play.submit({ type: "signal", stage: "approval", wait: null, answer, by: "key:1" });
  expect(play.status).toBe("completed");
  const report = reportOf(play);
  expect(report).toMatchObject({ duration_ms: 100, waited_ms: DAY - 1, shape: null });
  expect(report.stages.map(({ stage, path_ms }) => [stage, path_ms])).toEqual([["draft", 100]]);
  expect(report.waits).toEqual([{ stage: "approval", expired: false, ms: DAY - 1 }]);
});

test("the time of other stages counts, and a pause counts as far as no question is open", () => {
  const play = new Play([makeStage("slow", { parallel: true }), question("approval", "skip")]);
  play.after(1_000);
  play.submit({ type: "signal", stage: "approval", wait: null, answer, by: "key:1" });
  play.pause("abort").after(500).resume();
  play.after(200).answer("slow", ok());
  expect(reportOf(play)).toMatchObject({ duration_ms: 1_700, waits: [{ ms: 1_000 }] });
  expect(reportOf(play)).not.toHaveProperty("waited_ms");
});

test("expired and answered questions are counted, cancelled ones are not, and runs without any have no more fields", () => {
  const expired = new Play([question("a", "skip"), question("b", { data: { n: 1 } }), question("c", "fail")]);
  expired.after(DAY).tick();
  expect(reportOf(expired).waits).toEqual(
    ["a", "b", "c"].map((stage) => ({ stage, expired: true, ms: DAY })),
  );
  expect(reportOf(new Play([question("a", "skip")]).after(5).cancel())).not.toHaveProperty("waits");
  const plain = reportOf(new Play([makeStage("only")]).after(1).answer("only", ok()));
  expect(JSON.parse(reportText(plain))).toHaveLength(3);

  const [one, two] = [emptyTotals(), emptyTotals()];
  addReport(one, reportOf(expired));
  addReport(two, { ...plain, waits: [{ stage: "a", expired: false, ms: 1_000 }] });
  const merged = mergeParts([new Map([["p", one]]), new Map([["p", two]])]).get("p");
  if (merged === undefined) throw new Error("it is not counted");
  const open = mergeOpenWaits([
    new Map([["p", { open: 2, since: 7 }]]),
    new Map([
      ["p", { open: 1, since: 5 }],
      ["q", { open: 1, since: 6 }],
    ]),
  ]);
  expect([oldestOf(open), oldestOf(new Map())]).toEqual([5, null]);
  const { waits, stage_metrics } = metricsOf(new Map([["p", merged]]), 0, [], open);
  expect(waits).toMatchObject({ open: 4, expired: 3, answered: 1 });
  expect(Math.abs(waits.p50_ms / DAY - 1)).toBeLessThan(0.02);
  expect(Object.keys(stage_metrics)).toEqual(["only"]);
});
