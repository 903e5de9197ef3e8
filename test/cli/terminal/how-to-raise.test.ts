// What the terminal prints of a run that is paused because a budget is spent, and how it is raised.
import { expect, test } from "vitest";
import { howToRaise } from "../../../src/cli/terminal/how-to-raise.ts";
import { plainOutput } from "../../../src/cli/terminal/plain.ts";
import { runViewLines, type View } from "../../../src/cli/terminal/screen.ts";
import type { RunEvent, RunView } from "../../../src/client/index.ts";
import { event, fold, START } from "./run-events.ts";

const URL = "http://localhost:1";
const started = event("execution.started", 0, { data: { stages: [{ name: "find" }, { name: "write" }] } });
const spent = {
  mode: "drain",
  reason: "budget",
  spent: { cost_usd: 0.0121, tokens: 900 },
  limit: { cost_usd: 0.01 },
  by_stage: { find: { cost_usd: 0.0021, tokens: 100 }, write: { cost_usd: 0.01, tokens: 800 } },
};
const paused = (more: object = {}) =>
  event("execution.paused", 500, { status: "paused", data: { ...spent, ...more } });
const lines = (...events: RunEvent[]) => howToRaise(fold(events) as RunView, URL);

const LINES = [
  "Paused because its budget is spent: $0.0121, 900 tokens of $0.01.",
  "find: $0.0021, 100 tokens",
  "write: $0.01, 800 tokens",
  "To raise it:",
  `curl ${URL}/v1/executions/e/resume -H 'content-type: application/json' -d '{"budget":{"cost_usd":0.02}}'`,
];

test("a run's own budget is raised by a command to copy, to twice its limit", () => {
  expect(lines(started, paused())).toEqual(LINES);
});

test("a budget of the configuration is named, and only resumed", () => {
  const [first, , , ...how] = lines(started, paused({ scope: "tag:user" }));
  expect(first).toBe("Paused because the budget of tag:user is spent: $0.0121 of $0.01.");
  expect(how).toEqual(["To go on once there is room in it:", `curl ${URL}/v1/executions/e/resume -X POST`]);
});

test("any other pause, and a run that goes on, has no such lines", () => {
  expect(
    lines(started, event("execution.paused", 10, { status: "paused", data: { mode: "drain" } })),
  ).toEqual([]);
  expect(lines(started, paused(), event("execution.resumed", 600))).toEqual([]);
});

test("both outputs print them", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  output.started(20, URL);
  for (const each of [started, paused()]) output.event(each);
  expect(written.trimEnd().split("\n").slice(1)).toEqual(LINES);
  const view: View = { columns: 200, now: START + 600, paint: (_style, text) => text, url: URL };
  const rows = runViewLines(fold([started, paused()]), view).map((row) => row.trim());
  expect(rows).toEqual(expect.arrayContaining(LINES.slice(0, 4)));
  expect(rows.join(" ")).toContain(`-d '{"budget":{"cost_usd":0.02}}'`);
});
