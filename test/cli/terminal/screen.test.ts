// What a terminal shows of a run, also of words that a terminal would obey.
import { expect, test } from "vitest";
import { runViewLines, type View } from "../../../src/cli/terminal/screen.ts";
import { EVENTS, fold, START } from "./run-events.ts";

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
