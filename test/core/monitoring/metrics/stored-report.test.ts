// A run's report as its row keeps it: what comes back, and what rows of earlier versions say.
import { expect, test } from "vitest";
import { reportFrom, reportText } from "../../../../src/core/monitoring/metrics/stored-report.ts";
import { report } from "./reports.ts";

const plain = report("p", ["a", "b"]);
const [a, b] = plain.stages;
if (a === undefined || b === undefined) throw new Error("no stages");
const used = { model: "large", cost_usd: 0.5, input_tokens: 3, output_tokens: 2, unpriced_tokens: 0 };
const unpriced = { ...used, model: "", cost_usd: null, unpriced_tokens: 5 };

test.each([
  ["of a stage that used something", { ...plain, stages: [a, { ...b, used }] }],
  ["of a cost that is not known", { ...plain, stages: [{ ...a, used: unpriced }, b] }],
  ["with tags", { ...plain, stages: [{ ...a, used }, b], tags: ["user=u1", "kind=x"] }],
  ["with tags and questions", { ...plain, tags: ["k=v"], waits: [{ stage: "ask", expired: true, ms: 4 }] }],
])("a report %s comes back", (_, one) => {
  expect(reportFrom(reportText(one), one)).toEqual(one);
});

test("rows that earlier versions wrote are read", () => {
  const row = { pipeline: "p", status: "completed" as const, duration_ms: 10 };
  const stages = '[["a","completed",10,10,1,0],["b","completed",10,10,1,0]]';
  expect(reportFrom(`[1,0,${stages}]`, row)).toEqual(plain);
  expect(reportFrom(`[1,0,${stages},4,[["ask",0,4]]]`, row)).toEqual({
    ...plain,
    duration_ms: 6,
    waited_ms: 4,
    waits: [{ stage: "ask", expired: false, ms: 4 }],
  });
  // A report without usage and tags is what an earlier version reads, too.
  expect(reportText(plain)).toBe(`[1,0,${stages}]`);
});
