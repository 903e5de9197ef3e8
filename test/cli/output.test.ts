// What the demo shows of events that the reference agents seldom give: retries, texts that start again, skips, and
// words that a terminal would obey.
import { expect, test } from "vitest";
import { foldEvent, type RunEvent, type RunView } from "../../src/client/index.ts";
import { plainOutput } from "../../src/cli/terminal/plain.ts";
import { runViewLines, type View } from "../../src/cli/terminal/screen.ts";
import { wrap } from "../../src/cli/terminal/text.ts";
import { noteOf } from "../../src/cli/terminal/stage-note.ts";

const START = Date.parse("2026-11-23T12:00:00.000Z");
let seq = 0;

function event(type: string, after_ms: number, rest: Record<string, unknown> = {}): RunEvent {
  const timestamp = new Date(START + after_ms).toISOString();
  const logged = { execution_id: "e", seq: ++seq, timestamp, type, status: "running", message: "" };
  return { ...logged, data: {}, ...rest } as RunEvent;
}

function delta(attempt: number, offset: number, partial_answer: string): RunEvent {
  const data = { partial_answer, offset };
  return { execution_id: "e", type: "stage.delta", stage: "write", attempt, status: "running", data };
}

function fold(events: readonly RunEvent[]): RunView | null {
  return events.reduce<RunView | null>(foldEvent, null);
}

const EVENTS: RunEvent[] = [
  event("execution.started", 0, { data: { stages: [{ name: "find" }, { name: "write" }] } }),
  event("stage.skipped", 0, { stage: "find", data: { reason: "not needed" } }),
  event("stage.started", 0, { stage: "write", attempt: 1 }),
  delta(1, 0, "Helo"),
  // The offset cuts: what came wrong is corrected within the same try.
  delta(1, 3, "lo \u001b[31mred"),
  event("stage.retrying", 200, { stage: "write", data: { delay_ms: 40, error: { message: "cut short" } } }),
  event("stage.started", 240, { stage: "write", attempt: 2 }),
  delta(2, 0, "Good"),
  delta(2, 4, " day"),
];

test("the text follows the reader's one rule: a new attempt empties it, then cut at the offset and append", () => {
  const texts = EVENTS.map((_, end) => fold(EVENTS.slice(0, end + 1))?.answer?.text);
  expect(texts.slice(3, 5)).toEqual(["Helo", "Hello \u001b[31mred"]);
  expect(texts.slice(7)).toEqual(["Good", "Good day"]);
});

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

test("plain lines show retries and skips, and announce a text that restarts", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  for (const each of EVENTS) output.event(each);
  expect(written).toBe(
    [
      "find skipped: not needed",
      "write running",
      "",
      "Helo",
      "(the answer restarts)",
      "Hello red",
      "write running: retry in 40 ms: cut short",
      "write running, try 2",
      "(the answer restarts)",
      "Good day",
    ].join("\n"),
  );
});

test("plain lines are of known events alone, and the end of the execution adds none for a stage", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  const end = { status: "completed", data: { status: "completed", stage_results: {} } };
  for (const each of [
    event("execution.started", 0, { data: { stages: [{ name: "find" }] } }),
    event("stage.started", 0, { stage: "find", attempt: 1 }),
    event("stage.waiting", 10, { stage: "find", data: { reason: "callback" } }),
    event("execution.paused", 20, { data: { mode: "abort" } }),
    event("execution.forked", 25),
    event("execution.resumed", 30),
    event("stage.started", 40, { stage: "find", attempt: 1 }),
    event("stage.failed", 50, {
      stage: "find",
      attempt: 1,
      data: { status: "failed", attempts: 1, error: null },
    }),
    event("execution.completed", 60, end),
  ]) {
    output.event(each);
  }
  expect(written).toBe("find running\nfind pending\nfind running\nfind failed in 50 ms: failed\n");
});

test.each([
  ["the agent's own answer", { cached: false, fallback: null }, ""],
  ["a result of the cache", { cached: true, fallback: null }, " (from the cache)"],
  [
    "a substitute",
    { cached: false, fallback: { strategy: "use_default", reason: "r" } },
    " (fallback use_default)",
  ],
])("both outputs say how a stage completed: %s", (_what, result, expected) => {
  const events = [
    event("execution.started", 0, { data: { stages: [{ name: "find" }] } }),
    event("stage.started", 0, { stage: "find", attempt: 1 }),
    event("stage.completed", 30, {
      stage: "find",
      attempt: 1,
      data: { status: "completed", attempts: 1, ...result },
    }),
  ];
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  for (const each of events) output.event(each);
  expect(written).toBe(`find running\nfind completed in 30 ms${expected}\n`);
  const view: View = { columns: 80, now: START + 500, paint: (_style, text) => text };
  expect(runViewLines(fold(events), view)[0]?.trimEnd()).toMatch(
    new RegExp(`30 ms${expected === "" ? "" : ` {2}\\(${expected.slice(2, -1)}\\)`}$`),
  );
});

test("the tries of a stage are named beside", () => {
  const end = event("stage.completed", 300, {
    stage: "write",
    data: { status: "completed", attempts: 2, cached: false, fallback: null },
  });
  const told = fold([...EVENTS, end])?.stages.find(({ name }) => name === "write");
  expect(told && noteOf(told)).toBe("(2 tries)");
});

test("code keeps its indents on a terminal, and a long line is broken between words", () => {
  expect(wrap("def f():\n    return  1\n\nword word word", 9)).toEqual([
    "def f():",
    "return 1",
    "",
    "word word",
    "word",
  ]);
  expect(wrap("def f():\n    return  1", 20)).toEqual(["def f():", "    return  1"]);
});
