// What the report of a run says of its costs: each stage's once, and those of recorded runs.
import { expect, test } from "vitest";
import type { ResolvedStage, Usage } from "../../../../src/contract/stage.ts";
import type { RunSpec } from "../../../../src/core/execution/run-spec.ts";
import { runReport } from "../../../../src/core/monitoring/metrics/report.ts";
import { addReport, emptyTotals, spentIn } from "../../../../src/core/monitoring/metrics/run-metrics.ts";
import { ok, Play } from "../../rules/play.ts";
import { makeRun, makeStage } from "../../simulation/spec.ts";

/** The report of a run whose stages used this. */
function reportOf(stages: ResolvedStage[], usages: Record<string, Usage>, fields: Partial<RunSpec> = {}) {
  const play = new Play(stages, {}, fields);
  for (const { name } of stages) {
    const usage = usages[name];
    play.answer(name, ok({}, usage === undefined ? {} : { usage }));
  }
  const report = runReport(play.state);
  if (report === null) throw new Error(play.status);
  return report;
}

const chain = [makeStage("a"), makeStage("b", { depends_on: ["a"] })];
const used = { model: "m", cost_usd: 0.5, input_tokens: 3, output_tokens: 1 };

test("a stage has what its agent used, and one that used nothing has none of it", () => {
  const { stages, shape, ...rest } = reportOf(chain, { a: used });
  expect(stages.map(({ used: of }) => of)).toEqual([{ ...used, unpriced_tokens: 0 }, undefined]);
  expect(rest).not.toHaveProperty("tags");
  expect(shape?.costs).toEqual({ a: 0.5 });
});

test("tags are kept where something was used", () => {
  const tags = { user: "u1", kind: "a=b" };
  expect(reportOf(chain, { a: used }, { tags }).tags).toEqual(["user=u1", "kind=a=b"]);
  expect(reportOf(chain, {}, { tags })).not.toHaveProperty("tags");
});

test("a run whose costs are not all known is no example of them", () => {
  for (const usage of [{ input_tokens: 1 }, { cost_usd: 0.1, unpriced_tokens: 5 }])
    expect(reportOf(chain, { a: used, b: usage }).shape).not.toHaveProperty("costs");
  expect(reportOf(chain, {}).shape).not.toHaveProperty("costs");
});

test("I20: what an inner execution used counts there alone, and in what a run of the outer one costs", () => {
  const inner = reportOf([makeStage("work")], { work: used });
  const outer = reportOf([makeRun("sub", "inner"), makeStage("b", { depends_on: ["sub"] })], {
    sub: used,
    b: used,
  });
  expect(outer.stages.map(({ used: of }) => of?.cost_usd)).toEqual([undefined, 0.5]);
  expect(outer.shape?.costs).toEqual({ sub: 0.5, b: 0.5 });
  const totals = emptyTotals();
  for (const report of [inner, outer]) addReport(totals, report);
  expect(spentIn(totals.stages.values())).toMatchObject({ cost_usd: 1, priced: 2, input_tokens: 6 });
});
