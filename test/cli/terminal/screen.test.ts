// What a terminal shows of a run, also of words that a terminal would obey.
import { expect, test } from "vitest";
import { runViewLines, type View } from "../../../src/cli/terminal/screen.ts";
import { event, EVENTS, fold, START } from "./run-events.ts";

test("a terminal shows each stage's sign, time and note, one row each, and only harmless text", () => {
  const view: View = { columns: 80, now: START + 500, paint: (_style, text) => text };
  const rows = (end: number) => runViewLines(fold(EVENTS.slice(0, end)), view);
  expect(rows(6)[0]).toMatch(/^ {2}– find {3}·+ +not needed$/);
  expect(rows(6)[1]).toMatch(/^ {2}[⠋-⠿] write {2}━+ +500 ms {2}retry in 40 ms: cut short$/u);
  expect(rows(6).slice(2)).toEqual(["", "  Hello red"]);
  expect(rows(9).slice(2)).toEqual(["", "  Good day"]);
  const narrow = runViewLines(fold(EVENTS.slice(0, 6)), { ...view, columns: 40 });
  expect(narrow[1]).toMatch(/retry in 40.*…$/);
  expect(Math.max(...narrow.map((row) => row.length))).toBeLessThanOrEqual(40);
});

test("a call that waits for its agent has a sign and a bar of its own, and the bar of its tries begins after it", () => {
  const view: View = {
    columns: 120,
    now: START + 400,
    paint: (style, text) => `<${style}>${text}</${style}>`,
  };
  const events = [
    event("execution.started", 0, { data: { stages: [{ name: "find" }] } }),
    event("stage.queued", 100, { stage: "find", attempt: 1, data: { reason: "concurrency" } }),
  ];
  const [waits] = runViewLines(fold(events), view);
  expect(waits).toContain(
    "<yellow>◔</yellow> find  <dim>·······</dim><yellow>╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌</yellow>",
  );
  expect(waits).toContain("waits for a place at its agent (concurrency)");
  const begun = [...events, event("stage.started", 200, { stage: "find", attempt: 1 })];
  expect(runViewLines(fold(begun), view)[0]).toContain(
    "<dim>·······</dim><yellow>╌╌╌╌╌╌╌</yellow><cyan>━━━━━━━━━━━━━━</cyan>",
  );
});
